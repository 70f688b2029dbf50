/* CPUID: one allow-list, default deny. What a leaf says is the machine's answer masked by what the
 * guest may have, fixed when the partition is made; a few fields follow the vCPU. */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "lib/x86/regs.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/partition.h"
#include "kernel/vcpu.h"

#define BIT(n) (1u << (n))

#define SPIN_RETRIES 0xfffu /* before a guest had better tell us that it spins */

/* SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define ALLOW_1_ECX                                                                         \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(21) | BIT(22) | \
     BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
/* FPU VME DE PSE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT PSE36 CLFLUSH MMX FXSR SSE SSE2 */
#define ALLOW_1_EDX                                                                             \
    (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(11) | \
     BIT(13) | BIT(15) | BIT(16) | BIT(17) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26))
/* FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP CLFLUSHOPT CLWB SHA */
#define ALLOW_7_EBX                                                                                \
    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(18) | BIT(19) | BIT(20) | \
     BIT(23) | BIT(24) | BIT(29))
#define ALLOW_7_EBX_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
/* UMIP PKU GFNI VAES VPCLMULQDQ RDPID */
#define ALLOW_7_ECX (BIT(2) | BIT(3) | BIT(8) | BIT(9) | BIT(10) | BIT(22))
#define OSPKE       BIT(4)
#define ALLOW_7_EDX BIT(4) /* FSRM */
/* LAHF CR8 ABM SSE4A MISALIGNSSE PREFETCHW XOP FMA4 TBM */
#define ALLOW_EXT1_ECX \
    (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21))
/* SYSCALL NX MMXEXT FXSR_OPT 1G RDTSCP LM 3DNOWEXT 3DNOW, and leaf 1's bits again */
#define ALLOW_EXT1_EDX                                                                         \
    (BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) | BIT(29) | BIT(30) | BIT(31) | \
     (ALLOW_1_EDX & 0x0183f3ffu))
/* CLZERO XSAVEERPTR WBNOINVD */
#define ALLOW_EXT8_EBX (BIT(0) | BIT(2) | BIT(9))
#define ALLOW_D1_EAX   (BIT(0) | BIT(1) | BIT(2)) /* XSAVEOPT XSAVEC XGETBV1; no XSAVES */

static struct cpuid_regs masked(uint32_t leaf, struct cpuid_regs allow)
{
    struct cpuid_regs r = cpuid(leaf, 0);

    return (struct cpuid_regs){ r.eax & allow.eax, r.ebx & allow.ebx, r.ecx & allow.ecx,
                                r.edx & allow.edx };
}

static void init_basic(struct cpuid_regs *t)
{
    t[0] = cpuid(0, 0);
    t[0].eax = 0xd;
    t[1] = masked(1, (struct cpuid_regs){ ~0u, 0x0000ffff, ALLOW_1_ECX, ALLOW_1_EDX });
    t[1].ebx = (t[1].ebx & 0xff00) | 1u << 16; /* CLFLUSH size; one logical CPU */
    t[1].ecx |= CPUID_1_ECX_X2APIC | CPUID_1_ECX_HYPERVISOR;
    t[2] = cpuid(2, 0);
    t[7] = masked(
        7, (struct cpuid_regs){ 0, ALLOW_7_EBX | ALLOW_7_EBX_AVX512, ALLOW_7_ECX, ALLOW_7_EDX });
    if (!(cpu_features.xcr0_mask & XCR0_AVX512))
        t[7].ebx &= ~ALLOW_7_EBX_AVX512;
    if (!(cpu_features.xcr0_mask & XCR0_PKRU))
        t[7].ecx &= ~BIT(3);
}

static void init_extended(struct cpuid_regs *t)
{
    uint32_t last = cpuid(0x80000000, 0).eax;

    t[0] = cpuid(0x80000000, 0);
    t[0].eax = min(last, 0x80000008u);
    t[1] =
        masked(0x80000001, (struct cpuid_regs){ ~0u, 0xf0000000, ALLOW_EXT1_ECX, ALLOW_EXT1_EDX });
    for (uint32_t i = 2; i <= 6 && 0x80000000 + i <= last; i++)
        t[i] = cpuid(0x80000000 + i, 0);
    if (last >= 0x80000007)
        t[7] = masked(0x80000007, (struct cpuid_regs){ 0, 0, 0, CPUID_EXT7_EDX_INVARIANT_TSC });
    if (last >= 0x80000008)
        t[8] = masked(0x80000008, (struct cpuid_regs){ 0xffff, ALLOW_EXT8_EBX, 0, 0 });
}

