#include "arch/x86/svm/svm_check.h"
#include "lib/x86/regs.h"

static bool is_wide(const struct vmcb *v)
{
    return (v->efer & EFER_LME) && (v->cr0 & CR0_PG);
}

static const char *check_modes(const struct vmcb *v, const struct svm_check_limits *limits)
{
    if (!(v->efer & EFER_SVME))
        return "EFER.SVME is zero";
    if (!(v->cr0 & CR0_CD) && (v->cr0 & CR0_NW))
        return "CR0.CD is zero and CR0.NW is set";
    if (v->cr0 >> 32)
        return "CR0[63:32] are not zero";
    if ((v->cr0 & CR0_PG) && !(v->cr0 & CR0_PE))
        return "CR0.PG is set without CR0.PE";
    if (v->cr4 & limits->cr4_reserved)
        return "CR4 has reserved bits set";
    if (v->efer & limits->efer_reserved)
        return "EFER has reserved bits set";
    if (is_wide(v) && !(v->cr4 & CR4_PAE))
        return "EFER.LME and CR0.PG are set and CR4.PAE is zero";
    if (is_wide(v) && !(v->cr0 & CR0_PE))
        return "EFER.LME and CR0.PG are set and CR0.PE is zero";
    if (is_wide(v) && (v->cs.attributes & SEGMENT_LONG) && (v->cs.attributes & SEGMENT_BIG))
        return "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set";
    if (v->dr6 >> 32)
        return "DR6[63:32] are not zero";
    if (v->dr7 >> 32)
        return "DR7[63:32] are not zero";
    if (v->cr3 >> 52)
        return "CR3 has reserved bits set";
    return NULL;
}

static const char *check_control(const struct vmcb *v, const struct svm_check_limits *limits)
{
    if (!(v->intercept4 & SVM_INTERCEPT_VMRUN))
        return "the VMRUN intercept bit is clear";
    if (~v->intercept_exceptions & SVM_STARVING_EXCEPTIONS)
        return "#DB or #AC does not exit: their delivery can keep a CPU for ever";
    if (v->asid == 0)
        return "ASID is zero";
    if (v->asid >= limits->asid_count)
        return "ASID is above what the CPU has";
    if ((v->iopm | v->msrpm | v->nested_cr3) & 0xfff)
        return "IOPM, MSRPM or nested CR3 is not page-aligned";
    if (v->iopm >> 52 || v->msrpm >> 52 || v->nested_cr3 >> 52)
        return "IOPM, MSRPM or nested CR3 is beyond physical memory";
    if (v->tlb_control != 0 && v->tlb_control != 1 && v->tlb_control != 3 && v->tlb_control != 7)
        return "TLB_CONTROL has a reserved value";
    return NULL;
}

static const char *check_event(const struct vmcb *v)
{
    uint32_t type = v->event & SVM_EVENT_TYPE, vector = v->event & SVM_EVENT_VECTOR;

    if (!(v->event & SVM_EVENT_VALID))
        return NULL;
    if (type != SVM_EVENT_INTERRUPT && type != SVM_EVENT_NMI && type != SVM_EVENT_EXCEPTION &&
        type != SVM_EVENT_SOFTWARE)
        return "EVENTINJ has a reserved type";
    if (type == SVM_EVENT_EXCEPTION && (vector == VECTOR_NMI || vector > 31))
        return "EVENTINJ: exception with vector 2 or above 31";
    if (type == SVM_EVENT_EXCEPTION && !(v->cr0 & CR0_PE) && (v->event & SVM_EVENT_HAS_ERROR))
        return "EVENTINJ: error code in real mode";
    return NULL;
}

static bool is_canonical(uint64_t a)
{
    return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static const char *check_addresses(const struct vmcb *v)
{
    if (!is_wide(v) || !(v->cs.attributes & SEGMENT_LONG))
        return NULL;
    if (!is_canonical(v->rip))
        return "RIP is not canonical";
    if (!is_canonical(v->fs.base) || !is_canonical(v->gs.base) || !is_canonical(v->ldtr.base) ||
        !is_canonical(v->tr.base))
        return "a segment base is not canonical";
    return NULL;
}

const char *svm_check(const struct vmcb *v, const struct svm_check_limits *limits)
{
    const char *broken = check_control(v, limits);

    if (!broken)
        broken = check_modes(v, limits);
    if (!broken)
        broken = check_event(v);
    if (!broken)
        broken = check_addresses(v);
    return broken;
}
