/* The one interface to CPU virtualisation. svm/ is behind it; running a vCPU returns the reason
 * why it stopped, and what to do about it is the caller's.
 *
 * Between virt_enter() and virt_leave() the CPU holds the guest's FS, GS, TR, LDTR and system-call
 * MSRs, and takes no interrupt, NMI included: short, no locks, no waiting. */
#pragma once
#include "arch/x86/cpu.h"
#include "lib/x86/access.h"
#include "arch/x86/guest_walk.h"
#include "arch/x86/paging.h"
#include "lib/x86/registers.h"
#include "lib/abi/record.h"
#include "lib/abi/syscall.h"
#include "lib/err.h"

/* What an exit says beyond its kind. */
struct virt_exit {
    uint32_t kind; /* enum exit_kind */
    uint32_t code; /* the CPU's own */
    uint64_t info1, info2;
};

struct virt_vcpu {
    /* Valid between exits, but for RSP: see virt_gpr(). */
    uint64_t gpr[16];
    uint64_t rip;
    struct virt_exit exit;
    /* the backend's */
    struct vmcb *vmcb;
    hpa_t vmcb_pa;
    uint64_t asid_generation;
    struct cpu *asid_cpu;
    bool needs_flush;
    bool has_guest_mce;      /* CR4.MCE as the guest wrote it */
    const char *broken_rule; /* debug builds: why an EXIT_INVALID was one */
};

/* Why this machine cannot run guests, with the remedy, or NULL. Boot CPU, after cpu_detect(). */
const char *virt_missing(void);
/* Once: the permission maps that all vCPUs share. @take yields zeroed, contiguous frames. */
enum err virt_init(enum err (*take)(unsigned order, hpa_t *out)) MUST_CHECK;
/* Each CPU: switches virtualisation on; @pages: 2 zeroed frames of its own, contiguous. */
enum err virt_init_cpu(struct cpu *cpu, hpa_t pages) MUST_CHECK;

/* @page: one zeroed frame that the vCPU keeps. Leaves the state after INIT. */
void virt_vcpu_init(struct virt_vcpu *v, hpa_t page, hpa_t nested_root);

/* Back to the state after INIT; registers that INIT leaves alone stay. */
void virt_reset(struct virt_vcpu *v);
/* The state after a SIPI with @vector: real mode at vector << 12. */
void virt_start_at(struct virt_vcpu *v, uint8_t vector);

void virt_enter(struct virt_vcpu *v);
void virt_run(struct virt_vcpu *v);
void virt_leave(struct virt_vcpu *v);

/* One of the guest's MSRs that the CPU itself holds between virt_enter() and virt_leave(). */
void virt_load_msr(uint32_t msr, uint64_t value);

/* The length of the instruction that caused this exit: from the CPU, or fetched once from the
 * guest and matched to the exit. 0: what lies at RIP now is another instruction. Also finds the
 * general register of a MOV to a control register. */
unsigned virt_instruction_length(struct virt_vcpu *v, unsigned *reg);
void virt_skip(struct virt_vcpu *v, unsigned length); /* advances RIP, ends the shadow, TF traps */
/* Both for an instruction that cannot fault. False: it is another one now. */
bool virt_step_over(struct virt_vcpu *v);

/* Exceptions and interrupts for the next entry. An exception is combined with one whose delivery
 * exited; what that makes a shutdown turns the exit into an EXIT_SHUTDOWN. */
void virt_inject_exception(struct virt_vcpu *v, unsigned vector, bool has_error, uint32_t error);
void virt_inject_interrupt(struct virt_vcpu *v, unsigned vector);
void virt_inject_nmi(struct virt_vcpu *v);
void virt_intercept_iret(struct virt_vcpu *v, bool is_wanted);
bool virt_has_event(const struct virt_vcpu *v);
/* After virt_resume_event(): the exit came while an exception was being delivered. */
bool virt_is_delivering_exception(const struct virt_vcpu *v);
bool virt_is_interruptible(const struct virt_vcpu *v);
bool virt_interrupts_enabled(const struct virt_vcpu *v);
void virt_request_window(struct virt_vcpu *v, bool is_wanted);
/* Puts back what the exit interrupted while it was being delivered. */
void virt_resume_event(struct virt_vcpu *v);

void virt_set_tsc_offset(struct virt_vcpu *v, uint64_t offset);
void virt_get_state(const struct virt_vcpu *v, struct vcpu_state *out);
/* ERR_ARGUMENT: a state that the CPU would refuse. */
enum err virt_set_state(struct virt_vcpu *v, const struct vcpu_state *in) MUST_CHECK;

/* The rest of the state, for records. ERR_ARGUMENT as above. */
void virt_save(const struct virt_vcpu *v, struct record_virt *out);
enum err virt_restore(struct virt_vcpu *v, const struct record_virt *in) MUST_CHECK;

/* Single registers of the exit paths. */
uint64_t virt_gpr(const struct virt_vcpu *v, unsigned reg); /* RSP too */
void virt_set_gpr(struct virt_vcpu *v, unsigned reg, uint64_t value);
uint64_t virt_cr4(const struct virt_vcpu *v);
void virt_set_cr4(struct virt_vcpu *v, uint64_t value);
uint64_t virt_efer(const struct virt_vcpu *v);
enum err virt_set_efer(struct virt_vcpu *v, uint64_t value) MUST_CHECK;
bool virt_pat_is_valid(uint64_t pat);
uint64_t virt_pat(const struct virt_vcpu *v);
void virt_set_pat(struct virt_vcpu *v, uint64_t value);
unsigned virt_cpl(const struct virt_vcpu *v);
bool virt_is_long_mode(const struct virt_vcpu *v);   /* executes 64-bit code */
bool virt_is_protected(const struct virt_vcpu *v);   /* CR0.PE, not VM86 */
bool virt_is_kernel_mode(const struct virt_vcpu *v); /* that, and at CPL 0 */
void virt_flush(struct virt_vcpu *v);                /* at the next entry */

void virt_inject_page_fault(struct virt_vcpu *v, uint64_t linear, uint32_t error);
uint64_t virt_rflags(const struct virt_vcpu *v);
void virt_set_rflags(struct virt_vcpu *v, uint64_t value); /* the status flags */
/* How the guest addresses memory; its FS and GS are known after virt_leave(). */
struct guest_paging virt_paging(const struct virt_vcpu *v);
uint64_t virt_linear_rip(const struct virt_vcpu *v);
uint64_t virt_segment_base(const struct virt_vcpu *v, enum segment segment);
enum code_size virt_code_size(const struct virt_vcpu *v);
/* GUEST_ACCESS_* of a data access that the guest makes now. */
unsigned virt_access_rights(const struct virt_vcpu *v, bool is_write);

/* Of an EXIT_NESTED_PAGE_FAULT. */
struct virt_fault {
    gpa_t gpa;
    bool is_present; /* mapped, but not so */
    bool is_write, is_fetch;
    bool is_walk; /* the guest's own page-table walk met it */
};
struct virt_fault virt_fault_of(const struct virt_vcpu *v);

/* Of an EXIT_IO. */
struct virt_io {
    uint16_t port;
    uint8_t width;
    bool is_in, is_string;
};
struct virt_io virt_io_of(const struct virt_vcpu *v);
/* Vector of an EXIT_EXCEPTION, and its error code. */
unsigned virt_exit_vector(const struct virt_vcpu *v, uint32_t *error);
