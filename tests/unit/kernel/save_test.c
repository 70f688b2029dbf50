// SOURCES: tests/unit/kernel/fake_guest.c kernel/save.c kernel/save_state.c kernel/hv/*.c
// SOURCES: -kernel/hv/cpuid.c -kernel/hv/hypercall.c -kernel/hv/hypercall_check.c
// SOURCES: arch/x86/svm/svm_state.c arch/x86/svm/svm_registers.c arch/x86/svm/svm_check.c
// SOURCES: arch/x86/fpu.c lib/checksum.c lib/string.c
/* The kernel's records. A table names the live value behind each field: changing that must change
 * the field and nothing else, whatever is no field of the table must be reserved, and restoring
 * must give the same bytes. */
#include "kernel/save.h"
#include "arch/x86/tsc.h"
#include "lib/checksum.h"
#include "tests/unit/kernel/fake_guest.h"
#include "tests/unit/test.h"

#define ROW_BYTES KIB(64)

struct row {
    uint8_t at[ROW_BYTES];
    uint64_t bytes;
};

static struct row before, after, spoilt;

static void save(struct fake_guest *g, struct row *r)
{
    r->bytes = 0;
    EXPECT_EQ(save_partition(&g->p, (uint64_t)r->at, ROW_BYTES, &r->bytes), OK);
    EXPECT(!fake_holds_locks());
}

static enum err restore(struct fake_guest *g, const struct row *r)
{
    return restore_partition(&g->p, (uint64_t)r->at, r->bytes);
}

/* ---- records in a row ---- */

/* The record at *@at; steps on. False: the end. */
static bool next(const struct row *r, uint64_t *at, struct record *out)
{
    memcpy(out, r->at + *at, sizeof(*out));
    *at += sizeof(*out) + out->bytes;
    return out->type != RECORD_END;
}

/* Where in the row @offset of this record is; in RECORD_MSRS an MSR's value. 0: nowhere. */
static uint64_t position(const struct row *r, uint32_t type, unsigned instance, uint64_t offset)
{
    uint64_t at = 0, payload, msr;
    struct record head;

    while (payload = at + sizeof(head), next(r, &at, &head)) {
        if (head.type != type || head.instance != instance)
            continue;
        if (type != RECORD_MSRS)
            return offset <= head.bytes ? payload + offset : 0;
        for (uint64_t i = 0; i < head.bytes; i += sizeof(struct record_msr)) {
            memcpy(&msr, r->at + payload + i, sizeof(msr));
            if (msr == offset)
                return payload + i + offsetof(struct record_msr, value);
        }
    }
    return 0;
}

#define TIME_OFFSET offsetof(struct record_partition, tsc) /* and host_ns behind it */
#define TIME_BYTES  (2 * sizeof(uint64_t))

/* The first position at which the payloads differ, but for the time of saving, or 0. */
static uint64_t first_difference(const struct row *a, const struct row *b, uint64_t from)
{
    uint64_t at = 0, payload, time = position(a, RECORD_PARTITION, 0, TIME_OFFSET);
    struct record head;

    if (a->bytes != b->bytes)
        return 1;
    while (payload = at + sizeof(head), next(a, &at, &head))
        for (uint64_t i = payload; i < at; i++)
            if (i >= from && a->at[i] != b->at[i] && i - time >= TIME_BYTES)
                return i;
    return 0;
}

/* ---- the fields ---- */

struct saved {
    const char *name;
    uint32_t type;
    unsigned instance, offset, bytes, count;
    uint8_t *live;
    unsigned live_bytes;
    uint64_t flip;
    bool is_fixed; /* a VM that differs in this takes no such record */
};

static struct saved fields[512];
static unsigned field_count;

static void add(struct saved f)
{
    fields[field_count++] = f;
}

#define FIELDS(record_type, index, record, field, value, n, bits)                     \
    add((struct saved){ .name = #field,                                               \
                        .type = record_type,                                          \
                        .instance = index,                                            \
                        .offset = (unsigned)offsetof(struct record, field),           \
                        .bytes = (unsigned)sizeof(((struct record *)0)->field) / (n), \
                        .count = n,                                                   \
                        .live = (uint8_t *)&(value),                                  \
                        .live_bytes = sizeof(value) / (n),                            \
                        .flip = bits })
#define FIELD(record_type, index, record, field, value, bits) \
    FIELDS(record_type, index, record, field, value, 1, bits)

