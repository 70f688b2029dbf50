/* The reaper: a thread of the kernel that frees what ended threads and processes had, and starts
 * the manager again. */
#pragma once
#include "kernel/process.h"
#include "kernel/thread.h"

void reaper_init(void);
/* @t has left its CPU, or is about to; sched lock held. Takes over the caller's reference. */
void reaper_add_thread_locked(struct thread *t);
/* @p is ending and has no threads. */
void reaper_add_process(struct process *p);
