/* Attacks by a guest with two CPUs on the CPU itself: registers, instructions, states.
 * tests/system/test_hostile_guest.py knows what must stand on the lines that each prints.
 *
 *     do=msr      MSRs: a line 'MSR number read|write-only accepted' for each that is there
 *     do=control  control registers and XCR0 in forbidden mixes
 *     do=svm      the instructions of a hypervisor
 *     do=patch    the second CPU changes the instruction that the first one executes; mode=split:
 *                 one of 15 bytes, whose opcode lies on two pages
 *     do=exits    a storm of exits
 */
#include "tests/guest/hostile.h"

static uint64_t pages[512] __attribute__((aligned(4096)));
static uint64_t area[2 * 512] __attribute__((aligned(4096)));
static uint32_t is_over;

/* ---- registers ---- */

/* Bit i of what is told: the value was accepted. */
static const uint64_t odd_values[] = { 0, ~0ull, 1ull << 63 | 1, 1ull << 47,
                                       0x0101010101010101ull };

static uint64_t write_odd_values(uint32_t msr)
{
    uint64_t accepted = 0;

    for (unsigned int i = 0; i < sizeof(odd_values) / sizeof(odd_values[0]); i++)
        accepted |= (uint64_t)write_msr(msr, odd_values[i]) << i;
    return accepted;
}

/* Tells of each MSR that can be read or takes any of the values. Not idle and crash, which mean to
 * stop us, nor the APIC's base, which does not come back in one step. */
static void sweep(uint32_t first, uint32_t last)
{
    uint64_t old;

    for (uint32_t msr = first; msr <= last; msr++) {
        if (msr == 0x400000f0 || msr == 0x40000105 || msr == 0x1b)
            continue;

        bool is_readable = read_msr(msr, &old);
        uint64_t accepted = write_odd_values(msr);

        if (is_readable)
            write_msr(msr, old);
        if (is_readable || accepted)
            print("MSR %x %s %x\n", (uint64_t)msr, is_readable ? "read" : "write-only", accepted);
    }
}

static void attack_msr(void)
{
    static const uint32_t addresses[] = { 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000082,
                                          0xc0000083, 0x175,      0x176 };
    uint64_t accepted = 0, efer = 0;

    sweep(0, 0x200f); /* the permission map's three ranges, and a bit further */
    sweep(0xc0000000, 0xc000200f);
    sweep(0xc0010000, 0xc001200f);
    sweep(0x40000000, 0x400001ff);
    sweep(0x4ffffff0, 0x50000000);
    sweep(0xfffffff0, 0xfffffffe);
    for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        accepted += write_msr(addresses[i], 1ull << 47);
    print("ADDRESSES accepted %u\n", accepted);
    read_msr(0xc0000080, &efer);
    must_fault("efer.svme", !write_msr(0xc0000080, efer | 1 << 12));
    must_fault("efer.40", !write_msr(0xc0000080, efer | 1ull << 40));
    must_fault("efer.lme-off", !write_msr(0xc0000080, efer & ~0x100ull));
    must_fault("pat.2", !write_msr(0x277, 0x0007040600070402));
    must_fault("pat.8", !write_msr(0x277, 0x0807040600070406));
    must_fault("vm-cr", !write_msr(0xc0010114, 0));
    must_fault("vm-hsave", !write_msr(0xc0010117, 0x1000));
    must_fault("xss", !write_msr(0xda0, ~0ull));
}

#define CR4(name, value) must_fault(name, TRY("mov %[v], %%cr4", , [v] "r"((uint64_t)(value))))
#define XCR(name, number, value) \
    must_fault(name,             \
               TRY("xsetbv", , OPERANDS("a"((uint32_t)(value)), "d"((value) >> 32), "c"(number))))

