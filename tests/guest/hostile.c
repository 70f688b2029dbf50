/* Attacks by a guest with two CPUs; do= picks one. Each tells by lines what came of it, and the last
 * one is 'HOSTILE done'; tests/system/test_hostile_guest.py knows what must stand there.
 *
 *     do=calls    hypercalls with broken input: a line 'CALL name status' for each
 *     do=events   messages and events to nowhere, and a flood of them
 *     do=msr      MSRs with values that are refused: a line 'MSR number value' for each accepted
 *     do=control  control registers and XCR0 in forbidden mixes
 *     do=svm      the instructions of a hypervisor
 *     do=patch    the second CPU changes the instruction that the first one executes
 *     do=overlay  both CPUs move their pages about, timers post to them; what lies beneath stays
 *     do=reread   the second CPU reads a page that the first one covers and uncovers
 *     do=synic    SINTs with bad vectors, and a storm of EOM
 *     do=timers   four timers of 100 ns on each CPU, mode=direct or messages
 *     do=ipis     a storm of INIT, SIPI, NMI and interrupts
 *     do=exits    a storm of exits
 *     do=crash    crash reports with terminal escapes, round after round; the UART gets them too
 *     do=state    what=... : a state that no CPU runs on with
 */
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

#define FAST       (1ull << 16)
#define HEADER(n)  ((uint64_t)(n) << 17)
#define COUNT(n)   ((uint64_t)(n) << 32)
#define START(n)   ((uint64_t)(n) << 48)
#define FLUSH      0x02u
#define FLUSH_LIST 0x03u
#define IPI        0x0bu
#define FLUSH_EX   0x13u
#define IPI_EX     0x15u
#define POST       0x5cu
#define SIGNAL     0x5du
#define VECTOR     0x60
#define PAGE       4096u
#define HOLE       0xc0000000ull
#define AREA_PAGES 64u

static uint64_t pages[2 * 512] __attribute__((aligned(4096)));
static uint64_t assist[512] __attribute__((aligned(4096)));
static uint64_t area[AREA_PAGES * 512] __attribute__((aligned(4096)));
static uint32_t interrupts, is_over, is_started;

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* TRY is for one CPU at a time: here an exception ends the payload. */
static void write_good_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

INTERRUPT(on_interrupt)
{
    __atomic_add_fetch(&interrupts, 1, __ATOMIC_SEQ_CST);
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
}

static bool start_second(void (*entry)(unsigned int cpu))
{
    if (smp_start(2, entry) != 2) {
        print("HOSTILE the second CPU does not start\n");
        return false;
    }
    return true;
}

/* ---- hypercalls ---- */

static void call(const char *name, uint64_t control, uint64_t input)
{
    print("CALL %s %x\n", name, hypercall(control, input, 0));
}

static void put(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    pages[0] = a;
    pages[1] = b;
    pages[2] = c;
    pages[3] = d;
}

static void bad_places(void)
{
    uint64_t in = (uint64_t)pages;

    put(VECTOR, 0, 0, 0);
    call("good", IPI, in);
    call("unaligned", IPI, in + 4);
    call("crossing", IPI, in + PAGE - 8);
    call("list-crossing", FLUSH_LIST | COUNT(0xfff), in);
    call("hole", IPI, HOLE);
    call("apic", IPI, APIC_PAGE);
    call("above-48", IPI, 1ull << 52);
    call("top", IPI, 0xfffffffffffff000ull);
    call("top-crossing", IPI, 0xfffffffffffffff8ull);
    assist[0] = 8; /* a bad vector, in RAM */
    write_msr(MSR_VP_ASSIST, (uint64_t)assist | 1);
    assist[0] = VECTOR;
    call("in-overlay", IPI, (uint64_t)assist);
    write_msr(MSR_VP_ASSIST, 0);
    call("beneath-overlay", IPI, (uint64_t)assist);
}

