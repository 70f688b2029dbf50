/* hostile_013: accesses to guest-physical addresses outside of RAM, in ranges of powers of two up to
 * 2^48 and in the holes where a PC has devices. For each range a line, its bounds in hexadecimal:
 *
 *     RANGE first last accesses N gp A ones B reserved C other D
 *
 * A ended in #GP; B read all ones, or wrote to nowhere; C were #PF because this CPU has no such
 * address bit; D were anything else, and a line 'OTHER' tells each. Then
 *
 *     WALK accesses N gp A pf B other C     page tables that lie outside of RAM
 *     EDGE accesses N gp A ones B other C   reads of which one half is RAM
 *     RAM words N changed A                 whether a write reached RAM all the same
 *     OUTSIDE done bits N                   the width of a physical address
 */
#include "tests/guest/payload.h"

#define PATTERN 0x5a17ed5ec2e70000ull
#define VICTIM  0xbad0bad0bad0bad0ull
#define WINDOW  (1ull << 39) /* linear: what is mapped from here on changes */
#define HUGE    (1ull << 30)
#define LARGE   (1ull << 21)
#define PAGE    (1ull << 12)

#define PTE_TABLE   7ull
#define PTE_LARGE   0x87ull
#define NO_FAULT    255u
#define VECTOR_UD   6u
#define VECTOR_GP   13u
#define VECTOR_PF   14u
#define PF_RESERVED 8u

