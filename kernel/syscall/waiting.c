/* Signals, timers and channels. */
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/channel.h"
#include "kernel/partition.h"
#include "kernel/signal.h"
#include "kernel/syscall/call.h"
#include "kernel/timer_object.h"

enum err call_signal_create(struct call *c)
{
    struct signal *s;
    enum err err = signal_create(SUBJECT_OF(c, budget), &s);

    return err ? err : call_hand_out(c, &s->object);
}

enum err call_signal_raise(struct call *c)
{
    signal_raise(SUBJECT_OF(c, signal), c->b);
    return OK;
}

enum err call_signal_wait(struct call *c)
{
    struct partition *p = process_current()->partition;
    uint64_t now;

    if (!c->c)
        return signal_wait(SUBJECT_OF(c, signal), c->b, &c->value);
    now = clock_ns();
    if (c->c != SIGNAL_WAIT_HALT || !p || c->b > UINT64_MAX - now)
        return ERR_ARGUMENT;
    __atomic_store_n(&p->is_halt_awaited, true, __ATOMIC_RELAXED);
    return signal_wait(SUBJECT_OF(c, signal), now + c->b, &c->value);
}

enum err call_timer_create(struct call *c)
{
    struct timer_object *t;
    enum err err = timer_object_create(SUBJECT_OF(c, budget), &t);

    return err ? err : call_hand_out(c, &t->object);
}

enum err call_timer_set(struct call *c)
{
    timer_object_set(SUBJECT_OF(c, timer_object), c->b);
    return OK;
}

/* Both ends become handles of the caller; what was handed out goes again after an error. */
enum err call_channel_create(struct call *c)
{
    struct handle_table *mine = &process_current()->handles;
    struct channel *ch;
    handle_t h[2] = { HANDLE_NONE, HANDLE_NONE };
    enum err err = channel_create(SUBJECT_OF(c, budget), c->b, &ch);

    if (err)
        return err;
    for (unsigned end = 0; !err && end < 2; end++) {
        object_get(&ch->object);
        err = call_hand_out_as(c, &ch->object, RIGHT_ALL, end);
        if (!err)
            h[end] = (handle_t)c->value;
    }
    object_put(&ch->object);
    if (!err)
        err = user_write(c->c, h, sizeof(h));
    for (unsigned end = 0; err && end < 2; end++)
        if (h[end] != HANDLE_NONE && handle_close(mine, h[end]))
            return err; /* another thread has closed it already */
    return err;
}

enum err call_channel_map(struct call *c)
{
    return channel_map(SUBJECT_OF(c, channel), c->subject.badge, &process_current()->space,
                       &c->value);
}

enum err call_channel_signal(struct call *c)
{
    channel_signal(SUBJECT_OF(c, channel), c->subject.badge);
    return OK;
}

enum err call_channel_send_handle(struct call *c)
{
    struct handle_entry sent;
    enum err err = call_find(c->b, 0, RIGHT_TRANSFER, &sent);

    if (err)
        return err;
    sent.rights &= (uint32_t)c->c;
    if (sent.object->type == OBJECT_CHANNEL)
        err =
            channel_nest(SUBJECT_OF(c, channel), container_of(sent.object, struct channel, object));
    if (!err)
        err = channel_send(SUBJECT_OF(c, channel), c->subject.badge, &sent);
    object_put(sent.object);
    return err;
}

enum err call_channel_take_handle(struct call *c)
{
    struct handle_entry taken;
    enum err err = channel_take(SUBJECT_OF(c, channel), c->subject.badge, &taken);

    if (err)
        return err;
    object_get(taken.object);
    err = call_hand_out_as(c, taken.object, taken.rights, taken.badge);
    handle_reference_end(taken.object);
    return err;
}