static void bad_forms(void)
{
    uint64_t in = (uint64_t)pages;
    uint64_t refused = 0;

    put(0, 0, 1, 0);
    call("list", FLUSH_LIST | COUNT(3), in);
    call("list-rest", FLUSH_LIST | COUNT(3) | START(2), in);
    call("start-is-count", FLUSH_LIST | COUNT(3) | START(3), in);
    call("start-above-count", FLUSH_LIST | COUNT(3) | START(0xfff), in);
    call("no-count", FLUSH_LIST, in);
    call("fast-list", FLUSH_LIST | COUNT(1) | FAST, in);
    call("count-of-simple", FLUSH | COUNT(1), in);
    call("start-of-simple", FLUSH | START(1), in);
    call("header-of-simple", FLUSH | HEADER(1), in);
    call("fast-too-long", FLUSH | FAST, in);
    call("flags", FLUSH, (pages[1] = 16, in));
    for (unsigned int bit = 27; bit < 64; bit++)
        if ((bit < 32 || (bit >= 44 && bit < 48) || bit >= 60))
            refused += hypercall(FLUSH | 1ull << bit, in, 0) == 3;
    print("CALL reserved-bits %u\n", refused);
    call("unknown", 0x7fff, in);
    call("zero", 0, in);
}

static void bad_sets(void)
{
    uint64_t in = (uint64_t)pages;

    put(VECTOR, 1, 0, 0); /* all */
    call("all", IPI_EX, in);
    put(VECTOR, 2, 0, 0);
    call("format", IPI_EX, in);
    put(VECTOR, 0, 1, 1);
    call("one-bank", IPI_EX | HEADER(1), in);
    call("bank-missing", IPI_EX, in);
    call("bank-too-many", IPI_EX | HEADER(2), in);
    put(VECTOR, 0, 1ull << 63, ~0ull);
    call("last-bank", IPI_EX | HEADER(1), in);
    put(VECTOR, 0, ~0ull, 1);
    call("banks-64", IPI_EX | HEADER(64), in);
    call("banks-63", IPI_EX | HEADER(63), in);
    call("banks-65", IPI_EX | HEADER(65), in);
    call("banks-1023", IPI_EX | HEADER(1023), in);
    call("banks-crossing", IPI_EX | HEADER(64), in + PAGE - 512);
    put(8, 1, 0, 0);
    call("vector-8", IPI_EX, in);
    put(256, 1, 0, 0);
    call("vector-256", IPI_EX, in);
    put(VECTOR | 1ull << 32, 1, 0, 0);
    call("other-vtl", IPI_EX, in);
    put(0, 0, 0, 1);
    pages[4] = 1;
    call("flush-ex", FLUSH_EX | HEADER(1), in);
}

static void attack_calls(void)
{
    set_gate(VECTOR, on_interrupt);
    apic_enable();
    hypercall_enable();
    bad_places();
    bad_forms();
    bad_sets();
}

static void message(uint32_t connection, uint32_t type, uint32_t bytes)
{
    pages[0] = connection;
    pages[1] = (uint64_t)bytes << 32 | type;
}

static void attack_events(void)
{
    uint64_t in = (uint64_t)pages, same = 0;

    hypercall_enable();
    message(77, 1, 240);
    call("post-unknown", POST, in);
    message(77, 1, 241);
    call("post-241", POST, in);
    message(77, 1, 0xffffffff);
    call("post-4G", POST, in);
    message(77, 0, 8);
    call("post-type-0", POST, in);
    message(77, 0x80000010, 8);
    call("post-hypervisors-type", POST, in);
    call("signal-unknown", SIGNAL | FAST, 77);
    call("signal-unknown-flag", SIGNAL | FAST, 77 | 0xffffull << 32);
    pages[0] = 77;
    call("signal-slow", SIGNAL, in);
    message(77, 1, 240);
    for (unsigned int i = 0; i < 10000; i++)
        same += hypercall(POST, in, 0) == 0x12 && hypercall(SIGNAL | FAST, ~0u, 0) == 0x12;
    print("CALL flood %u\n", same);
}

/* ---- registers ---- */

static void must_fault(const char *name, bool has_faulted)
{
    print("%s %s %u\n", "FAULT", name, has_faulted ? (uint64_t)fault_vector : 0);
}

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
    for (;;)
        __asm__ volatile("cli; hlt");
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

/* ---- pages that the guest places ---- */

static uint64_t place(uint64_t *seed)
{
    uint64_t r = random_next(seed);

    switch (r % 8) {
    case 0: return HOLE + (r >> 8) % 8 * PAGE;
    case 1: return APIC_PAGE;
    case 2: return (uint64_t)area;
    default: return (uint64_t)area + (r >> 8) % AREA_PAGES * PAGE;
    }
}

