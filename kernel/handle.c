#include "kernel/handle.h"
#include "arch/x86/panic.h"
#include "kernel/memory.h"

static uint64_t total;

enum err handle_table_init(struct handle_table *t, struct budget *b)
{
    t->lock = SPINLOCK(RANK_HANDLES);
    t->entries = kernel_alloc(b, HANDLES_MAX * sizeof(struct handle_entry));
    t->capacity = HANDLES_MAX;
    return t->entries ? OK : ERR_MEMORY;
}

void handle_reference_begin(struct object *o)
{
    __atomic_add_fetch(&o->handles, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

void handle_reference_end(struct object *o)
{
    __atomic_sub_fetch(&total, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&o->handles, 1, __ATOMIC_ACQ_REL);
    object_put(o);
}

static void drop(const struct handle_entry *e)
{
    if (e->object->type == OBJECT_CHANNEL)
        channel_end_closed(e->object, e->badge);
    handle_reference_end(e->object);
}

void handle_table_destroy(struct handle_table *t, struct budget *b)
{
    for (uint32_t i = 1; t->entries && i < t->capacity; i++)
        if (t->entries[i].object)
            drop(&t->entries[i]);
    kernel_free(b, t->entries, HANDLES_MAX * sizeof(struct handle_entry));
    t->entries = NULL;
    t->capacity = 0;
}

enum err handle_add(struct handle_table *t, struct object *o, uint32_t rights, uint32_t badge,
                    handle_t *out)
{
    enum err err = ERR_MEMORY;

    spin_lock(&t->lock);
    for (uint32_t i = 1; i < t->capacity; i++)
        if (!t->entries[i].object) {
            t->entries[i] = (struct handle_entry){ o, rights, badge };
            t->used++;
            *out = i;
            err = OK;
            break;
        }
    spin_unlock(&t->lock);
    if (!err) {
        handle_reference_begin(o);
        if (o->type == OBJECT_CHANNEL)
            channel_end_opened(o, badge);
    }
    return err;
}

enum err handle_find(struct handle_table *t, handle_t h, enum object_type type, uint32_t rights,
                     struct handle_entry *out)
{
    enum err err = ERR_HANDLE;

    spin_lock(&t->lock);
    if (h < t->capacity && t->entries[h].object &&
        (!type || t->entries[h].object->type == (uint32_t)type)) {
        err = (t->entries[h].rights & rights) == rights ? OK : ERR_RIGHTS;
        if (!err) {
            *out = t->entries[h];
            object_get(out->object);
        }
    }
    spin_unlock(&t->lock);
    return err;
}

enum err handle_close(struct handle_table *t, handle_t h)
{
    struct handle_entry e = { 0 };

    spin_lock(&t->lock);
    if (h < t->capacity && t->entries[h].object) {
        e = t->entries[h];
        t->entries[h] = (struct handle_entry){ 0 };
        t->used--;
        t->closed_count++;
    }
    spin_unlock(&t->lock);
    if (!e.object)
        return ERR_HANDLE;
    drop(&e);
    return OK;
}

uint64_t handle_count_total(void)
{
    return __atomic_load_n(&total, __ATOMIC_RELAXED);
}
