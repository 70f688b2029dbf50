#include "kernel/exits.h"
#include "lib/x86/asm.h"
#include "arch/x86/fpu.h"
#include "arch/x86/lapic_regs.h"
#include "lib/x86/regs.h"
#include "kernel/emulate.h"
#include "kernel/log.h"
#include "kernel/machine_checks.h"
#include "kernel/partition.h"
#include "kernel/sched.h"

static void general_protection(struct vcpu *v)
{
    virt_inject_exception(&v->virt, VECTOR_GP, true, 0);
}

static void undefined(struct vcpu *v)
{
    virt_inject_exception(&v->virt, VECTOR_UD, false, 0);
}

/* Past the instruction that was handled, or #UD when it is no longer the one that exited. */
static void skip(struct vcpu *v)
{
    if (unlikely(!virt_step_over(&v->virt)))
        undefined(v);
}

/* Fetched once: what goes on outside of the fast path finds it in the vCPU. */
static unsigned length_of(struct vcpu *v)
{
    unsigned reg;

    return v->exit_length = virt_instruction_length(&v->virt, &reg);
}

/* ---- answered between two entries ---- */

static bool handle_cpuid(struct vcpu *v)
{
    uint64_t *gpr = v->virt.gpr;
    const struct cpuid_regs *r;
    struct cpuid_regs own;

    if (unlikely(!virt_step_over(&v->virt))) {
        undefined(v);
        return true;
    }
    r = hv_cpuid_fixed(&v->partition->hv, (uint32_t)gpr[REG_RAX]);
    if (!r) {
        hv_cpuid(v, (uint32_t)gpr[REG_RAX], (uint32_t)gpr[REG_RCX], &own);
        r = &own;
    }
    gpr[REG_RAX] = r->eax;
    gpr[REG_RBX] = r->ebx;
    gpr[REG_RCX] = r->ecx;
    gpr[REG_RDX] = r->edx;
    return true;
}

static enum hv_result access_msr(struct vcpu *v, bool is_write, bool may_be_slow)
{
    uint64_t *gpr = v->virt.gpr;
    uint32_t msr = (uint32_t)gpr[REG_RCX];
    uint64_t value = gpr[REG_RDX] << 32 | (uint32_t)gpr[REG_RAX];
    enum hv_result result;

    if (is_write)
        return hv_msr_write(v, msr, value, may_be_slow);
    result = hv_msr_read(v, msr, &value, may_be_slow);
    if (result == HV_DONE || result == HV_IDLE) {
        gpr[REG_RAX] = (uint32_t)value;
        gpr[REG_RDX] = value >> 32;
    }
    return result;
}

/* The most frequent of all writes. */
static bool is_plain_eoi(const struct vcpu *v)
{
    const uint64_t *gpr = v->virt.gpr;

    return (uint32_t)gpr[REG_RCX] == MSR_X2APIC + LAPIC_EOI / 16 &&
           !(uint32_t)(gpr[REG_RAX] | gpr[REG_RDX]) && vlapic_is_x2(&v->hv.lapic);
}

static bool handle_msr(struct vcpu *v, bool is_write, bool may_be_slow)
{
    unsigned length = may_be_slow ? v->exit_length : length_of(v);
    enum hv_result result;

    if (unlikely(!length)) {
        undefined(v);
        return true;
    }
    if (is_write && is_plain_eoi(v) && vlapic_eoi(v)) {
        virt_skip(&v->virt, length);
        return true;
    }
    result = access_msr(v, is_write, may_be_slow);
    if (result == HV_SLOW)
        return false;
    if (result == HV_FAULT)
        general_protection(v);
    else
        virt_skip(&v->virt, length);
    if (result == HV_IDLE)
        v->activity = VCPU_IDLE;
    return result != HV_CRASH;
}

