// SOURCES: tests/unit/kernel/fake_guest.c kernel/save.c kernel/save_state.c kernel/hv/*.c
// SOURCES: -kernel/hv/cpuid.c -kernel/hv/hypercall.c -kernel/hv/hypercall_check.c
// SOURCES: arch/x86/svm/svm_state.c arch/x86/svm/svm_registers.c arch/x86/svm/svm_check.c
// SOURCES: arch/x86/fpu.c lib/checksum.c lib/string.c
/* Any sequence of MSR accesses by two vCPUs, with timers that expire, interrupts that are taken and
 * message pages that the guest scribbles on: what is refused or put off has changed nothing, what is
 * accepted is read back, no reserved bit is kept, pages are where their MSRs say, a CPU would run
 * what it leaves, no lock is taken on the fast path or kept; and what it comes to can be saved and
 * restored. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/lapic_regs.h"
#include "arch/x86/svm/svm.h"
#include "kernel/save.h"
#include "kernel/sched.h"
#include "tests/unit/kernel/fake_guest.h"

#define ROW_BYTES    KIB(64)
#define LVT_BITS     0x1f7ffull
#define SVR_BITS     0x3ffull
#define DIVIDE_BITS  0xbull
#define ICR_BITS     0xffffffff000ccfffull
#define X2APIC(reg)  (MSR_X2APIC + (reg) / 16)
#define GUEST_MEMORY (1ull << 39)

static const uint32_t others[] = {
    MSR_TSC,        MSR_APIC_BASE, MSR_EFER,           MSR_PAT,          MSR_TSC_AUX,
    MSR_DE_CFG,     MSR_SYSCFG,    MSR_HWCR,           MSR_BIOS_SIGN_ID, MSR_FS_BASE,
    MSR_GS_BASE,    MSR_LSTAR,     MSR_KERNEL_GS_BASE, MSR_CSTAR,        MSR_SYSENTER_ESP,
    MSR_STAR,       MSR_VM_CR,     MSR_SYSENTER_EIP,   MSR_MTRR_CAP,     MSR_TSC_DEADLINE,
    MSR_MISC_ENABLE
};

static struct fake_guest *guest;

/* ---- input ---- */

struct input {
    const uint8_t *at;
    size_t left;
};

static uint64_t take(struct input *in, size_t bytes)
{
    uint64_t value = 0;
    size_t n = bytes < in->left ? bytes : in->left;

    memcpy(&value, in->at, n);
    in->at += n;
    in->left -= n;
    return value;
}

/* One of what is there, or a number close to it; or any. */
static uint32_t take_msr(struct input *in)
{
    static const struct {
        uint32_t first, count;
    } ranges[] = {
        { MSR_X2APIC, 0x40 },   { HV_MSR_GUEST_OS_ID, 4 },   { HV_MSR_REFERENCE_COUNTER, 4 },
        { HV_MSR_EOI, 4 },      { HV_MSR_SCONTROL, 0x20 },   { HV_MSR_STIMER0_CONFIG, 9 },
        { HV_MSR_CRASH_P0, 7 }, { HV_MSR_TSC_INVARIANT, 1 }, { HV_MSR_GUEST_IDLE, 1 }
    };
    unsigned kind = (unsigned)take(in, 1) % 12, n = (unsigned)take(in, 1);

    if (kind < array_count(ranges))
        return ranges[kind].first + n % ranges[kind].count;
    return kind < 11 ? others[n % array_count(others)] : (uint32_t)take(in, 4);
}

/* Few bits; few bits and one above; any. */
static uint64_t take_value(struct input *in, unsigned kind)
{
    switch (kind) {
    case 0: return take(in, 1);
    case 1: return take(in, 3);
    case 2: return take(in, 2) ^ 1ull << (take(in, 1) & 63);
    default: return take(in, 8);
    }
}

/* ---- what must be unchanged ---- */

