/* What a vmm tells its guest's interrupt controllers, and what the guest's hypercalls tell it. */
#include "kernel/budget.h"
#include "kernel/partition.h"
#include "kernel/port.h"
#include "kernel/sched.h"
#include "kernel/syscall/call.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

enum err call_ioapic_create(struct call *c)
{
    SUBJECT_OF(c, partition)->hv.ioapic.is_present = true;
    return OK;
}

enum err call_ioapic_set(struct call *c)
{
    return c->c > 1 ? ERR_ARGUMENT : vioapic_set_line(SUBJECT_OF(c, partition), c->b, c->c);
}

/* @vp_sint: VP index << 8 | SINT. */
static enum err find_sint(struct call *c, uint64_t vp_sint, struct vcpu **v, unsigned *sint)
{
    uint64_t index = vp_sint >> 8;

    *sint = vp_sint & 0xff;
    if (index >= PARTITION_VCPUS_MAX || *sint >= SINT_COUNT)
        return ERR_ARGUMENT;
    *v = __atomic_load_n(&SUBJECT_OF(c, partition)->vcpus[index], __ATOMIC_ACQUIRE);
    return *v ? OK : ERR_NOT_FOUND;
}

enum err call_synic_post(struct call *c)
{
    struct synic_message m;
    struct vcpu *v;
    unsigned sint;
    enum err err = find_sint(c, c->b, &v, &sint);

    if (!err)
        err = user_read(&m, c->c, sizeof(m));
    if (!err && (!m.type || m.payload_bytes > SYNIC_PAYLOAD_BYTES))
        err = ERR_ARGUMENT;
    if (err)
        return err;
    spin_lock(&sched_lock);
    err = synic_post_locked(v, sint, &m);
    if (err == ERR_FULL)
        v->hv.synic.host_waiting |= 1u << sint;
    spin_unlock(&sched_lock);
    return err;
}

enum err call_synic_signal(struct call *c)
{
    struct vcpu *v;
    unsigned sint;
    enum err err = find_sint(c, c->b, &v, &sint);

    if (!err && c->c >= SYNIC_FLAGS_PER_SINT)
        err = ERR_ARGUMENT;
    if (err)
        return err;
    spin_lock(&sched_lock);
    err = synic_signal_locked(v, sint, (unsigned)c->c);
    spin_unlock(&sched_lock);
    return err;
}

enum err call_port_create(struct call *c)
{
    struct port *port;
    enum err err =
        port_create(SUBJECT_OF(c, partition), c->b, c->c, process_current()->budget, &port);

    return err ? err : call_hand_out(c, &port->object);
}

enum err call_port_take(struct call *c)
{
    struct port *port = SUBJECT_OF(c, port);
    struct hv_post_message m;
    enum err err = port_take(port, &m, &c->value);

    return err || port->flag_count ? err : user_write(c->b, &m, sizeof(m));
}

enum err call_guest_crash(struct call *c)
{
    struct hv_partition *h = &SUBJECT_OF(c, partition)->hv;
    struct guest_crash out;

    spin_lock(&h->lock);
    memcpy(out.p, h->crash, sizeof(out.p));
    out.control = h->crash_control;
    spin_unlock(&h->lock);
    return user_write(c->b, &out, sizeof(out));
}
