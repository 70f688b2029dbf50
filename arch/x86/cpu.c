/* What the CPU can do, and the tables and registers that each CPU needs. */
#include "arch/x86/cpu.h"
#include "lib/x86/asm.h"
#include "arch/x86/fpu.h"
#include "lib/x86/regs.h"
#include "arch/x86/trap.h"
#include "lib/string.h"

struct cpu_features cpu_features;

void syscall_entry(void);
void context_start(void);

static void detect_svm(struct cpu_features *c)
{
    if (cpuid(0x80000000, 0).eax < 0x8000000a)
        return;
    c->has_svm = cpuid(0x80000001, 0).ecx & CPUID_EXT1_ECX_SVM;
    if (!c->has_svm)
        return;
    struct cpuid_regs r = cpuid(0x8000000a, 0);

    c->asid_count = r.ebx;
    c->has_npt = r.edx & 1u << 0;
    c->has_nrip_save = r.edx & 1u << 3;
    c->has_clean_bits = r.edx & 1u << 5;
    c->has_flush_by_asid = r.edx & 1u << 6;
    c->has_decode_assists = r.edx & 1u << 7;
    c->has_vgif = r.edx & 1u << 16;
}

void cpu_detect(void)
{
    struct cpu_features *c = &cpu_features;
    struct cpuid_regs one = cpuid(1, 0), ext1 = cpuid(0x80000001, 0), seven = { 0 };

    if (cpuid(0, 0).eax >= 7)
        seven = cpuid(7, 0);
    c->has_x2apic = one.ecx & CPUID_1_ECX_X2APIC;
    c->has_tsc_deadline = one.ecx & CPUID_1_ECX_TSC_DEADLINE;
    c->has_xsave = one.ecx & CPUID_1_ECX_XSAVE;
    c->has_mca = one.edx & CPUID_1_EDX_MCA;
    c->has_pge = one.edx & CPUID_1_EDX_PGE;
    c->has_smep = seven.ebx & CPUID_7_EBX_SMEP;
    c->has_smap = seven.ebx & CPUID_7_EBX_SMAP;
    c->has_umip = seven.ecx & CPUID_7_ECX_UMIP;
    c->has_nx = ext1.edx & CPUID_EXT1_EDX_NX;
    c->has_1g_pages = ext1.edx & CPUID_EXT1_EDX_1G;
    c->has_rdtscp = ext1.edx & CPUID_EXT1_EDX_RDTSCP;
    if (cpuid(0x80000000, 0).eax >= 0x80000007)
        c->has_invariant_tsc = cpuid(0x80000007, 0).edx & CPUID_EXT7_EDX_INVARIANT_TSC;
    if (cpuid(0x80000000, 0).eax >= 0x80000008)
        c->has_ibpb = cpuid(0x80000008, 0).ebx & CPUID_EXT8_EBX_IBPB;
    detect_svm(c);
}

static void load_gdt(struct cpu *cpu)
{
    uint64_t tss = (uint64_t)&cpu->tss;
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED pointer = { sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt };

    cpu->gdt[1] = 0x00af9b000000ffff; /* ring 0 code, 64-bit */
    cpu->gdt[2] = 0x00cf93000000ffff;
    cpu->gdt[3] = 0x00cff3000000ffff;
    cpu->gdt[4] = 0x00affb000000ffff; /* ring 3 code, 64-bit */
    cpu->gdt[5] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
                  (tss >> 24 & 0xff) << 56;
    cpu->gdt[6] = tss >> 32;
    cpu->tss.io_map_base = sizeof(struct tss); /* ring 3 has no ports */
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n"
                     "1:\tmov %2, %%ds\n\tmov %2, %%es\n\tmov %2, %%ss\n\t"
                     "xor %%eax, %%eax\n\tmov %%eax, %%fs\n\tmov %%eax, %%gs\n\t"
                     "ltr %3"
                     :
                     : "m"(pointer), "i"(GDT_KERNEL_CODE), "r"((uint32_t)GDT_KERNEL_DATA),
                       "r"((uint16_t)GDT_TSS)
                     : "rax", "memory");
}

static void set_control_registers(void)
{
    const struct cpu_features *c = &cpu_features;
    uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= c->has_smep ? CR4_SMEP : 0;
    cr4 |= c->has_smap ? CR4_SMAP : 0;
    cr4 |= c->has_umip ? CR4_UMIP : 0;
    cr4 |= c->has_xsave ? CR4_OSXSAVE : 0;
    cr4 |= c->has_pge ? CR4_PGE : 0;
    write_cr4(cr4);
    write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
    wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | (c->has_nx ? EFER_NXE : 0) |
                        (rdmsr(MSR_EFER) & EFER_SVME));
}

void cpu_init(struct cpu *cpu, void *emergency_stacks[3])
{
    load_gdt(cpu);
    trap_load();
    for (unsigned i = 0; i < 3; i++) {
        struct stack_header *h = emergency_stacks[i];

        *h = (struct stack_header){ cpu, NULL, STACK_CANARY };
        cpu->tss.ist[i] = (uint64_t)h + STACK_BYTES;
    }
    set_control_registers();
    fpu_init_cpu();
    wrmsr(MSR_STAR, (uint64_t)GDT_KERNEL_CODE << 32 | (uint64_t)(GDT_KERNEL_DATA | 3) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | RFLAGS_NT);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)cpu);
}

uint64_t context_prepare(uint64_t top, void (*entry)(void *), void *argument)
{
    uint64_t *sp = (uint64_t *)top;

    *--sp = 0; /* keeps the stack 16-byte aligned at the call */
    *--sp = (uint64_t)context_start;
    *--sp = 0;                  /* rbp */
    *--sp = 0;                  /* rbx */
    *--sp = (uint64_t)entry;    /* r12 */
    *--sp = (uint64_t)argument; /* r13 */
    *--sp = 0;
    *--sp = 0;
    return (uint64_t)sp;
}
