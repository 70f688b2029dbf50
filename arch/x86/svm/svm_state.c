/* A vCPU's registers as a whole: for loaders and reports. */
#include "arch/x86/svm/svm.h"
#include "arch/x86/virt.h"
#include "lib/string.h"
#include "lib/x86/regs.h"

static struct vcpu_segment export_segment(const struct svm_segment *s)
{
    return (struct vcpu_segment){ s->selector, s->attributes, s->limit, s->base };
}

static struct svm_segment import_segment(const struct vcpu_segment *s)
{
    return (struct svm_segment){ s->selector, s->attributes, s->limit, s->base };
}

void virt_get_state(const struct virt_vcpu *v, struct vcpu_state *out)
{
    const struct vmcb *c = v->vmcb;

    memcpy(out->gpr, v->gpr, sizeof(out->gpr));
    out->gpr[REG_RSP] = c->rsp;
    out->rip = v->rip;
    out->rflags = c->rflags;
    out->cr0 = c->cr0;
    out->cr2 = c->cr2;
    out->cr3 = c->cr3;
    out->cr4 = virt_cr4(v);
    out->efer = virt_efer(v);
    out->es = export_segment(&c->es);
    out->cs = export_segment(&c->cs);
    out->ss = export_segment(&c->ss);
    out->ds = export_segment(&c->ds);
    out->fs = export_segment(&c->fs);
    out->gs = export_segment(&c->gs);
    out->gdtr = export_segment(&c->gdtr);
    out->ldtr = export_segment(&c->ldtr);
    out->idtr = export_segment(&c->idtr);
    out->tr = export_segment(&c->tr);
}

static void load_state(struct virt_vcpu *v, const struct vcpu_state *in)
{
    struct vmcb *c = v->vmcb;

    memcpy(v->gpr, in->gpr, sizeof(v->gpr));
    c->rsp = in->gpr[REG_RSP];
    c->rip = v->rip = in->rip;
    c->rflags = (in->rflags & 0x3f7fd5) | RFLAGS_FIXED;
    c->cr0 = in->cr0;
    c->cr2 = in->cr2;
    c->cr3 = in->cr3;
    virt_set_cr4(v, in->cr4);
    c->efer = in->efer | EFER_SVME;
    c->es = import_segment(&in->es);
    c->cs = import_segment(&in->cs);
    c->ss = import_segment(&in->ss);
    c->ds = import_segment(&in->ds);
    c->fs = import_segment(&in->fs);
    c->gs = import_segment(&in->gs);
    c->gdtr = import_segment(&in->gdtr);
    c->ldtr = import_segment(&in->ldtr);
    c->idtr = import_segment(&in->idtr);
    c->tr = import_segment(&in->tr);
    c->cpl = (uint8_t)((in->ss.attributes & SEGMENT_DPL) >> 5);
    v->asid_cpu = NULL; /* a fresh ASID at the next entry */
}

enum err virt_set_state(struct virt_vcpu *v, const struct vcpu_state *in)
{
    struct vcpu_state old;

    virt_get_state(v, &old);
    load_state(v, in);
    v->vmcb->asid = 1; /* the rules want one; the real one comes at entry */
    if (!svm_check(v->vmcb, &svm_limits))
        return OK;
    load_state(v, &old);
    return ERR_ARGUMENT;
}
