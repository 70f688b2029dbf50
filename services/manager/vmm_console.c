/* The console region that a VM shares with its vmms: what the guest printed, what was typed. The vmm
 * can write anything there, so totals are clamped before they are used. */
#include "lib/string.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

static handle_t root;
static struct vmm_console *consoles[VM_COUNT_MAX]; /* as mapped; NULL: not */

void vmm_console_init(handle_t root_budget)
{
    root = root_budget;
    memset(consoles, 0, sizeof(consoles));
}

enum err vmm_console_map(struct vm *vm)
{
    void *at;
    enum err err =
        sys_region_map(vm->console, 0, sizeof(struct vmm_console), PROT_READ | PROT_WRITE, &at);

    consoles[vm_slot(vm)] = err ? NULL : at;
    return err;
}

enum err vmm_console_create(struct vm *vm)
{
    enum err err = sys_region_create(root, sizeof(struct vmm_console), &vm->console);

    if (err)
        return err;
    err = vmm_console_map(vm);
    if (err)
        vmm_console_close(vm);
    return err;
}

void vmm_console_close(struct vm *vm)
{
    struct vmm_console *at = consoles[vm_slot(vm)];
    handle_t old = vm->console;

    consoles[vm_slot(vm)] = NULL;
    vm->console = HANDLE_NONE;
    if (at)
        sys_unmap(at);
    if (old != HANDLE_NONE)
        sys_handle_close(old);
}

uint64_t vmm_console_total(const struct vm *vm)
{
    struct vmm_console *c = consoles[vm_slot(vm)];

    return c ? __atomic_load_n(&c->out_total, __ATOMIC_ACQUIRE) : 0;
}

/* What lies further back may be written over while it is being copied. */
#define CONSOLE_KEPT_BYTES (VMM_CONSOLE_OUT_BYTES - KIB(64))

size_t vmm_console_read(const struct vm *vm, uint64_t *from, char *out, size_t n)
{
    const struct vmm_console *c = consoles[vm_slot(vm)];
    uint64_t total = vmm_console_total(vm);

    if (!c || *from >= total)
        return 0;
    if (total - *from > CONSOLE_KEPT_BYTES)
        *from = total - CONSOLE_KEPT_BYTES;
    n = min(n, (size_t)(total - *from));
    for (size_t done = 0; done < n;) {
        size_t at = (*from + done) % VMM_CONSOLE_OUT_BYTES;
        size_t piece = min(n - done, VMM_CONSOLE_OUT_BYTES - at);

        memcpy(out + done, c->out + at, piece);
        done += piece;
    }
    *from += n;
    return n;
}

size_t vmm_console_room(const struct vm *vm)
{
    struct vmm_console *c = consoles[vm_slot(vm)];

    if (!c)
        return 0;
    uint64_t waiting = vm->in_total - __atomic_load_n(&c->in_taken, __ATOMIC_ACQUIRE);
    return waiting > VMM_CONSOLE_IN_BYTES ? 0 : VMM_CONSOLE_IN_BYTES - (size_t)waiting;
}

enum err vmm_console_type(struct vm *vm, const char *text, size_t n)
{
    struct vmm_console *c = consoles[vm_slot(vm)];

    if (n > vmm_console_room(vm))
        return ERR_FULL;
    for (size_t i = 0; i < n; i++)
        c->in[(vm->in_total + i) % VMM_CONSOLE_IN_BYTES] = (uint8_t)text[i];
    vm->in_total += n;
    __atomic_store_n(&c->in_total, vm->in_total, __ATOMIC_RELEASE);
    if (vm->channel != HANDLE_NONE)
        sys_channel_signal(vm->channel);
    return OK;
}

void vmm_console_drop_typed(struct vm *vm)
{
    struct vmm_console *c = consoles[vm_slot(vm)];

    if (!c)
        return;
    __atomic_store_n(&c->in_total, vm->in_total, __ATOMIC_RELEASE);
    __atomic_store_n(&c->in_taken, vm->in_total, __ATOMIC_RELEASE);
}

void vmm_console_wake(const struct vm *vm, bool wants_wake)
{
    struct vmm_console *c = consoles[vm_slot(vm)];

    if (c)
        __atomic_store_n(&c->wants_wake, wants_wake, __ATOMIC_RELEASE);
}
