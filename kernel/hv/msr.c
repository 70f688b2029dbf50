/* MSRs: one allow-list, default deny (#GP). What needs locks or memory is done outside the fast
 * path; reads of FS, GS, SYSCALL and SYSENTER registers never get here (svm.c passes them). */
#include "arch/x86/lapic_regs.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/partition.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

static bool is_x2apic(uint32_t msr)
{
    return msr >= MSR_X2APIC && msr <= MSR_X2APIC_END;
}

static bool read_hv(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct partition *p = v->partition;

    switch (msr) {
    case HV_MSR_GUEST_OS_ID: *value = p->hv.guest_os_id; return true;
    case HV_MSR_HYPERCALL: *value = p->hv.hypercall; return true;
    case HV_MSR_VP_INDEX: *value = v->index; return true;
    case HV_MSR_REFERENCE_COUNTER: *value = hv_reference_time(p); return true;
    case HV_MSR_REFERENCE_TSC: *value = p->hv.reference_tsc; return true;
    case HV_MSR_TSC_FREQUENCY: *value = host_clock.tsc_hz; return true;
    case HV_MSR_APIC_FREQUENCY: *value = VLAPIC_TIMER_HZ; return true;
    case HV_MSR_ICR: *value = v->hv.lapic.icr; return true;
    case HV_MSR_TPR: *value = v->hv.lapic.tpr; return true;
    case HV_MSR_VP_ASSIST: *value = v->hv.vp_assist; return true;
    default: return false;
    }
}

enum hv_result hv_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value, bool may_be_slow)
{
    if (is_x2apic(msr))
        return vlapic_read(v, msr, value) ? HV_DONE : HV_FAULT;
    if (msr >> 28 == 4)
        return read_hv(v, msr, value) ? HV_DONE : HV_FAULT;
    switch (msr) {
    case MSR_TSC: *value = hv_guest_tsc(v->partition); return HV_DONE;
    case MSR_APIC_BASE:
        *value = LAPIC_MMIO_BASE | APIC_BASE_ENABLE | APIC_BASE_X2APIC |
                 (v->index == 0 ? APIC_BASE_BSP : 0);
        return HV_DONE;
    case MSR_EFER: *value = virt_efer(&v->virt); return HV_DONE;
    case MSR_PAT: *value = virt_pat(&v->virt); return HV_DONE;
    case MSR_TSC_AUX: *value = v->hv.tsc_aux; return HV_DONE;
    case MSR_DE_CFG:
        *value = 2; /* LFENCE is serialising */
        return HV_DONE;
    case MSR_BIOS_SIGN_ID: /* no microcode to load */
    case MSR_SYSCFG:
    case MSR_HWCR: *value = 0; return HV_DONE;
    default: return HV_FAULT;
    }
}

/* ---- pages that the guest places ---- */

static void fill_hypercall_page(uint8_t *page)
{
    static const uint8_t code[] = { 0x0f, 0x01, 0xd9, 0xc3 }; /* VMMCALL; RET */

    memcpy(page, code, sizeof(code));
}

static void fill_tsc_page(struct hv_reference_tsc_page *page)
{
    page->scale = hv_tsc_scale();
    page->offset = 0;
    __atomic_store_n(&page->sequence, 1, __ATOMIC_RELEASE);
}

static enum hv_result write_os_id(struct partition *p, uint64_t value)
{
    p->hv.guest_os_id = value;
    if (value || !(p->hv.hypercall & HV_HYPERCALL_ENABLE))
        return HV_DONE;
    p->hv.hypercall &= ~HV_HYPERCALL_ENABLE; /* TLFS: without an identity there is no page */
    return overlay_set(p, OVERLAY_HYPERCALL, false, (gpa_t){ 0 }, NULL) ? HV_FAULT : HV_DONE;
}

static bool is_guest_page(gpa_t gpa)
{
    return gpa.v < 1ull << 39;
}

static enum hv_result write_hypercall(struct partition *p, uint64_t value)
{
    gpa_t gpa = { value & HV_PAGE_ADDRESS };
    void *page;

    if (p->hv.hypercall & HV_HYPERCALL_LOCKED)
        return HV_DONE; /* TLFS: immutable once locked */
    if (!p->hv.guest_os_id)
        value &= ~HV_HYPERCALL_ENABLE;
    if ((value & HV_HYPERCALL_ENABLE) && !is_guest_page(gpa))
        return HV_FAULT;
    if (overlay_set(p, OVERLAY_HYPERCALL, value & HV_HYPERCALL_ENABLE, gpa, &page))
        return HV_FAULT;
    fill_hypercall_page(page);
    p->hv.hypercall = value;
    return HV_DONE;
}

