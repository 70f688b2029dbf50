#include "kernel/traps.h"
#include "lib/x86/asm.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/trap.h"
#include "kernel/flush.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/machine_checks.h"
#include "kernel/process.h"
#include "kernel/sched.h"
#include "kernel/syscall/dispatch.h"

static uint64_t nmi_count, nmi_logged;

/* NMIs are told from here, where no lock is held. */
static void log_nmis(void)
{
    uint64_t count = __atomic_load_n(&nmi_count, __ATOMIC_RELAXED);

    if (count == nmi_logged)
        return;
    nmi_logged = count;
    log_line("%lu NMIs since boot: nobody here raises them; look at the machine's error log",
             count);
}

static void on_interrupt(unsigned vector, struct trap_frame *f)
{
    if (vector == VECTOR_SPURIOUS)
        return;
    lapic_eoi();
    if (vector == VECTOR_TIMER)
        sched_timer_interrupt();
    else if (vector == VECTOR_FLUSH)
        flush_answer();
    else if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST)
        interrupt_raise(vector);
    log_nmis();
    /* VECTOR_RESCHEDULE: the way out looks at needs_resched */
}

static void on_user_fault(struct trap_frame *f)
{
    struct process *p = process_current();
    struct process_info how = p->info;

    how.fault_vector = f->vector;
    how.fault_error = f->error;
    how.fault_rip = f->rip;
    how.fault_address = f->vector == 14 ? read_cr2() : 0;
    log_line("%s: %s at rip=0x%lx address=0x%lx error=0x%lx rsp=0x%lx", p->name,
             trap_name((unsigned)f->vector), f->rip, how.fault_address, f->error, f->rsp);
    process_end(p, PROCESS_END_FAULT, &how);
}

static void on_nmi(struct trap_frame *f)
{
    panic_stop_if_under_way();
    __atomic_add_fetch(&nmi_count, 1, __ATOMIC_RELAXED); /* may have come inside a lock */
}

void traps_init(void)
{
    trap_hooks = (struct trap_hooks){
        .interrupt = on_interrupt,
        .user_fault = on_user_fault,
        .user_return = sched_check,
        .nmi = on_nmi,
        .machine_check = machine_checks_on_exception,
        .syscall = syscall_dispatch,
        .panic = panic_trap,
    };
    trap_init();
}