static void attack_control(void)
{
    uint64_t before[2] = { 0x0123456789abcdef, 0xfedcba9876543210 }, after[2];

    __asm__ volatile("mov %0, %%cr4" : : "r"(0x20ull | 1 << 18 | 3 << 9));
    __asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
    __asm__ volatile("movups %0, %%xmm5" : : "m"(before));
    CR4("cr4.pae-off", 1 << 18 | 3 << 9);
    CR4("cr4.vmxe", 0x20 | 1 << 13);
    CR4("cr4.la57", 0x20 | 1 << 12);
    CR4("cr4.pcide", 0x20 | 1 << 17);
    CR4("cr4.cet", 0x20 | 1 << 23);
    CR4("cr4.63", 0x20 | 1ull << 63);
    XCR("xcr0.0", 0, 0ull);
    XCR("xcr0.2", 0, 2ull);
    XCR("xcr0.5", 0, 5ull);
    XCR("xcr0.avx512-half", 0, 0x27ull);
    XCR("xcr0.63", 0, 1ull << 63 | 3);
    XCR("xcr1", 1, 3ull);
    __asm__ volatile("movups %%xmm5, %0" : "=m"(after));
    print("XMM %s\n", before[0] == after[0] && before[1] == after[1] ? "kept" : "lost");
}

/* What does not fault must have changed nothing: RAX points to the operand, RCX and RDX are 1. QEMU
 * 10's TCG takes 0F C7 /6 and /7 with memory (VMPTRLD, VMCLEAR, VMXON, VMPTRST by their prefix) for
 * instructions that do nothing, whatever CPUID tells; a CPU without VMX raises #UD. */
#define VMX(name, bytes)                                                               \
    do {                                                                               \
        uint64_t a_ = (uint64_t)pages, c_ = 1, d_ = 1, changed_ = 0;                   \
                                                                                       \
        must_fault(name, TRY(bytes, OPERANDS("+a"(a_), "+c"(c_), "+d"(d_)), , "rbx")); \
        for (unsigned int i_ = 0; i_ < 512; i_++)                                      \
            changed_ += *(volatile uint64_t *)&pages[i_] != 0x5a5a5a5a5a5a5a5aull;     \
        if (changed_ || a_ != (uint64_t)pages || c_ != 1 || d_ != 1)                   \
            print("CHANGED " name " memory %u rax %x rcx %x\n", changed_, a_, c_);     \
    } while (0)

static void attack_svm(void)
{
    must_fault("vmrun", TRY("vmrun", , "a"(pages)));
    must_fault("vmload", TRY("vmload", , "a"(pages)));
    must_fault("vmsave", TRY("vmsave", , "a"(pages)));
    must_fault("stgi", TRY("stgi", , ));
    must_fault("clgi", TRY("clgi", , ));
    must_fault("skinit", TRY("skinit", , "a"(0)));
    must_fault("invlpga", TRY("invlpga", , OPERANDS("a"(pages), "c"(1))));
    for (unsigned int i = 0; i < 512; i++)
        pages[i] = 0x5a5a5a5a5a5a5a5aull;
    VMX("vmptrld", ".byte 0x0f, 0xc7, 0x30");
    VMX("vmclear", ".byte 0x66, 0x0f, 0xc7, 0x30");
    VMX("vmxon", ".byte 0xf3, 0x0f, 0xc7, 0x30");
    VMX("vmptrst", ".byte 0x0f, 0xc7, 0x38");
    VMX("vmread", ".byte 0x0f, 0x78, 0xc8");
    VMX("vmwrite", ".byte 0x0f, 0x79, 0xc8");
    VMX("invept", ".byte 0x66, 0x0f, 0x38, 0x80, 0x08");
    VMX("invvpid", ".byte 0x66, 0x0f, 0x38, 0x81, 0x08");
    VMX("vmfunc", ".byte 0x0f, 0x01, 0xd4");
    VMX("vmcall", ".byte 0x0f, 0x01, 0xc1");
    must_fault("vmlaunch", TRY("vmlaunch", , ));
    must_fault("vmresume", TRY("vmresume", , ));
    must_fault("vmxoff", TRY("vmxoff", , ));
}

/* ---- two CPUs, one instruction ---- */

/* The slot begins at an odd address, so that the second CPU writes whole words from byte 1 on: an
 * instruction in the first of them, and perhaps one in the last, behind what does nothing. */
#define SLOT_BYTES 15u
#define NOPS       0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90
#define PREFIXES   0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66
static const uint8_t forms[][SLOT_BYTES] = {
    { 0x90, 0x90, 0x90, NOPS },     { 0x90, 0x0f, 0xa2, NOPS }, { 0x90, 0x0f, 0x32, NOPS },
    { 0x90, 0x0f, 0x0b, NOPS },     { 0x90, 0x8b, 0x03, NOPS }, { 0x90, 0x89, 0x03, NOPS },
    { 0x66, PREFIXES, 0x0f, 0xa2 }, /* the longest that there is */
};
#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

