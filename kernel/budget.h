/* Budgets: all kernel memory is charged to its creator's. A budget takes its whole limit from its
 * parent when it is made and gives it back when it goes, so what was promised is there. */
#pragma once
#include "kernel/object.h"
#include "kernel/signal.h"
#include "lib/abi/syscall.h"

struct budget {
    struct object object;
    struct budget *parent;   /* constant; referenced through object.budget */
    uint64_t limit;          /* constant */
    uint64_t used;           /* memory lock */
    struct binding on_empty; /* sched lock */
};

extern struct budget root_budget;

enum err budget_create(struct budget *parent, uint64_t bytes, struct budget **out) MUST_CHECK;

/* With the memory lock held; memory.c's own. */
bool budget_charge_locked(struct budget *b, uint64_t bytes) MUST_CHECK;
void budget_release_locked(struct budget *b, uint64_t bytes);
