#include <stdarg.h>

#include "lib/x86/asm.h"
#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/symbols.h"
#include "arch/x86/trap.h"
#include "arch/x86/uart.h"
#include "lib/abi/boot_info.h"
#include "lib/format.h"

static int panicking;

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void say(const char *fmt, ...)
{
    char line[256];
    va_list args;

    va_start(args, fmt);
    size_t n = format_v(line, sizeof(line), fmt, args);
    va_end(args);
    uart_early_write(line, n);
}

static void say_symbol(uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_find(address, &offset);

    if (name)
        say("  %016lx %s+0x%lx\n", address, name, offset);
}

/* Debug builds keep frame pointers and get an exact trace; else every word of the stack that
 * points into the text is shown, which errs on the side of too many. */
static void say_back_trace(uint64_t rip, uint64_t rbp, uint64_t rsp)
{
    uint64_t end = round_up(rsp + 1, STACK_BYTES);
    unsigned shown = 0;

    say("back trace:\n");
    say_symbol(rip);
    if (IS_DEBUG) {
        while (rbp >= rsp && rbp + 16 <= end && !(rbp & 7) && shown++ < 24) {
            say_symbol(((uint64_t *)rbp)[1] - 1);
            rbp = ((uint64_t *)rbp)[0];
        }
        return;
    }
    for (uint64_t p = round_up(rsp, 8); p < end && shown < 24; p += 8)
        if (symbol_find(*(uint64_t *)p, &(uint64_t){ 0 })) {
            say_symbol(*(uint64_t *)p);
            shown++;
        }
}

static NORETURN void halt(void)
{
    for (;;) {
        interrupts_off();
        __asm__ volatile("hlt");
    }
}

static void begin(void)
{
    interrupts_off();
    if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL))
        halt();
    lapic_halt_others();
    uart_early_init();
}

static NORETURN void finish(void)
{
    say("Bulkhead has stopped. Save these lines, then reset the machine.\n");
    halt();
}

void panic_stop_if_under_way(void)
{
    if (__atomic_load_n(&panicking, __ATOMIC_ACQUIRE))
        halt();
}

void refuse(const char *fmt, ...)
{
    char text[240];
    va_list args;

    begin();
    va_start(args, fmt);
    format_v(text, sizeof(text), fmt, args);
    va_end(args);
    say("Bulkhead cannot start: ");
    say("%s\n", text);
    halt();
}

void panic(const char *fmt, ...)
{
    char text[200];
    va_list args;

    begin();
    va_start(args, fmt);
    format_v(text, sizeof(text), fmt, args);
    va_end(args);
    say("\nPANIC: %s\n", text);
    say_back_trace((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0),
                   (uint64_t)__builtin_frame_address(0));
    finish();
}

static void say_trap(struct trap_frame *f, const char *why)
{
    begin();
    say("\nPANIC: %s (vector %lu, error 0x%lx) on CPU %u\n", why, f->vector, f->error,
        this_cpu()->id);
    say("rip %016lx rsp %016lx rflags %08lx cs %lx\n", f->rip, f->rsp, f->rflags, f->cs);
    say("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    say("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    say("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
    say("r13 %016lx r14 %016lx r15 %016lx cr2 %016lx\n", f->r13, f->r14, f->r15, read_cr2());
    say("cr0 %lx cr3 %lx cr4 %lx\n", read_cr0(), read_cr3(), read_cr4());
    say_back_trace(f->rip, f->rbp, f->rsp);
}

void panic_trap(struct trap_frame *f, const char *why)
{
    say_trap(f, why);
    finish();
}

void panic_trap_and_reset(struct trap_frame *f, const char *why)
{
    say_trap(f, why);
    say("The machine is reset now.\n");
    acpi_reset();
}