struct outcome {
    uint64_t a, b, c, d;
};

static uint8_t *code;
static bool
    is_split; /* 13 prefixes and an opcode with a byte on each page; only the latter changes */

static void change_code(uint64_t random)
{
    static const uint8_t opcodes[] = { 0xa2, 0x32, 0x0b };
    const uint8_t *form = forms[random % FORM_COUNT];

    if (is_split) {
        *(volatile uint8_t *)(code + SLOT_BYTES - 1) = opcodes[random % 3];
        return;
    }
    *(volatile uint8_t *)code = form[0];
    for (unsigned int i = 1; i < SLOT_BYTES; i += 2)
        *(volatile uint16_t *)(code + i) = (uint16_t)(form[i] | form[i + 1] << 8);
}

static void patch_forever(unsigned int cpu)
{
    uint64_t seed = 99;

    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        change_code(random_next(&seed));
        for (unsigned int i = 0; i < 20 + seed % 200; i++)
            __asm__ volatile("pause");
    }
    rest();
}

#define RUN(o, instructions) \
    TRY(instructions, OPERANDS("+a"((o)->a), "+b"((o)->b), "+c"((o)->c), "+d"((o)->d)), )

static const struct outcome untouched = { 0x40000000, 0xfec00000, MSR_VP_INDEX, 0x5a };

/* What one of the forms leaves, and what a CPUID behind it leaves. */
static void find_outcomes(struct outcome out[8])
{
    for (unsigned int i = 0; i < 8; i++)
        out[i] = untouched;
    RUN(&out[1], "cpuid");
    RUN(&out[2], "rdmsr");
    RUN(&out[3], "movl (%%rbx), %%eax");
    for (unsigned int i = 0; i < 4; i++) {
        out[4 + i] = out[i];
        RUN(&out[4 + i], "cpuid");
    }
}

static bool is_one_of(const struct outcome *o, const struct outcome *known, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        if (o->a == known[i].a && o->b == known[i].b && o->c == known[i].c && o->d == known[i].d)
            return true;
    return false;
}

/* What stands there ran in its whole, or was #UD, and nothing before or behind it has changed. */
static void attack_patch(void)
{
    uint64_t ran = 0, undefined = 0, other = 0, mixed = 0;
    struct outcome known[8];
    char mode[8] = "";

    is_split = argument_text("mode", mode, sizeof(mode)) && is(mode, "split");
    find_outcomes(known);
    code = (uint8_t *)area + PAGE - (is_split ? SLOT_BYTES - 1 : 7);
    for (unsigned int i = 0; i < SLOT_BYTES; i++)
        code[i] = forms[FORM_COUNT - 1][i];
    code[SLOT_BYTES] = 0x41; /* jmp *%r14 */
    code[SLOT_BYTES + 1] = 0xff;
    code[SLOT_BYTES + 2] = 0xe6;
    if (!start_second(patch_forever))
        return;
    for (unsigned int i = 0; i < argument("n", 30000); i++) {
        struct outcome o = untouched;

        if (TRY("lea 772f(%%rip), %%r14\n\tjmp *%[code]\n772:",
                OPERANDS("+a"(o.a), "+b"(o.b), "+c"(o.c), "+d"(o.d)), [code] "r"(code), "r14"))
            undefined += fault_vector == 6;
        else
            ran++;
        other += fault_vector != 255 && fault_vector != 6;
        mixed += !is_one_of(&o, known, 8);
    }
    is_over = 1;
    print("PATCH ran %u undefined %u other %u mixed %u\n", ran, undefined, other, mixed);
}

static void attack_exits(void)
{
    uint32_t r[4];

    hypercall_enable();
    print("STORM\n");
    for (;;) {
        cpuid(0x40000000, 0, r);
        in8(0x80);
        hypercall(0x7fff, 0, 0);
    }
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "msr", attack_msr },     { "control", attack_control }, { "svm", attack_svm },
        { "patch", attack_patch }, { "exits", attack_exits },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
