#include "kernel/object.h"
#include "arch/x86/panic.h"
#include "kernel/memory.h"

static void (*const destroyers[OBJECT_TYPE_COUNT])(struct object *) = {
    [OBJECT_BUDGET] = budget_destroy,   [OBJECT_REGION] = region_destroy,
    [OBJECT_PROCESS] = process_destroy, [OBJECT_THREAD] = thread_destroy,
    [OBJECT_SIGNAL] = signal_destroy,   [OBJECT_TIMER] = timer_destroy,
    [OBJECT_CHANNEL] = channel_destroy, [OBJECT_PARTITION] = partition_destroy,
    [OBJECT_VIEW] = view_destroy,       [OBJECT_VCPU] = vcpu_destroy,
    [OBJECT_IOPORTS] = ioports_destroy, [OBJECT_INTERRUPT] = interrupt_destroy,
    [OBJECT_PORT] = port_destroy,
};

void *object_create(struct budget *b, enum object_type type, size_t bytes)
{
    struct object *o = kernel_alloc(b, bytes);

    if (!o)
        return NULL;
    *o = (struct object){ .type = type, .refs = 1, .bytes = (uint32_t)bytes, .budget = b };
    object_get((struct object *)b);
    return o;
}

void object_put(struct object *o)
{
    struct budget *b = o->budget;

    if (__atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
        return;
    destroyers[o->type](o);
    kernel_free(b, o, o->bytes);
    if (b)
        object_put((struct object *)b);
}
