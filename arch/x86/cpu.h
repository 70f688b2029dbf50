/* One CPU: its descriptor tables, its stacks, what it can do.
 *
 * Kernel stacks are STACK_BYTES long and aligned to that; a header at the lowest address says
 * whose stack it is and on which CPU it runs, so this_cpu() needs no segment register and works
 * with a guest's FS, GS and TR loaded. The kernel runs with interrupts off but for chosen windows. */
#pragma once
#include "lib/types.h"

#define STACK_BYTES  8192ull
#define STACK_CANARY 0x5742756c6b686561ull

struct cpu;

struct stack_header {
    struct cpu *cpu;
    void *thread; /* kernel/thread.h; NULL on the stacks of NMI, #DF and #MC */
    uint64_t canary;
};

static inline struct stack_header *stack_header(void)
{
    uint64_t rsp;

    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct stack_header *)(rsp & ~(STACK_BYTES - 1));
}

static inline struct cpu *this_cpu(void)
{
    return stack_header()->cpu;
}

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map_base;
} PACKED;
static_assert(sizeof(struct tss) == 104, "architectural");

#define GDT_KERNEL_CODE 0x08
#define GDT_KERNEL_DATA 0x10
#define GDT_USER_DATA   0x1b /* SYSRET wants data below code */
#define GDT_USER_CODE   0x23
#define GDT_TSS         0x28

struct cpu {
    uint64_t syscall_stack; /* entry.S uses these two by offset */
    uint64_t user_rsp;
    unsigned id; /* 0 is the boot CPU */
    uint32_t apic_id;
    uint64_t gdt[7];
    struct tss tss;
    void *virt; /* what the virtualisation backend keeps per CPU */
    bool is_online;
};

/* What the CPUs of this machine have in common; filled by cpu_detect() on the boot CPU. */
struct cpu_features {
    bool has_svm, has_npt, has_nrip_save, has_decode_assists, has_flush_by_asid, has_vgif;
    bool has_clean_bits, has_nx, has_smep, has_smap, has_umip, has_x2apic, has_tsc_deadline;
    bool has_invariant_tsc, has_xsave, has_xsaveopt, has_1g_pages, has_rdtscp, has_ibpb, has_pge;
    bool has_mca;
    uint32_t asid_count;
    uint64_t xcr0_mask;   /* all state components of the CPU that a guest may use */
    uint32_t xsave_bytes; /* area for xcr0_mask */
};
extern struct cpu_features cpu_features;

void cpu_detect(void);

/* Loads GDT, IDT, TSS, control registers and the system-call MSRs. @emergency_stacks: three
 * stacks for NMI, #DF and #MC. */
void cpu_init(struct cpu *cpu, void *emergency_stacks[3]);

/* Tells the CPU where to switch on entry from a program: the top of the running thread's stack. */
static inline void cpu_set_stack(struct cpu *cpu, uint64_t top)
{
    cpu->syscall_stack = top;
    cpu->tss.rsp[0] = top;
}

/* entry.S: saves the caller's context on its stack into *@from and continues @to. */
void context_switch(uint64_t *from, uint64_t to);
/* The first frame of a new thread: @entry(@argument) with an empty stack below @top. */
uint64_t context_prepare(uint64_t top, void (*entry)(void *), void *argument);
/* To ring 3 for the first time; all other registers zero. */
NORETURN void enter_user(uint64_t rip, uint64_t rsp, uint64_t argument);
