#include "services/vmm/vcpu.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"
#include "services/vmm/panic.h"
#include "services/vmm/ports.h"
#include "services/vmm/selftest.h"
#include "services/vmm/walk.h"

#define STACK_BYTES (2 * PAGE_BYTES)

/* In a mapping of its own: the kernel leaves a page free between mappings, so a stack that runs
 * over faults. The mapping holds the region. */
static enum err make_stack(const struct machine *m, void **top)
{
    handle_t region;
    void *at;
    enum err err = sys_region_create(m->budget, STACK_BYTES, &region);

    if (err)
        return err;
    err = sys_region_map(region, 0, STACK_BYTES, PROT_READ | PROT_WRITE, &at);
    sys_handle_close(region);
    if (!err)
        *top = (uint8_t *)at + STACK_BYTES;
    return err;
}

void vcpu_kick(const struct vcpu *v)
{
    sys_vcpu_kick(v->handle);
}

static bool may_run(const struct machine *m)
{
    return __atomic_load_n(&m->state, __ATOMIC_SEQ_CST) == MACHINE_RUNNING;
}

/* Parks until the machine runs. The thread takes is_parked back before it looks, and a pause sets
 * the state before it looks at is_parked: so either the thread sees the pause or the pause sees
 * that the thread is about to run. */
static void wait_until_running(struct vcpu *v)
{
    uint64_t bits;

    while (!may_run(v->machine)) {
        __atomic_store_n(&v->is_parked, 1, __ATOMIC_SEQ_CST);
        sys_signal_raise(v->machine->wake, 1ul << WAKE_VCPU);
        sys_signal_wait(v->go, DEADLINE_NEVER, &bits);
        __atomic_store_n(&v->is_parked, 0, __ATOMIC_SEQ_CST);
    }
}

static void serve(struct vcpu *v, struct vcpu_exit *e)
{
    switch (e->reason) {
    case VCPU_EXIT_KICK: break;
    case VCPU_EXIT_IO: ports_access(v, e); break;
    case VCPU_EXIT_CRASH: panic_take(v->machine); break;
    case VCPU_EXIT_SHUTDOWN: machine_end(v, VMM_END_TRIPLE_FAULT, 0, "triple fault"); break;
    case VCPU_EXIT_INVALID:
        machine_end(v, VMM_END_CRASH, 0, "a state that the CPU refuses to run");
        break;
    case VCPU_EXIT_MACHINE_CHECK:
        machine_end(v, VMM_END_CRASH, 0, "the machine reported a hardware error in this VM");
        break;
    default:
        if (e->port)
            machine_end(v, VMM_END_CRASH, 0, "string access to port 0x%x, which nothing serves",
                        e->port);
        else
            machine_end(v, VMM_END_CRASH, 0, "exit 0x%lx, which nothing serves", e->detail);
    }
}

/* In the debug build a VM may ask for tests of the system calls in place of its guest. */
static void run_selftest(struct vcpu *v)
{
    if (v->index == 0 && selftest_is_wanted(v->machine))
        machine_end(v, VMM_END_EXIT_PORT, selftest_run(v->machine), "the self-test has ended");
}

/* In a pause the thread stands still only where nothing that it has read for the guest is on its
 * way there, so that the guest can be saved: right after a kick. What has ended runs no more. */
static bool may_park(const struct vcpu *v, const struct vcpu_exit *e)
{
    return e->reason == VCPU_EXIT_KICK ||
           __atomic_load_n(&v->machine->state, __ATOMIC_SEQ_CST) != MACHINE_PAUSED;
}

static void run(void *vcpu)
{
    struct vcpu *v = vcpu;
    struct vcpu_exit e = { 0 };

    wait_until_running(v);
    if (IS_DEBUG)
        run_selftest(v);
    for (;;) {
        if (unlikely(!may_run(v->machine)) && may_park(v, &e))
            wait_until_running(v);
        enum err err = sys_vcpu_run(v->handle, &e);

        if (err)
            machine_end(v, VMM_END_CRASH, 0, "the kernel cannot run the vCPU: %s", err_name(err));
        else
            serve(v, &e);
    }
}

static enum err start_thread(struct vcpu *v)
{
    handle_t thread;
    void *stack;
    enum err err = make_stack(v->machine, &stack);

    if (!err)
        err = sys_thread_create(run, stack, v, &thread);
    if (!err)
        sys_handle_close(thread); /* it ends with the program */
    return err;
}

enum err vcpu_create(struct vcpu *v, struct machine *m, unsigned index)
{
    enum err err =
        sys_vcpu_create(m->partition, index, m->starts_in_xapic ? VCPU_XAPIC : 0, &v->handle);

    v->machine = m;
    v->index = index;
    if (!err)
        err = sys_signal_create(m->budget, &v->go);
    return err ? err : start_thread(v);
}

uint32_t vcpu_fetch_code(const struct machine *m, const struct vcpu_state *s, uint8_t *out,
                         uint32_t capacity)
{
    uint32_t n = 0;
    gpa_t gpa;

    while (n < capacity && walk_translate(&m->memory, s, walk_code_address(s) + n, &gpa) == OK &&
           guest_read(&m->memory, gpa, out + n, 1) == OK)
        n++;
    return n;
}
