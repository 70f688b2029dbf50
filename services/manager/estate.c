#include "lib/string.h"
#include "services/manager/estate.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

#define HANDLE_SWEEP_MAX 4096u

enum err estate_open(handle_t region, struct estate **out, bool *is_first)
{
    void *at;
    enum err err = sys_region_map(region, 0, round_up(sizeof(struct estate), PAGE_BYTES),
                                  PROT_READ | PROT_WRITE, &at);

    if (err)
        return err;
    struct estate *e = at;
    *out = e;
    *is_first = e->magic != ESTATE_MAGIC || e->version != ESTATE_VERSION ||
                e->bytes != sizeof(struct estate);
    if (!*is_first)
        return OK;
    if (e->magic) /* of another manager; a new region is all zero */
        memset(e, 0, sizeof(*e));
    e->version = ESTATE_VERSION;
    e->bytes = sizeof(struct estate);
    e->magic = ESTATE_MAGIC;
    return OK;
}

static bool vm_has_handle(const struct vm *vm, handle_t h)
{
    return vm->is_used && (vm->budget == h || vm->console == h || vm->partition == h ||
                           vm->channel == h || vm->process == h);
}

static bool is_known(const struct estate *e, handle_t h)
{
    if (h <= startup_info()->grant_count || h == e->signal)
        return true;
    for (unsigned i = 0; i < VM_COUNT_MAX; i++)
        if (vm_has_handle(&e->vms.vms[i], h))
            return true;
    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++)
        if (e->saves.saves[i].budget == h || e->saves.saves[i].image == h)
            return true;
    return network_has_handle(&e->network, h);
}

unsigned estate_sweep_handles(const struct estate *e)
{
    unsigned closed = 0;

    for (handle_t h = 1; h < HANDLE_SWEEP_MAX; h++)
        if (!is_known(e, h) && sys_handle_close(h) == OK)
            closed++;
    return closed;
}
