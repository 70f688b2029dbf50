/* Asks the hypervisor for what it must refuse. do= picks the question; every answer is one line
 * and the last line is 'PROBE done'.
 *
 *     do=msr     reads and writes MSRs in the three architectural ranges and the Hyper-V range
 *     do=cpuid   prints the CPUID leaves
 *     do=svm     the instructions of a hypervisor: each must be #UD
 *     do=cr      control registers with reserved bits: each must be #GP
 *     do=port    reads and writes every port but the UART's and the exit port
 *     do=fpu     XCR0 with unsupported bits must be #GP
 */
#include "tests/guest/payload.h"

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void probe_msr_range(uint32_t first, uint32_t last)
{
    uint64_t readable = 0, writable = 0, value;

    for (uint32_t msr = first; msr <= last; msr++) {
        if (msr == 0x400000f0) /* the guest idle MSR sleeps when it is read */
            continue;
        if (read_msr(msr, &value)) {
            readable++;
            if (argument("list", 0))
                print("msr %x = %x\n", (uint64_t)msr, value);
        }
        /* Not those whose meaning is to end or to change us: EFER, APIC base, reset, crash. */
        if (msr != 0xc0000080 && msr != 0x1b && msr != 0x40000003 && msr != 0x40000105 &&
            write_msr(msr, 0x8000000000000001ull))
            writable++;
    }
    print("msr %x-%x readable %u writable %u\n", (uint64_t)first, (uint64_t)last, readable,
          writable);
}

static void probe_msr(void)
{
    uint64_t efer;

    probe_msr_range(0, 0x1fff);
    probe_msr_range(0x40000000, 0x400001ff);
    probe_msr_range(0xc0000000, 0xc00001ff);
    probe_msr_range(0xc0010000, 0xc00101ff);
    read_msr(0xc0000080, &efer);
    print("efer.svme %s\n", write_msr(0xc0000080, efer | 1 << 12) ? "accepted" : "refused");
    print("efer.reserved %s\n", write_msr(0xc0000080, efer | 1ull << 40) ? "accepted" : "refused");
}

static void probe_cpuid(void)
{
    static const uint32_t bases[] = { 0, 0x40000000, 0x80000000 };
    uint32_t r[4];

    for (unsigned int i = 0; i < 3; i++) {
        cpuid(bases[i], 0, r);
        for (uint32_t leaf = bases[i], last = r[0]; leaf <= last && leaf < bases[i] + 64; leaf++) {
            cpuid(leaf, 0, r);
            print("cpuid %x: %x %x %x %x\n", (uint64_t)leaf, (uint64_t)r[0], (uint64_t)r[1],
                  (uint64_t)r[2], (uint64_t)r[3]);
        }
    }
}

static void said(const char *name)
{
    if (fault_vector == 255)
        print("%s ran\n", name);
    else
        print("%s exception %u\n", name, (uint64_t)fault_vector);
}

static void probe_svm(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));

    TRY("vmrun", , "a"(page));
    said("vmrun");
    TRY("vmload", , "a"(page));
    said("vmload");
    TRY("vmsave", , "a"(page));
    said("vmsave");
    TRY("stgi", , );
    said("stgi");
    TRY("clgi", , );
    said("clgi");
    TRY("skinit", , "a"(0));
    said("skinit");
    TRY("invlpga", , OPERANDS("a"(page), "c"(1)));
    said("invlpga");
    TRY("vmcall", , OPERANDS("a"(0), "c"(0), "d"(0)));
    said("vmcall");
}

static void probe_cr(void)
{
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    TRY("mov %[v], %%cr4", , [v] "r"(cr4 | 1ull << 40));
    said("cr4.40");
    TRY("mov %[v], %%cr4", , [v] "r"(cr4 | 1ull << 15));
    said("cr4.15");
    TRY("mov %[v], %%cr4", , [v] "r"(cr4 | 1ull << 12));
    said("cr4.la57");
    TRY("mov %[v], %%cr4", , [v] "r"(cr4 | 1ull << 13));
    said("cr4.vmxe");
    TRY("mov %[v], %%cr8", , [v] "r"(0x10ull));
    said("cr8.16");
    TRY("mov %[v], %%cr8", , [v] "r"(0x3ull));
    said("cr8.3");
    TRY("mov %[v], %%cr8", , [v] "r"(0x0ull));
    said("cr8.0");
}

static void probe_port(void)
{
    uint64_t all_ones = 0;

    for (uint32_t port = 0; port < 0x10000; port++) {
        if ((port >= PORT_UART && port < PORT_UART + 8) || port == PORT_EXIT)
            continue;
        /* The sleep and reset registers end us when written: read only, all over. */
        if (in8((uint16_t)port) == 0xff)
            all_ones++;
        if (port < 0x400 && port != 0xcf9 && port != 0x64 && port != 0x92)
            out8((uint16_t)port, 0);
    }
    print("ports that read ff: %u of 65527\n", all_ones);
}

static void probe_fpu(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    if (!(r[2] >> 26 & 1)) {
        print("no xsave\n");
        return;
    }
    TRY("mov %[v], %%cr4", , [v] "r"(0x20ull | 1 << 18 | 3 << 9));
    said("cr4.osxsave");
    TRY("xsetbv", , OPERANDS("a"(7), "d"(0), "c"(0)));
    said("xcr0.7");
    TRY("xsetbv", , OPERANDS("a"(6), "d"(0), "c"(0)));
    said("xcr0.6");
    TRY("xsetbv", , OPERANDS("a"(5), "d"(0), "c"(0)));
    said("xcr0.5");
    TRY("xsetbv", , OPERANDS("a"(3), "d"(0x80000000), "c"(0)));
    said("xcr0.63");
    TRY("xsetbv", , OPERANDS("a"(3), "d"(0), "c"(1)));
    said("xcr1");
}

int payload_main(void)
{
    char what[16] = "";

    argument_text("do", what, sizeof(what));
    print("PROBE %s\n", what);
    if (is(what, "msr"))
        probe_msr();
    else if (is(what, "cpuid"))
        probe_cpuid();
    else if (is(what, "svm"))
        probe_svm();
    else if (is(what, "cr"))
        probe_cr();
    else if (is(what, "port"))
        probe_port();
    else if (is(what, "fpu"))
        probe_fpu();
    else
        return 2;
    print("PROBE done\n");
    return 0;
}
