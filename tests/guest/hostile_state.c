/* States that a CPU does not run on with, or that nobody uses, as far as a guest can reach them. The
 * VM ends by it, or runs on and says so.
 *
 *     do=state what=...
 *         cr3, cr3-hole               page tables beyond memory, in a hole
 *         idt, gdt                    an exception without its tables
 *         write-through, paging-real, cr0-32, cache    CR0 in forbidden mixes
 *         cs-long-and-big             a code segment that is both of 64 and of 32 bits
 *         ss-null, ss-null-32         no stack segment at CPL 0: in 64-bit code that is legal
 *         pae, pae-hole, pae-reserved PAE paging without long mode: with good tables, with tables in
 *                                     a hole, with reserved bits set in the four at the top
 *         real-limits                 real mode with the bases and limits of protected mode
 *         vm86                        virtual-8086 mode, without a TSS that would allow anything
 *
 * The last three groups leave 64-bit mode for good; who runs on there ends the VM with code 7.
 */
#include "tests/guest/hostile.h"

#define CODE_64_32 0x00ef9b000000ffffull /* L and D */
#define CODE_32    0x00cf9b000000ffffull
#define DATA_32    0x00cf93000000ffffull
/* 16 bits, base 0xff123, limit 0x4321; and for data base 0x123, limit 0xfff. */
#define CODE_ODD 0x00009b0ff1234321ull
#define DATA_ODD 0x0000930001230fffull

static struct {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed)) gdt_own, nothing;

static uint64_t descriptors[8];
static uint64_t pdpt[4] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));

/* Leaves long mode: EDI becomes CR3, EAX is jumped to in 32-bit code without paging, ESI is kept. */
void leave_long_mode(uint32_t cr3, uint32_t cr4, uint32_t then);
void pae_on(void);
void real_on(void);
void vm86_on(void);
__asm__(".text\n"
        "leave_long_mode:\n\t"
        "cli\n\tmov %edx, %ebx\n\tpush $0x18\n\tlea 1f(%rip), %rax\n\tpush %rax\n\tlretq\n"
        ".code32\n1:\tmov $0x20, %eax\n\tmov %eax, %ds\n\tmov %eax, %es\n\tmov %eax, %ss\n\t"
        "mov %cr0, %eax\n\tand $0x7fffffff, %eax\n\tmov %eax, %cr0\n\t"
        "mov $0xc0000080, %ecx\n\trdmsr\n\tand $~0x900, %eax\n\twrmsr\n\t"
        "mov %edi, %cr3\n\tmov %esi, %cr4\n\tjmp *%ebx\n"
        "pae_on:\tmov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov %eax, %cr0\n\tjmp 2f\n"
        "2:\tpush $5\n\tpop %eax\n\tcpuid\n"
        "survived:\n\tmov $7, %al\n\tout %al, $0xf4\n\thlt\n"
        /* 16-bit code whose base and limit no real mode loads, and it goes on without paging. */
        "real_on:\tmov $0x30, %eax\n\tmov %eax, %ds\n\tmov %eax, %ss\n\tmov %eax, %fs\n\t"
        "ljmp $0x28, $3f - 0xff123\n"
        ".code16\n3:\tmov %cr0, %eax\n\tand $~1, %eax\n\tmov %eax, %cr0\n\tnop\n\tcpuid\n\t"
        "mov $0x40000000, %ecx\n\trdmsr\n\tmov $7, %al\n\tout %al, $0xf4\n\thlt\n"
        /* EFLAGS.VM by IRET; CS:IP is 0:0x8000, where the caller has put some code. */
        ".code32\nvm86_on:\txor %eax, %eax\n\tpush %eax\n\tpush %eax\n\tpush %eax\n\tpush %eax\n\t"
        "push %eax\n\tpush $0x7000\n\tpush $0x23002\n\tpush %eax\n\tpush $0x8000\n\tiretl\n"
        ".code64\n");

