#include <stdarg.h>

#include "arch/x86/tsc.h"
#include "arch/x86/uart.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "lib/format.h"

#define LOG_BYTES  65536u
#define LINE_BYTES 256u

static struct spinlock log_lock = SPINLOCK(RANK_LOG);
static char ring[LOG_BYTES];
static uint64_t total; /* bytes since boot */
static bool is_uart_ours = true;

static void append(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ring[total++ % LOG_BYTES] = text[i];
    if (is_uart_ours)
        uart_early_write(text, n);
}

static void put_line(const char *who, const char *text, size_t n)
{
    char head[64];
    uint64_t ns = host_clock.tsc_hz ? clock_ns() : 0;
    size_t head_bytes = format(head, sizeof(head), "[%5lu.%06lu] %s%s", ns / NS_PER_SECOND,
                               ns % NS_PER_SECOND / 1000, who, *who ? ": " : "");

    spin_lock(&log_lock);
    append(head, head_bytes);
    append(text, n);
    append("\n", 1);
    spin_unlock(&log_lock);
}

void log_line(const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;

    va_start(args, fmt);
    size_t n = format_v(line, sizeof(line), fmt, args);
    va_end(args);
    put_line("", line, n);
}

void log_program(const char *name, const char *text, size_t bytes)
{
    size_t start = 0;

    for (size_t i = 0; i <= bytes; i++)
        if (i == bytes || text[i] == '\n') {
            if (i > start)
                put_line(name, text + start, i - start);
            start = i + 1;
        }
}

size_t log_copy(uint64_t from, char *out, size_t capacity, uint64_t *start)
{
    size_t n = 0;

    spin_lock(&log_lock);
    uint64_t oldest = total > LOG_BYTES ? total - LOG_BYTES : 0;

    *start = min(max(from, oldest), total);
    while (n < capacity && *start + n < total) {
        out[n] = ring[(*start + n) % LOG_BYTES];
        n++;
    }
    spin_unlock(&log_lock);
    return n;
}

void log_set_uart(bool is_ours)
{
    spin_lock(&log_lock);
    is_uart_ours = is_ours;
    spin_unlock(&log_lock);
}
