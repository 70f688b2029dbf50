/* One small function per system call: look the handles up, check rights and lengths, call the
 * object. The table at the end is the interface. */
#include "kernel/syscall.h"
#include "arch/x86/acpi.h"
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/channel.h"
#include "kernel/debug.h"
#include "kernel/host.h"
#include "kernel/interrupt.h"
#include "kernel/ioports.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/process.h"
#include "kernel/region.h"
#include "kernel/timer_object.h"
#include "kernel/user_word.h"
#include "kernel/vcpu.h"
#include "kernel/view.h"
#include "lib/string.h"

struct call {
    uint64_t a, b, c, d;
    uint64_t value; /* RDX at the return */
};

/* ---- helpers ---- */

static struct handle_table *my_handles(void)
{
    return &process_current()->handles;
}

static enum err find(uint64_t h, enum object_type type, uint32_t rights, struct handle_entry *out)
{
    if (h > UINT32_MAX)
        return ERR_HANDLE;
    return handle_find(my_handles(), (handle_t)h, type, rights, out);
}

/* A new object becomes a handle of the caller, or goes again. */
static enum err hand_out(struct object *o, uint32_t rights, uint32_t badge, uint64_t *value)
{
    handle_t h;
    enum err err = handle_add(my_handles(), o, rights, badge, &h);

    if (err)
        object_put(o);
    else
        *value = h;
    return err;
}

#define OBJECT_OF(entry, type) container_of((entry).object, struct type, object)

/* ---- the caller itself ---- */

static enum err do_exit(struct call *c)
{
    struct process *p = process_current();
    struct process_info how = p->info;

    how.exit_code = c->a;
    process_end(p, PROCESS_END_EXIT, &how);
    return OK; /* the way out ends the thread */
}

static enum err do_thread_exit(struct call *c)
{
    thread_exit();
}

static enum err do_yield(struct call *c)
{
    sched_yield();
    return OK;
}

static enum err do_clock(struct call *c)
{
    c->value = clock_ns();
    return OK;
}

static enum err do_log_write(struct call *c)
{
    char text[256];
    enum err err = OK;

    if (c->b > 4096)
        return ERR_ARGUMENT;
    for (uint64_t at = 0; !err && at < c->b; at += sizeof(text)) {
        uint64_t n = min(c->b - at, sizeof(text));

        err = user_read(text, c->a + at, n);
        if (!err)
            log_program(process_current()->name, text, n);
    }
    return err;
}

static enum err do_log_read(struct call *c)
{
    struct log_read r;
    char text[512];
    uint64_t start = 0;
    enum err err = user_read(&r, c->a, sizeof(r));

    if (err)
        return err;
    r.bytes = 0;
    r.next = r.from;
    while (!err && r.bytes < min(r.capacity, KIB(64))) {
        size_t n = log_copy(r.next, text, min(sizeof(text), r.capacity - r.bytes), &start);

        if (!n)
            break;
        if (!r.bytes)
            r.from = start;
        err = user_write((uint64_t)r.text + r.bytes, text, n);
        r.bytes += n;
        r.next = start + n;
    }
    return err ? err : user_write(c->a, &r, sizeof(r));
}

/* ---- handles ---- */

static enum err do_handle_close(struct call *c)
{
    return c->a > UINT32_MAX ? ERR_HANDLE : handle_close(my_handles(), (handle_t)c->a);
}

static enum err do_handle_copy(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, 0, RIGHT_TRANSFER, &e);

    if (err)
        return err;
    return hand_out(e.object, e.rights & (uint32_t)c->b, e.badge, &c->value);
}

/* The binding that @event of an object stands for, or NULL. */
static struct binding *binding_of(const struct handle_entry *e, uint64_t event)
{
    switch (e->object->type) {
    case OBJECT_CHANNEL:
        return event == BIND_CHANNEL        ? &OBJECT_OF(*e, channel)->ends[e->badge].on_signal
               : event == BIND_CHANNEL_DEAD ? &OBJECT_OF(*e, channel)->ends[e->badge].on_dead
                                            : NULL;
    case OBJECT_PROCESS: return event == BIND_PROCESS_END ? &OBJECT_OF(*e, process)->on_end : NULL;
    case OBJECT_BUDGET: return event == BIND_BUDGET_EMPTY ? &OBJECT_OF(*e, budget)->on_empty : NULL;
    case OBJECT_TIMER: return event == BIND_TIMER ? &OBJECT_OF(*e, timer_object)->on_expire : NULL;
    case OBJECT_INTERRUPT:
        return event == BIND_INTERRUPT ? &OBJECT_OF(*e, interrupt)->on_raise : NULL;
    default: return NULL;
    }
}

