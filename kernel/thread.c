#include "kernel/thread.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "lib/x86/regs.h"
#include "kernel/budget.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "kernel/sched.h"
#include "kernel/sched_cap.h"
#include "kernel/vcpu.h"

static void put_header(struct thread *t, uint64_t stack)
{
    t->stack = stack;
    *(struct stack_header *)stack = (struct stack_header){ NULL, t, STACK_CANARY };
}

static struct thread *create(struct budget *b, void (*entry)(void *), void *argument)
{
    struct thread *t = object_create(b, OBJECT_THREAD, sizeof(*t));
    hpa_t stack;

    if (!t)
        return NULL;
    if (frames_take(b, 1, FRAME_KERNEL, &stack)) {
        object_put(&t->object);
        return NULL;
    }
    put_header(t, (uint64_t)direct_map(stack));
    t->rsp = context_prepare(t->stack + STACK_BYTES, entry, argument);
    return t;
}

/* The first thing that a new thread does: it was switched to with the sched lock held. */
static void start_user(void *argument)
{
    struct thread *t = argument;

    spin_unlock(&sched_lock);
    sched_check();
    enter_user(t->entry, t->user_stack, t->argument);
}

struct kernel_start {
    void (*entry)(void *);
    void *argument;
};

static void start_kernel(void *argument)
{
    struct kernel_start *s = argument;

    spin_unlock(&sched_lock);
    s->entry(s->argument);
    thread_exit();
}

enum err thread_create_user(struct process *p, uint64_t entry, uint64_t stack, uint64_t argument,
                            struct thread **out)
{
    struct thread *t = create(p->budget, start_user, NULL);

    if (!t)
        return ERR_MEMORY;
    t->rsp = context_prepare(t->stack + STACK_BYTES, start_user, t);
    t->process = p;
    object_get(&p->object);
    t->group = &p->group;
    t->entry = entry;
    t->user_stack = stack;
    t->argument = argument;
    *out = t;
    return OK;
}

struct thread *thread_create_kernel(void (*entry)(void *), void *argument, struct sched_group *g)
{
    struct kernel_start *s = kernel_alloc(&root_budget, sizeof(*s));
    struct thread *t = s ? create(&root_budget, start_kernel, s) : NULL;

    if (!t)
        panic("no memory for a thread of the kernel");
    *s = (struct kernel_start){ entry, argument };
    t->group = g;
    return t;
}

struct thread *thread_adopt_idle(struct kernel_cpu *cpu, uint64_t stack)
{
    struct thread *t = object_create(&root_budget, OBJECT_THREAD, sizeof(*t));

    if (!t)
        panic("no memory for an idle thread");
    put_header(t, stack);
    ((struct stack_header *)stack)->cpu = &cpu->arch;
    t->group = &kernel_group;
    return t;
}

void thread_exit(void)
{
    vcpu_detach(thread_current());
    spin_lock(&sched_lock);
    sched_exit_locked();
}

void thread_kill(struct thread *t)
{
    spin_lock(&sched_lock);
    t->is_dying = true;
    sched_wake_locked(t);
    if (t->is_parked)
        cap_release_locked(t->group);
    if (t->state == THREAD_RUNNING && t->cpu != kernel_cpu())
        lapic_send(t->cpu->arch.apic_id, VECTOR_RESCHEDULE);
    spin_unlock(&sched_lock);
}

void thread_destroy(struct object *o)
{
    struct thread *t = container_of(o, struct thread, object);

    BUG_ON(t->state != THREAD_DEAD && t->state != THREAD_NEW);
    if (t->stack)
        frames_give(o->budget, (hpa_t){ t->stack - DIRECT_BASE }, 1);
    if (t->process)
        object_put(&t->process->object);
}
