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

static uint64_t known[HANDLE_SWEEP_MAX / 64]; /* bit n: handle n is somebody's */

static void mark(handle_t h)
{
    if (h < HANDLE_SWEEP_MAX)
        known[h / 64] |= 1ull << h % 64;
}

static void mark_all(const struct estate *e)
{
    memset(known, 0, sizeof(known));
    for (handle_t h = 0; h <= startup_info()->grant_count; h++)
        mark(h);
    mark(e->signal);
    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        const struct vm *vm = &e->vms.vms[i];

        if (!vm->is_used)
            continue;
        mark(vm->budget);
        mark(vm->console);
        mark(vm->partition);
        mark(vm->channel);
        mark(vm->process);
    }
    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++) {
        mark(e->saves.saves[i].budget);
        mark(e->saves.saves[i].image);
    }
    network_mark_handles(&e->network, mark);
}

unsigned estate_sweep_handles(const struct estate *e)
{
    unsigned closed = 0;

    mark_all(e);
    for (handle_t h = 1; h < HANDLE_SWEEP_MAX; h++)
        if (!(known[h / 64] & 1ull << h % 64) && sys_handle_close(h) == OK)
            closed++;
    return closed;
}
