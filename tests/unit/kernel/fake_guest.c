#include "tests/unit/kernel/fake_guest.h"
#include <assert.h>
#include <stdlib.h>

#include "arch/x86/fpu.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/memory.h"
#include "kernel/sched.h"
#include "kernel/space.h"
#include "lib/string.h"

struct cpu_features cpu_features = {
    .has_invariant_tsc = true,
    .has_rdtscp = true,
    .xcr0_mask = XCR0_X87 | XCR0_SSE,
    .xsave_bytes = FAKE_FPU_BYTES,
};
struct clock host_clock = { .tsc_hz = 1000000000,
                            .ns_per_tick_32 = 1ull << 32,
                            .ticks_per_ns_32 = 1ull << 32 };
struct svm_check_limits svm_limits = { .asid_count = 16,
                                       .cr4_reserved = ~(uint64_t)0x00770fff,
                                       .efer_reserved = ~(uint64_t)0xfd01 };
struct budget root_budget;
struct spinlock sched_lock = { .rank = RANK_SCHED };
uint64_t fake_grants = UINT64_MAX, fake_loaded_value;
uint32_t fake_loaded_msr;

/* ---- locks ---- */

static uint32_t held_ranks;
uint64_t fake_lock_count;

bool fake_holds_locks(void)
{
    return held_ranks;
}

void spin_check_lock(const struct spinlock *l)
{
    assert(!(held_ranks >> l->rank));
    held_ranks |= 1u << l->rank;
    fake_lock_count++;
}

void spin_check_unlock(const struct spinlock *l)
{
    assert(held_ranks & 1u << l->rank);
    held_ranks &= ~(1u << l->rank);
}

void spin_lock_slow(struct spinlock *l)
{
    abort(); /* there is nobody else */
}

/* ---- memory ---- */

static bool is_granted(void)
{
    if (!fake_grants)
        return false;
    fake_grants -= fake_grants != UINT64_MAX;
    return true;
}

void *kernel_alloc(struct budget *b, size_t bytes)
{
    return calloc(1, bytes);
}

void kernel_free(struct budget *b, void *p, size_t bytes)
{
    free(p);
}

enum err frames_take(struct budget *b, unsigned order, enum frame_owner owner, hpa_t *out)
{
    void *page;

    if (!is_granted())
        return ERR_MEMORY;
    page = aligned_alloc(PAGE_BYTES, PAGE_BYTES << order);
    memset(page, 0, PAGE_BYTES << order);
    out->v = (uint64_t)page - DIRECT_BASE;
    return OK;
}

void frames_give(struct budget *b, hpa_t first, unsigned order)
{
    free(direct_map(first));
}

/* Where overlays are: what lies there already takes no memory. */
static struct {
    const struct partition *p;
    uint64_t gpa;
} overlaid[FAKE_VCPUS * OVERLAY_COUNT];

static bool is_overlaid(const struct partition *p, uint64_t gpa, unsigned *at)
{
    unsigned free = 0;

    for (*at = 0; *at < array_count(overlaid); (*at)++) {
        if (overlaid[*at].p == p && overlaid[*at].gpa == gpa)
            return true;
        if (!overlaid[*at].p)
            free = *at;
    }
    *at = free;
    return false;
}

enum err partition_overlay(struct partition *p, gpa_t gpa, hpa_t page, bool is_writable,
                           bool is_executable)
{
    unsigned at;
    bool is_there = is_overlaid(p, gpa.v, &at);

    if (page.v && !is_there && !is_granted())
        return ERR_MEMORY;
    overlaid[at].p = page.v ? p : is_there ? NULL : overlaid[at].p;
    overlaid[at].gpa = gpa.v;
    return OK;
}

enum err user_read(void *to, uint64_t from, uint64_t bytes)
{
    memcpy(to, (const void *)from, bytes);
    return OK;
}

enum err user_write(uint64_t to, const void *from, uint64_t bytes)
{
    memcpy((void *)to, from, bytes);
    return OK;
}

/* ---- the scheduler ---- */

void timer_arm_locked(struct timer *t, uint64_t tsc)
{
    assert(held_ranks & 1u << RANK_SCHED);
    t->node.key = tsc;
    t->node.link = tsc == UINT64_MAX ? NULL : &t->node.child;
}