static void juggle(unsigned int cpu)
{
    static const uint32_t msrs[] = { MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_VP_ASSIST, MSR_SIMP,
                                     MSR_SIEFP };
    uint64_t seed = 7 + cpu, n = argument("n", 1000);

    write_good_msr(MSR_SCONTROL, 1);
    for (unsigned int i = 0; i < 4; i++) {
        write_good_msr(MSR_SINT0 + 1 + i, SINT_MASKED);
        write_good_msr(MSR_STIMER0 + 2 * i + 1, 1);
        write_good_msr(MSR_STIMER0 + 2 * i, (uint64_t)(1 + i) << 16 | 3);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = random_next(&seed);

        write_good_msr(msrs[r % 5], place(&seed) | (r >> 16 & 3 ? 1 : 0));
        if (r >> 32 & 1)
            write_good_msr(MSR_EOM, 0);
    }
    for (unsigned int i = 0; i < 5; i++)
        write_good_msr(msrs[i], 0);
    for (unsigned int i = 0; i < 4; i++)
        write_good_msr(MSR_STIMER0 + 2 * i, 0);
}

static void juggle_second(unsigned int cpu)
{
    juggle(cpu);
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void attack_overlay(void)
{
    uint64_t changed = 0;

    for (uint64_t i = 0; i < AREA_PAGES * 512; i++)
        area[i] = i * 0x9e3779b97f4a7c15ull;
    write_msr(0x40000000, 0x8100000000000001ull);
    if (!start_second(juggle_second))
        return;
    juggle(0);
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST))
        __asm__ volatile("pause");
    write_msr(MSR_HYPERCALL, 0); /* those of the partition may have come back since */
    write_msr(MSR_REFERENCE_TSC, 0);
    for (uint64_t i = 0; i < AREA_PAGES * 512; i++)
        changed += *(volatile uint64_t *)&area[i] != i * 0x9e3779b97f4a7c15ull;
    print("OVERLAY changed %u\n", changed);
    must_fault("overlay.2^39", !write_msr(MSR_SIMP, 1ull << 39 | 1));
    must_fault("overlay.top", !write_msr(MSR_SIEFP, 0xfffffffffffff001ull));
}

static uint64_t seen[3];

static void reread(unsigned int cpu)
{
    is_started = 1;
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        uint64_t value = *(volatile uint64_t *)assist;

        seen[value == 0x1111 ? 0 : value == 0x2222 ? 1 : 2]++;
    }
    __atomic_store_n(&is_over, 2, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void attack_reread(void)
{
    assist[0] = 0x1111;
    write_msr(MSR_VP_ASSIST, (uint64_t)assist | 1);
    assist[0] = 0x2222;
    if (!start_second(reread))
        return;
    for (unsigned int i = 0; i < argument("n", 300); i++)
        write_msr(MSR_VP_ASSIST, i & 1 ? (uint64_t)assist | 1 : 0);
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&is_over, __ATOMIC_SEQ_CST) != 2)
        __asm__ volatile("pause");
    print("REREAD ram %s overlay %s other %u\n", seen[0] ? "yes" : "no", seen[1] ? "yes" : "no",
          seen[2]);
}

/* ---- interrupts ---- */

static void attack_synic(void)
{
    uint64_t refused = 0, accepted = 0;

    for (unsigned int sint = 0; sint < 16; sint++)
        for (unsigned int vector = 0; vector < 16; vector++) {
            refused += !write_msr(MSR_SINT0 + sint, vector);
            accepted += write_msr(MSR_SINT0 + sint, SINT_MASKED | vector);
        }
    print("SINT refused %u accepted-masked %u\n", refused, accepted);
    must_fault("sversion", !write_msr(0x40000081, 1));
    must_fault("stimer-reserved", !write_msr(MSR_STIMER0, 1ull << 20 | 1));
    write_msr(MSR_STIMER0 + 1, 1);
    write_msr(MSR_STIMER0, 15u << 4 | STIMER_DIRECT | 3); /* vector 15: does not start */
    read_msr(MSR_STIMER0, &accepted);
    print("STIMER vector-15 %x\n", accepted);
    write_msr(MSR_STIMER0, 3); /* SINT 0: nor does this */
    read_msr(MSR_STIMER0, &accepted);
    print("STIMER sint-0 %x\n", accepted);
    for (unsigned int i = 0; i < 100000; i++)
        write_good_msr(MSR_EOM, i);
}

