#include "kernel/hv/synic.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/partition.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

void synic_reset(struct synic *s)
{
    *s = (struct synic){ 0 };
    for (unsigned i = 0; i < SINT_COUNT; i++)
        s->sint[i] = HV_SINT_MASKED;
    stimers_init(s);
}

void synic_stop(struct vcpu *v)
{
    spin_lock(&sched_lock);
    stimers_stop_locked(v);
    spin_unlock(&sched_lock);
}

/* ---- delivery ---- */

static void interrupt_locked(struct vcpu *v, unsigned sint)
{
    uint64_t s = v->hv.synic.sint[sint];

    if (!(s & (HV_SINT_MASKED | HV_SINT_POLLING)))
        vcpu_interrupt_locked(v, s & HV_SINT_VECTOR, false);
}

static bool is_free(const struct synic_message *slot)
{
    return !__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE);
}

enum err synic_post_locked(struct vcpu *v, unsigned sint, const struct synic_message *m)
{
    struct synic *s = &v->hv.synic;
    struct synic_message *slot;

    if (!(s->control & HV_SYNIC_ENABLE) || !s->messages)
        return ERR_STATE;
    slot = &s->messages[sint];
    if (!is_free(slot)) {
        s->waiting |= 1u << sint;
        __atomic_or_fetch(&slot->flags, SYNIC_MESSAGE_PENDING, __ATOMIC_SEQ_CST);
        if (!is_free(slot)) /* the guest frees, then looks at the flag */
            return ERR_FULL;
    }
    s->waiting &= ~(1u << sint);
    slot->payload_bytes = m->payload_bytes;
    slot->flags = 0;
    slot->reserved = 0;
    slot->sender = m->sender;
    memcpy(slot->payload, m->payload, sizeof(slot->payload));
    __atomic_store_n(&slot->type, m->type, __ATOMIC_RELEASE);
    interrupt_locked(v, sint);
    return OK;
}

enum err synic_signal_locked(struct vcpu *v, unsigned sint, unsigned flag)
{
    struct synic *s = &v->hv.synic;
    uint8_t bit = (uint8_t)(1u << flag % 8), *byte;

    if (!(s->control & HV_SYNIC_ENABLE) || !s->flags)
        return ERR_STATE;
    byte = &s->flags[sint * (SYNIC_FLAGS_PER_SINT / 8) + flag / 8];
    if (!(__atomic_fetch_or(byte, bit, __ATOMIC_ACQ_REL) & bit))
        interrupt_locked(v, sint);
    return OK;
}

void synic_retry(struct vcpu *v)
{
    struct synic *s = &v->hv.synic;
    uint32_t freed = 0;

    spin_lock(&sched_lock);
    for (unsigned i = 0; s->messages && i < SINT_COUNT; i++)
        if ((s->waiting & 1u << i) && is_free(&s->messages[i]))
            freed |= 1u << i;
    s->waiting &= ~freed;
    if (freed)
        stimers_retry_locked(v, freed);
    if (s->host_waiting & freed) {
        s->host_waiting &= ~freed;
        binding_fire_locked(&v->partition->on_slot_free);
    }
    spin_unlock(&sched_lock);
}

/* ---- registers ---- */

bool synic_read_msr(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct synic *s = &v->hv.synic;

    if (msr - HV_MSR_SINT0 < SINT_COUNT) {
        *value = s->sint[msr - HV_MSR_SINT0];
        return true;
    }
    switch (msr) {
    case HV_MSR_SCONTROL: *value = s->control; return true;
    case HV_MSR_SVERSION: *value = HV_SYNIC_VERSION; return true;
    case HV_MSR_SIEFP: *value = s->event_page; return true;
    case HV_MSR_SIMP: *value = s->message_page; return true;
    case HV_MSR_EOM: *value = 0; return true;
    default: return false;
    }
}

/* Several SINTs may share a vector: it keeps its EOI as soon as one of them wants that. */
static void set_auto_eoi(struct vcpu *v)
{
    const struct synic *s = &v->hv.synic;
    uint64_t set[4] = { 0 };

    for (unsigned i = 0; i < SINT_COUNT; i++)
        if (!(s->sint[i] & HV_SINT_MASKED) && (s->sint[i] & HV_SINT_AUTO_EOI))
            set[(s->sint[i] & HV_SINT_VECTOR) / 64] |= 1ull << (s->sint[i] & 63);
    for (unsigned i = 0; i < SINT_COUNT; i++)
        if (!(s->sint[i] & (HV_SINT_MASKED | HV_SINT_AUTO_EOI)))
            set[(s->sint[i] & HV_SINT_VECTOR) / 64] &= ~(1ull << (s->sint[i] & 63));
    memcpy(v->hv.lapic.auto_eoi, set, sizeof(set));
}

static bool write_sint(struct vcpu *v, unsigned n, uint64_t value)
{
    if ((value & HV_SINT_VECTOR) < 16 && !(value & HV_SINT_MASKED))
        return false;
    spin_lock(&sched_lock);
    v->hv.synic.sint[n] = value & HV_SINT_WRITABLE;
    set_auto_eoi(v);
    spin_unlock(&sched_lock);
    return true;
}

/* The page comes from the partition's overlays and stays theirs. */
static bool write_page(struct vcpu *v, bool is_messages, uint64_t value)
{
    struct synic *s = &v->hv.synic;
    unsigned slot = (is_messages ? OVERLAY_MESSAGES : OVERLAY_EVENTS) + v->index;
    void *page = NULL;

    if (!hv_set_overlay(v->partition, slot, value, &page))
        return false;
    if (!(value & HV_PAGE_ENABLE))
        page = NULL;
    spin_lock(&sched_lock);
    if (is_messages) {
        s->message_page = value;
        s->messages = page;
    } else {
        s->event_page = value;
        s->flags = page;
    }
    spin_unlock(&sched_lock);
    return true;
}

bool synic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct synic *s = &v->hv.synic;

    if (msr - HV_MSR_SINT0 < SINT_COUNT)
        return write_sint(v, msr - HV_MSR_SINT0, value);
    switch (msr) {
    case HV_MSR_SCONTROL:
        spin_lock(&sched_lock);
        s->control = value & HV_SYNIC_ENABLE;
        spin_unlock(&sched_lock);
        return true;
    case HV_MSR_SIEFP: return write_page(v, false, value);
    case HV_MSR_SIMP: return write_page(v, true, value);
    case HV_MSR_EOM: synic_retry(v); return true;
    default: return false; /* SVERSION is read-only */
    }
}
