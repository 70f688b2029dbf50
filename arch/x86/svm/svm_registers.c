/* Single registers of a vCPU, and what an exit says about the guest's access. */
#include "arch/x86/svm/svm.h"
#include "arch/x86/virt.h"
#include "lib/x86/regs.h"

/* ---- registers ---- */

void virt_set_tsc_offset(struct virt_vcpu *v, uint64_t offset)
{
    v->vmcb->tsc_offset = offset;
}

/* A machine check that comes while CR4.MCE is 0 shuts the machine down, so a guest cannot clear
 * it; it sees the bit that it wrote. */
uint64_t virt_cr4(const struct virt_vcpu *v)
{
    return v->has_guest_mce ? v->vmcb->cr4 : v->vmcb->cr4 & ~CR4_MCE;
}

void virt_set_cr4(struct virt_vcpu *v, uint64_t value)
{
    v->vmcb->cr4 = value | CR4_MCE;
    v->has_guest_mce = value & CR4_MCE;
    v->needs_flush = true;
    v->asid_cpu = NULL;
}

uint64_t virt_gpr(const struct virt_vcpu *v, unsigned reg)
{
    return reg == REG_RSP ? v->vmcb->rsp : v->gpr[reg];
}

void virt_set_gpr(struct virt_vcpu *v, unsigned reg, uint64_t value)
{
    if (reg == REG_RSP)
        v->vmcb->rsp = value;
    else
        v->gpr[reg] = value;
}

uint64_t virt_efer(const struct virt_vcpu *v)
{
    return v->vmcb->efer & ~EFER_SVME;
}

enum err virt_set_efer(struct virt_vcpu *v, uint64_t value)
{
    struct vmcb *c = v->vmcb;
    uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR;

    if ((value & ~allowed) || ((value ^ c->efer) & EFER_LME && (c->cr0 & CR0_PG)))
        return ERR_ARGUMENT;
    c->efer = (value & ~EFER_LMA) | (c->efer & EFER_LMA) | EFER_SVME;
    return OK;
}

bool virt_pat_is_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8) {
        uint8_t type = (uint8_t)pat;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

uint64_t virt_pat(const struct virt_vcpu *v)
{
    return v->vmcb->g_pat;
}

void virt_set_pat(struct virt_vcpu *v, uint64_t value)
{
    v->vmcb->g_pat = value;
}

unsigned virt_cpl(const struct virt_vcpu *v)
{
    return v->vmcb->cpl;
}

bool virt_is_long_mode(const struct virt_vcpu *v)
{
    return svm_is_long_mode(v->vmcb);
}

bool virt_is_kernel_mode(const struct virt_vcpu *v)
{
    return !v->vmcb->cpl && virt_is_protected(v);
}

bool virt_is_protected(const struct virt_vcpu *v)
{
    return (v->vmcb->cr0 & CR0_PE) && !(v->vmcb->rflags & RFLAGS_VM);
}

void virt_flush(struct virt_vcpu *v)
{
    v->needs_flush = true;
}

struct virt_io virt_io_of(const struct virt_vcpu *v)
{
    uint64_t info = v->exit.info1;

    return (struct virt_io){
        .port = (uint16_t)(info >> 16),
        .width = (uint8_t)((info & SVM_IOIO_WIDTH) >> 4),
        .is_in = info & SVM_IOIO_IN,
        .is_string = info & SVM_IOIO_STRING,
    };
}

unsigned virt_exit_vector(const struct virt_vcpu *v, uint32_t *error)
{
    *error = (uint32_t)v->exit.info1;
    return v->exit.code - SVM_EXIT_EXCEPTION;
}

/* ---- how the guest addresses memory ---- */

struct guest_paging virt_paging(const struct virt_vcpu *v)
{
    const struct vmcb *c = v->vmcb;

    return (struct guest_paging){ c->cr0, c->cr3, c->cr4, c->efer };
}

uint64_t virt_linear_rip(const struct virt_vcpu *v)
{
    return virt_is_long_mode(v) ? v->rip : (v->vmcb->cs.base + v->rip) & UINT32_MAX;
}

uint64_t virt_segment_base(const struct virt_vcpu *v, enum segment segment)
{
    const struct vmcb *c = v->vmcb;

    switch (segment) {
    case SEGMENT_ES: return c->es.base;
    case SEGMENT_CS: return c->cs.base;
    case SEGMENT_SS: return c->ss.base;
    case SEGMENT_DS: return c->ds.base;
    case SEGMENT_FS: return c->fs.base;
    case SEGMENT_GS: return c->gs.base;
    default: return 0;
    }
}

enum code_size virt_code_size(const struct virt_vcpu *v)
{
    if (virt_is_long_mode(v))
        return CODE_64;
    return virt_is_protected(v) && (v->vmcb->cs.attributes & SEGMENT_BIG) ? CODE_32 : CODE_16;
}

unsigned virt_access_rights(const struct virt_vcpu *v, bool is_write)
{
    return (is_write ? GUEST_ACCESS_WRITE : 0) | (v->vmcb->cpl == 3 ? GUEST_ACCESS_USER : 0) |
           (v->vmcb->rflags & RFLAGS_AC ? GUEST_ACCESS_AC : 0);
}

void virt_inject_page_fault(struct virt_vcpu *v, uint64_t linear, uint32_t error)
{
    v->vmcb->cr2 = linear;
    virt_inject_exception(v, VECTOR_PF, true, error);
}

uint64_t virt_rflags(const struct virt_vcpu *v)
{
    return v->vmcb->rflags;
}

void virt_set_rflags(struct virt_vcpu *v, uint64_t value)
{
    v->vmcb->rflags = (v->vmcb->rflags & ~RFLAGS_STATUS) | (value & RFLAGS_STATUS);
}

struct virt_fault virt_fault_of(const struct virt_vcpu *v)
{
    uint64_t error = v->exit.info1;

    return (struct virt_fault){
        .gpa = { v->exit.info2 },
        .is_present = error & PAGE_FAULT_PRESENT,
        .is_write = error & PAGE_FAULT_WRITE,
        .is_fetch = error & PAGE_FAULT_FETCH,
        .is_walk = error & SVM_NPF_WALK,
    };
}