void timer_cancel_locked(struct timer *t)
{
    assert(held_ranks & 1u << RANK_SCHED);
    t->node.link = NULL;
}

void sched_yield(void)
{
}

void binding_fire_locked(struct binding *b)
{
}

/* ---- other vCPUs ---- */

void vcpu_attend_locked(struct vcpu *v, uint64_t why)
{
    vcpu_attend(v, why);
}

void vcpu_interrupt_self(struct vcpu *v, unsigned vector)
{
    if (vlapic_request(&v->hv.lapic, vector, false))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

void vcpu_interrupt_locked(struct vcpu *v, unsigned vector, bool is_level)
{
    if (vlapic_request(&v->hv.lapic, vector, is_level))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

bool vcpu_interrupt_running(struct vcpu *v, unsigned vector)
{
    return false;
}

/* ---- the CPU ---- */

void virt_load_msr(uint32_t msr, uint64_t value)
{
    fake_loaded_msr = msr;
    fake_loaded_value = value;
}

void virt_intercept_iret(struct virt_vcpu *v, bool is_wanted)
{
    v->vmcb->intercept3 = is_wanted ? SVM_INTERCEPT_IRET : 0;
}

void virt_inject_exception(struct virt_vcpu *v, unsigned vector, bool has_error, uint32_t error)
{
    abort(); /* nothing here makes the guest fault */
}

void hv_cpuid_init(struct hv_partition *h)
{
}

static void set_segment(struct svm_segment *s, uint16_t selector, uint16_t attributes)
{
    *s = (struct svm_segment){ selector, attributes, UINT32_MAX, 0 };
}

static void start_vcpu(struct fake_guest *g, unsigned index)
{
    struct vcpu *v = &g->v[index];
    struct vmcb *c = &g->vmcb[index];

    *v = (struct vcpu){ .virt.vmcb = c, .partition = &g->p, .index = index, .fpu = g->fpu[index] };
    c->asid = 1;
    c->intercept4 = SVM_INTERCEPT_VMRUN;
    c->intercept_exceptions = SVM_STARVING_EXCEPTIONS;
    c->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE;
    c->cr0 = CR0_PG | CR0_PE | CR0_ET;
    c->cr4 = CR4_PAE | CR4_MCE;
    c->cr3 = 0x1000;
    c->rflags = RFLAGS_FIXED;
    c->dr6 = 0xffff0ff0;
    c->dr7 = 0x400;
    c->g_pat = 0x0007040600070406;
    set_segment(&c->cs, 8, SEGMENT_PRESENT | SEGMENT_CODE_OR_DATA | SEGMENT_LONG | 0xb);
    set_segment(&c->ss, 16, SEGMENT_PRESENT | SEGMENT_CODE_OR_DATA | 3);
    c->ds = c->es = c->fs = c->gs = c->ss;
    set_segment(&c->tr, 0, SEGMENT_PRESENT | 0xb);
    set_segment(&c->ldtr, 0, SEGMENT_PRESENT | 2);
    v->xcr0 = XCR0_X87;
    v->nmi_iret_rip = UINT64_MAX;
    fpu_reset(v->fpu);
    vlapic_reset(&v->hv.lapic, index,
                 LAPIC_MMIO_BASE | APIC_BASE_ENABLE | APIC_BASE_X2APIC |
                     (index ? 0 : APIC_BASE_BSP));
    synic_reset(&v->hv.synic);
    g->p.vcpus[index] = v;
}

struct fake_guest *fake_guest_create(void)
{
    struct fake_guest *g = aligned_alloc(64, round_up(sizeof(*g), 64));

    memset(g, 0, sizeof(*g));
    g->p.memory_bytes = FAKE_MEMORY;
    g->p.vcpu_count = FAKE_VCPUS;
    if (hv_partition_init(&g->p.hv, NULL))
        abort();
    g->p.hv.ioapic.is_present = true;
    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        start_vcpu(g, i);
    return g;
}

void fake_guest_destroy(struct fake_guest *g)
{
    for (unsigned i = 0; i < array_count(overlaid); i++)
        if (overlaid[i].p == &g->p)
            overlaid[i].p = NULL;
    hv_partition_destroy(&g->p.hv, NULL);
    free(g);
}
