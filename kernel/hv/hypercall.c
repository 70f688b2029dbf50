/* Hypercalls (TLFS, "Hypercall Interface"): what each takes stands in one table, which checks the
 * form of a call before its handler sees the input, copied once. */
#include "kernel/hv/hypercall.h"
#include "arch/x86/guest_walk.h"
#include "arch/x86/virt.h"
#include "kernel/flush.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/hv/vipi.h"
#include "kernel/partition.h"
#include "kernel/port.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/bits.h"
#include "lib/field.h"
#include "lib/string.h"

#define FAST_INPUT_BYTES 16u
#define CODE_COUNT       (HV_CALL_SIGNAL_EVENT + 1)
#define REP_BATCH        64u /* elements between two looks at who else wants the CPU */

struct hypercall {
    struct vcpu *v;
    struct hypercall_form form;
    gpa_t input;
    union hypercall_input in;
};

/* ---- flushes: our TLBs forget whole guests, which is more than any of them asks for ---- */

static uint64_t mask_of_set(const struct hv_vp_set *s)
{
    return s->format == HV_VP_SET_ALL ? UINT64_MAX : s->valid_banks & 1 ? s->banks[0] : 0;
}

static void flush(struct vcpu *v, uint64_t mask)
{
    bool is_remote = mask & ~(1ull << v->index);

    for (unsigned i = 0; i < PARTITION_VCPUS_MAX; i++) {
        struct vcpu *target = v->partition->vcpus[i];

        if (target && (mask & 1ull << i))
            vcpu_attend(target, VCPU_ATTEND_FLUSH);
    }
    if (is_remote)
        flush_all_cpus(); /* who runs one of them leaves the guest, and looks */
}

static uint16_t flush_space(struct hypercall *h)
{
    const struct hv_flush_input *in = &h->in.flush;

    if (in->flags & ~(HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_SPACES | HV_FLUSH_NON_GLOBAL_ONLY |
                      HV_FLUSH_EXTENDED_RANGES))
        return HV_STATUS_INVALID_PARAMETER;
    flush(h->v, in->flags & HV_FLUSH_ALL_PROCESSORS ? UINT64_MAX : in->mask);
    return HV_STATUS_SUCCESS;
}

static uint16_t check_set(const struct hypercall *h, const struct hv_vp_set *s)
{
    if (s->format == HV_VP_SET_ALL)
        return HV_STATUS_SUCCESS;
    if (s->format != HV_VP_SET_SPARSE)
        return HV_STATUS_INVALID_PARAMETER;
    return count_bits(s->valid_banks) == h->form.header_qwords ? HV_STATUS_SUCCESS
                                                               : HV_STATUS_INVALID_INPUT;
}

static uint16_t flush_space_ex(struct hypercall *h)
{
    const struct hv_flush_ex_input *in = &h->in.flush_ex;
    uint16_t status = check_set(h, &in->set);

    if (status)
        return status;
    if (in->flags & ~(HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_SPACES | HV_FLUSH_NON_GLOBAL_ONLY |
                      HV_FLUSH_EXTENDED_RANGES))
        return HV_STATUS_INVALID_PARAMETER;
    flush(h->v, in->flags & HV_FLUSH_ALL_PROCESSORS ? UINT64_MAX : mask_of_set(&in->set));
    return HV_STATUS_SUCCESS;
}

/* ---- the others ---- */

static uint16_t long_spin_wait(struct hypercall *h)
{
    sched_yield();
    return HV_STATUS_SUCCESS;
}

static uint16_t send_to(struct hypercall *h, uint32_t vector, uint8_t vtl, uint64_t mask)
{
    if (vector < 16 || vector > 255 || vtl)
        return HV_STATUS_INVALID_PARAMETER;
    vipi_deliver_mask(h->v->partition, mask, vector);
    return HV_STATUS_SUCCESS;
}

static uint16_t send_ipi(struct hypercall *h)
{
    const struct hv_ipi_input *in = &h->in.ipi;

    return send_to(h, in->vector, in->target_vtl, in->mask);
}

static uint16_t send_ipi_ex(struct hypercall *h)
{
    const struct hv_ipi_ex_input *in = &h->in.ipi_ex;
    uint16_t status = check_set(h, &in->set);

    return status ? status : send_to(h, in->vector, in->target_vtl, mask_of_set(&in->set));
}

static uint16_t status_of(enum err err)
{
    switch (err) {
    case OK: return HV_STATUS_SUCCESS;
    case ERR_NOT_FOUND: return HV_STATUS_INVALID_CONNECTION;
    case ERR_FULL: return HV_STATUS_NO_BUFFERS;
    default: return HV_STATUS_INVALID_PARAMETER;
    }
}

static uint16_t post_message(struct hypercall *h)
{
    const struct hv_post_message *in = &h->in.post;

    if (in->payload_bytes > SYNIC_PAYLOAD_BYTES || !in->type || (in->type & 1u << 31))
        return HV_STATUS_INVALID_PARAMETER;
    return status_of(port_post(h->v->partition, in));
}

static uint16_t signal_event(struct hypercall *h)
{
    const struct hv_signal_input *in = &h->in.signal;

    return status_of(port_signal(h->v->partition, in->connection, in->flag));
}

/* ---- the table ---- */