static enum hv_result write_reference_tsc(struct partition *p, uint64_t value)
{
    gpa_t gpa = { value & HV_PAGE_ADDRESS };
    void *page;

    if ((value & HV_PAGE_ENABLE) && !is_guest_page(gpa))
        return HV_FAULT;
    if (overlay_set(p, OVERLAY_REFERENCE_TSC, value & HV_PAGE_ENABLE, gpa, &page))
        return HV_FAULT;
    fill_tsc_page(page);
    p->hv.reference_tsc = value;
    return HV_DONE;
}

static enum hv_result write_vp_assist(struct vcpu *v, uint64_t value)
{
    gpa_t gpa = { value & HV_PAGE_ADDRESS };

    if ((value & HV_PAGE_ENABLE) && !is_guest_page(gpa))
        return HV_FAULT;
    if (overlay_set(v->partition, OVERLAY_VP_ASSIST + v->index, value & HV_PAGE_ENABLE, gpa, NULL))
        return HV_FAULT;
    v->hv.vp_assist = value;
    return HV_DONE;
}

static enum hv_result write_page_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct partition *p = v->partition;
    enum hv_result result;

    spin_lock(&p->hv.lock);
    result = msr == HV_MSR_GUEST_OS_ID     ? write_os_id(p, value)
             : msr == HV_MSR_HYPERCALL     ? write_hypercall(p, value)
             : msr == HV_MSR_REFERENCE_TSC ? write_reference_tsc(p, value)
                                           : write_vp_assist(v, value);
    spin_unlock(&p->hv.lock);
    return result;
}

static enum hv_result write_hv(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow)
{
    switch (msr) {
    case HV_MSR_GUEST_OS_ID:
    case HV_MSR_HYPERCALL:
    case HV_MSR_REFERENCE_TSC:
    case HV_MSR_VP_ASSIST: return may_be_slow ? write_page_msr(v, msr, value) : HV_SLOW;
    case HV_MSR_EOI: vlapic_eoi(v); return HV_DONE;
    case HV_MSR_ICR:
        if (!may_be_slow)
            return HV_SLOW;
        return vlapic_write(v, MSR_X2APIC + LAPIC_ICR / 16, value) ? HV_DONE : HV_FAULT;
    case HV_MSR_TPR:
        if (value > 0xff)
            return HV_FAULT;
        vlapic_set_tpr(v, (uint32_t)value);
        return HV_DONE;
    default: return HV_FAULT;
    }
}

static bool is_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8) {
        uint8_t type = (uint8_t)pat;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool is_canonical(uint64_t a)
{
    return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* Between virt_enter() and virt_leave() the CPU itself holds these registers of the guest. */
static enum hv_result write_address(uint32_t msr, uint64_t value)
{
    if (!is_canonical(value))
        return HV_FAULT;
    wrmsr(msr, value);
    return HV_DONE;
}

enum hv_result hv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow)
{
    if (msr == MSR_X2APIC + LAPIC_EOI / 16 && value == 0) {
        vlapic_eoi(v);
        return HV_DONE;
    }
    if (is_x2apic(msr))
        return !may_be_slow ? HV_SLOW : vlapic_write(v, msr, value) ? HV_DONE : HV_FAULT;
    if (msr >> 28 == 4)
        return write_hv(v, msr, value, may_be_slow);
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP: return write_address(msr, value);
    case MSR_APIC_BASE:
        return (value & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) ==
                       (APIC_BASE_ENABLE | APIC_BASE_X2APIC)
                   ? HV_DONE
                   : HV_FAULT;
    case MSR_EFER: return virt_set_efer(&v->virt, value) ? HV_FAULT : HV_DONE;
    case MSR_PAT:
        if (!is_pat_valid(value))
            return HV_FAULT;
        virt_set_pat(&v->virt, value);
        return HV_DONE;
    case MSR_TSC_AUX:
        if (!cpu_features.has_rdtscp)
            return HV_FAULT;
        v->hv.tsc_aux = (uint32_t)value;
        wrmsr(MSR_TSC_AUX, (uint32_t)value);
        return HV_DONE;
    case MSR_BIOS_SIGN_ID:
    case MSR_DE_CFG:
    case MSR_HWCR: return HV_DONE; /* ignored, as real CPUs do for what they lack */
    default: return HV_FAULT;
    }
}
