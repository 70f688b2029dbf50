#include "kernel/debug.h"
#include "arch/x86/kernel_map.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "lib/string.h"

/* As if an instruction at address 8 had been fetched: the same path as a real fault. */
void debug_fault_process(struct process *p)
{
    struct process_info how = p->info;

    how.fault_vector = 14;
    how.fault_rip = how.fault_address = 8;
    how.fault_error = 0x14;
    log_line("%s: page fault at rip=0x8, asked for by debug fault", p->name);
    process_end(p, PROCESS_END_FAULT, &how);
}

struct roots {
    uint64_t to, capacity, count;
    enum err err;
};

static enum err write_root(struct roots *r, const char *name, hpa_t root)
{
    struct debug_root out = { .cr3 = root.v };

    if (r->count == r->capacity)
        return ERR_FULL;
    string_copy(out.name, sizeof(out.name), name);
    return user_write(r->to + r->count++ * sizeof(out), &out, sizeof(out));
}

static void add_root(struct process *p, void *argument)
{
    struct roots *r = argument;

    if (!r->err)
        r->err = write_root(r, p->name, p->space.root);
}

enum err debug_call(enum debug_op op, uint64_t argument, uint64_t data, uint64_t bytes,
                    uint64_t *value)
{
    struct roots r = { data, bytes / sizeof(struct debug_root), 0, OK };

    switch (op) {
    case DEBUG_ROOTS:
        r.err = write_root(&r, "kernel", kernel_root);
        process_for_each(add_root, &r);
        *value = r.count;
        return r.err;
    case DEBUG_FAIL_ALLOC: memory_fail_nth(argument); return OK;
    case DEBUG_ALLOC_COUNT: *value = memory_alloc_count(); return OK;
    default: return ERR_ARGUMENT;
    }
}