static const struct {
    struct hypercall_rule rule;
    uint16_t (*run)(struct hypercall *h);
} table[CODE_COUNT] = {
    [HV_CALL_FLUSH_SPACE] = { { sizeof(struct hv_flush_input), 0, false }, flush_space },
    [HV_CALL_FLUSH_LIST] = { { sizeof(struct hv_flush_input), 8, false }, flush_space },
    [HV_CALL_LONG_SPIN_WAIT] = { { 8, 0, false }, long_spin_wait },
    [HV_CALL_SEND_IPI] = { { sizeof(struct hv_ipi_input), 0, false }, send_ipi },
    [HV_CALL_FLUSH_SPACE_EX] = { { offsetof(struct hv_flush_ex_input, set.banks), 0, true },
                                 flush_space_ex },
    [HV_CALL_FLUSH_LIST_EX] = { { offsetof(struct hv_flush_ex_input, set.banks), 8, true },
                                flush_space_ex },
    [HV_CALL_SEND_IPI_EX] = { { offsetof(struct hv_ipi_ex_input, set.banks), 0, true },
                              send_ipi_ex },
    [HV_CALL_POST_MESSAGE] = { { sizeof(struct hv_post_message), 0, false }, post_message },
    [HV_CALL_SIGNAL_EVENT] = { { sizeof(struct hv_signal_input), 0, false }, signal_event },
};

/* ---- registers ---- */

static uint64_t pair(const struct virt_vcpu *c, unsigned high, unsigned low)
{
    return c->gpr[high] << 32 | (uint32_t)c->gpr[low];
}

static uint64_t control_of(const struct virt_vcpu *c)
{
    return virt_is_long_mode(c) ? c->gpr[REG_RCX] : pair(c, REG_RDX, REG_RAX);
}

static void set_control(struct virt_vcpu *c, uint64_t control)
{
    if (virt_is_long_mode(c)) {
        c->gpr[REG_RCX] = control;
    } else {
        c->gpr[REG_RDX] = control >> 32;
        c->gpr[REG_RAX] = (uint32_t)control;
    }
}

static void set_result(struct virt_vcpu *c, uint16_t status, uint64_t reps)
{
    c->gpr[REG_RAX] = status | field_put(reps, HV_CALL_REPS_DONE);
    if (virt_is_long_mode(c))
        return;
    c->gpr[REG_RAX] = status; /* EDX:EAX */
    c->gpr[REG_RDX] = reps;
}

/* ---- one call ---- */

static uint16_t read_input(struct hypercall *h, const struct hypercall_rule *rule)
{
    struct virt_vcpu *c = &h->v->virt;
    uint32_t bytes = hypercall_input_bytes(rule, &h->form);
    bool is_long = virt_is_long_mode(c);
    uint64_t fast[2] = { is_long ? c->gpr[REG_RDX] : pair(c, REG_RBX, REG_RCX),
                         is_long ? c->gpr[REG_R8] : pair(c, REG_RDI, REG_RSI) };

    if (h->form.is_fast) { /* no handler looks behind the input's length */
        memcpy(&h->in, fast, min(bytes, FAST_INPUT_BYTES));
        return HV_STATUS_SUCCESS;
    }
    h->input.v = fast[0];
    /* The repeated elements lie behind, in the same page. */
    if ((h->input.v & 7) ||
        (h->input.v & PAGE_MASK) + bytes + h->form.rep_count * rule->rep_bytes > PAGE_BYTES)
        return HV_STATUS_INVALID_ALIGNMENT;
    return guest_read_window(h->input, &h->in, bytes) ? HV_STATUS_SUCCESS
                                                      : HV_STATUS_INVALID_PARAMETER;
}

/* A list of addresses: each is read, since it must be there, and forgotten in the whole. True: all
 * are done; else the guest comes again with the rest. */
static bool read_list(struct hypercall *h, const struct hypercall_rule *rule, uint16_t *status)
{
    uint64_t at = h->input.v + hypercall_input_bytes(rule, &h->form), element;

    for (; h->form.rep_start < h->form.rep_count; h->form.rep_start++) {
        if (!guest_load64(at + h->form.rep_start * 8, &element)) {
            *status = HV_STATUS_INVALID_PARAMETER;
            return true;
        }
        if (h->form.rep_start % REP_BATCH == REP_BATCH - 1 && sched_has_work(thread_current())) {
            h->form.rep_start++;
            return h->form.rep_start == h->form.rep_count;
        }
    }
    return true;
}

static enum hv_result run(struct hypercall *h, unsigned code, uint64_t control)
{
    const struct hypercall_rule *rule = &table[code].rule;
    struct virt_vcpu *c = &h->v->virt;
    uint16_t status = read_input(h, rule);
    uint32_t first = h->form.rep_start;
    bool is_done = true;

    if (!status)
        status = table[code].run(h);
    if (!status && rule->rep_bytes)
        is_done = read_list(h, rule, &status);
    if (!is_done && h->form.rep_start > first) {
        set_control(c, (control & ~HV_CALL_REP_START) |
                           field_put(h->form.rep_start, HV_CALL_REP_START));
        return HV_AGAIN;
    }
    set_result(c, status, rule->rep_bytes ? h->form.rep_start : 0);
    return HV_DONE;
}

static enum hv_result call(struct vcpu *v, unsigned code, uint64_t control)
{
    struct hypercall h;
    uint16_t status;

    h.v = v; /* the input is cleared when it is read */
    status = hypercall_check(&table[code].rule, control, &h.form);
    if (!status)
        return run(&h, code, control);
    set_result(&v->virt, status, 0);
    return HV_DONE;
}

enum hv_result hv_hypercall(struct vcpu *v, bool may_be_slow)
{
    struct virt_vcpu *c = &v->virt;
    uint64_t control = control_of(c);
    unsigned code = control & HV_CALL_CODE;

    if (!virt_is_kernel_mode(c))
        return HV_FAULT;
    if (code >= CODE_COUNT || !table[code].run) {
        set_result(c, control & HV_CALL_RESERVED ? HV_STATUS_INVALID_INPUT : HV_STATUS_INVALID_CODE,
                   0);
        return HV_DONE;
    }
    return may_be_slow ? call(v, code, control) : HV_SLOW;
}