static void add_bytes(const char *name, uint32_t type, unsigned instance, unsigned offset,
                      void *live, unsigned bytes, unsigned count)
{
    add((struct saved){ name, type, instance, offset, bytes, count, live, bytes, 1, false });
}

static void add_msr(unsigned index, uint32_t msr, uint64_t *value, uint64_t flip)
{
    add((struct saved){ "an MSR", RECORD_MSRS, index, msr, 8, 1, (uint8_t *)value, 8, flip,
                        false });
}

static void add_partition(struct fake_guest *g)
{
    struct partition *p = &g->p;

    FIELD(RECORD_PARTITION, 0, record_partition, memory_bytes, p->memory_bytes, 1ull << 21);
    fields[field_count - 1].is_fixed = true;
    FIELD(RECORD_PARTITION, 0, record_partition, tsc_hz, host_clock.tsc_hz, 1);
    fields[field_count - 1].is_fixed = true;
    FIELDS(RECORD_PARTITION, 0, record_partition, crash, p->hv.crash, 5, 1);
    FIELD(RECORD_PARTITION, 0, record_partition, crash_control, p->hv.crash_control, 1);
    add_msr(0, HV_MSR_GUEST_OS_ID, &p->hv.guest_os_id, 1 << 8);
    add_msr(0, HV_MSR_HYPERCALL, &p->hv.hypercall, PAGE_BYTES);
    add_msr(0, HV_MSR_REFERENCE_TSC, &p->hv.reference_tsc, PAGE_BYTES);
    add_msr(0, HV_MSR_TSC_INVARIANT, &p->hv.tsc_invariant, 1);
    FIELD(RECORD_IOAPIC, 0, record_ioapic, select, p->hv.ioapic.select, 1);
    FIELD(RECORD_IOAPIC, 0, record_ioapic, id, p->hv.ioapic.id, 1 << 24);
    FIELD(RECORD_IOAPIC, 0, record_ioapic, lines, p->hv.ioapic.lines, 1 << 5);
    FIELDS(RECORD_IOAPIC, 0, record_ioapic, redirect, p->hv.ioapic.redirect, 24, 1);
}

#define SEGMENT(i, name)                                                                        \
    do {                                                                                        \
        FIELD(RECORD_CPU, i, record_cpu, state.name.selector, g->vmcb[i].name.selector, 1);     \
        FIELD(RECORD_CPU, i, record_cpu, state.name.attributes, g->vmcb[i].name.attributes, 1); \
        FIELD(RECORD_CPU, i, record_cpu, state.name.limit, g->vmcb[i].name.limit, 1);           \
        FIELD(RECORD_CPU, i, record_cpu, state.name.base, g->vmcb[i].name.base, 1);             \
    } while (0)
#define GPRS(first, end, value)                                                                  \
    add_bytes("gpr", RECORD_CPU, i, offsetof(struct record_cpu, state.gpr) + 8 * (first), value, \
              8, (end) - (first))

static void add_state(struct fake_guest *g, unsigned i)
{
    struct vcpu *v = &g->v[i];
    struct vmcb *c = &g->vmcb[i];

    GPRS(REG_RAX, REG_RSP, &v->virt.gpr[REG_RAX]);
    GPRS(REG_RSP, REG_RBP, &c->rsp);
    GPRS(REG_RBP, 16, &v->virt.gpr[REG_RBP]);
    FIELD(RECORD_CPU, i, record_cpu, state.rip, v->virt.rip, 1);
    FIELD(RECORD_CPU, i, record_cpu, state.rflags, c->rflags, RFLAGS_CF);
    FIELD(RECORD_CPU, i, record_cpu, state.cr0, c->cr0, CR0_TS);
    FIELD(RECORD_CPU, i, record_cpu, state.cr2, c->cr2, 1);
    FIELD(RECORD_CPU, i, record_cpu, state.cr3, c->cr3, PAGE_BYTES);
    FIELD(RECORD_CPU, i, record_cpu, state.cr4, c->cr4, CR4_TSD);
    FIELD(RECORD_CPU, i, record_cpu, state.cr4, v->virt.has_guest_mce, 1);
    FIELD(RECORD_CPU, i, record_cpu, state.efer, c->efer, EFER_SCE);
    SEGMENT(i, es);
    SEGMENT(i, cs);
    SEGMENT(i, ss);
    SEGMENT(i, ds);
    SEGMENT(i, fs);
    SEGMENT(i, gs);
    SEGMENT(i, gdtr);
    SEGMENT(i, ldtr);
    SEGMENT(i, idtr);
    SEGMENT(i, tr);
    FIELD(RECORD_CPU, i, record_cpu, state.ss.attributes, c->cpl, 3);
}

