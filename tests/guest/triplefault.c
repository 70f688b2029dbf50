/* hostile_001: an empty IDT and an exception. What the record of the crash must show is known: each
 * general register holds 0xc0de0000 and its number, CR2 an address of its own, the last exit before
 * is a CPUID, and behind the ud2 stands a text. Prints 'TRIPLEFAULT cpuid X ud2 Y cr3 Z', and with
 * wait=1 then waits for a byte from outside.
 *
 * With how=WORD an exception cannot be delivered because of guest-physical memory where nothing is:
 *     cr3    the page tables lie there: a shutdown
 *     idt    the IDT does: a shutdown
 *     stack  the page tables of the stack do, but #DF has a stack of its own: prints
 *            'DOUBLE FAULT error E' and ends with 8 */
#include "tests/guest/payload.h"

#define NOWHERE   0x80000000ull /* behind our RAM; mapped one to one */
#define UNMAPPED  (1ull << 39)  /* entry 1 of the top table */
#define PTE_TABLE 7ull
#define TSS_GATE  0x18
#define GATE_IST1 0x8e01ull
#define VECTOR_DF 8

/* Labels in the assembly below. */
extern const uint8_t last_exit[], fatal[];

extern uint64_t gdt[3], idt[][2], top[512]; /* start.S */
extern const uint8_t double_fault[];

struct __attribute__((packed)) table {
    uint16_t limit;
    uint64_t base;
};

__asm__("double_fault: mov (%rsp), %rdi\n\t"
        "call told_double_fault");
void told_double_fault(uint64_t error);
void told_double_fault(uint64_t error)
{
    print("DOUBLE FAULT error %u\n", error);
    end(VECTOR_DF);
}

/* #DF on a stack of its own: a GDT with a TSS, and the gate. */
static void give_double_faults_a_stack(void)
{
    static uint8_t stack[4096] __attribute__((aligned(16)));
    static struct __attribute__((packed)) {
        uint8_t before[36];
        uint64_t ist1;
        uint8_t behind[60];
    } tss;
    static uint64_t own[5];
    struct table pointer = { sizeof(own) - 1, (uint64_t)own };
    uint64_t base = (uint64_t)&tss, at = (uint64_t)double_fault;

    tss.ist1 = (uint64_t)(stack + sizeof(stack));
    for (unsigned int i = 0; i < 3; i++)
        own[i] = gdt[i];
    own[3] =
        (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    own[4] = base >> 32;
    idt[VECTOR_DF][0] = (at & 0xffff) | 8ull << 16 | GATE_IST1 << 32 | (at >> 16 & 0xffff) << 48;
    idt[VECTOR_DF][1] = at >> 32;
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(TSS_GATE) : "memory");
}

static void fault_where_nothing_is(const char *how)
{
    struct table nowhere = { 0xfff, NOWHERE };

    if (how[0] == 'c')
        __asm__ volatile("mov %0, %%cr3; ud2" : : "r"(NOWHERE) : "memory");
    if (how[0] == 'i')
        __asm__ volatile("lidt %0; ud2" : : "m"(nowhere) : "memory");
    top[1] = NOWHERE | PTE_TABLE;
    give_double_faults_a_stack();
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(UNMAPPED + 4096) : "memory");
}

int payload_main(void)
{
    static const struct table empty = { 0, 0 };
    char how[8];
    uint64_t cr3;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    print("TRIPLEFAULT cpuid %x ud2 %x cr3 %x\n", (uint64_t)last_exit, (uint64_t)fatal, cr3);
    while (argument("wait", 0) && get_char() < 0)
        ;
    if (argument_text("how", how, sizeof(how)))
        fault_where_nothing_is(how);
    __asm__ volatile("lidt %0\n\t"
                     "movq $0x123456789abcd000, %%rax\n\t"
                     "movq %%rax, %%cr2\n"
                     ".globl last_exit, fatal\n"
                     "last_exit: cpuid\n\t"
                     ".set number, 0\n\t"
                     ".irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, "
                     "r12, r13, r14, r15\n\t"
                     "movabsq $0xc0de0000 + number, %%\\register\n\t"
                     ".set number, number + 1\n\t"
                     ".endr\n"
                     "fatal: ud2\n\t"
                     ".ascii \"these bytes follow the ud2 ...\""
                     :
                     : "m"(empty)
                     : "memory");
    __builtin_unreachable();
}
