/* Processes and threads. */
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/debug.h"
#include "kernel/memory.h"
#include "kernel/syscall/call.h"
#include "lib/string.h"

enum err call_exit(struct call *c)
{
    struct process *p = process_current();
    struct process_info how = p->info;

    how.exit_code = c->a;
    process_end(p, PROCESS_END_EXIT, &how);
    return OK; /* the way out ends the thread */
}

enum err call_thread_exit(struct call *c)
{
    thread_exit();
}

enum err call_yield(struct call *c)
{
    sched_yield();
    return OK;
}

static const struct program *program_named(const char *name)
{
    for (unsigned i = 1; i < program_count; i++) /* nobody starts a second manager */
        if (strcmp(programs[i].name, name) == 0)
            return &programs[i];
    return NULL;
}

/* Copies one grant into @p's table and its start-up page. */
static enum err pass_grant(struct process *p, uint64_t from, struct startup_info *info)
{
    struct process_grant g;
    struct handle_entry e;
    struct startup_grant *out = &info->grants[info->grant_count];
    enum err err = user_read(&g, from, sizeof(g));

    if (err)
        return err;
    err = call_find(g.handle, 0, RIGHT_TRANSFER, &e);
    if (err)
        return err;
    g.name[sizeof(g.name) - 1] = 0;
    *out = (struct startup_grant){ .kind = g.kind, .bytes = g.bytes };
    memcpy(out->name, g.name, sizeof(out->name));
    err = handle_add(&p->handles, e.object, e.rights & g.rights, e.badge, &out->handle);
    if (err)
        object_put(e.object);
    else
        info->grant_count++;
    return err;
}

static enum err fill_and_start(struct process *p, const struct process_create *args)
{
    struct startup_info *info = kernel_alloc(p->budget, sizeof(*info));
    enum err err = info ? OK : ERR_MEMORY;

    if (!err) {
        memcpy(info->name, p->name, sizeof(info->name));
        info->tsc_hz = host_clock.tsc_hz;
    }
    for (uint32_t i = 0; !err && i < args->grant_count; i++)
        err = pass_grant(p, (uint64_t)(args->grants + i), info);
    if (!err)
        err = process_start(p, info);
    kernel_free(p->budget, info, sizeof(*info));
    return err;
}

enum err call_process_create(struct call *c)
{
    struct process_create args;
    struct handle_entry budget;
    struct process *p;
    enum err err = user_read(&args, c->a, sizeof(args));

    if (err)
        return err;
    args.program[sizeof(args.program) - 1] = args.name[sizeof(args.name) - 1] = 0;
    const struct program *program = program_named(args.program);

    if (!program || args.grant_count > STARTUP_GRANTS_MAX || !args.weight || args.weight > 10000)
        return ERR_ARGUMENT;
    err = call_find(args.budget, OBJECT_BUDGET, RIGHT_MANAGE, &budget);
    if (err)
        return err;
    err = process_create(program, args.name, container_of(budget.object, struct budget, object),
                         args.weight, &p);
    object_put(budget.object);
    if (err)
        return err;
    err = fill_and_start(p, &args);
    if (err) {
        object_put(&p->object);
        return err;
    }
    return call_hand_out(c, &p->object);
}

enum err call_process_kill(struct call *c)
{
    process_end(SUBJECT_OF(c, process), PROCESS_END_KILLED, NULL);
    return OK;
}

enum err call_process_info(struct call *c)
{
    struct process_info info = SUBJECT_OF(c, process)->info;

    info.cpu_ns = SUBJECT_OF(c, process)->group.used_ns;
    return user_write(c->b, &info, sizeof(info));
}

enum err call_process_schedule(struct call *c)
{
    return sched_group_set(&SUBJECT_OF(c, process)->group, c->b, c->c);
}

enum err call_process_fault(struct call *c)
{
    if (!IS_DEBUG)
        return ERR_UNSUPPORTED;
    debug_fault_process(SUBJECT_OF(c, process));
    return OK;
}

enum err call_thread_create(struct call *c)
{
    struct process *p = process_current();
    struct thread *t;
    enum err err = c->a < USER_END && c->b < USER_END ? OK : ERR_ARGUMENT;

    if (!err)
        err = thread_create_user(p, c->a, c->b & ~15ull, c->c, &t);
    if (err)
        return err;
    err = process_add_thread(p, t);
    if (err) {
        object_put(&t->object);
        return err;
    }
    return call_hand_out(c, &t->object);
}