#define VIRT(field) FIELD(RECORD_CPU, i, record_cpu, virt.field, c->field, 1)

static void add_virt(struct fake_guest *g, unsigned i)
{
    struct vmcb *c = &g->vmcb[i];

    FIELD(RECORD_CPU, i, record_cpu, virt.pat, c->g_pat, 1);
    VIRT(dr6);
    VIRT(dr7);
    VIRT(star);
    VIRT(lstar);
    VIRT(cstar);
    VIRT(sfmask);
    VIRT(kernel_gs_base);
    VIRT(sysenter_cs);
    VIRT(sysenter_esp);
    VIRT(sysenter_eip);
    VIRT(shadow);
    VIRT(event);
    add_bytes("event_error", RECORD_CPU, i, offsetof(struct record_cpu, virt.event) + 4,
              &c->event_error, 4, 1);
}

static void add_cpu(struct fake_guest *g, unsigned i)
{
    struct vcpu *v = &g->v[i];

    add_state(g, i);
    add_virt(g, i);
    FIELDS(RECORD_CPU, i, record_cpu, debug_registers, v->debug_registers, 4, 1);
    FIELD(RECORD_CPU, i, record_cpu, xcr0, v->xcr0, 2);
    FIELD(RECORD_CPU, i, record_cpu, tsc_aux, v->hv.tsc_aux, 1);
    FIELD(RECORD_CPU, i, record_cpu, pending, v->attention, VCPU_ATTEND_INIT);
    FIELD(RECORD_CPU, i, record_cpu, pending, v->attention, VCPU_ATTEND_SIPI);
    FIELD(RECORD_CPU, i, record_cpu, pending, v->attention, VCPU_ATTEND_NMI);
    FIELD(RECORD_CPU, i, record_cpu, activity, v->activity, 1);
    FIELD(RECORD_CPU, i, record_cpu, sipi_vector, v->sipi_vector, 1);
    FIELD(RECORD_CPU, i, record_cpu, is_nmi_masked, v->is_nmi_masked, 1);
    FIELD(RECORD_CPU, i, record_cpu, nmi_iret_rip, v->nmi_iret_rip, 1);
    /* The legacy area but MXCSR's upper half and mask, and the bits that say what is in use. */
    add_bytes("fpu", RECORD_FPU, i, 0, v->fpu, 2, 13);
    add_bytes("fpu", RECORD_FPU, i, 28, (uint8_t *)v->fpu + 28, 4, 121);
    add_bytes("fpu header", RECORD_FPU, i, 512, (uint8_t *)v->fpu + 512, 8, 1);
}

#define LAPIC(field, bits) FIELD(RECORD_LAPIC, i, record_lapic, field, a->field, bits)

static void add_lapic(struct fake_guest *g, unsigned i)
{
    struct vlapic *a = &g->v[i].hv.lapic;

    FIELDS(RECORD_LAPIC, i, record_lapic, irr, a->irr, 4, 1 << 20);
    FIELDS(RECORD_LAPIC, i, record_lapic, tmr, a->tmr, 4, 1 << 20);
    FIELDS(RECORD_LAPIC, i, record_lapic, isr, a->isr, 4, 1 << 20);
    FIELDS(RECORD_LAPIC, i, record_lapic, lvt, a->lvt, 6, 1);
    FIELD(RECORD_LAPIC, i, record_lapic, deadline, a->timer_deadline_tsc, 1);
    FIELD(RECORD_LAPIC, i, record_lapic, start, a->timer_start_tsc, 1);
    LAPIC(icr, 1 << 20);
    LAPIC(ldr, 1);
    LAPIC(dfr, 1);
    LAPIC(tpr, 1);
    LAPIC(svr, 1);
    LAPIC(esr, 1);
    LAPIC(errors, 1);
    LAPIC(timer_initial, 1);
    LAPIC(timer_divide, 1);
    add_msr(i, MSR_APIC_BASE, &a->base, APIC_BASE_X2APIC);
}

