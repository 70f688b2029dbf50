/* The few services that payload guests share. */
#include "lib/abi/multiboot.h"
#include "tests/guest/payload.h"

#include <stdarg.h>
#include <stddef.h>

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_count, reserved;
};

static const struct start_info *info; /* started by multiboot: struct multiboot_info */

void *memset(void *to, int value, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
void payload_start(const struct start_info *start_info);
__attribute__((noreturn)) void payload_unexpected(void);

void *memset(void *to, int value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void put_char(char c)
{
    while (!(in8(PORT_UART + 5) & 0x20))
        ;
    out8(PORT_UART, (uint8_t)c);
}

int get_char(void)
{
    return in8(PORT_UART + 5) & 1 ? in8(PORT_UART) : -1;
}

static void print_number(uint64_t value, unsigned int base)
{
    char digits[24];
    unsigned int count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count)
        put_char(digits[--count]);
}

void print(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    for (; *format; format++) {
        if (*format != '%') {
            if (*format == '\n')
                put_char('\r');
            put_char(*format);
            continue;
        }
        switch (*++format) {
        case 'u': print_number(va_arg(list, uint64_t), 10); break;
        case 'x': print_number(va_arg(list, uint64_t), 16); break;
        case 's':
            for (const char *s = va_arg(list, const char *); *s; s++)
                put_char(*s);
            break;
        default: put_char(*format); break;
        }
    }
    va_end(list);
}

static bool is_multiboot(void)
{
    return start_eax == MULTIBOOT_BOOT_MAGIC;
}

const char *command_line(void)
{
    if (is_multiboot())
        return (const char *)(uint64_t)((const struct multiboot_info *)info)->cmdline;
    return info->command_line ? (const char *)info->command_line : "";
}

/* What follows "name=" on the command line, or NULL. */
static const char *argument_at(const char *name)
{
    const char *at = command_line();

    while (*at) {
        const char *n = name;

        while (*n && *at == *n) {
            at++;
            n++;
        }
        if (!*n && *at == '=')
            return at + 1;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return NULL;
}

uint64_t argument(const char *name, uint64_t otherwise)
{
    const char *at = argument_at(name);
    uint64_t value = 0, base = 10;

    if (!at)
        return otherwise;
    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    for (;; at++) {
        if (*at >= '0' && *at <= '9')
            value = value * base + (uint64_t)(*at - '0');
        else if (base == 16 && *at >= 'a' && *at <= 'f')
            value = value * base + (uint64_t)(*at - 'a' + 10);
        else
            return value;
    }
}

bool argument_text(const char *name, char *out, uint64_t out_bytes)
{
    const char *at = argument_at(name);
    uint64_t i = 0;

    if (!at)
        return false;
    for (; at[i] && at[i] != ' ' && i + 1 < out_bytes; i++)
        out[i] = at[i];
    out[i] = 0;
    return true;
}

uint32_t memory_ranges(const struct memory_range **first)
{
    *first = (const struct memory_range *)info->memory_map;
    return !is_multiboot() && info->version >= 1 ? info->memory_map_count : 0;
}

void end(int code)
{
    out8(PORT_EXIT, (uint8_t)code);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void payload_unexpected(void)
{
    static bool is_second;

    if (is_second)
        end(0xef);
    is_second = true;
    print("UNEXPECTED exception %u error %x rip %x\n", (uint64_t)fault_vector,
          (uint64_t)fault_error, fault_rip);
    end(0xee);
}

void payload_start(const struct start_info *start_info)
{
    info = start_info;
    end(payload_main());
}
