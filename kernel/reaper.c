#include "kernel/reaper.h"
#include "kernel/log.h"
#include "kernel/manager.h"
#include "kernel/sched.h"

static struct thread *dead_threads; /* sched lock, as the next two */
static struct process *dead_processes;
static uint64_t work;
static struct thread *reaper;

void reaper_add_thread_locked(struct thread *t)
{
    t->next_dead = dead_threads;
    dead_threads = t;
    work = 1;
    sched_wake_locked(reaper);
}

void reaper_add_process(struct process *p)
{
    object_get(&p->object);
    spin_lock(&sched_lock);
    p->next_ended = dead_processes;
    dead_processes = p;
    work = 1;
    sched_wake_locked(reaper);
    spin_unlock(&sched_lock);
}

/* The thread's reference to its process keeps that alive until here. */
static void bury_thread(struct thread *t)
{
    struct process *p = t->process;
    bool is_last = false;

    if (p) {
        spin_lock(&p->lock);
        is_last = --p->thread_count == 0;
        if (is_last && !p->is_ending) { /* its threads left one by one */
            p->is_ending = true;
            p->info.end = PROCESS_END_EXIT;
        }
        spin_unlock(&p->lock);
        if (is_last)
            reaper_add_process(p);
    }
}

static void bury_process(struct process *p)
{
    bool is_manager = p == manager_process;

    log_line("%s has ended%s", p->name,
             p->info.end == PROCESS_END_FAULT    ? " by a fault"
             : p->info.end == PROCESS_END_KILLED ? ", as asked"
                                                 : "");
    process_release(p, is_manager);
    if (is_manager)
        manager_restart(p);
    object_put(&p->object);
}

static void reap(void *unused)
{
    for (;;) {
        struct thread *t;
        struct process *p;

        spin_lock(&sched_lock);
        sched_block_until_locked(UINT64_MAX, &work);
        work = 0;
        t = dead_threads;
        dead_threads = NULL;
        p = dead_processes;
        dead_processes = NULL;
        spin_unlock(&sched_lock);
        while (t) {
            struct thread *next = t->next_dead;

            bury_thread(t);
            t = next;
        }
        while (p) {
            struct process *next = p->next_ended;

            bury_process(p);
            p = next;
        }
    }
}

void reaper_init(void)
{
    reaper = thread_create_kernel(reap, NULL, &kernel_group);
    spin_lock(&sched_lock);
    sched_start_locked(reaper);
    spin_unlock(&sched_lock);
}