static void add_synic(struct fake_guest *g, unsigned i)
{
    struct synic *s = &g->v[i].hv.synic;

    FIELD(RECORD_SYNIC, i, record_synic, waiting, s->waiting, 8);
    FIELD(RECORD_SYNIC, i, record_synic, host_waiting, s->host_waiting, 8);
    for (unsigned n = 0; n < STIMER_COUNT; n++) {
        FIELD(RECORD_SYNIC, i, record_synic, timers[n].config, s->timers[n].config, HV_STIMER_LAZY);
        FIELD(RECORD_SYNIC, i, record_synic, timers[n].count, s->timers[n].count, 1);
        FIELD(RECORD_SYNIC, i, record_synic, timers[n].due, s->timers[n].due, 1);
        FIELD(RECORD_SYNIC, i, record_synic, timers[n].is_waiting, s->timers[n].is_waiting, 1);
    }
    add_msr(i, HV_MSR_VP_ASSIST, &g->v[i].hv.vp_assist, PAGE_BYTES);
    add_msr(i, HV_MSR_SIEFP, &s->event_page, PAGE_BYTES);
    add_msr(i, HV_MSR_SIMP, &s->message_page, PAGE_BYTES);
    add_msr(i, HV_MSR_SCONTROL, &s->control, 1);
    for (unsigned n = 0; n < SINT_COUNT; n++)
        add_msr(i, HV_MSR_SINT0 + n, &s->sint[n], 1);
    for (unsigned slot = OVERLAY_VP_ASSIST + i; slot < OVERLAY_COUNT; slot += 64)
        add_bytes("a page", RECORD_PAGE, slot, 0, direct_map(g->p.hv.overlays[slot].page), 8,
                  PAGE_BYTES / 8);
}

static void list_fields(struct fake_guest *g)
{
    field_count = 0;
    add_partition(g);
    for (unsigned i = 0; i < FAKE_VCPUS; i++) {
        add_cpu(g, i);
        add_lapic(g, i);
        add_synic(g, i);
    }
}

static void flip(const struct saved *f, unsigned i)
{
    uint8_t *live = f->live + i * f->live_bytes;

    for (unsigned n = 0; n < f->live_bytes && n < 8; n++)
        live[n] ^= (uint8_t)(f->flip >> 8 * n);
}

/* ---- a guest that uses everything ---- */

static void write_msr(struct fake_guest *g, unsigned i, uint32_t msr, uint64_t value)
{
    if (hv_msr_write(&g->v[i], msr, value, true) != HV_DONE)
        TEST_FAIL("MSR 0x%x does not take 0x%" PRIx64, msr, value);
}

static void use_msrs(struct fake_guest *g, unsigned i)
{
    write_msr(g, i, HV_MSR_VP_ASSIST, 0x10001 + i * 0x1000);
    write_msr(g, i, HV_MSR_SIEFP, 0x20001 + i * 0x1000);
    write_msr(g, i, HV_MSR_SIMP, 0x30001 + i * 0x1000);
    write_msr(g, i, HV_MSR_SCONTROL, HV_SYNIC_ENABLE);
    for (unsigned n = 0; n < SINT_COUNT; n++)
        write_msr(g, i, HV_MSR_SINT0 + n,
                  (0x40 + n) | (n & 1 ? HV_SINT_AUTO_EOI : 0) | (n & 2 ? HV_SINT_POLLING : 0));
    for (unsigned n = 0; n < STIMER_COUNT; n++) {
        write_msr(g, i, HV_MSR_STIMER0_CONFIG + 2 * n,
                  HV_STIMER_DIRECT | (0x60 + n) << 4 | HV_STIMER_AUTO_ENABLE);
        write_msr(g, i, HV_MSR_STIMER0_CONFIG + 2 * n + 1, 1ull << (50 + n));
    }
    write_msr(g, i, MSR_X2APIC + 0x3e, 0xb); /* timer: divide by 1, and a long time */
    write_msr(g, i, MSR_X2APIC + 0x38, UINT32_MAX);
}

static struct fake_guest *busy_guest(void)
{
    struct fake_guest *g = fake_guest_create();

    write_msr(g, 0, HV_MSR_GUEST_OS_ID, 0x8100000000000001);
    write_msr(g, 0, HV_MSR_HYPERCALL, 0x40001);
    write_msr(g, 0, HV_MSR_REFERENCE_TSC, 0x50001);
    for (unsigned i = 0; i < FAKE_VCPUS; i++) {
        use_msrs(g, i);
        g->vmcb[i].event = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | SVM_EVENT_HAS_ERROR | VECTOR_PF;
        vcpu_interrupt_self(&g->v[i], 0x55);
    }
    return g;
}