/* The length first: what lies there now may be no VMMCALL any more. */
static bool handle_hypercall(struct vcpu *v, bool may_be_slow)
{
    unsigned length = may_be_slow ? v->exit_length : length_of(v);
    enum hv_result result = length ? hv_hypercall(v, may_be_slow) : HV_FAULT;

    if (result == HV_SLOW)
        return false;
    if (result == HV_FAULT)
        undefined(v);
    else if (result == HV_DONE)
        virt_skip(&v->virt, length);
    return true;
}

bool exit_handle_fast(struct vcpu *v)
{
    switch (v->virt.exit.kind) {
    case EXIT_CPUID: return handle_cpuid(v);
    case EXIT_MSR_READ: return handle_msr(v, false, false);
    case EXIT_MSR_WRITE: return handle_msr(v, true, false);
    case EXIT_HYPERCALL: return handle_hypercall(v, false);
    default: return false;
    }
}

/* ---- with the host's state back ---- */

/* Reserved bits of CR4 make a MOV fault; here, since TCG would end the guest instead. */
#define CR4_GUEST_ALLOWED                                                                        \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | \
     CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)

static uint64_t cr4_allowed(const struct vcpu *v)
{
    const struct cpuid_regs *seven = &v->partition->hv.basic[7];
    uint64_t allowed = CR4_GUEST_ALLOWED;

    if (!(seven->ebx & CPUID_7_EBX_SMEP))
        allowed &= ~CR4_SMEP;
    if (!(seven->ebx & CPUID_7_EBX_SMAP))
        allowed &= ~CR4_SMAP;
    if (!(seven->ebx & 1u))
        allowed &= ~CR4_FSGSBASE;
    if (!(seven->ecx & CPUID_7_ECX_UMIP))
        allowed &= ~CR4_UMIP;
    if (!(seven->ecx & 1u << 3))
        allowed &= ~CR4_PKE;
    if (!cpu_features.has_xsave)
        allowed &= ~CR4_OSXSAVE;
    return allowed;
}

static bool write_cr4_of(struct vcpu *v, uint64_t value)
{
    if ((value & ~cr4_allowed(v)) || (!(value & CR4_PAE) && (virt_efer(&v->virt) & EFER_LMA)))
        return false;
    virt_set_cr4(&v->virt, value);
    return true;
}

static void handle_control_register(struct vcpu *v)
{
    unsigned reg = 0, length = virt_instruction_length(&v->virt, &reg);
    uint64_t value = virt_gpr(&v->virt, reg);
    bool is_good = true;

    if (!length) {
        undefined(v);
        return;
    }
    if (!virt_is_long_mode(&v->virt))
        value &= UINT32_MAX;
    if (v->virt.exit.code == 0x04)
        virt_set_gpr(&v->virt, reg, virt_cr4(&v->virt));
    else if (v->virt.exit.code == 0x14)
        is_good = write_cr4_of(v, value);
    else if (value > 15)
        is_good = false;
    else
        vlapic_set_tpr(v, (uint32_t)value << 4);
    if (is_good)
        virt_skip(&v->virt, length);
    else
        general_protection(v);
}

static void handle_xsetbv(struct vcpu *v)
{
    uint64_t *gpr = v->virt.gpr;
    uint64_t value = gpr[REG_RDX] << 32 | (uint32_t)gpr[REG_RAX];

    if (!(virt_cr4(&v->virt) & CR4_OSXSAVE)) {
        undefined(v);
        return;
    }
    if (virt_cpl(&v->virt) || (uint32_t)gpr[REG_RCX] || !fpu_xcr0_is_valid(value)) {
        general_protection(v);
        return;
    }
    v->xcr0 = value;
    fpu_set_xcr0(value);
    skip(v);
}

static bool handle_io(struct vcpu *v, struct vcpu_exit *io)
{
    struct virt_io e = virt_io_of(&v->virt);

    if (e.is_string)
        return emulate_string_io(v, io);
    *io = (struct vcpu_exit){
        .reason = VCPU_EXIT_IO,
        .is_write = !e.is_in,
        .width = e.width,
        .port = e.port,
        .value = v->virt.gpr[REG_RAX] & (UINT64_MAX >> (64 - 8 * e.width)),
    };
    v->read_width = e.is_in ? e.width : 0;
    virt_skip(&v->virt, (unsigned)(v->virt.exit.info2 - v->virt.rip)); /* the CPU tells */
    return true;
}

