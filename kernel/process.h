/* Processes: an embedded program, its address space, its handles, its threads. */
#pragma once
#include "kernel/handle.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/space.h"
#include "lib/abi/syscall.h"

struct partition;

struct process {
    struct object object;
    char name[PROGRAM_NAME_BYTES];
    const struct program *program;
    struct budget *budget; /* referenced through object.budget */
    struct space space;
    struct handle_table handles;
    struct sched_group group;
    struct partition *partition; /* whose window is in the space; referenced */
    struct process *next;        /* processes lock: list of all that have a space */
    struct process *next_ended;  /* reaper's */
    struct spinlock lock;        /* rank OBJECT; guards: */
    struct thread *threads;      /* referenced */
    uint32_t thread_count;       /* not yet reaped */
    bool is_ending;
    struct process_info info; /* state and end */
    struct binding on_end;    /* sched lock */
};

/* An embedded program. */
struct program {
    const char *name;
    const uint8_t *image, *image_end;
};
extern const struct program programs[];
extern const unsigned program_count;

extern struct process *manager_process;

/* A process of @program, not yet running: no threads, no handles. */
enum err process_create(const struct program *program, const char *name, struct budget *b,
                        uint32_t weight, struct process **out) MUST_CHECK;
/* Loads the program, makes the first thread and starts it. */
enum err process_start(struct process *p, const struct startup_info *info) MUST_CHECK;

/* Puts @t into @p and starts it. ERR_STATE: @p is ending. Takes a reference of its own. */
enum err process_add_thread(struct process *p, struct thread *t) MUST_CHECK;

/* Begins the end of @p: its threads leave, the reaper frees what it had. */
void process_end(struct process *p, enum process_end end, const struct process_info *how);

/* The reaper, when the last thread is gone: frees all but the structure. @keep_handles: the table
 * passes on (the manager's). */
void process_release(struct process *p, bool keep_handles);

/* The page tables of @p (NULL: the kernel's) become those of the CPU. */
void process_enter(struct process *p);

/* Loads @p's partition into its window. ERR_STATE: it has another one. */
enum err process_attach(struct process *p, struct partition *partition) MUST_CHECK;

/* Calls @visit for each process that has an address space, under the processes lock. */
void process_for_each(void (*visit)(struct process *p, void *argument), void *argument);

static inline struct process *process_current(void)
{
    return thread_current()->process;
}