/* ---- what must hold ---- */

/* Not every word of every page. */
static unsigned step(const struct saved *f)
{
    return f->type == RECORD_PAGE ? 37 : 1;
}

static void only_this_changes(struct fake_guest *g, const struct saved *f, unsigned i)
{
    uint64_t first, from, end;

    EXPECT_OF(save(g, &before));
    flip(f, i);
    EXPECT_OF(save(g, &after));
    flip(f, i);
    from = position(&before, f->type, f->instance, f->offset) + i * f->bytes;
    end = from + f->bytes;
    first = first_difference(&before, &after, 0);
    if (first < from || first >= end || first_difference(&before, &after, end))
        TEST_FAIL("%s[%u] of record %u.%u at %" PRIu64 ": the difference is at %" PRIu64, f->name,
                  i, f->type, f->instance, from, first);
}

TEST(each_live_value_changes_its_field_of_its_record_and_no_other)
{
    struct fake_guest *g = busy_guest();

    EXPECT(!test_reason[0]);
    list_fields(g);
    for (unsigned n = 0; n < field_count; n++)
        for (unsigned i = 0; i < fields[n].count; i += step(&fields[n]))
            EXPECT_OF(only_this_changes(g, &fields[n], i));
    fake_guest_destroy(g);
}

static uint8_t is_covered[ROW_BYTES];

static void cover(uint32_t type, unsigned instance, uint64_t offset, uint64_t bytes)
{
    memset(is_covered + position(&before, type, instance, offset), 1, bytes);
}

/* What no live value is behind. */
static void cover_reserved(void)
{
    cover(RECORD_PARTITION, 0, offsetof(struct record_partition, vcpu_count), 8);
    cover(RECORD_PARTITION, 0, TIME_OFFSET, TIME_BYTES); /* the tests below */
    cover(RECORD_IOAPIC, 0, offsetof(struct record_ioapic, reserved), 4);
    for (unsigned i = 0; i < FAKE_VCPUS; i++) {
        cover(RECORD_CPU, i, offsetof(struct record_cpu, reserved), 2);
        cover(RECORD_FPU, i, 26, 2);
        cover(RECORD_FPU, i, 520, 56);
    }
}

TEST(each_byte_of_each_record_belongs_to_a_field_that_was_looked_at)
{
    struct fake_guest *g = busy_guest();
    uint64_t at = 0, payload;
    struct record head;

    list_fields(g);
    EXPECT_OF(save(g, &before));
    memset(is_covered, 0, sizeof(is_covered));
    for (unsigned n = 0; n < field_count; n++)
        cover(fields[n].type, fields[n].instance, fields[n].offset,
              fields[n].bytes * fields[n].count);
    cover_reserved();
    while (payload = at + sizeof(head), next(&before, &at, &head))
        for (uint64_t i = payload; i < at; i++)
            if (!is_covered[i] && (head.type != RECORD_MSRS || (i - payload) % 16 >= 8))
                TEST_FAIL("byte %" PRIu64 " of record %u.%u is nobody's", i - payload, head.type,
                          head.instance);
    fake_guest_destroy(g);
}

static void comes_back(const struct saved *f, unsigned i)
{
    struct fake_guest *g = fake_guest_create();
    enum err err = restore(g, &before);

    if (err != (f->is_fixed ? ERR_FORMAT : OK))
        TEST_FAIL("%s[%u] of record %u.%u: restoring it says %d", f->name, i, f->type, f->instance,
                  err);
    EXPECT_OF(save(g, &after));
    if (!f->is_fixed && first_difference(&before, &after, 0))
        TEST_FAIL("%s[%u] of record %u.%u: saved again %" PRIu64 " differs", f->name, i, f->type,
                  f->instance, first_difference(&before, &after, 0));
    fake_guest_destroy(g);
}

TEST(save_restore_save_gives_equal_bytes_whichever_value_is_changed)
{
    struct fake_guest *g = busy_guest();

    list_fields(g);
    for (unsigned n = 0; n < field_count; n++)
        for (unsigned i = 0; i < fields[n].count; i += step(&fields[n])) {
            flip(&fields[n], i);
            save(g, &before);
            flip(&fields[n], i);
            EXPECT_OF(comes_back(&fields[n], i));
        }
    fake_guest_destroy(g);
}

