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

/* The CPL is told as SS.DPL, which the CPU's own SYSRET leaves as it was. */
static struct vcpu_segment export_stack(const struct vmcb *c)
{
    struct vcpu_segment s = export_segment(&c->ss);

    s.attributes =
        (uint16_t)((s.attributes & ~SEGMENT_DPL) | ((uint32_t)c->cpl << 5 & SEGMENT_DPL));
    return s;
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
    out->ss = export_stack(c);
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

/* ---- records ---- */

void virt_save(const struct virt_vcpu *v, struct record_virt *out)
{
    const struct vmcb *c = v->vmcb;

    *out = (struct record_virt){
        .pat = c->g_pat,
        .dr6 = c->dr6,
        .dr7 = c->dr7,
        .star = c->star,
        .lstar = c->lstar,
        .cstar = c->cstar,
        .sfmask = c->sfmask,
        .kernel_gs_base = c->kernel_gs_base,
        .sysenter_cs = c->sysenter_cs,
        .sysenter_esp = c->sysenter_esp,
        .sysenter_eip = c->sysenter_eip,
        .event = c->event | (uint64_t)c->event_error << 32,
        .shadow = c->shadow & SVM_SHADOW,
    };
}

static void load_rest(struct vmcb *c, const struct record_virt *in)
{
    c->g_pat = in->pat;
    c->dr6 = in->dr6;
    c->dr7 = in->dr7;
    c->star = in->star;
    c->lstar = in->lstar;
    c->cstar = in->cstar;
    c->sfmask = in->sfmask;
    c->kernel_gs_base = in->kernel_gs_base;
    c->sysenter_cs = in->sysenter_cs;
    c->sysenter_esp = in->sysenter_esp;
    c->sysenter_eip = in->sysenter_eip;
    c->event = (uint32_t)in->event;
    c->event_error = (uint32_t)(in->event >> 32);
    c->shadow = in->shadow;
}

/* What the CPU would refuse to run with: a type or vector that no event has, addresses that are not
 * canonical, caching types that do not exist. */
static bool is_rest_valid(const struct record_virt *in)
{
    uint32_t event = (uint32_t)in->event, type = event & SVM_EVENT_TYPE;
    const uint64_t addresses[] = { in->lstar, in->cstar, in->kernel_gs_base, in->sysenter_esp,
                                   in->sysenter_eip };

    for (unsigned i = 0; i < array_count(addresses); i++)
        if ((uint64_t)((int64_t)(addresses[i] << 16) >> 16) != addresses[i])
            return false;
    if (!(event & SVM_EVENT_VALID) ? event
                                   : (event & ~(SVM_EVENT_VALID | SVM_EVENT_TYPE |
                                                SVM_EVENT_HAS_ERROR | SVM_EVENT_VECTOR)) ||
                                         (type != SVM_EVENT_INTERRUPT && type != SVM_EVENT_NMI &&
                                          type != SVM_EVENT_EXCEPTION))
        return false;
    return !(type == SVM_EVENT_EXCEPTION && (event & SVM_EVENT_VECTOR) > 31) &&
           !(in->shadow & ~SVM_SHADOW) && virt_pat_is_valid(in->pat);
}

enum err virt_restore(struct virt_vcpu *v, const struct record_virt *in)
{
    struct record_virt old;
    const char *broken;

    if (!is_rest_valid(in))
        return ERR_ARGUMENT;
    virt_save(v, &old);
    load_rest(v->vmcb, in);
    v->vmcb->asid = 1;
    broken = svm_check(v->vmcb, &svm_limits);
    if (broken)
        load_rest(v->vmcb, &old);
    return broken ? ERR_ARGUMENT : OK;
}
