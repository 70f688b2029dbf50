/* The CPU's own means of debugging, used well and badly. #DB and #AC are intercepted (else a CPU that
 * delivers them for ever hangs, XSA-156), so each #DB passes through the hypervisor.
 *
 *     do=steps       single steps over instructions that exit and that do not: 'STEPS n expected n'
 *     do=breakpoint  breakpoints on code and on data: a line 'HIT name count DR6' for each
 *     do=endless     a breakpoint on the stack on which #DB itself is delivered: on hardware each
 *                    delivery is the next hit. QEMU 10.0 aborts on it (bql_lock_impl)
 *     do=addresses   host=... : breakpoints on four addresses in the hypervisor, 32 bytes apart
 */
#include "tests/guest/hostile.h"

#define RFLAGS_RF (1ull << 16)
#define STEPS_MAX 32u

extern const uint64_t gdt[3];

static volatile uint64_t step_rips[STEPS_MAX], last_rip, last_dr6;
static volatile uint32_t hits;

/* Called with where the #DB came; a breakpoint on code must not hit again at once. */
__attribute__((used)) static void on_debug_body(uint64_t *frame)
{
    __asm__ volatile("mov %%db6, %0" : "=r"(last_dr6));
    __asm__ volatile("mov %0, %%db6" : : "r"(0xffff0ff0ull));
    last_rip = frame[0];
    if (hits < STEPS_MAX)
        step_rips[hits] = last_rip;
    hits++;
    frame[2] |= RFLAGS_RF;
}

void on_debug(void);
__asm__(".text\n.globl on_debug\non_debug:\n\t"
        "push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9\n\t"
        "push %r10; push %r11; cld; lea 72(%rsp), %rdi; call on_debug_body\n\t"
        "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx\n\t"
        "pop %rax; iretq");

/* Each instruction with where the #DB behind it must come from: the exits go through the
 * hypervisor's way of skipping an instruction, which must raise the #DB itself. */
void stepped(void);
extern const uint64_t stepped_at[], stepped_end[];
#define STEP(instruction) \
    instruction "\n666:\n\t.pushsection .rodata\n\t.quad 666b\n\t.popsection\n\t"
__asm__(".pushsection .rodata\n.balign 8\nstepped_at:\n.popsection\n"
        ".text\nstepped:\n\t"
        "push %rbx; mov $0x40000000, %eax; mov $0x40000002, %ecx; mov $0x80, %dx\n\t"
        "pushf; orl $0x100, (%rsp); popf\n\t" /* the step begins behind the next instruction */
        STEP("nop") STEP("cpuid") STEP("mov $0x40000002, %ecx") STEP("rdmsr")
            STEP("mov $0x40000072, %ecx") STEP("wrmsr") STEP("mov %cr4, %rax")
                STEP("mov %rax, %cr4") STEP("inb $0x80, %al") STEP("outb %al, $0x80")
                    STEP("mov $0x7fff, %ecx") STEP("vmmcall") STEP("hlt") STEP("wbinvd")
                        STEP("pushf") STEP("andl $~0x100, (%rsp)")
                            STEP("popf") "nop; pop %rbx; ret\n"
                                         ".pushsection .rodata\nstepped_end:\n.popsection\n");

static void attack_steps(void)
{
    uint64_t expected = (uint64_t)(stepped_end - stepped_at), good = 0;

    set_gate(1, on_debug);
    stepped();
    for (unsigned int i = 0; i < hits && i < expected; i++)
        good += step_rips[i] == stepped_at[i];
    print("STEPS %u hits %u expected %u dr6 %x\n", good, (uint64_t)hits, expected, last_dr6);
}

/* @dr7: of breakpoint 0 alone. */
static void set_breakpoint(uint64_t address, uint64_t dr7)
{
    hits = 0;
    last_dr6 = 0;
    __asm__ volatile("mov %0, %%db0" : : "r"(address));
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400 | dr7));
}

static void tell_hits(const char *name)
{
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400ull));
    print("HIT %s %u %x\n", name, (uint64_t)hits, last_dr6 & 0xe00f);
}

static void attack_breakpoint(void)
{
    static volatile uint32_t watched;
    uint32_t r[4];
    uint64_t at;

    set_gate(1, on_debug);
    __asm__ volatile("lea 1f(%%rip), %[at]; mov %[at], %%db0; mov %[on], %%db7; cpuid; nop\n"
                     "1:\tnop"
                     : [at] "=&r"(at), "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : [on] "r"(0x402ull), "a"(0x40000000)
                     : "memory");
    print("AT %s\n", at == last_rip ? "breakpoint" : "elsewhere");
    tell_hits("code");
    set_breakpoint((uint64_t)&watched, 2 | 0xdull << 16); /* 4 bytes, written */
    cpuid(0x40000000, 0, r);
    watched = 1;
    tell_hits("write");
    set_breakpoint((uint64_t)&watched, 2 | 0xfull << 16); /* or read */
    cpuid(0x40000000, 0, r);
    (void)watched;
    tell_hits("read");
    set_breakpoint((uint64_t)&watched, 0);
    watched = 2;
    tell_hits("off");
}

/* The TSS has nothing but the stack that gates with IST 1 change to. */
static void load_ist(uint64_t stack)
{
    static uint32_t tss[26];
    static uint64_t own_gdt[5];
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(own_gdt) - 1, (uint64_t)own_gdt };
    uint64_t base = (uint64_t)tss;

    tss[9] = (uint32_t)stack;
    tss[10] = (uint32_t)(stack >> 32);
    own_gdt[1] = gdt[1];
    own_gdt[2] = gdt[2];
    own_gdt[3] =
        (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    own_gdt[4] = base >> 32;
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(0x18));
}

/* The handler never gets to clear the breakpoint when each delivery is a hit of its own. */
static void attack_endless(void)
{
    static uint64_t stack[64] __attribute__((aligned(64)));
    uint64_t top = (uint64_t)&stack[64];

    set_gate(1, on_debug);
    idt[1].ist = 1;
    load_ist(top);
    __asm__ volatile("mov %0, %%db0" : : "r"(top - 8));
    __asm__ volatile("mov %0, %%db1" : : "r"(top - 16));
    __asm__ volatile("mov %0, %%db2" : : "r"(top - 32));
    __asm__ volatile("mov %0, %%db3" : : "r"(top - 40));
    print("ENDLESS\n");
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400 | 0xaa | 0x9999ull << 16));
    for (unsigned int i = 0; i < 1000; i++)
        __asm__ volatile(".byte 0xf1" : : : "memory"); /* INT1 */
    tell_hits("delivery");
}

static void attack_addresses(void)
{
    uint64_t at = argument("host", 0);
    uint32_t r[4];

    set_gate(1, on_debug);
    __asm__ volatile("mov %0, %%db0" : : "r"(at));
    __asm__ volatile("mov %0, %%db1" : : "r"(at + argument("step", 32)));
    __asm__ volatile("mov %0, %%db2" : : "r"(at + 2 * argument("step", 32)));
    __asm__ volatile("mov %0, %%db3" : : "r"(at + 3 * argument("step", 32)));
    __asm__ volatile("mov %0, %%db7" : : "r"(0x4aaull));
    for (unsigned int i = 0; i < 1000; i++) {
        cpuid(0x40000000, 0, r);
        in8(0x80);
    }
    tell_hits("host");
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "steps", attack_steps },
        { "breakpoint", attack_breakpoint },
        { "endless", attack_endless },
        { "addresses", attack_addresses },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
