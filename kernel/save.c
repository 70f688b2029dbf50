#include "kernel/save.h"
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/sched.h"
#include "kernel/space.h"
#include "kernel/vcpu.h"
#include "lib/checksum.h"
#include "lib/muldiv.h"
#include "lib/string.h"
#include "lib/x86/regs.h"

#define STILL_TRIES 1000u  /* for a thread that is about to block */
#define ROOM_BYTES  16384u /* the largest record: an XSAVE image */

/* In an order in which a guest could write them: the identity before the hypercall page, the pages
 * before what uses them. */
static const uint32_t partition_msrs[] = { HV_MSR_GUEST_OS_ID, HV_MSR_HYPERCALL,
                                           HV_MSR_REFERENCE_TSC, HV_MSR_TSC_INVARIANT };
static const uint32_t vcpu_msrs[] = {
    HV_MSR_VP_ASSIST,
    HV_MSR_SIEFP,
    HV_MSR_SIMP,
    HV_MSR_SCONTROL,
};

/* ---- writing ---- */

struct writer {
    uint64_t buffer, capacity, used;
    void *room;
    enum err err;
};

static void put(struct writer *w, enum record_type type, unsigned instance, const void *payload,
                uint64_t bytes)
{
    struct record r = { type, RECORD_VERSION, (uint16_t)instance, (uint32_t)bytes,
                        checksum32(payload, bytes) };

    if (w->err)
        return;
    if (w->capacity - w->used < sizeof(r) + bytes) {
        w->err = ERR_FULL;
        return;
    }
    w->err = user_write(w->buffer + w->used, &r, sizeof(r));
    if (!w->err && bytes)
        w->err = user_write(w->buffer + w->used + sizeof(r), payload, bytes);
    w->used += sizeof(r) + bytes;
}

static void put_msr(struct vcpu *v, struct record_msr *m, unsigned *n, uint32_t msr)
{
    uint64_t value;

    if (hv_msr_read(v, msr, &value, true) == HV_DONE)
        m[(*n)++] = (struct record_msr){ msr, value };
}

static void put_vcpu_msrs(struct writer *w, struct vcpu *v)
{
    struct record_msr *m = w->room;
    unsigned n = 0;

    put_msr(v, m, &n, MSR_APIC_BASE);
    for (unsigned i = 0; i < SINT_COUNT; i++)
        put_msr(v, m, &n, HV_MSR_SINT0 + i);
    for (unsigned i = 0; i < array_count(vcpu_msrs); i++)
        put_msr(v, m, &n, vcpu_msrs[i]);
    put(w, RECORD_MSRS, v->index, m, n * sizeof(*m));
}

static void put_pages(struct writer *w, struct vcpu *v)
{
    static const unsigned kinds[] = { OVERLAY_VP_ASSIST, OVERLAY_MESSAGES, OVERLAY_EVENTS };

    for (unsigned i = 0; i < array_count(kinds); i++) {
        const struct overlay *o = &v->partition->hv.overlays[kinds[i] + v->index];

        if (o->is_enabled)
            put(w, RECORD_PAGE, kinds[i] + v->index, direct_map(o->page), PAGE_BYTES);
    }
}

static void put_vcpu(struct writer *w, struct vcpu *v)
{
    put_vcpu_msrs(w, v);
    put_pages(w, v);
    save_cpu(v, w->room);
    put(w, RECORD_CPU, v->index, w->room, sizeof(struct record_cpu));
    put(w, RECORD_FPU, v->index, v->fpu, round_up(cpu_features.xsave_bytes, 8));
    save_lapic(v, w->room);
    put(w, RECORD_LAPIC, v->index, w->room, sizeof(struct record_lapic));
    save_synic(v, w->room);
    put(w, RECORD_SYNIC, v->index, w->room, sizeof(struct record_synic));
}

static void put_partition(struct writer *w, struct partition *p)
{
    struct record_partition r = {
        .memory_bytes = p->memory_bytes,
        .vcpu_count = p->vcpu_count,
        .tsc = hv_guest_tsc(p),
        .host_ns = clock_ns(),
        .tsc_hz = host_clock.tsc_hz,
        .crash_control = p->hv.crash_control,
    };
    struct record_msr *m = w->room;
    unsigned n = 0;

    memcpy(r.crash, p->hv.crash, sizeof(r.crash));
    put(w, RECORD_PARTITION, 0, &r, sizeof(r));
    for (unsigned i = 0; i < array_count(partition_msrs); i++)
        put_msr(p->vcpus[0], m, &n, partition_msrs[i]);
    put(w, RECORD_MSRS, 0, m, n * sizeof(*m));
    save_ioapic(p, w->room);
    if (p->hv.ioapic.is_present)
        put(w, RECORD_IOAPIC, 0, w->room, sizeof(struct record_ioapic));
}

