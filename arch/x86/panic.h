/* The end: says what happened on the UART and halts all CPUs. */
#pragma once
#include "lib/compiler.h"

struct trap_frame;

/* This machine or this boot will not do: one line that says why and what to do, then a halt. */
NORETURN void refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* In an NMI: does not return when another CPU is in a panic. */
void panic_stop_if_under_way(void);
NORETURN void panic_trap(struct trap_frame *f, const char *why);
/* The same, and then starts the machine anew: for a fault that is not ours. */
NORETURN void panic_trap_and_reset(struct trap_frame *f, const char *why);

/* We are wrong: never reachable through what a guest, a wire or a program can influence. */
#define BUG_ON(x)                                              \
    do {                                                       \
        if (unlikely(x))                                       \
            panic("BUG: %s at %s:%d", #x, __FILE__, __LINE__); \
    } while (0)
#define DEBUG_BUG_ON(x) \
    do {                \
        if (IS_DEBUG)   \
            BUG_ON(x);  \
    } while (0)
