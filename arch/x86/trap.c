#include "arch/x86/trap.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "lib/x86/regs.h"

struct trap_hooks trap_hooks;
static_assert(offsetof(struct trap_hooks, syscall) == 40, "entry.S calls it by offset");

struct idt_gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};
#define GATE_INTERRUPT 0x8e

static struct idt_gate idt[256] ALIGNED(16);

struct fixup {
    uint64_t from, to;
};
extern const struct fixup fixup_start[], fixup_end[];
extern const uint8_t trap_stubs[];

void trap_dispatch(struct trap_frame *f);
bool user_copy_smap(void *to, const void *from, size_t bytes);

bool user_copy_fault_safe(void *to, const void *from, size_t bytes)
{
    return cpu_features.has_smap ? user_copy_smap(to, from, bytes)
                                 : copy_fault_safe(to, from, bytes);
}

const char *trap_name(unsigned vector)
{
    static const char *const names[] = {
        "divide error",
        "debug",
        "NMI",
        "breakpoint",
        "overflow",
        "bound range",
        "invalid opcode",
        "no FPU",
        "double fault",
        "vector 9",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection",
        "page fault",
        "vector 15",
        "x87 error",
        "alignment check",
        "machine check",
        "SIMD error",
        "virtualization",
        "control protection",
    };

    return vector < array_count(names) ? names[vector] : "interrupt";
}

void trap_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t stub = (uint64_t)trap_stubs + 16 * i;

        idt[i] = (struct idt_gate){
            .offset_low = (uint16_t)stub,
            .selector = GDT_KERNEL_CODE,
            .ist = i == VECTOR_NMI  ? 1
                   : i == VECTOR_DF ? 2
                   : i == VECTOR_MC ? 3
                                    : 0,
            .type = i == VECTOR_BP ? GATE_INTERRUPT | 0x60 : GATE_INTERRUPT,
            .offset_mid = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

void trap_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED pointer = { sizeof(idt) - 1, (uint64_t)idt };

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static bool fix_up(struct trap_frame *f)
{
    for (const struct fixup *x = fixup_start; x < fixup_end; x++)
        if (x->from == f->rip) {
            f->rip = x->to;
            return true;
        }
    return false;
}

void trap_dispatch(struct trap_frame *f)
{
    if (cpu_features.has_smap)
        __asm__ volatile("clac" : : : "memory"); /* a program can set AC itself */
    if (f->vector == VECTOR_NMI)
        trap_hooks.nmi(f);
    else if (f->vector == VECTOR_MC)
        trap_hooks.machine_check(f);
    else if (f->vector >= 32)
        trap_hooks.interrupt((unsigned)f->vector, f);
    else if (trap_is_user(f))
        trap_hooks.user_fault(f);
    else if (!fix_up(f))
        trap_hooks.panic(f, trap_name((unsigned)f->vector));
    if (trap_is_user(f) && f->vector != VECTOR_NMI && f->vector != VECTOR_MC)
        trap_hooks.user_return();
}
