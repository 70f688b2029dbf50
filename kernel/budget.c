#include "kernel/budget.h"
#include "arch/x86/panic.h"
#include "kernel/memory.h"
#include "kernel/sched.h"

struct budget root_budget = { .object = { .type = OBJECT_BUDGET, .refs = 1 } };

bool budget_charge_locked(struct budget *b, uint64_t bytes)
{
    if (bytes > b->limit - b->used)
        return false;
    b->used += bytes;
    return true;
}

void budget_release_locked(struct budget *b, uint64_t bytes)
{
    BUG_ON(bytes > b->used);
    b->used -= bytes;
    if (b->used == 0)
        binding_fire(&b->on_empty);
}

enum err budget_create(struct budget *parent, uint64_t bytes, struct budget **out)
{
    struct budget *b = object_create(parent, OBJECT_BUDGET, sizeof(*b));

    if (!b)
        return ERR_MEMORY;
    if (!memory_charge(parent, bytes)) {
        object_put(&b->object);
        return ERR_MEMORY;
    }
    b->parent = parent;
    b->limit = bytes;
    *out = b;
    return OK;
}

void budget_destroy(struct object *o)
{
    struct budget *b = container_of(o, struct budget, object);

    BUG_ON(b->used);
    binding_clear(&b->on_empty);
    if (b->parent)
        memory_release(b->parent, b->limit);
}