static enum err do_bind(struct call *c)
{
    struct handle_entry e, s;
    struct binding *b;
    enum err err = find(c->a, 0, RIGHT_MANAGE, &e);

    if (err)
        return err;
    err = find(c->c, OBJECT_SIGNAL, RIGHT_WRITE, &s);
    if (!err) {
        b = binding_of(&e, c->b);
        if (!b || c->d > 63)
            err = ERR_ARGUMENT;
        else
            binding_set(b, OBJECT_OF(s, signal), (unsigned)c->d);
        if (!err && e.object->type == OBJECT_BUDGET && !OBJECT_OF(e, budget)->used)
            binding_fire(b);
        object_put(s.object);
    }
    object_put(e.object);
    return err;
}

/* ---- budgets and regions ---- */

static enum err do_budget_create(struct call *c)
{
    struct handle_entry parent;
    struct budget *b;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &parent);

    if (err)
        return err;
    err = budget_create(OBJECT_OF(parent, budget), c->b, &b);
    object_put(parent.object);
    return err ? err : hand_out(&b->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_budget_info(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_COUNT, &e);

    if (err)
        return err;
    struct budget_info info = { OBJECT_OF(e, budget)->limit, OBJECT_OF(e, budget)->used,
                                handle_count_total() };

    object_put(e.object);
    return user_write(c->b, &info, sizeof(info));
}

static enum err do_region_create(struct call *c)
{
    struct handle_entry budget;
    struct region *r;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &budget);

    if (err)
        return err;
    err = region_create(OBJECT_OF(budget, budget), c->b, &r);
    object_put(budget.object);
    return err ? err : hand_out(&r->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_region_map(struct call *c)
{
    struct handle_entry e;
    bool is_writable = c->d & PROT_WRITE;
    enum err err = find(c->a, OBJECT_REGION, RIGHT_READ | (is_writable ? RIGHT_WRITE : 0), &e);

    if (err)
        return err;
    err = region_map(OBJECT_OF(e, region), &process_current()->space, c->b, c->c, is_writable,
                     &c->value);
    object_put(e.object);
    return err;
}

static enum err do_unmap(struct call *c)
{
    return space_unmap(&process_current()->space, c->a);
}

/* ---- processes and threads ---- */

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
    err = find(g.handle, 0, RIGHT_TRANSFER, &e);
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

static enum err do_process_create(struct call *c)
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
    err = find(args.budget, OBJECT_BUDGET, RIGHT_MANAGE, &budget);
    if (err)
        return err;
    err = process_create(program, args.name, OBJECT_OF(budget, budget), args.weight, &p);
    object_put(budget.object);
    if (err)
        return err;
    err = fill_and_start(p, &args);
    if (err) {
        object_put(&p->object);
        return err;
    }
    return hand_out(&p->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_process_kill(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_PROCESS, RIGHT_MANAGE, &e);

    if (err)
        return err;
    process_end(OBJECT_OF(e, process), PROCESS_END_KILLED, NULL);
    object_put(e.object);
    return OK;
}

static enum err do_process_info(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_PROCESS, RIGHT_COUNT, &e);

    if (err)
        return err;
    struct process_info info = OBJECT_OF(e, process)->info;

    info.cpu_ns = OBJECT_OF(e, process)->group.used_ns;
    object_put(e.object);
    return user_write(c->b, &info, sizeof(info));
}

static enum err do_process_fault(struct call *c)
{
    struct handle_entry e;
    enum err err = IS_DEBUG ? find(c->a, OBJECT_PROCESS, RIGHT_MANAGE, &e) : ERR_UNSUPPORTED;

    if (err)
        return err;
    debug_fault_process(OBJECT_OF(e, process));
    object_put(e.object);
    return OK;
}

static enum err do_thread_create(struct call *c)
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
    return hand_out(&t->object, RIGHT_ALL, 0, &c->value);
}