/* Its thread has not blocked yet: the CPU still holds its FPU state. */
static bool is_on_a_cpu(const struct vcpu *v)
{
    spin_lock(&sched_lock);
    bool is_on = v->thread && v->thread->state == THREAD_RUNNING;

    spin_unlock(&sched_lock);
    return is_on;
}

static bool is_still(const struct partition *p)
{
    for (unsigned i = 0; i < p->vcpu_count; i++) {
        const struct vcpu *v = p->vcpus[i];

        if (!v || v->is_running || v->read_width || v->is_string_read || is_on_a_cpu(v))
            return false;
    }
    return p->vcpu_count;
}

enum err save_partition(struct partition *p, uint64_t buffer, uint64_t capacity, uint64_t *bytes)
{
    struct writer w = { .buffer = buffer, .capacity = capacity };

    for (unsigned i = 0; i < STILL_TRIES && !is_still(p); i++)
        sched_yield();
    if (!is_still(p))
        return ERR_STATE;
    w.room = kernel_alloc(&root_budget, ROOM_BYTES);
    if (!w.room)
        return ERR_MEMORY;
    put_partition(&w, p);
    for (unsigned i = 0; i < p->vcpu_count; i++)
        put_vcpu(&w, p->vcpus[i]);
    put(&w, RECORD_END, 0, NULL, 0);
    kernel_free(&root_budget, w.room, ROOM_BYTES);
    *bytes = w.used;
    return w.err;
}

/* ---- reading ---- */

/* The guest's TSC goes on by what passed on this host's clock; on another host, or after a restart
 * of this one, it goes on from where it stood. */
static enum err take_partition(struct partition *p, const struct record_partition *r)
{
    uint64_t now = clock_ns(), tsc = r->tsc;

    if (r->memory_bytes != p->memory_bytes || r->vcpu_count != p->vcpu_count ||
        r->tsc_hz != host_clock.tsc_hz)
        return ERR_FORMAT;
    if (now > r->host_ns)
        tsc += multiply_shift32(now - r->host_ns, host_clock.ticks_per_ns_32);
    p->hv.tsc_offset = tsc - rdtsc();
    for (unsigned i = 0; i < p->vcpu_count; i++)
        virt_set_tsc_offset(&p->vcpus[i]->virt, p->hv.tsc_offset);
    memcpy(p->hv.crash, r->crash, sizeof(p->hv.crash));
    p->hv.crash_control = r->crash_control;
    return OK;
}

static bool is_saved_msr(uint64_t msr)
{
    if (msr == MSR_APIC_BASE || msr - HV_MSR_SINT0 < SINT_COUNT)
        return true;
    for (unsigned i = 0; i < array_count(partition_msrs); i++)
        if (msr == partition_msrs[i])
            return true;
    for (unsigned i = 0; i < array_count(vcpu_msrs); i++)
        if (msr == vcpu_msrs[i])
            return true;
    return false;
}

/* The APIC's modes are reached one step after the other. */
static bool set_apic_base(struct vcpu *v, uint64_t value)
{
    uint64_t on = value & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

    return vlapic_write_base(v, LAPIC_MMIO_BASE) &&
           (!on || vlapic_write_base(v, LAPIC_MMIO_BASE | APIC_BASE_ENABLE)) &&
           vlapic_write_base(v, value);
}

static bool set_msr(struct vcpu *v, const struct record_msr *m)
{
    return m->msr == MSR_APIC_BASE ? set_apic_base(v, m->value)
                                   : hv_msr_write(v, (uint32_t)m->msr, m->value, true) == HV_DONE;
}

static enum err take_msrs(struct vcpu *v, const struct record_msr *m, uint64_t bytes, bool is_real)
{
    for (uint64_t i = 0; i < bytes / sizeof(*m); i++)
        if (!is_saved_msr(m[i].msr) || (is_real && !set_msr(v, &m[i])))
            return ERR_FORMAT;
    return OK;
}

