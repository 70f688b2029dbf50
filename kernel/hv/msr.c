/* MSRs: one allow-list, default deny (#GP). What needs locks or memory is done outside the fast
 * path; reads of FS, GS, SYSCALL and SYSENTER registers never get here (svm.c passes them). */
#include "arch/x86/cpu.h"
#include "arch/x86/lapic_regs.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/hv/vipi.h"
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

    if (msr >= HV_MSR_SCONTROL && msr <= HV_MSR_SINT15)
        return synic_read_msr(v, msr, value);
    if (msr >= HV_MSR_STIMER0_CONFIG && msr <= HV_MSR_STIMER3_COUNT)
        return stimer_read_msr(v, msr, value);
    if (msr >= HV_MSR_CRASH_P0 && msr <= HV_MSR_CRASH_P4) {
        *value = p->hv.crash[msr - HV_MSR_CRASH_P0];
        return true;
    }
    switch (msr) {
    case HV_MSR_CRASH_CONTROL: *value = HV_CRASH_NOTIFY | HV_CRASH_HAS_TEXT; return true;
    case HV_MSR_TSC_INVARIANT: *value = p->hv.tsc_invariant; return cpu_features.has_invariant_tsc;
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
        return vlapic_read_msr(v, msr, value) ? HV_DONE : HV_FAULT;
    if (msr == HV_MSR_GUEST_IDLE) {
        *value = 0;
        return may_be_slow ? HV_IDLE : HV_SLOW;
    }
    if (msr >> 28 == 4)
        return read_hv(v, msr, value) ? HV_DONE : HV_FAULT;
    switch (msr) {
    case MSR_TSC: *value = hv_guest_tsc(v->partition); return HV_DONE;
    case MSR_APIC_BASE: *value = v->hv.lapic.base; return HV_DONE;
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

static enum hv_result eoi(struct vcpu *v, bool may_be_slow)
{
    if (likely(vlapic_eoi(v)))
        return HV_DONE;
    if (may_be_slow)
        vlapic_eoi_all(v);
    return may_be_slow ? HV_DONE : HV_SLOW;
}

/* In the format of the APIC's mode. */
static enum hv_result write_icr(struct vcpu *v, uint64_t value, bool may_be_slow)
{
    if (!may_be_slow) {
        if (!vipi_send_quickly(v, value))
            return HV_SLOW;
        v->hv.lapic.icr = value;
        return HV_DONE;
    }
    if (vlapic_is_x2(&v->hv.lapic))
        return vlapic_write_msr(v, MSR_X2APIC + LAPIC_ICR / 16, value) ? HV_DONE : HV_FAULT;
    vlapic_write_mmio(v, LAPIC_ICR_HIGH, (uint32_t)(value >> 32));
    vlapic_write_mmio(v, LAPIC_ICR, (uint32_t)value);
    return HV_DONE;
}

static enum hv_result write_x2apic(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow)
{
    if (vlapic_is_x2(&v->hv.lapic)) {
        if (msr == MSR_X2APIC + LAPIC_EOI / 16 && value == 0)
            return eoi(v, may_be_slow);
        if (msr == MSR_X2APIC + LAPIC_SELF_IPI / 16 && value >= 16 && value <= 0xff) {
            vcpu_interrupt_self(v, (unsigned)value);
            return HV_DONE;
        }
        if (msr == MSR_X2APIC + LAPIC_ICR / 16)
            return write_icr(v, value, may_be_slow);
    }
    if (!may_be_slow)
        return HV_SLOW;
    return vlapic_write_msr(v, msr, value) ? HV_DONE : HV_FAULT;
}

static bool is_guest_page(gpa_t gpa)
{
    return gpa.v < 1ull << 39;
}

static bool put_overlay(struct partition *p, unsigned slot, uint64_t value, void **page)
{
    gpa_t gpa = { value & HV_PAGE_ADDRESS };
    bool is_on = value & HV_PAGE_ENABLE;

    return (!is_on || is_guest_page(gpa)) && overlay_set(p, slot, is_on, gpa, page) == OK;
}

bool hv_set_overlay(struct partition *p, unsigned slot, uint64_t value, void **page)
{
    bool is_good;

    spin_lock(&p->hv.lock);
    is_good = put_overlay(p, slot, value, page);
    spin_unlock(&p->hv.lock);
    return is_good;
}

static bool write_hypercall(struct partition *p, uint64_t value)
{
    void *page;

    if (p->hv.hypercall & HV_HYPERCALL_LOCKED)
        return true; /* TLFS: immutable once locked */
    if (!p->hv.guest_os_id)
        value &= ~HV_HYPERCALL_ENABLE;
    if (!put_overlay(p, OVERLAY_HYPERCALL, value, &page))
        return false;
    fill_hypercall_page(page);
    p->hv.hypercall = value;
    return true;
}

static bool write_reference_tsc(struct partition *p, uint64_t value)
{
    void *page;

    if (!put_overlay(p, OVERLAY_REFERENCE_TSC, value, &page))
        return false;
    fill_tsc_page(page);
    p->hv.reference_tsc = value;
    return true;
}

static bool write_vp_assist(struct vcpu *v, uint64_t value)
{
    if (!put_overlay(v->partition, OVERLAY_VP_ASSIST + v->index, value, NULL))
        return false;
    v->hv.vp_assist = value;
    return true;
}

/* TLFS: without an identity there is no hypercall page. */
static bool write_os_id(struct partition *p, uint64_t value)
{
    p->hv.guest_os_id = value;
    if (value || !(p->hv.hypercall & HV_HYPERCALL_ENABLE))
        return true;
    p->hv.hypercall &= ~HV_HYPERCALL_ENABLE;
    return put_overlay(p, OVERLAY_HYPERCALL, 0, NULL);
}

static bool write_tsc_invariant(struct partition *p, uint64_t value)
{
    if (!cpu_features.has_invariant_tsc || value > 1)
        return false;
    p->hv.tsc_invariant = value;
    return true;
}

static bool write_partition_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct partition *p = v->partition;

    switch (msr) {
    case HV_MSR_GUEST_OS_ID: return write_os_id(p, value);
    case HV_MSR_HYPERCALL: return write_hypercall(p, value);
    case HV_MSR_REFERENCE_TSC: return write_reference_tsc(p, value);
    case HV_MSR_VP_ASSIST: return write_vp_assist(v, value);
    case HV_MSR_TSC_INVARIANT: return write_tsc_invariant(p, value);
    default: return false;
    }
}

static enum hv_result write_crash(struct partition *p, uint32_t msr, uint64_t value)
{
    if (msr == HV_MSR_CRASH_CONTROL)
        return value & HV_CRASH_NOTIFY ? (p->hv.crash_control = value, HV_CRASH) : HV_DONE;
    p->hv.crash[msr - HV_MSR_CRASH_P0] = value;
    return HV_DONE;
}

static enum hv_result write_hv_slowly(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct hv_partition *h = &v->partition->hv;
    enum hv_result result;
    bool is_good;

    if (msr >= HV_MSR_SCONTROL && msr <= HV_MSR_SINT15)
        return synic_write_msr(v, msr, value) ? HV_DONE : HV_FAULT;
    if (msr >= HV_MSR_STIMER0_CONFIG && msr <= HV_MSR_STIMER3_COUNT)
        return stimer_write_msr(v, msr, value) ? HV_DONE : HV_FAULT;
    spin_lock(&h->lock);
    if (msr >= HV_MSR_CRASH_P0 && msr <= HV_MSR_CRASH_CONTROL) {
        result = write_crash(v->partition, msr, value);
    } else {
        is_good = write_partition_msr(v, msr, value);
        result = is_good ? HV_DONE : HV_FAULT;
    }
    spin_unlock(&h->lock);
    return result;
}

static enum hv_result write_hv(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow)
{
    switch (msr) {
    case HV_MSR_EOI: return eoi(v, may_be_slow);
    case HV_MSR_ICR: return write_icr(v, value, may_be_slow);
    case HV_MSR_TPR:
        if (value > 0xff)
            return HV_FAULT;
        vlapic_set_tpr(v, (uint32_t)value);
        return HV_DONE;
    default: return may_be_slow ? write_hv_slowly(v, msr, value) : HV_SLOW;
    }
}

static bool is_canonical(uint64_t a)
{
    return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static enum hv_result write_address(uint32_t msr, uint64_t value)
{
    if (!is_canonical(value))
        return HV_FAULT;
    virt_load_msr(msr, value);
    return HV_DONE;
}

enum hv_result hv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow)
{
    if (is_x2apic(msr))
        return write_x2apic(v, msr, value, may_be_slow);
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
        if (!may_be_slow)
            return HV_SLOW;
        return vlapic_write_base(v, value) ? HV_DONE : HV_FAULT;
    case MSR_EFER: return virt_set_efer(&v->virt, value) ? HV_FAULT : HV_DONE;
    case MSR_PAT:
        if (!virt_pat_is_valid(value))
            return HV_FAULT;
        virt_set_pat(&v->virt, value);
        return HV_DONE;
    case MSR_TSC_AUX:
        if (!cpu_features.has_rdtscp)
            return HV_FAULT;
        v->hv.tsc_aux = (uint32_t)value;
        virt_load_msr(MSR_TSC_AUX, (uint32_t)value);
        return HV_DONE;
    case MSR_BIOS_SIGN_ID:
    case MSR_DE_CFG:
    case MSR_HWCR: return HV_DONE; /* ignored, as real CPUs do for what they lack */
    default: return HV_FAULT;
    }
}