/* ---- signals, timers, channels ---- */

static enum err do_signal_create(struct call *c)
{
    struct handle_entry budget;
    struct signal *s;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &budget);

    if (err)
        return err;
    err = signal_create(OBJECT_OF(budget, budget), &s);
    object_put(budget.object);
    return err ? err : hand_out(&s->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_signal_raise(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_SIGNAL, RIGHT_WRITE, &e);

    if (err)
        return err;
    signal_raise(OBJECT_OF(e, signal), c->b);
    object_put(e.object);
    return OK;
}

static enum err do_signal_wait(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_SIGNAL, RIGHT_READ, &e);

    if (err)
        return err;
    err = signal_wait(OBJECT_OF(e, signal), c->b, &c->value);
    object_put(e.object);
    return err;
}

static enum err do_timer_create(struct call *c)
{
    struct handle_entry budget;
    struct timer_object *t;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &budget);

    if (err)
        return err;
    err = timer_object_create(OBJECT_OF(budget, budget), &t);
    object_put(budget.object);
    return err ? err : hand_out(&t->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_timer_set(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_TIMER, RIGHT_WRITE, &e);

    if (err)
        return err;
    timer_object_set(OBJECT_OF(e, timer_object), c->b);
    object_put(e.object);
    return OK;
}

static enum err do_channel_create(struct call *c)
{
    struct handle_entry budget;
    struct channel *ch;
    handle_t h[2];
    uint64_t first, second;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &budget);

    if (err)
        return err;
    err = channel_create(OBJECT_OF(budget, budget), c->b, &ch);
    object_put(budget.object);
    if (err)
        return err;
    object_get(&ch->object);
    err = hand_out(&ch->object, RIGHT_ALL, 0, &first);
    if (err) {
        object_put(&ch->object);
        return err;
    }
    err = hand_out(&ch->object, RIGHT_ALL, 1, &second);
    if (!err) {
        h[0] = (handle_t)first;
        h[1] = (handle_t)second;
        err = user_write(c->c, h, sizeof(h));
        if (err && handle_close(my_handles(), h[1]))
            return err;
    }
    if (err && handle_close(my_handles(), (handle_t)first))
        return err;
    return err;
}

static enum err do_channel_map(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_CHANNEL, RIGHT_READ | RIGHT_WRITE, &e);

    if (err)
        return err;
    err = channel_map(OBJECT_OF(e, channel), e.badge, &process_current()->space, &c->value);
    object_put(e.object);
    return err;
}

static enum err do_channel_signal(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_CHANNEL, RIGHT_WRITE, &e);

    if (err)
        return err;
    channel_signal(OBJECT_OF(e, channel), e.badge);
    object_put(e.object);
    return OK;
}

static enum err do_channel_send_handle(struct call *c)
{
    struct handle_entry e, sent;
    enum err err = find(c->a, OBJECT_CHANNEL, RIGHT_WRITE, &e);

    if (err)
        return err;
    err = find(c->b, 0, RIGHT_TRANSFER, &sent);
    if (!err) {
        /* a channel in its own queue, or in one that it carries, would keep itself alive */
        if (sent.object->type == OBJECT_CHANNEL) {
            err = ERR_ARGUMENT;
        } else {
            sent.rights &= (uint32_t)c->c;
            err = channel_send(OBJECT_OF(e, channel), e.badge, &sent);
        }
        object_put(sent.object);
    }
    object_put(e.object);
    return err;
}

static enum err do_channel_take_handle(struct call *c)
{
    struct handle_entry e, taken;
    enum err err = find(c->a, OBJECT_CHANNEL, RIGHT_READ, &e);

    if (err)
        return err;
    err = channel_take(OBJECT_OF(e, channel), e.badge, &taken);
    if (!err) {
        object_get(taken.object);
        err = hand_out(taken.object, taken.rights, taken.badge, &c->value);
        handle_reference_end(taken.object);
    }
    object_put(e.object);
    return err;
}

/* ---- partitions, views, vCPUs ---- */

static enum err do_partition_create(struct call *c)
{
    struct handle_entry budget;
    struct partition *p;
    enum err err = find(c->a, OBJECT_BUDGET, RIGHT_MANAGE, &budget);