/* What records do not hold but follows from them. */
TEST(a_restored_guest_has_its_timers_pages_and_intercepts)
{
    struct fake_guest *g = busy_guest(), *h = fake_guest_create();

    g->v[1].is_nmi_masked = true;
    g->v[0].hv.synic.timers[2].is_waiting = true;
    EXPECT_OF(save(g, &before));
    EXPECT_EQ(restore(h, &before), OK);
    for (unsigned i = 0; i < FAKE_VCPUS; i++) {
        struct hv_vcpu *a = &h->v[i].hv;

        EXPECT(!memcmp(a->lapic.auto_eoi, g->v[i].hv.lapic.auto_eoi, sizeof(a->lapic.auto_eoi)));
        EXPECT(a->lapic.auto_eoi[1] && heap_holds(&a->lapic.timer.node));
        for (unsigned n = 0; n < STIMER_COUNT; n++)
            EXPECT_EQ(heap_holds(&a->synic.timers[n].timer.node), i != 0 || n != 2);
        EXPECT(a->synic.messages && a->synic.flags);
        EXPECT_EQ((bool)(h->vmcb[i].intercept3 & SVM_INTERCEPT_IRET), i == 1);
        EXPECT(h->v[i].attention & VCPU_ATTEND_INTERRUPT);
        EXPECT_EQ(h->vmcb[i].tsc_offset, h->p.hv.tsc_offset);
    }
    EXPECT(h->p.hv.overlays[OVERLAY_HYPERCALL].is_enabled);
    EXPECT_EQ(h->p.hv.overlays[OVERLAY_REFERENCE_TSC].gpa.v, 0x50000);
    fake_guest_destroy(g);
    fake_guest_destroy(h);
}

TEST(the_guests_time_goes_on_by_what_has_passed_here)
{
    struct fake_guest *g = busy_guest(), *h = fake_guest_create();

    g->p.hv.tsc_offset += 1ull << 40;
    EXPECT_OF(save(g, &before));
    EXPECT_EQ(restore(h, &before), OK);
    int64_t apart = (int64_t)(h->p.hv.tsc_offset - g->p.hv.tsc_offset);

    EXPECT(apart > -10000000 && apart < 10000000); /* what lies between two readings of the TSC */
    EXPECT_EQ(h->v[1].hv.lapic.timer_deadline_tsc + h->p.hv.tsc_offset,
              g->v[1].hv.lapic.timer_deadline_tsc + g->p.hv.tsc_offset);
    fake_guest_destroy(g);
    fake_guest_destroy(h);
}

/* ---- refusals ---- */

/* @value over the field, the record's checksum made right. */
static void spoil(uint32_t type, unsigned instance, uint64_t offset, uint64_t value, unsigned bytes)
{
    uint64_t at = 0, start = 0, place;
    struct record head;

    spoilt = before;
    place = position(&spoilt, type, instance, offset);
    memcpy(spoilt.at + place, &value, bytes);
    while (start = at, next(&spoilt, &at, &head)) {
        head.checksum = checksum32(spoilt.at + start + sizeof(head), head.bytes);
        memcpy(spoilt.at + start, &head, sizeof(head));
    }
}

static void is_refused(const char *what)
{
    struct fake_guest *g = fake_guest_create();

    if (restore(g, &spoilt) != ERR_FORMAT)
        TEST_FAIL("%s is not refused", what);
    EXPECT(!fake_holds_locks());
    fake_guest_destroy(g);
}