struct state {
    struct fake_guest guest;
    struct overlay overlays[OVERLAY_COUNT];
};

static struct state before, after;

/* The pages once made stay. */
static void keep(struct state *s)
{
    memcpy(&s->guest, guest, sizeof(s->guest));
    memcpy(s->overlays, guest->p.hv.overlays, sizeof(s->overlays));
    for (unsigned i = 0; i < OVERLAY_COUNT; i++)
        s->overlays[i].page.v = 0;
}

static void is_unchanged(void)
{
    keep(&after);
    assert(!memcmp(&before, &after, sizeof(before)));
}

/* ---- what must always hold ---- */

static bool is_canonical(uint64_t a)
{
    return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static void check_lapic(const struct vlapic *a)
{
    uint64_t mode = a->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

    assert((a->base & ~(APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == LAPIC_MMIO_BASE);
    assert(mode != APIC_BASE_X2APIC && (bool)(a->base & APIC_BASE_BSP) == !a->id);
    assert(a->tpr <= 0xff && !(a->svr & ~SVR_BITS) && !(a->timer_divide & ~DIVIDE_BITS));
    assert(!(a->icr & ~ICR_BITS) && !((a->irr[0] | a->isr[0]) & 0xffff));
    assert((a->lvt[0] & LAPIC_LVT_TIMER_MODE) <= LAPIC_LVT_TIMER_PERIODIC);
    for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++) {
        assert(!(a->lvt[i] & ~(i ? LVT_BITS : LVT_BITS | LAPIC_LVT_TIMER_MODE)));
        assert((a->svr & LAPIC_SVR_ENABLE) || (a->lvt[i] & LAPIC_LVT_MASKED));
    }
    assert(heap_holds(&a->timer.node) == (a->timer_deadline_tsc != UINT64_MAX));
    if (mode & APIC_BASE_X2APIC)
        assert(a->ldr == ((a->id >> 4) << 16 | 1u << (a->id & 15)));
}

static void check_page(unsigned slot, uint64_t msr, const void *mapped)
{
    const struct overlay *o = &guest->p.hv.overlays[slot];

    assert(o->is_enabled == (bool)(msr & HV_PAGE_ENABLE));
    if (o->is_enabled)
        assert(o->page.v && o->gpa.v == (msr & HV_PAGE_ADDRESS) && o->gpa.v < GUEST_MEMORY);
    if (mapped)
        assert(o->is_enabled && mapped == direct_map(o->page));
}

static void check_timer(const struct stimer *t)
{
    uint64_t vector = (t->config & HV_STIMER_VECTOR) >> 4;

    assert(!(t->config & ~HV_STIMER_WRITABLE));
    if (t->config & HV_STIMER_ENABLE)
        assert(t->config & HV_STIMER_DIRECT ? vector >= 16 : (t->config & HV_STIMER_SINT) != 0);
    if (t->is_waiting || heap_holds(&t->timer.node))
        assert((t->config & HV_STIMER_ENABLE) && t->count);
    assert(!t->is_waiting || !heap_holds(&t->timer.node));
}

static void check_synic(const struct vcpu *v)
{
    const struct synic *s = &v->hv.synic;

    assert(!(s->control & ~HV_SYNIC_ENABLE));
    for (unsigned i = 0; i < SINT_COUNT; i++) {
        assert(!(s->sint[i] & ~HV_SINT_WRITABLE));
        assert((s->sint[i] & HV_SINT_MASKED) || (s->sint[i] & HV_SINT_VECTOR) >= 16);
    }
    check_page(OVERLAY_MESSAGES + v->index, s->message_page, s->messages);
    check_page(OVERLAY_EVENTS + v->index, s->event_page, s->flags);
    check_page(OVERLAY_VP_ASSIST + v->index, v->hv.vp_assist, NULL);
    assert(!!s->messages == (s->message_page & HV_PAGE_ENABLE));
    assert(!!s->flags == (s->event_page & HV_PAGE_ENABLE));
    for (unsigned i = 0; i < STIMER_COUNT; i++)
        check_timer(&s->timers[i]);
}

static void check(void)
{
    const struct hv_partition *h = &guest->p.hv;

    assert(!fake_holds_locks());
    assert(h->tsc_invariant <= 1);
    assert(h->guest_os_id || !(h->hypercall & HV_HYPERCALL_ENABLE));
    check_page(OVERLAY_HYPERCALL, h->hypercall, NULL);
    check_page(OVERLAY_REFERENCE_TSC, h->reference_tsc, NULL);
    assert(is_canonical(fake_loaded_value) || fake_loaded_msr == MSR_TSC_AUX);
    for (unsigned i = 0; i < FAKE_VCPUS; i++) {
        const struct vcpu *v = &guest->v[i];

        check_lapic(&v->hv.lapic);
        check_synic(v);
        assert(v->hv.tsc_aux <= UINT32_MAX && virt_pat_is_valid(virt_pat(&v->virt)));
        assert(!svm_check(v->virt.vmcb, &svm_limits));
    }
}

/* ---- accesses ---- */

/* What is read after @value was accepted. False: something else, or nothing. */
static bool expected(const struct vcpu *v, uint32_t msr, uint64_t value, uint64_t *out)
{
    const struct fake_guest *old = &before.guest;
    const struct hv_vcpu *was = &old->v[v->index].hv;
    bool is_software_on = was->lapic.svr & LAPIC_SVR_ENABLE;

    *out = value;
    if (msr >= HV_MSR_SINT0 && msr <= HV_MSR_SINT15) {
        *out &= HV_SINT_WRITABLE;
        return true;
    }
    if (msr >= X2APIC(LAPIC_LVT_TIMER) && msr <= X2APIC(LAPIC_LVT_ERROR)) {
        *out |= is_software_on ? 0 : LAPIC_LVT_MASKED;
        return true;
    }
    if (msr >= HV_MSR_CRASH_P0 && msr <= HV_MSR_CRASH_P4)
        return true;
    if (msr >= HV_MSR_STIMER0_CONFIG && msr <= HV_MSR_STIMER3_COUNT && (msr & 1))
        return true;
    switch (msr) {
    case HV_MSR_HYPERCALL:
        if (old->p.hv.hypercall & HV_HYPERCALL_LOCKED)
            *out = old->p.hv.hypercall;
        else if (!old->p.hv.guest_os_id)
            *out &= ~HV_HYPERCALL_ENABLE;
        return true;
    case HV_MSR_SCONTROL: *out &= HV_SYNIC_ENABLE; return true;
    case MSR_APIC_BASE:
        *out = (value & ~APIC_BASE_BSP) | (was->lapic.base & APIC_BASE_BSP);
        return true;
    case MSR_EFER: *out = (value & ~EFER_LMA) | (old->vmcb[v->index].efer & EFER_LMA); return true;
    case MSR_TSC_AUX: *out &= UINT32_MAX; return true;
    case HV_MSR_GUEST_OS_ID:
    case HV_MSR_REFERENCE_TSC:
    case HV_MSR_TSC_INVARIANT:
    case HV_MSR_VP_ASSIST:
    case HV_MSR_SIMP:
    case HV_MSR_SIEFP:
    case HV_MSR_TPR:
    case MSR_PAT:
    case X2APIC(LAPIC_TPR):
    case X2APIC(LAPIC_SVR):
    case X2APIC(LAPIC_ICR):
    case X2APIC(LAPIC_TIMER_INITIAL):
    case X2APIC(LAPIC_TIMER_DIVIDE): return true;
    default: return false;
    }
}

static void is_read_back(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t wanted, got;

    if (!expected(v, msr, value, &wanted))
        return;
    assert(hv_msr_read(v, msr, &got, true) == HV_DONE);
    assert(got == wanted);
}

/* First as between two entries, then as outside, like the exit handlers. */
static void write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t locks = fake_lock_count;
    enum hv_result r;

    keep(&before);
    r = hv_msr_write(v, msr, value, false);
    assert(fake_lock_count == locks);
    if (r == HV_SLOW) {
        is_unchanged();
        r = hv_msr_write(v, msr, value, true);
    }
    assert(r == HV_DONE || r == HV_FAULT || (r == HV_CRASH && msr == HV_MSR_CRASH_CONTROL));
    if (r == HV_FAULT)
        is_unchanged();
    else
        is_read_back(v, msr, value);
}

static void read_msr(struct vcpu *v, uint32_t msr)
{
    uint64_t locks = fake_lock_count, value = 0x5a5a;
    enum hv_result r;

    keep(&before);
    r = hv_msr_read(v, msr, &value, false);
    assert(fake_lock_count == locks);
    if (r == HV_SLOW)
        r = hv_msr_read(v, msr, &value, true);
    assert(r == HV_DONE || r == HV_FAULT || (r == HV_IDLE && msr == HV_MSR_GUEST_IDLE));
    assert(r != HV_FAULT || value == 0x5a5a);
    is_unchanged();
}

/* ---- what happens meanwhile ---- */

static void expire(struct timer *t)
{
    if (!heap_holds(&t->node))
        return;
    spin_lock(&sched_lock);
    timer_cancel_locked(t);
    t->fire(t);
    spin_unlock(&sched_lock);
}

static void happen(struct vcpu *v, uint64_t what)
{
    struct synic *s = &v->hv.synic;
    int vector = vlapic_highest(&v->hv.lapic);

    if (what < STIMER_COUNT)
        expire(&s->timers[what].timer);
    else if (what == STIMER_COUNT)
        expire(&v->hv.lapic.timer);
    else if (what < 32 && vector >= 0)
        vlapic_accept(&v->hv.lapic, (unsigned)vector);
    else if (s->messages)
        memset(&s->messages[what % SINT_COUNT], (int)(what >> 4), sizeof(*s->messages));
}

static void take_write(struct vcpu *v, struct input *in, unsigned kind)
{
    uint32_t msr = take_msr(in);

    write_msr(v, msr, take_value(in, kind));
}

/* ---- saved and restored ---- */

static uint64_t save(struct fake_guest *g, uint8_t *row)
{
    uint64_t bytes = 0;

    assert(save_partition(&g->p, (uint64_t)row, ROW_BYTES, &bytes) == OK);
    memset(row + offsetof(struct record, checksum), 0, 4); /* the partition's: it has the time */
    memset(row + sizeof(struct record) + offsetof(struct record_partition, tsc), 0, 16);
    return bytes;
}

static void goes_elsewhere(void)
{
    static uint8_t first[ROW_BYTES], row[ROW_BYTES], second[ROW_BYTES];
    struct fake_guest *other = fake_guest_create();
    uint64_t bytes;

    assert(save_partition(&guest->p, (uint64_t)row, ROW_BYTES, &bytes) == OK);
    assert(restore_partition(&other->p, (uint64_t)row, bytes) == OK);
    assert(save(guest, first) == bytes && save(other, second) == bytes);
    assert(!memcmp(first, second, bytes));
    fake_guest_destroy(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = { data, n };

    fake_loaded_value = 0;
    guest = fake_guest_create();
    while (in.left) {
        unsigned op = (unsigned)take(&in, 1);
        struct vcpu *v = &guest->v[op & 1];

        fake_grants = op & 0x80 ? op >> 5 & 3 : UINT64_MAX;
        if ((op >> 1 & 7) == 0)
            happen(v, take(&in, 1));
        else if ((op >> 1 & 7) == 1)
            read_msr(v, take_msr(&in));
        else
            take_write(v, &in, op >> 1 & 3);
        check();
    }
    fake_grants = UINT64_MAX;
    goes_elsewhere();
    fake_guest_destroy(guest);
    return 0;
}