static void init_hv(struct cpuid_regs *t)
{
    t[0] = (struct cpuid_regs){ HV_CPUID_MAX, HV_CPUID_VENDOR_EBX, HV_CPUID_VENDOR_ECX,
                                HV_CPUID_VENDOR_EDX };
    t[1].eax = HV_CPUID_INTERFACE;
    t[2] = (struct cpuid_regs){ 1, 10u << 16, 0, 0 }; /* build 1 of 10.0 */
    t[3].eax = HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_SYNIC | HV_ACCESS_STIMERS |
               HV_ACCESS_APIC_MSRS | HV_ACCESS_HYPERCALL_MSRS | HV_ACCESS_VP_INDEX |
               HV_ACCESS_REFERENCE_TSC | HV_ACCESS_GUEST_IDLE | HV_ACCESS_FREQUENCY_MSRS;
    if (cpu_features.has_invariant_tsc)
        t[3].eax |= HV_ACCESS_TSC_INVARIANT;
    t[3].ebx = HV_MAY_POST_MESSAGES | HV_MAY_SIGNAL_EVENTS;
    t[3].edx = HV_FEATURE_FREQUENCY_MSRS | HV_FEATURE_CRASH_MSRS | HV_FEATURE_DIRECT_STIMERS |
               HV_FEATURE_GUEST_IDLE;
    t[4] = (struct cpuid_regs){ HV_HINT_REMOTE_FLUSH | HV_HINT_RELAXED_TIMING |
                                    HV_HINT_NO_AUTO_EOI | HV_HINT_CLUSTER_IPI | HV_HINT_EX_MASKS,
                                SPIN_RETRIES, 0, 0 };
    t[5] = (struct cpuid_regs){ PARTITION_VCPUS_MAX, PARTITION_VCPUS_MAX, 0, 0 };
}

static uint32_t id_bits(uint32_t count)
{
    return count < 2 ? 0 : 32 - (uint32_t)__builtin_clz(count - 1);
}

void hv_cpuid_set_cpus(struct hv_partition *h, unsigned count)
{
    h->basic[1].ebx = (h->basic[1].ebx & 0xff00) | count << 16;
    h->extended[8].ecx = id_bits(count) << 12 | (count - 1);
    if (count < 2)
        return;
    h->basic[1].edx |= CPUID_1_EDX_HTT;
    h->extended[1].ecx |= CPUID_EXT1_ECX_CMP_LEGACY;
}

void hv_cpuid_init(struct hv_partition *h)
{
    init_basic(h->basic);
    init_extended(h->extended);
    init_hv(h->hv);
}

static void topology(const struct vcpu *v, uint32_t subleaf, struct cpuid_regs *out)
{
    uint32_t count = v->partition->vcpu_count;

    *out = (struct cpuid_regs){ .ecx = subleaf & 0xff, .edx = v->hv.lapic.id };
    if (subleaf < 2) { /* level type: SMT, of one thread, then core */
        out->eax = subleaf ? id_bits(count) : 0;
        out->ebx = subleaf ? count : 1;
        out->ecx |= (subleaf + 1) << 8;
    }
}

static uint32_t xsave_bytes(uint64_t xcr0)
{
    uint32_t bytes = 576;

    for (uint32_t i = 2; i < 63; i++)
        if (xcr0 & 1ull << i) {
            struct cpuid_regs r = cpuid(0xd, i);

            bytes = max(bytes, r.eax + r.ebx);
        }
    return bytes;
}

static void xsave(const struct vcpu *v, uint32_t subleaf, struct cpuid_regs *out)
{
    uint64_t mask = cpu_features.xcr0_mask;

    *out = (struct cpuid_regs){ 0 };
    if (!cpu_features.has_xsave)
        return;
    if (subleaf == 0) {
        *out = (struct cpuid_regs){ (uint32_t)mask, xsave_bytes(v->xcr0), cpu_features.xsave_bytes,
                                    (uint32_t)(mask >> 32) };
    } else if (subleaf == 1) {
        out->eax = cpuid(0xd, 1).eax & ALLOW_D1_EAX;
        out->ebx = xsave_bytes(v->xcr0);
    } else if (subleaf < 63 && (mask & 1ull << subleaf)) {
        *out = cpuid(0xd, subleaf);
        out->ecx &= 2; /* alignment; never a supervisor component */
    }
}

static void basic(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = v->partition->hv.basic[leaf];
    switch (leaf) {
    case 1:
        out->ebx |= v->hv.lapic.id << 24;
        if (virt_cr4(&v->virt) & CR4_OSXSAVE)
            out->ecx |= CPUID_1_ECX_OSXSAVE;
        break;
    case 7:
        if (subleaf)
            *out = (struct cpuid_regs){ 0 };
        else if (virt_cr4(&v->virt) & CR4_PKE)
            out->ecx |= OSPKE;
        break;
    case 0xb: topology(v, subleaf, out); break;
    case 0xd: xsave(v, subleaf, out); break;
    default: break;
    }
}

void hv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    if (leaf < HV_CPUID_BASIC)
        basic(v, leaf, subleaf, out);
    else
        *out = (struct cpuid_regs){ 0 };
}
