/* vCPUs: running a guest, and everything that an exit leads to in the kernel.
 *
 * A vCPU is run by one thread of its vmm at a time. Most exits are answered between two entries;
 * others after the host's state is back; what the kernel does not know goes to the vmm, on the
 * same thread, as a struct vcpu_exit. */
#pragma once
#include "arch/x86/virt.h"
#include "kernel/emulate.h"
#include "kernel/hv/hv.h"
#include "kernel/kernel_cpu.h"
#include "kernel/object.h"
#include "kernel/thread.h"
#include "lib/abi/syscall.h"

struct partition;

/* Why a vCPU should look up from what it does; bits of attention. */
#define VCPU_ATTEND_INTERRUPT 1ull /* IRR, ISR, TPR or the guest's IF may have changed */
#define VCPU_ATTEND_KICK      2ull
#define VCPU_ATTEND_FLUSH     4ull /* the nested tables changed */
#define VCPU_ATTEND_INIT      8ull
#define VCPU_ATTEND_SIPI      16ull /* after INIT, when both are set */
#define VCPU_ATTEND_NMI       32ull

struct vcpu {
    struct object object;
    struct virt_vcpu virt;
    struct partition *partition;  /* which holds a reference to this; NULL when it is gone */
    unsigned index;               /* constant: VP index, APIC id */
    uint64_t attention;           /* atomic */
    struct kernel_cpu *guest_cpu; /* atomic: between virt_enter() and virt_leave() there */
    struct kernel_cpu *pinned;    /* sched lock: its thread runs there only; NULL: anywhere */
    struct thread *thread;        /* sched lock: who runs it, or ran it last; NULL: nobody */
    bool is_running;              /* its thread is in vcpu_run() */
    uint32_t activity;   /* enum vcpu_activity; its thread's, others read it under the sched lock */
    uint8_t sipi_vector; /* atomic: of the last SIPI */
    bool is_nmi_masked;  /* until the guest's IRET */
    uint64_t nmi_iret_rip; /* where that IRET was, until the guest has gone on */
    uint64_t xcr0;
    void *fpu;                   /* state while it is in no CPU */
    uint64_t debug_registers[4]; /* DR0 to DR3, likewise */
    struct kernel_cpu *fpu_cpu;  /* where fpu_owner may still be this */
    unsigned exit_length;        /* of the instruction that exited, while it is being handled */
    uint8_t read_width;          /* of the port read that the vmm answers; 0: none */
    bool is_string_read;         /* likewise, and it goes to memory */
    struct emulate_cache emulate_cache;
    struct hv_vcpu hv;
    uint64_t exits[EXIT_KIND_COUNT];
    uint64_t trace_total;
    uint64_t guest_ticks; /* TSC ticks in guest mode; while it is there, less when that began */
    struct vcpu_trace trace[VCPU_TRACE_COUNT]; /* t_ns holds the TSC */
};

/* @flags: VCPU_XAPIC. Index 0 is the one that starts; the others wait for a SIPI. */
enum err vcpu_create(struct partition *p, unsigned index, uint64_t flags, struct budget *b,
                     struct vcpu **out) MUST_CHECK;
/* Runs the guest until the vmm is needed. @io: in: the answer, out: the exit. */
enum err vcpu_run(struct vcpu *v, struct vcpu_exit *io) MUST_CHECK;
/* @t (the calling thread) lets go of its vCPU. */
void vcpu_detach(struct thread *t);
void vcpu_kick(struct vcpu *v);
/* The guest is about to leave its NMI handler. */
void vcpu_end_nmi(struct vcpu *v);
/* ERR_ARGUMENT: no such CPU; UINT64_MAX: any. */
enum err vcpu_pin(struct vcpu *v, uint64_t cpu) MUST_CHECK;
void vcpu_get_info(const struct vcpu *v, struct vcpu_info *out);

/* From the vCPU's own thread. */
static inline void vcpu_attend(struct vcpu *v, uint64_t why)
{
    __atomic_or_fetch(&v->attention, why, __ATOMIC_RELEASE);
}
void vcpu_interrupt_self(struct vcpu *v, unsigned vector);
/* From anywhere, with the sched lock held. */
void vcpu_interrupt_locked(struct vcpu *v, unsigned vector, bool is_level);
/* Without locks: false when the vCPU is in no guest, and may have to be woken. */
bool vcpu_interrupt_running(struct vcpu *v, unsigned vector);
void vcpu_attend_locked(struct vcpu *v, uint64_t why);

/* All vCPUs of @p forget their translations before they next run a guest instruction, once every
 * CPU has been interrupted (flush_all_cpus() does that). */
void vcpu_flush_all(struct partition *p);

/* The scheduler: @t leaves @cpu; saves what only the CPU holds. */
void vcpu_leave_cpu(struct kernel_cpu *cpu, struct thread *t);
