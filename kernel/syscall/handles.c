/* Handles, bindings, budgets and regions. */
#include "kernel/budget.h"
#include "kernel/channel.h"
#include "kernel/interrupt.h"
#include "kernel/partition.h"
#include "kernel/port.h"
#include "kernel/region.h"
#include "kernel/syscall/call.h"
#include "kernel/timer_object.h"

enum err call_handle_close(struct call *c)
{
    return c->a > UINT32_MAX ? ERR_HANDLE
                             : handle_close(&process_current()->handles, (handle_t)c->a);
}

enum err call_handle_copy(struct call *c)
{
    const struct handle_entry *e = &c->subject;

    object_get(e->object);
    return call_hand_out_as(c, e->object, e->rights & (uint32_t)c->b, e->badge);
}

/* The binding that @event of an object stands for, or NULL. */
static struct binding *binding_of(struct call *c, uint64_t event)
{
    struct channel_end *end;

    switch (c->subject.object->type) {
    case OBJECT_CHANNEL:
        end = &SUBJECT_OF(c, channel)->ends[c->subject.badge];
        return event == BIND_CHANNEL        ? &end->on_signal
               : event == BIND_CHANNEL_DEAD ? &end->on_dead
                                            : NULL;
    case OBJECT_PROCESS: return event == BIND_PROCESS_END ? &SUBJECT_OF(c, process)->on_end : NULL;
    case OBJECT_BUDGET: return event == BIND_BUDGET_EMPTY ? &SUBJECT_OF(c, budget)->on_empty : NULL;
    case OBJECT_TIMER: return event == BIND_TIMER ? &SUBJECT_OF(c, timer_object)->on_expire : NULL;
    case OBJECT_INTERRUPT:
        return event == BIND_INTERRUPT ? &SUBJECT_OF(c, interrupt)->on_raise : NULL;
    case OBJECT_PORT: return event == BIND_PORT ? &SUBJECT_OF(c, port)->on_arrival : NULL;
    case OBJECT_PARTITION:
        return event == BIND_SLOT_FREE ? &SUBJECT_OF(c, partition)->on_slot_free
               : event == BIND_HALT    ? &SUBJECT_OF(c, partition)->on_halt
                                       : NULL;
    default: return NULL;
    }
}

enum err call_bind(struct call *c)
{
    struct binding *b = binding_of(c, c->b);
    struct handle_entry s;
    enum err err = b && c->d < 64 ? OK : ERR_ARGUMENT;

    if (!err)
        err = call_find(c->c, OBJECT_SIGNAL, RIGHT_WRITE, &s);
    if (err)
        return err;
    binding_set(b, container_of(s.object, struct signal, object), (unsigned)c->d);
    if (c->subject.object->type == OBJECT_BUDGET && !SUBJECT_OF(c, budget)->used)
        binding_fire(b);
    object_put(s.object);
    return OK;
}

enum err call_budget_create(struct call *c)
{
    struct budget *b;
    enum err err = budget_create(SUBJECT_OF(c, budget), c->b, &b);

    return err ? err : call_hand_out(c, &b->object);
}

enum err call_budget_info(struct call *c)
{
    const struct budget *b = SUBJECT_OF(c, budget);
    struct budget_info info = { b->limit, b->used, handle_count_total() };

    return user_write(c->b, &info, sizeof(info));
}

enum err call_region_create(struct call *c)
{
    struct region *r;
    enum err err = c->c & ~REGION_IMAGE ? ERR_ARGUMENT : OK;

    if (!err)
        err = region_create(SUBJECT_OF(c, budget), c->b, &r);
    if (err)
        return err;
    r->is_image = c->c & REGION_IMAGE;
    return call_hand_out(c, &r->object);
}

/* What is in a guest is nothing to the manager, saved or not. */
enum err call_region_map(struct call *c)
{
    bool is_writable = c->d & PROT_WRITE;

    if (SUBJECT_OF(c, region)->is_image && process_current() == manager_process)
        return ERR_RIGHTS;
    if (is_writable && !(c->subject.rights & RIGHT_WRITE))
        return ERR_RIGHTS;
    return region_map(SUBJECT_OF(c, region), &process_current()->space, c->b, c->c, is_writable,
                      &c->value);
}

enum err call_unmap(struct call *c)
{
    return space_unmap(&process_current()->space, c->a);
}
