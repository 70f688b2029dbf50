/* What every payload guest can do: print, read its command line, touch the machine, end itself.
 * A payload defines payload_main(); its command line has words such as seed=7. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PORT_EXIT 0xf4
#define PORT_UART 0x3f8

/* The payload itself; what it returns is the VM's exit code. */
int payload_main(void);

/* Prints text; %u decimal, %x hexadecimal (both uint64_t), %s a string, %% a percent sign. */
void print(const char *format, ...);
void put_char(char c);
/* The next byte that came in, or -1. */
int get_char(void);

/* The number behind "name=" on the command line, or @otherwise. Decimal or 0x hexadecimal. */
uint64_t argument(const char *name, uint64_t otherwise);
/* The word behind "name=" copied into @out (NUL-terminated); false when there is none. */
bool argument_text(const char *name, char *out, uint64_t out_bytes);
const char *command_line(void);

/* Ends the VM with this exit code. */
__attribute__((noreturn)) void end(int code);

struct memory_range {
    uint64_t address, bytes;
    uint32_t type, reserved; /* type 1 is RAM */
};
uint32_t memory_ranges(const struct memory_range **first);
/* The payload's own image, from its first byte to the one behind its last. */
extern char payload_begin[], payload_end[];

/* Registers as they were at the entry. */
extern uint32_t start_eax, start_ebx, start_eflags, start_cr0;

/* The last exception that TRY caught. */
extern uint32_t fault_vector, fault_error;
extern uint64_t fault_rip, fault_resume;

/* Runs one instruction; true when it raised an exception (then fault_vector says which). */
#define TRY(instruction, outputs, inputs, ...)                                          \
    ({                                                                                  \
        fault_vector = 255;                                                             \
        __asm__ volatile("movq $771f, fault_resume(%%rip)\n\t" instruction "\n771:\n\t" \
                         "movq $0, fault_resume(%%rip)"                                 \
                         : outputs:inputs                                               \
                         : "memory", "cc", ##__VA_ARGS__);                              \
        fault_vector != 255;                                                            \
    })
/* Several operands as one argument of TRY. */
#define OPERANDS(...) __VA_ARGS__

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(subleaf));
}

/* False when it raised an exception. */
static inline bool read_msr(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    bool failed = TRY("rdmsr", OPERANDS("+a"(low), "+d"(high)), "c"(msr));

    *value = (uint64_t)high << 32 | low;
    return !failed;
}

static inline bool write_msr(uint32_t msr, uint64_t value)
{
    return !TRY("wrmsr", , OPERANDS("c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
}

/* xorshift64*: the same numbers for the same seed everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}