#define REFUSED(record_type, index, record, field, value)                \
    do {                                                                 \
        spoil(record_type, index, offsetof(struct record, field), value, \
              sizeof(((struct record *)0)->field));                      \
        EXPECT_OF(is_refused(#field " " #value));                        \
    } while (0)
#define CPU_REFUSED(field, value)   REFUSED(RECORD_CPU, 1, record_cpu, field, value)
#define LAPIC_REFUSED(field, value) REFUSED(RECORD_LAPIC, 1, record_lapic, field, value)
#define SYNIC_REFUSED(field, value) REFUSED(RECORD_SYNIC, 1, record_synic, field, value)

static void save_busy(void)
{
    struct fake_guest *g = busy_guest();

    save(g, &before);
    fake_guest_destroy(g);
}

#define NOT_CANONICAL (1ull << 47)

TEST(a_vcpu_that_the_processor_would_not_run_is_refused)
{
    save_busy();
    CPU_REFUSED(xcr0, 0);
    CPU_REFUSED(xcr0, 7);
    CPU_REFUSED(pending, VCPU_ATTEND_KICK);
    CPU_REFUSED(activity, VCPU_WAITS_FOR_SIPI + 1);
    CPU_REFUSED(tsc_aux, 1ull << 32);
    CPU_REFUSED(is_nmi_masked, 2);
    CPU_REFUSED(state.cr0, CR0_PG);
    CPU_REFUSED(state.cr0, 1ull << 32 | CR0_PG | CR0_PE);
    CPU_REFUSED(state.cr0, CR0_PG | CR0_PE | CR0_NW);
    CPU_REFUSED(state.cr3, 1ull << 52);
    CPU_REFUSED(state.cr4, 0);
    CPU_REFUSED(state.cr4, CR4_PAE | 1ull << 63);
    CPU_REFUSED(state.efer, EFER_LME | EFER_LMA | 1ull << 63);
    CPU_REFUSED(state.rip, NOT_CANONICAL);
    CPU_REFUSED(state.fs.base, NOT_CANONICAL);
    CPU_REFUSED(state.cs.attributes, 0xe9b); /* L and D */
}

TEST(what_else_the_processor_would_refuse_is_refused)
{
    save_busy();
    CPU_REFUSED(virt.pat, 2);
    CPU_REFUSED(virt.dr6, 1ull << 32);
    CPU_REFUSED(virt.dr7, 1ull << 32);
    CPU_REFUSED(virt.lstar, NOT_CANONICAL);
    CPU_REFUSED(virt.cstar, NOT_CANONICAL);
    CPU_REFUSED(virt.kernel_gs_base, NOT_CANONICAL);
    CPU_REFUSED(virt.sysenter_esp, NOT_CANONICAL);
    CPU_REFUSED(virt.sysenter_eip, NOT_CANONICAL);
    CPU_REFUSED(virt.shadow, 2);
    CPU_REFUSED(virt.event, 1); /* not valid, and not nothing */
    CPU_REFUSED(virt.event, SVM_EVENT_VALID | 1 << 12);
    CPU_REFUSED(virt.event, SVM_EVENT_VALID | SVM_EVENT_SOFTWARE | 0x80);
    CPU_REFUSED(virt.event, SVM_EVENT_VALID | 1 << 8 | 0x80);
    CPU_REFUSED(virt.event, SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 32);
    CPU_REFUSED(virt.event, SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | VECTOR_NMI);
    spoil(RECORD_FPU, 0, 24, 1 << 16, 4);
    EXPECT_OF(is_refused("MXCSR"));
    spoil(RECORD_FPU, 0, 512, 4, 8);
    EXPECT_OF(is_refused("a component that is off"));
    spoil(RECORD_FPU, 0, 520, 1ull << 63, 8);
    EXPECT_OF(is_refused("the compacted format"));
}

TEST(interrupt_controllers_that_cannot_be_are_refused)
{
    save_busy();
    LAPIC_REFUSED(irr[0], 1 << 15);
    LAPIC_REFUSED(isr[0], 1);
    LAPIC_REFUSED(tpr, 0x100);
    LAPIC_REFUSED(timer_divide, 4);
    SYNIC_REFUSED(waiting, 1 << 16);
    SYNIC_REFUSED(host_waiting, 1 << 16);
    SYNIC_REFUSED(timers[3].config, 1 << 13);
    SYNIC_REFUSED(timers[3].is_waiting, 2);
    REFUSED(RECORD_IOAPIC, 0, record_ioapic, select, 0x100);
    REFUSED(RECORD_IOAPIC, 0, record_ioapic, lines, 1 << 24);
    REFUSED(RECORD_IOAPIC, 0, record_ioapic, redirect[23], 1 << 17);
    REFUSED(RECORD_PARTITION, 0, record_partition, vcpu_count, FAKE_VCPUS + 1);
}

TEST(msrs_that_a_guest_could_not_write_are_refused)
{
    save_busy();
    spoil(RECORD_MSRS, 1, MSR_APIC_BASE, 0x1000, 8);
    EXPECT_OF(is_refused("a local APIC elsewhere"));
    spoil(RECORD_MSRS, 1, HV_MSR_SINT0, 3, 8);
    EXPECT_OF(is_refused("a SINT with vector 3"));
    spoil(RECORD_MSRS, 1, HV_MSR_SIMP, 1ull << 39 | 1, 8);
    EXPECT_OF(is_refused("a page beyond guest memory"));
    spoil(RECORD_MSRS, 0, HV_MSR_TSC_INVARIANT, 2, 8);
    EXPECT_OF(is_refused("a TSC control with reserved bits"));
    spoil(RECORD_MSRS, 1, HV_MSR_SIMP, 0, 8);
    EXPECT_OF(is_refused("the content of a page that is off"));
    spoil(RECORD_MSRS, 1, HV_MSR_SIMP, 0, 8);
    memcpy(spoilt.at + position(&spoilt, RECORD_MSRS, 0, HV_MSR_TSC_INVARIANT) - 8,
           &(uint64_t){ MSR_EFER }, 8);
    EXPECT_OF(is_refused("an MSR that is not saved"));
}

/* The heads themselves: @bit of the one at @start is turned. */
static void turned_bit_is_refused(uint64_t start, unsigned bit)
{
    struct fake_guest *g = fake_guest_create();
    enum err err;

    spoilt = before;
    spoilt.at[start + bit / 8] ^= (uint8_t)(1u << bit % 8);
    err = restore(g, &spoilt);
    if (err != ERR_FORMAT)
        TEST_FAIL("the head at %" PRIu64 " with bit %u turned: %d", start, bit, err);
    fake_guest_destroy(g);
}

TEST(a_head_with_any_bit_turned_is_refused)
{
    uint64_t at = 0, start = 0;
    struct record head;
    bool goes_on = true;

    save_busy();
    while (goes_on) {
        start = at;
        goes_on = next(&before, &at, &head);
        for (unsigned bit = 0; goes_on && bit < 8 * sizeof(head); bit++)
            /* The instance may name the other vCPU. */
            if (bit / 16 != offsetof(struct record, instance) / 2)
                EXPECT_OF(turned_bit_is_refused(start, bit));
    }
}

TEST(an_instance_that_is_not_there_is_refused)
{
    uint64_t at = 0, start = 0;
    struct record head;

    save_busy();
    while (start = at, next(&before, &at, &head)) {
        if (head.type < RECORD_MSRS)
            continue;
        head.instance = OVERLAY_COUNT + FAKE_VCPUS;
        spoilt = before;
        memcpy(spoilt.at + start, &head, sizeof(head));
        EXPECT_OF(is_refused("the instance"));
    }
}

TEST(a_row_that_is_cut_or_goes_on_behind_its_end_is_refused)
{
    save_busy();
    spoilt = before;
    for (spoilt.bytes = 0; spoilt.bytes < before.bytes; spoilt.bytes += 8)
        EXPECT_OF(is_refused("a cut row"));
    spoilt.bytes = before.bytes + 8;
    EXPECT_OF(is_refused("a longer row"));
}

/* The form is looked at before anything is done: the fault is in the last record. */
TEST(what_is_refused_for_its_form_has_changed_nothing)
{
    struct fake_guest *g = fake_guest_create();
    uint64_t at;

    save_busy();
    spoilt = before;
    at = position(&spoilt, RECORD_SYNIC, 1, 0);
    spoilt.at[at] ^= 1;
    EXPECT_OF(save(g, &before));
    EXPECT_EQ(restore(g, &spoilt), ERR_FORMAT);
    EXPECT_OF(save(g, &after));
    EXPECT_EQ(first_difference(&before, &after, 0), 0);
    fake_guest_destroy(g);
}

TEST(a_row_that_does_not_fit_or_a_vcpu_that_runs_is_said)
{
    struct fake_guest *g = busy_guest();
    uint64_t bytes;

    EXPECT_OF(save(g, &before));
    EXPECT_EQ(save_partition(&g->p, (uint64_t)after.at, before.bytes, &bytes), OK);
    EXPECT_EQ(save_partition(&g->p, (uint64_t)after.at, before.bytes - 8, &bytes), ERR_FULL);
    g->v[1].is_running = true;
    EXPECT_EQ(save_partition(&g->p, (uint64_t)after.at, ROW_BYTES, &bytes), ERR_STATE);
    EXPECT_EQ(restore(g, &before), ERR_STATE);
    fake_guest_destroy(g);
}

TEST(records_of_a_device_that_the_vm_lacks_are_refused)
{
    struct fake_guest *g = fake_guest_create();

    save_busy();
    g->p.hv.ioapic.is_present = false;
    EXPECT_EQ(restore(g, &before), ERR_FORMAT);
    fake_guest_destroy(g);
}