    if (err)
        return err;
    err = partition_create(OBJECT_OF(budget, budget), c->b, &p);
    object_put(budget.object);
    /* its maker may pass the memory on but has none of it: see handle rights in process_create */
    return err ? err : hand_out(partition_object(p), RIGHT_ALL, 0, &c->value);
}

static enum err find_partition(uint64_t h, uint32_t rights, struct handle_entry *e,
                               struct partition **out)
{
    enum err err = find(h, OBJECT_PARTITION, rights, e);

    if (err)
        return err;
    *out = OBJECT_OF(*e, partition);
    if (!(rights & RIGHT_MEMORY))
        return OK;
    if (process_current() == manager_process)
        err = ERR_RIGHTS; /* the manager creates and counts; it has no guest memory */
    else
        err = process_attach(process_current(), *out);
    if (err)
        object_put(e->object);
    return err;
}

static enum err do_partition_populate(struct call *c)
{
    struct handle_entry e;
    struct partition *p;
    enum err err = find_partition(c->a, RIGHT_MEMORY, &e, &p);

    if (err)
        return err;
    err = partition_populate(p, &c->value);
    object_put(e.object);
    return err;
}

static enum err do_partition_info(struct call *c)
{
    struct handle_entry e;
    struct partition *p;
    enum err err = find_partition(c->a, RIGHT_COUNT, &e, &p);

    if (err)
        return err;
    struct partition_info info = {
        .memory_bytes = p->memory_bytes,
        .populated_bytes = min(p->populated << LARGE_SHIFT, p->memory_bytes),
        .vcpu_count = p->vcpu_count,
    };

    object_put(e.object);
    return user_write(c->b, &info, sizeof(info));
}

static enum err do_vcpu_info(struct call *c)
{
    struct handle_entry e;
    struct partition *p;
    struct vcpu_info *info;
    enum err err = find_partition(c->a, RIGHT_COUNT, &e, &p);

    if (err)
        return err;
    info = kernel_alloc(&root_budget, sizeof(*info));
    if (!info)
        err = ERR_MEMORY;
    if (!err) {
        err = partition_vcpu_info(p, c->b, info);
        if (!err)
            err = user_write(c->c, info, sizeof(*info));
        kernel_free(&root_budget, info, sizeof(*info));
    }
    object_put(e.object);
    return err;
}

static enum err do_view_create(struct call *c)
{
    struct handle_entry e;
    struct partition *p;
    struct view *v;
    enum err err = find_partition(c->a, RIGHT_MEMORY, &e, &p);

    if (err)
        return err;
    err = view_create(p, process_current()->budget, (gpa_t){ c->b }, c->c, c->d & PROT_WRITE, &v);
    object_put(e.object);
    return err ? err : hand_out(&v->object, RIGHT_ALL, 0, &c->value);
}

static enum err do_view_map(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_VIEW, RIGHT_READ, &e);

    if (err)
        return err;
    if (OBJECT_OF(e, view)->is_writable && !(e.rights & RIGHT_WRITE))
        err = ERR_RIGHTS;
    else
        err = view_map(OBJECT_OF(e, view), &process_current()->space, &c->value);
    object_put(e.object);
    return err;
}

static enum err do_view_revoke(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_VIEW, RIGHT_MANAGE, &e);

    if (err)
        return err;
    view_revoke(OBJECT_OF(e, view));
    object_put(e.object);
    return OK;
}

static enum err do_view_epoch(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_VIEW, RIGHT_READ, &e);

    if (err)
        return err;
    c->value = OBJECT_OF(e, view)->is_revoked;
    object_put(e.object);
    return OK;
}

static enum err do_vcpu_create(struct call *c)
{
    struct handle_entry e;
    struct partition *p;
    struct vcpu *v;
    enum err err = find_partition(c->a, RIGHT_MEMORY, &e, &p);

    if (err)
        return err;
    err = c->b < PARTITION_VCPUS_MAX ? vcpu_create(p, (unsigned)c->b, process_current()->budget, &v)
                                     : ERR_ARGUMENT;
    object_put(e.object);
    return err ? err : hand_out(&v->object, RIGHT_ALL, 0, &c->value);
}

