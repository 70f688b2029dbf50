/* A timer of the kernel: kernel/sched.h arms and cancels it. */
#pragma once
#include "lib/heap.h"

struct kernel_cpu;

struct timer {
    struct heap_node node; /* key: TSC */
    struct kernel_cpu *cpu;
    void (*fire)(struct timer *t); /* with the sched lock held */
};