static bool end_with(struct vcpu_exit *io, enum vcpu_exit_reason reason, uint64_t detail)
{
    *io = (struct vcpu_exit){ .reason = reason, .detail = detail };
    return true;
}

static bool handle_machine_check(struct vcpu_exit *io)
{
    uint64_t status;

    return machine_checks_hit_guest(&status) && end_with(io, VCPU_EXIT_MACHINE_CHECK, status);
}

/* #DB and #AC exit only so that a delivery which raises the same again, and on hardware goes on so
 * without end, is an exit each time: there the thread is pre-empted, charged and killed like any
 * other, so nobody need count them; the VM has its slice to waste. DR6 is as the handler shall see
 * it. What was being delivered comes again or, an interrupt, is lost, as on a CPU. */
static bool handle_exception(struct vcpu *v, struct vcpu_exit *io)
{
    uint32_t error;
    unsigned vector = virt_exit_vector(&v->virt, &error);

    if (vector == VECTOR_MC)
        return handle_machine_check(io);
    virt_inject_exception(&v->virt, vector, vector == VECTOR_AC, error);
    return false;
}

/* What an overlay lets the guest only read. */
static bool is_protected(const struct vcpu *v, const struct virt_fault *f)
{
    return f->is_write && f->is_present;
}

static void handle_nested_page_fault(struct vcpu *v)
{
    struct virt_fault f = virt_fault_of(&v->virt);

    if (is_protected(v, &f))
        general_protection(v);
    else
        emulate_access(v);
}

/* INVD and WBINVD do nothing, since our caches are coherent; all others are #UD. */

static bool handle(struct vcpu *v, struct vcpu_exit *io)
{
    switch (v->virt.exit.kind) { /* instructions: nothing was being delivered */
    case EXIT_IO: return handle_io(v, io);
    case EXIT_MSR_READ: handle_msr(v, false, true); return false;
    case EXIT_MSR_WRITE: return !handle_msr(v, true, true) && end_with(io, VCPU_EXIT_CRASH, 0);
    case EXIT_HYPERCALL: handle_hypercall(v, true); return false;
    case EXIT_HLT:
        skip(v);
        v->activity = virt_has_event(&v->virt) ? VCPU_ACTIVE : VCPU_HALTED;
        return false;
    default: break;
    }
    virt_resume_event(&v->virt);
    switch (v->virt.exit.kind) {
    case EXIT_INTERRUPT: return false;
    case EXIT_INTERRUPT_WINDOW:
        virt_request_window(&v->virt, false);
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
        return false;
    case EXIT_CONTROL_REGISTER: handle_control_register(v); return false;
    case EXIT_XSETBV: handle_xsetbv(v); return false;
    case EXIT_EXCEPTION: return handle_exception(v, io);
    case EXIT_NESTED_PAGE_FAULT: handle_nested_page_fault(v); return false;
    case EXIT_INSTRUCTION: skip(v); return false;
    case EXIT_IRET: vcpu_end_nmi(v); return false;
    case EXIT_SHUTDOWN: return handle_machine_check(io) || end_with(io, VCPU_EXIT_SHUTDOWN, 0);
    case EXIT_INVALID:
        if (v->virt.broken_rule)
            log_line("vCPU %u: a real CPU refuses this state: %s", v->index, v->virt.broken_rule);
        return end_with(io, VCPU_EXIT_INVALID, 0);
    default: return end_with(io, VCPU_EXIT_UNSUPPORTED, v->virt.exit.code);
    }
}

/* A fault on a fault may have made a shutdown of it. */
bool exit_handle(struct vcpu *v, struct vcpu_exit *io)
{
    return handle(v, io) ||
           (v->virt.exit.kind == EXIT_SHUTDOWN && end_with(io, VCPU_EXIT_SHUTDOWN, 0));
}