static uint64_t pointers[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t ram_begin, ram_end; /* above our own image */
static unsigned int physical_bits;

static struct tally {
    uint64_t total, gp, ones, pf, other;
} tally;

/* ---- mapping ---- */

static uint64_t read_cr3(void)
{
    uint64_t cr3;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    return cr3;
}

static void flush(void)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

static void make_window(void)
{
    uint64_t *top = (uint64_t *)(read_cr3() & ~(PAGE - 1));

    pointers[0] = (uint64_t)directory | PTE_TABLE;
    top[1] = (uint64_t)pointers | PTE_TABLE;
}

/* Maps the 2 MiB page that has @gpa, and the next one; returns where @gpa is then. */
static uint64_t map(uint64_t gpa)
{
    directory[0] = (gpa & ~(LARGE - 1)) | PTE_LARGE;
    directory[1] = directory[0] + LARGE;
    flush();
    return WINDOW + (gpa & (LARGE - 1));
}

/* ---- single accesses ---- */

static void tell(const char *what, uint64_t gpa, uint64_t value)
{
    tally.other++;
    print("OTHER %s %x value %x vector %u error %x\n", what, gpa, value, (uint64_t)fault_vector,
          (uint64_t)fault_error);
}

/* Counts what an access came to. @is_ones: it was as if nothing were there. */
static void judge(const char *what, uint64_t gpa, uint64_t value, bool is_ones)
{
    bool is_address = !(gpa >> physical_bits);

    tally.total++;
    if (is_address && fault_vector == VECTOR_GP && fault_error == 0)
        tally.gp++;
    else if (is_address && is_ones)
        tally.ones++;
    else if (!is_address && fault_vector == VECTOR_PF && (fault_error & PF_RESERVED))
        tally.pf++;
    else
        tell(what, gpa, value);
}

static uint64_t read(uint64_t at, unsigned int bytes)
{
    uint64_t value = 0;

    switch (bytes) {
    case 1: TRY("movzbl (%[at]), %k[value]", [value] "+r"(value), [at] "r"(at)); break;
    case 2: TRY("movzwl (%[at]), %k[value]", [value] "+r"(value), [at] "r"(at)); break;
    case 4: TRY("movl (%[at]), %k[value]", [value] "+r"(value), [at] "r"(at)); break;
    default: TRY("movq (%[at]), %[value]", [value] "+r"(value), [at] "r"(at)); break;
    }
    return value;
}

static void try_read(uint64_t gpa, uint64_t at, unsigned int bytes)
{
    uint64_t value = read(at, bytes);

    judge("read", gpa, value, fault_vector == NO_FAULT && value == ~0ull >> (64 - 8 * bytes));
}

/* Reads of each width, writes, a read and write in one, a fetch of code; and that no write stayed. */
static void try_all(uint64_t gpa)
{
    uint64_t at = map(gpa), value = VICTIM;

    for (unsigned int bytes = 1; bytes <= 8; bytes *= 2)
        try_read(gpa, at, bytes);
    TRY("movq %[value], (%[at])", , OPERANDS([value] "r"(value), [at] "r"(at)));
    judge("write", gpa, 0, fault_vector == NO_FAULT);
    TRY("xchgq %[value], (%[at])", [value] "+r"(value), [at] "r"(at));
    judge("exchange", gpa, value, fault_vector == NO_FAULT && value == ~0ull);
    TRY("jmp *%[at]", , [at] "r"(at));
    judge("fetch", gpa, 0, fault_vector == VECTOR_UD); /* ff ff is no instruction */
    try_read(gpa, at, 8);
}

/* ---- what is asked ---- */

static void probe_range(uint64_t first, uint64_t last)
{
    tally = (struct tally){ 0 };
    try_all(first);
    try_all(first + PAGE / 2);
    try_all(first + (last - first) / 2 + 1);
    try_all(last - 7);
    print("RANGE %x %x accesses %u gp %u ones %u reserved %u other %u\n", first, last, tally.total,
          tally.gp, tally.ones, tally.pf, tally.other);
}

static void probe_ranges(void)
{
    static const struct {
        uint64_t first, last;
    } holes[] = {
        { 0xc0000000, 0xdfffffff }, /* what is PCI's on a PC */
        { 0xe0000000, 0xefffffff }, /* configuration space */
        { 0xfec01000, 0xfecfffff }, /* behind the I/O APIC, which is a device */
        { 0xfed00000, 0xfed003ff }, /* HPET */
        { 0xfed40000, 0xfed44fff }, /* TPM */
        { 0xfee00000, 0xfee00fff }, /* local APIC, which starts in x2APIC mode */
        { 0xffff0000, 0xffffffff }, /* firmware */
    };

    for (unsigned int i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
        probe_range(holes[i].first, holes[i].last);
    for (unsigned int bit = 0; bit < 48; bit++)
        if (1ull << bit >= ram_end)
            probe_range(1ull << bit, (2ull << bit) - 1);
}

/* The CPU itself reads, and marks, page tables: those may lie outside too. */
static void probe_walk(void)
{
    tally = (struct tally){ 0 };
    for (unsigned int bit = 24; bit < physical_bits; bit++) {
        if (1ull << bit < ram_end)
            continue;
        pointers[1] = 1ull << bit | PTE_TABLE;
        flush();
        uint64_t value = read(WINDOW + HUGE, 8);

        tally.total++;
        if (fault_vector == VECTOR_GP)
            tally.gp++;
        else if (fault_vector == VECTOR_PF)
            tally.pf++;
        else
            tell("walk", 1ull << bit, value);
    }
    pointers[1] = 0;
    print("WALK accesses %u gp %u pf %u other %u\n", tally.total, tally.gp, tally.pf, tally.other);
}

static void probe_edge(void)
{
    tally = (struct tally){ 0 };
    for (unsigned int inside = 1; inside < 8; inside++) {
        uint64_t gpa = ram_end - inside, value = read(map(gpa), 8);
        uint64_t expected = PATTERN >> (64 - 8 * inside) | ~0ull << 8 * inside;

        judge("edge", gpa, value, fault_vector == NO_FAULT && value == expected);
    }
    print("EDGE accesses %u gp %u ones %u other %u\n", tally.total, tally.gp, tally.ones,
          tally.other);
}

/* ---- RAM ---- */

static void find_ram(void)
{
    const struct memory_range *range;
    uint32_t count = memory_ranges(&range);

    ram_begin = ((uint64_t)payload_end + LARGE) & ~(LARGE - 1);
    for (uint32_t i = 0; i < count; i++)
        if (range[i].type == 1 && range[i].address + range[i].bytes > ram_end)
            ram_end = range[i].address + range[i].bytes;
    for (uint64_t at = ram_begin; at < ram_end; at += 8)
        *(volatile uint64_t *)at = PATTERN;
}

static void check_ram(void)
{
    uint64_t changed = 0;

    for (uint64_t at = ram_begin; at < ram_end; at += 8)
        changed += *(volatile uint64_t *)at != PATTERN;
    print("RAM words %u changed %u\n", (ram_end - ram_begin) / 8, changed);
}

int payload_main(void)
{
    uint32_t r[4];

    cpuid(0x80000008, 0, r);
    physical_bits = r[0] & 0xff;
    find_ram();
    make_window();
    probe_ranges();
    probe_walk();
    probe_edge();
    check_ram();
    print("OUTSIDE done bits %u\n", (uint64_t)physical_bits);
    return 0;
}