static void load_descriptors(void)
{
    static const uint64_t own[] = { 0,       0x00af9b000000ffff, 0x00cf93000000ffff, CODE_32,
                                    DATA_32, CODE_ODD,           DATA_ODD,           CODE_64_32 };

    for (unsigned int i = 0; i < 8; i++)
        descriptors[i] = own[i];
    gdt_own.limit = sizeof(descriptors) - 1;
    gdt_own.base = (uint64_t)descriptors;
    __asm__ volatile("lgdt %0" : : "m"(gdt_own));
}

/* Without an IDT: the one of 64-bit mode would have other gates there. */
static void leave(uint64_t cr3, void (*then)(void))
{
    __asm__ volatile("lidt %0" : : "m"(nothing));
    leave_long_mode((uint32_t)cr3, 0x20, (uint32_t)(uint64_t)then);
}

static void pae(uint64_t reserved)
{
    for (unsigned int i = 0; i < 512; i++)
        directory[i] = (uint64_t)i << 21 | 0x83;
    for (unsigned int i = 0; i < 4; i++)
        pdpt[i] = (uint64_t)directory | 1 | reserved;
    leave((uint64_t)pdpt, pae_on);
}

/* CPUID, RDMSR, VMMCALL, HLT; the last three fault at CPL 3, and nothing can take that. */
static void vm86(void)
{
    static const uint8_t text[] = { 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0x01, 0xd9, 0x0f, 0x32, 0xf4 };

    for (unsigned int i = 0; i < sizeof(text); i++)
        ((volatile uint8_t *)0x8000)[i] = text[i];
    leave(0, vm86_on);
}

static void without_stack_segment(void)
{
    uint64_t rip;

    __asm__ volatile("mov %0, %%ss" : : "r"(0));
    print("UD2 %u\n", (uint64_t)TRY("ud2", , ));
    rip = fault_rip;
    print("INT3 %u\n", (uint64_t)TRY("int3", , ) && fault_rip > rip);
    __asm__ volatile("mov %0, %%ss" : : "r"(16));
}

static void far_jump(uint64_t selector)
{
    __asm__ volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq\n1:\tpush %%rax; pop %%rax"
                     :
                     : "r"(selector)
                     : "rax", "memory");
}

static void attack_state(void)
{
    char what[16] = "";

    argument_text("what", what, sizeof(what));
    print("STATE %s\n", what);
    load_descriptors();
    if (is(what, "cr3"))
        __asm__ volatile("mov %0, %%cr3" : : "r"(0xfffffff000ull));
    else if (is(what, "cr3-hole"))
        __asm__ volatile("mov %0, %%cr3" : : "r"(HOLE));
    else if (is(what, "idt"))
        __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    else if (is(what, "gdt"))
        __asm__ volatile("lgdt %0; int3" : : "m"(nothing));
    else if (is(what, "write-through")) /* NW without CD */
        __asm__ volatile("mov %0, %%cr0" : : "r"(0xa0000011ull));
    else if (is(what, "paging-real")) /* PG without PE */
        __asm__ volatile("mov %0, %%cr0" : : "r"(0x80000010ull));
    else if (is(what, "cr0-32"))
        __asm__ volatile("mov %0, %%cr0" : : "r"(1ull << 32 | 0x80000011));
    else if (is(what, "cache")) /* CD without NW is legal: it runs on */
        __asm__ volatile("mov %0, %%cr0" : : "r"(0xc0000011ull));
    else if (is(what, "cs-long-and-big"))
        far_jump(0x38);
    else if (is(what, "ss-null"))
        without_stack_segment();
    else if (is(what, "ss-null-32"))
        __asm__ volatile("mov %0, %%ss; push %1; lea 1f(%%rip), %%rax; push %%rax; lretq\n"
                         ".code32\n1:\tpush %%eax; pop %%eax; jmp survived\n.code64"
                         :
                         : "r"(0), "r"(0x18ull)
                         : "rax");
    else if (is(what, "pae"))
        pae(0);
    else if (is(what, "pae-hole"))
        leave(HOLE, pae_on);
    else if (is(what, "pae-reserved"))
        pae(6);
    else if (is(what, "real-limits"))
        leave(0, real_on);
    else if (is(what, "vm86"))
        vm86();
}

int payload_main(void)
{
    static const struct attack attacks[] = { { "state", attack_state } };

    return run_attack(attacks, 1);
}