static void set_timers(bool is_direct)
{
    static uint8_t slots[2][4096] __attribute__((aligned(4096)));
    uint64_t index = 0;

    read_msr(MSR_VP_INDEX, &index);
    write_good_msr(MSR_SIMP, (uint64_t)slots[index] | 1);
    write_good_msr(MSR_SCONTROL, 1);
    for (unsigned int i = 0; i < 4; i++) {
        write_good_msr(MSR_SINT0 + 1 + i, VECTOR);
        write_good_msr(MSR_STIMER0 + 2 * i + 1, 1);
        write_good_msr(MSR_STIMER0 + 2 * i,
                       is_direct ? VECTOR << 4 | STIMER_DIRECT | 3 : (uint64_t)(1 + i) << 16 | 3);
    }
    interrupts_on();
    for (;;)
        for (unsigned int i = 1; !is_direct && i < 5; i++)
            if (*(volatile uint32_t *)(slots[index] + 256 * i)) {
                *(volatile uint32_t *)(slots[index] + 256 * i) = 0;
                write_good_msr(MSR_EOM, 0);
            }
}

static bool wants_direct;

static void timers_of(unsigned int cpu)
{
    set_timers(wants_direct);
}

static void attack_timers(void)
{
    char mode[8] = "";

    wants_direct = argument_text("mode", mode, sizeof(mode)) && is(mode, "direct");
    set_gate(VECTOR, on_interrupt);
    if (start_second(timers_of)) {
        print("STORM\n");
        set_timers(wants_direct);
    }
}

static void take_interrupts(unsigned int cpu)
{
    interrupts_on();
    for (;;)
        __asm__ volatile("hlt");
}

static void attack_ipis(void)
{
    set_gate(VECTOR, on_interrupt);
    if (!hypercall_enable() || !start_second(take_interrupts))
        return;
    print("STORM\n");
    for (uint32_t i = 0;; i++) {
        apic_send(1, VECTOR);
        hypercall(IPI | FAST, VECTOR, 2);
        if (i % 16 == 0) {
            apic_send(1, 0x4500); /* INIT */
            apic_send(1, 0x4608); /* SIPI */
        }
    }
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

static void attack_crash(void)
{
    static const char text[] = "Kernel panic - \x1b]0;title\x07\x1b[2J\x9b"
                               "31m \x80\xff\"\\\b\x7f";

    for (unsigned int i = 0; i < 2000; i++) {
        write_msr(MSR_CRASH + 3, (uint64_t)text);
        write_msr(MSR_CRASH + 4, sizeof(text) - 1);
        write_msr(MSR_CRASH + 5, 3ull << 62);
    }
    write_msr(MSR_CRASH + 3, ~0ull);
    write_msr(MSR_CRASH + 4, ~0ull);
    write_msr(MSR_CRASH + 5, 3ull << 62);
    print("%s\n", text);
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

/* A periodic timer whose next expiry lies beyond the end of time. */
static void attack_wrap(void)
{
    uint64_t begin = rdtsc(), hz = 0;

    read_msr(0x40000022, &hz);
    while (rdtsc() - begin < 3 * hz)
        __asm__ volatile("pause");
    for (unsigned int i = 0; i < 4; i++) {
        write_msr(MSR_STIMER0 + 2 * i + 1, ~0ull - i);
        write_msr(MSR_STIMER0 + 2 * i, 0x1503);
    }
    begin = rdtsc();
    while (rdtsc() - begin < hz)
        __asm__ volatile("pause");
}

int payload_main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } attacks[] = {
        { "calls", attack_calls },     { "events", attack_events }, { "msr", attack_msr },
        { "control", attack_control }, { "svm", attack_svm },       { "patch", attack_patch },
        { "overlay", attack_overlay }, { "reread", attack_reread }, { "synic", attack_synic },
        { "timers", attack_timers },   { "ipis", attack_ipis },     { "exits", attack_exits },
        { "crash", attack_crash },     { "state", attack_state },   { "wrap", attack_wrap },
    };
    char what[16] = "";

    argument_text("do", what, sizeof(what));
    for (unsigned int i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        if (is(what, attacks[i].name)) {
            attacks[i].run();
            print("HOSTILE done\n");
            return 0;
        }
    return 2;
}
