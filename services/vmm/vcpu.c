#include "services/vmm/vcpu.h"
#include "services/rt/sys.h"
#include "services/vmm/ports.h"
#include "services/vmm/selftest.h"
#include "services/vmm/walk.h"

/* Waits while the machine is not to run; true when it is. */
static void wait_for_go(struct machine *m)
{
    uint64_t bits;

    while (__atomic_load_n(&m->state, __ATOMIC_ACQUIRE) != MACHINE_RUNNING) {
        if (!__atomic_exchange_n(&m->is_parked, 1, __ATOMIC_ACQ_REL))
            sys_signal_raise(m->wake, 1ul << WAKE_VCPU);
        sys_signal_wait(m->go, DEADLINE_NEVER, &bits);
    }
}

static void serve(struct machine *m, struct vcpu_exit *e)
{
    switch (e->reason) {
    case VCPU_EXIT_KICK: break;
    case VCPU_EXIT_IO: ports_access(m, e); break;
    case VCPU_EXIT_SHUTDOWN: machine_end(m, VMM_END_TRIPLE_FAULT, 0, "triple fault"); break;
    case VCPU_EXIT_INVALID:
        machine_end(m, VMM_END_CRASH, 0, "a state that the CPU refuses to run");
        break;
    case VCPU_EXIT_MACHINE_CHECK:
        machine_end(m, VMM_END_CRASH, 0, "the machine reported a hardware error in this VM");
        break;
    default:
        if (e->port)
            machine_end(m, VMM_END_CRASH, 0, "string access to port 0x%x, which nothing serves",
                        e->port);
        else
            machine_end(m, VMM_END_CRASH, 0, "exit 0x%lx, which nothing serves", e->detail);
    }
}

void vcpu_thread(void *machine)
{
    struct machine *m = machine;
    struct vcpu_exit e = { 0 };

    wait_for_go(m);
    if (IS_DEBUG && selftest_is_wanted(m))
        machine_end(m, VMM_END_EXIT_PORT, selftest_run(m), "the self-test has ended");
    for (;;) {
        if (__atomic_load_n(&m->state, __ATOMIC_ACQUIRE) != MACHINE_RUNNING)
            wait_for_go(m);
        enum err err = sys_vcpu_run(m->vcpu, &e);

        if (err)
            machine_end(m, VMM_END_CRASH, 0, "the kernel cannot run the vCPU: %s", err_name(err));
        else
            serve(m, &e);
    }
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
