/* Threads: a kernel stack, a place in the scheduler, and for threads of programs a process. */
#pragma once
#include "kernel/kernel_cpu.h"
#include "kernel/object.h"
#include "kernel/timer.h"

struct process;
struct vcpu;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,   /* in the run queue */
    THREAD_RUNNING, /* on a CPU */
    THREAD_BLOCKED, /* waits to be woken */
    THREAD_DEAD,    /* has left its CPU for the last time, or is about to */
};

struct thread {
    struct object object;
    struct process *process; /* referenced; NULL: a kernel thread */
    uint64_t stack;          /* lowest address; its header points here */
    uint64_t rsp;            /* while it does not run */
    /* sched lock: */
    enum thread_state state;
    struct sched_group *group;
    struct heap_node run_node;
    struct kernel_cpu *cpu; /* where it runs or ran last */
    struct timer timeout;
    struct kernel_cpu *pinned; /* NULL: runs anywhere */
    struct thread *next_waiter, *next_dead, *next_parked;
    bool is_parked; /* ready, but its group has used up its cap */
    bool is_vcpu;   /* is running a vCPU: gives way to other threads of its group */
    bool is_dying;  /* its process ends: it leaves at the next occasion */
    /* its own: */
    uint64_t entry, user_stack, argument; /* first instruction in ring 3 */
    struct vcpu *vcpu;                    /* that it runs or ran last; referenced */
    uint64_t vcpu_handles;                /* handle and generation by which it found that */
    struct thread *next_in_process;       /* process's lock */
};

static inline struct thread *thread_current(void)
{
    return stack_header()->thread;
}

/* A thread of @p that starts in ring 3, not yet in the scheduler. */
enum err thread_create_user(struct process *p, uint64_t entry, uint64_t stack, uint64_t argument,
                            struct thread **out) MUST_CHECK;
/* A thread of the kernel; cannot fail after start-up. */
struct thread *thread_create_kernel(void (*entry)(void *), void *argument, struct sched_group *g);
/* Makes the context that already runs on this CPU's boot stack a thread: the idle thread. */
struct thread *thread_adopt_idle(struct kernel_cpu *cpu, uint64_t stack);

/* Ends the calling thread. */
NORETURN void thread_exit(void);

/* Asks @t to end: it does so before it next runs in ring 3 or in a guest. */
void thread_kill(struct thread *t);
