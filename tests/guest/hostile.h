/* What the attacks share. Each payload names its attacks in a table; do= picks one, and the last line
 * that it prints is 'HOSTILE done'. */
#pragma once
#include "tests/guest/smp.h"

#define MSR_HYPERCALL     0x40000001u
#define MSR_VP_INDEX      0x40000002u
#define MSR_REFERENCE     0x40000020u
#define MSR_REFERENCE_TSC 0x40000021u
#define MSR_FREQUENCY     0x40000022u
#define MSR_VP_ASSIST     0x40000073u
#define MSR_SCONTROL      0x40000080u
#define MSR_SIEFP         0x40000082u
#define MSR_SIMP          0x40000083u
#define MSR_EOM           0x40000084u
#define MSR_SINT0         0x40000090u
#define MSR_STIMER0       0x400000b0u
#define MSR_CRASH         0x40000100u
#define SINT_MASKED       (1u << 16)
#define STIMER_DIRECT     (1u << 12)
#define HYPERCALL_FAST    (1ull << 16)
#define VECTOR            0x60
#define PAGE              4096u
#define HOLE              0xc0000000ull

struct attack {
    const char *name;
    void (*run)(void);
};

static inline bool is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* TRY is for one CPU at a time: here an exception ends the payload. */
static inline void write_good_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}
static inline void read_good_msr(uint32_t msr, uint64_t *value)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    *value = (uint64_t)high << 32 | low;
}

static inline bool start_second(void (*entry)(unsigned int cpu))
{
    if (smp_start(2, entry) != 2) {
        print("HOSTILE the second CPU does not start\n");
        return false;
    }
    return true;
}

static inline void must_fault(const char *name, bool has_faulted)
{
    print("%s %s %u\n", "FAULT", name, has_faulted ? (uint64_t)fault_vector : 0);
}

/* For the second CPU, when it has done its part. */
static inline __attribute__((noreturn)) void rest(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* Runs the attack that do= names; 2: none of these. */
static inline int run_attack(const struct attack *attacks, unsigned int count)
{
    char what[16] = "";

    argument_text("do", what, sizeof(what));
    for (unsigned int i = 0; i < count; i++)
        if (is(what, attacks[i].name)) {
            attacks[i].run();
            print("HOSTILE done\n");
            return 0;
        }
    return 2;
}