/* The first time that a thread runs this vCPU, or since a handle was closed. */
static enum err run_found(struct call *c, struct vcpu_exit *io, uint64_t key)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_VCPU, RIGHT_MEMORY, &e);

    if (err)
        return err;
    thread_current()->vcpu_handles = 0;
    if (!process_current()->partition ||
        process_current()->partition != OBJECT_OF(e, vcpu)->partition)
        err = ERR_RIGHTS; /* the window that exits look through is another partition's */
    else
        err = vcpu_run(OBJECT_OF(e, vcpu), io);
    if (!err)
        thread_current()->vcpu_handles = key;
    object_put(e.object);
    return err;
}

/* Of what the vmm passes only the value counts. */
static enum err read_answer(uint64_t from, struct vcpu_exit *io)
{
    bool is_read = false;

    if (likely(range_fits(from, sizeof(*io), USER_END))) {
        user_access_begin();
        is_read = user_load_word(from + offsetof(struct vcpu_exit, value), &io->value);
        user_access_end();
    }
    return is_read ? OK : ERR_ARGUMENT;
}

static enum err write_exit(uint64_t to, const struct vcpu_exit *io)
{
    uint64_t words[sizeof(*io) / 8];
    bool is_written;

    __builtin_memcpy(words, io, sizeof(words));
    user_access_begin();
    is_written = user_store_word(to, words[0]) && user_store_word(to + 8, words[1]) &&
                 user_store_word(to + 16, words[2]);
    user_access_end();
    return is_written ? OK : ERR_ARGUMENT;
}

static enum err do_vcpu_run(struct call *c)
{
    struct thread *t = thread_current();
    uint64_t key = (uint64_t)t->process->handles.closed_count << 32 | (uint32_t)c->a;
    struct vcpu_exit io;
    enum err err = read_answer(c->b, &io);

    if (unlikely(err))
        return err;
    if (likely(t->vcpu && t->vcpu_handles == key))
        err = vcpu_run(t->vcpu, &io);
    else
        err = run_found(c, &io, key);
    return err ? err : write_exit(c->b, &io);
}

static enum err do_vcpu_kick(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_VCPU, RIGHT_MEMORY, &e);

    if (err)
        return err;
    vcpu_kick(OBJECT_OF(e, vcpu));
    object_put(e.object);
    return OK;
}

/* Only while no thread runs it. */
static enum err access_state(struct call *c, bool is_set)
{
    struct handle_entry e;
    struct vcpu_state state = { 0 };
    enum err err = is_set ? user_read(&state, c->b, sizeof(state)) : OK;

    if (err)
        return err;
    err = find(c->a, OBJECT_VCPU, RIGHT_MEMORY, &e);
    if (err)
        return err;
    struct vcpu *v = OBJECT_OF(e, vcpu);

    if (v->is_running)
        err = ERR_STATE;
    else if (is_set)
        err = virt_set_state(&v->virt, &state);
    else
        virt_get_state(&v->virt, &state);
    object_put(e.object);
    if (err || is_set)
        return err;
    return user_write(c->b, &state, sizeof(state));
}

static enum err do_vcpu_get(struct call *c)
{
    return access_state(c, false);
}

static enum err do_vcpu_set(struct call *c)
{
    return access_state(c, true);
}

/* ---- the machine ---- */

static enum err do_ioport_read(struct call *c)
{
    struct handle_entry e;
    uint32_t value = 0;
    enum err err = find(c->a, OBJECT_IOPORTS, RIGHT_READ, &e);

    if (err)
        return err;
    err = c->b > UINT16_MAX
              ? ERR_ARGUMENT
              : ioports_read(OBJECT_OF(e, ioports), (uint16_t)c->b, (unsigned)c->c, &value);
    c->value = value;
    object_put(e.object);
    return err;
}

static enum err do_ioport_write(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_IOPORTS, RIGHT_WRITE, &e);

    if (err)
        return err;
    err = c->b > UINT16_MAX ? ERR_ARGUMENT
                            : ioports_write(OBJECT_OF(e, ioports), (uint16_t)c->b, (unsigned)c->c,
                                            (uint32_t)c->d);
    object_put(e.object);
    return err;
}

static enum err do_interrupt_ack(struct call *c)
{
    struct handle_entry e;
    enum err err = find(c->a, OBJECT_INTERRUPT, RIGHT_WRITE, &e);

