/* What the compiler is asked for beyond C; the only header with #if (house style 2). */
#pragma once

#ifndef static_assert
#define static_assert _Static_assert
#endif

#define PACKED                 __attribute__((packed))
#define ALIGNED(n)             __attribute__((aligned(n)))
#define NORETURN               __attribute__((noreturn))
#define NOINLINE               __attribute__((noinline))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define USED                   __attribute__((used))
#define SECTION(name)          __attribute__((section(name)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define likely(x)              __builtin_expect(!!(x), 1)
#define unlikely(x)            __builtin_expect(!!(x), 0)

#define array_count(a)                  (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#ifdef DEBUG
#define IS_DEBUG 1
#else
#define IS_DEBUG 0
#endif