static enum err take_page(struct partition *p, unsigned slot, const void *payload)
{
    if (slot < OVERLAY_VP_ASSIST || slot >= OVERLAY_COUNT || !p->hv.overlays[slot].is_enabled)
        return ERR_FORMAT;
    memcpy(direct_map(p->hv.overlays[slot].page), payload, PAGE_BYTES);
    return OK;
}

static enum err take_fpu(struct vcpu *v, const void *image)
{
    if (!fpu_image_is_valid(image))
        return ERR_FORMAT;
    memcpy(v->fpu, image, cpu_features.xsave_bytes);
    return OK;
}

static uint64_t bytes_of(enum record_type type, uint64_t bytes)
{
    switch (type) {
    case RECORD_PARTITION: return sizeof(struct record_partition);
    case RECORD_IOAPIC: return sizeof(struct record_ioapic);
    case RECORD_MSRS: return bytes % sizeof(struct record_msr) ? 0 : bytes;
    case RECORD_CPU: return sizeof(struct record_cpu);
    case RECORD_FPU: return round_up(cpu_features.xsave_bytes, 8);
    case RECORD_LAPIC: return sizeof(struct record_lapic);
    case RECORD_SYNIC: return sizeof(struct record_synic);
    case RECORD_PAGE: return PAGE_BYTES;
    default: return UINT64_MAX;
    }
}

/* The form of a record; what can be seen of its content without the others. */
static enum err check(struct partition *p, const struct record *r, const void *payload)
{
    bool is_of_vcpu = r->type >= RECORD_MSRS && r->type <= RECORD_SYNIC;

    if (r->version != RECORD_VERSION || r->bytes != bytes_of(r->type, r->bytes) ||
        r->checksum != checksum32(payload, r->bytes) ||
        (is_of_vcpu && (r->instance >= p->vcpu_count || !p->vcpus[r->instance])))
        return ERR_FORMAT;
    if (r->type == RECORD_MSRS)
        return take_msrs(p->vcpus[r->instance], payload, r->bytes, false);
    return r->type == RECORD_FPU && !fpu_image_is_valid(payload) ? ERR_FORMAT : OK;
}

static enum err take(struct partition *p, const struct record *r, const void *payload)
{
    struct vcpu *v = r->instance < PARTITION_VCPUS_MAX ? p->vcpus[r->instance] : NULL;

    if (r->type == RECORD_PARTITION)
        return take_partition(p, payload);
    if (r->type == RECORD_IOAPIC)
        return restore_ioapic(p, payload);
    if (r->type == RECORD_PAGE)
        return take_page(p, r->instance, payload);
    if (!v)
        return ERR_FORMAT;
    switch (r->type) {
    case RECORD_MSRS: return take_msrs(v, payload, r->bytes, true);
    case RECORD_CPU: return restore_cpu(v, payload);
    case RECORD_FPU: return take_fpu(v, payload);
    case RECORD_LAPIC: return restore_lapic(v, payload);
    case RECORD_SYNIC: return restore_synic(v, payload);
    default: return ERR_FORMAT;
    }
}

static enum err read_all(struct partition *p, uint64_t buffer, uint64_t bytes, void *room,
                         bool is_real)
{
    uint64_t at = 0;
    struct record r;

    for (;;) {
        if (bytes - at < sizeof(r) || user_read(&r, buffer + at, sizeof(r)))
            return ERR_FORMAT;
        at += sizeof(r);
        if (r.type == RECORD_END)
            return at == bytes ? OK : ERR_FORMAT;
        if (r.bytes > ROOM_BYTES || bytes - at < r.bytes || user_read(room, buffer + at, r.bytes) ||
            check(p, &r, room) || (is_real && take(p, &r, room)))
            return ERR_FORMAT;
        at += r.bytes;
    }
}

enum err restore_partition(struct partition *p, uint64_t buffer, uint64_t bytes)
{
    void *room;
    enum err err;

    if (!is_still(p))
        return ERR_STATE;
    room = kernel_alloc(&root_budget, ROOM_BYTES);
    if (!room)
        return ERR_MEMORY;
    err = read_all(p, buffer, bytes, room, false);
    if (!err)
        err = read_all(p, buffer, bytes, room, true);
    kernel_free(&root_budget, room, ROOM_BYTES);
    return err;
}