    if (err)
        return err;
    interrupt_ack(OBJECT_OF(e, interrupt));
    object_put(e.object);
    return OK;
}

static enum err do_host_info(struct call *c)
{
    static_assert(sizeof(struct host_info) < 2048, "fits the kernel's stack");
    struct host_info info;

    host_get_info(&info);
    return user_write(c->a, &info, sizeof(info));
}

static enum err do_host_poweroff(struct call *c)
{
    if (process_current() != manager_process)
        return ERR_RIGHTS;
    acpi_power_off();
    return ERR_UNSUPPORTED;
}

static enum err do_debug(struct call *c)
{
    if (!IS_DEBUG || process_current() != manager_process)
        return ERR_UNSUPPORTED;
    return debug_call((enum debug_op)c->a, c->b, c->c, c->d, &c->value);
}

static enum err (*const calls[SYS_COUNT])(struct call *) = {
    [SYS_EXIT] = do_exit,
    [SYS_THREAD_EXIT] = do_thread_exit,
    [SYS_YIELD] = do_yield,
    [SYS_CLOCK] = do_clock,
    [SYS_LOG_WRITE] = do_log_write,
    [SYS_LOG_READ] = do_log_read,
    [SYS_HANDLE_CLOSE] = do_handle_close,
    [SYS_HANDLE_COPY] = do_handle_copy,
    [SYS_BIND] = do_bind,
    [SYS_BUDGET_CREATE] = do_budget_create,
    [SYS_BUDGET_INFO] = do_budget_info,
    [SYS_REGION_CREATE] = do_region_create,
    [SYS_REGION_MAP] = do_region_map,
    [SYS_UNMAP] = do_unmap,
    [SYS_PROCESS_CREATE] = do_process_create,
    [SYS_PROCESS_KILL] = do_process_kill,
    [SYS_PROCESS_INFO] = do_process_info,
    [SYS_PROCESS_FAULT] = do_process_fault,
    [SYS_THREAD_CREATE] = do_thread_create,
    [SYS_SIGNAL_CREATE] = do_signal_create,
    [SYS_SIGNAL_RAISE] = do_signal_raise,
    [SYS_SIGNAL_WAIT] = do_signal_wait,
    [SYS_TIMER_CREATE] = do_timer_create,
    [SYS_TIMER_SET] = do_timer_set,
    [SYS_CHANNEL_CREATE] = do_channel_create,
    [SYS_CHANNEL_MAP] = do_channel_map,
    [SYS_CHANNEL_SIGNAL] = do_channel_signal,
    [SYS_CHANNEL_SEND_HANDLE] = do_channel_send_handle,
    [SYS_CHANNEL_TAKE_HANDLE] = do_channel_take_handle,
    [SYS_PARTITION_CREATE] = do_partition_create,
    [SYS_PARTITION_POPULATE] = do_partition_populate,
    [SYS_PARTITION_INFO] = do_partition_info,
    [SYS_VCPU_INFO] = do_vcpu_info,
    [SYS_VIEW_CREATE] = do_view_create,
    [SYS_VIEW_MAP] = do_view_map,
    [SYS_VIEW_REVOKE] = do_view_revoke,
    [SYS_VIEW_EPOCH] = do_view_epoch,
    [SYS_VCPU_CREATE] = do_vcpu_create,
    [SYS_VCPU_RUN] = do_vcpu_run,
    [SYS_VCPU_KICK] = do_vcpu_kick,
    [SYS_VCPU_GET] = do_vcpu_get,
    [SYS_VCPU_SET] = do_vcpu_set,
    [SYS_IOPORT_READ] = do_ioport_read,
    [SYS_IOPORT_WRITE] = do_ioport_write,
    [SYS_INTERRUPT_ACK] = do_interrupt_ack,
    [SYS_HOST_INFO] = do_host_info,
    [SYS_HOST_POWEROFF] = do_host_poweroff,
    [SYS_DEBUG] = do_debug,
};

struct syscall_result syscall_dispatch(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                       uint64_t number)
{
    struct call call = { a, b, c, d, 0 };
    enum err err = number < SYS_COUNT ? calls[number](&call) : ERR_ARGUMENT;

    if (unlikely(sched_has_work(thread_current())))
        sched_check();
    return (struct syscall_result){ (uint64_t)err, call.value };
}
