/* Attacks by a guest with two CPUs on the CPU itself: registers, instructions, states.
 * tests/system/test_hostile_guest.py knows what must stand on the lines that each prints.
 *
 *     do=msr      MSRs with values that are refused
 *     do=control  control registers and XCR0 in forbidden mixes
 *     do=svm      the instructions of a hypervisor
 *     do=patch    the second CPU changes the instruction that the first one executes
 *     do=exits    a storm of exits
 *     do=state    what=... : a state that no CPU runs on with
 */
#include "tests/guest/hostile.h"

static uint64_t pages[512] __attribute__((aligned(4096)));
static uint64_t area[2 * 512] __attribute__((aligned(4096)));
static uint32_t is_over;

/* ---- registers ---- */

static void sweep(uint32_t first, uint32_t last)
{
    static const uint64_t values[] = { ~0ull, 1ull << 63 | 1, 1ull << 47, 0 };
    uint64_t old;

    for (uint32_t msr = first; msr <= last; msr++) {
        /* Not idle, reset or crash, which mean to end us; nor what the payload itself runs on. */
        if (msr == 0x400000f0 || msr == 0x40000003 || msr == 0x40000105 || msr == 0xc0000080 ||
            msr == 0x1b || !read_msr(msr, &old))
            continue;
        for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++)
            write_msr(msr, values[i]);
        write_msr(msr, old);
    }
}

static void attack_msr(void)
{
    static const uint32_t addresses[] = { 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000082,
                                          0xc0000083, 0x175,      0x176 };
    uint64_t accepted = 0, efer = 0;

    sweep(0, 0x1fff);
    sweep(0xc0000000, 0xc0001fff);
    sweep(0xc0010000, 0xc0011fff);
    sweep(0x40000000, 0x40001fff);
    for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        accepted += write_msr(addresses[i], 1ull << 47);
    print("MSR addresses %u\n", accepted);
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

static void attack_svm(void)
{
    must_fault("vmrun", TRY("vmrun", , "a"(pages)));
    must_fault("vmload", TRY("vmload", , "a"(pages)));
    must_fault("vmsave", TRY("vmsave", , "a"(pages)));
    must_fault("stgi", TRY("stgi", , ));
    must_fault("clgi", TRY("clgi", , ));
    must_fault("skinit", TRY("skinit", , "a"(0)));
    must_fault("invlpga", TRY("invlpga", , OPERANDS("a"(pages), "c"(1))));
    must_fault("vmlaunch", TRY("vmlaunch", , ));
    must_fault("vmresume", TRY("vmresume", , ));
    must_fault("vmxoff", TRY("vmxoff", , ));
}

/* ---- two CPUs, one instruction ---- */

static const uint8_t forms[][14] = {
    { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x0f, 0xa2, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x0f, 0x32, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x0f, 0x0b, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x8b, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x89, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 },
    { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2 },
};
#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

static uint8_t *code;

static void patch_forever(unsigned int cpu)
{
    uint64_t seed = 99;

    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        const uint8_t *form = forms[random_next(&seed) % FORM_COUNT];

        for (unsigned int i = 0; i < sizeof(forms[0]); i += 2)
            *(volatile uint16_t *)(code + i) = (uint16_t)(form[i] | form[i + 1] << 8);
        for (unsigned int i = 0; i < 20 + seed % 200; i++)
            __asm__ volatile("pause");
    }
    rest();
}

/* What stands there ran in its whole, or was #UD, and nothing before or behind it has changed. */
static void attack_patch(void)
{
    uint64_t ran = 0, undefined = 0, other = 0;

    /* One half on each page; behind it jmp *%r14. */
    code = (uint8_t *)area + PAGE - 6;
    code[14] = 0x41;
    code[15] = 0xff;
    code[16] = 0xe6;
    if (!start_second(patch_forever))
        return;
    for (unsigned int i = 0; i < argument("n", 30000); i++) {
        uint64_t a = 0x40000000, b = 0xfec00000, c = MSR_VP_INDEX, d = 0x5a;

        if (TRY("lea 772f(%%rip), %%r14\n\tjmp *%[code]\n772:",
                OPERANDS("+a"(a), "+b"(b), "+c"(c), "+d"(d)), [code] "r"(code), "r14"))
            undefined += fault_vector == 6;
        else
            ran++;
        other += fault_vector != 255 && fault_vector != 6;
    }
    is_over = 1;
    print("PATCH ran %u undefined %u other %u\n", ran, undefined, other);
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

/* ---- states that no CPU runs on with ---- */

static void attack_state(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = { 0, 0 };
    char what[16] = "";

    argument_text("what", what, sizeof(what));
    print("STATE %s\n", what);
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
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "msr", attack_msr },     { "control", attack_control }, { "svm", attack_svm },
        { "patch", attack_patch }, { "exits", attack_exits },     { "state", attack_state },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
