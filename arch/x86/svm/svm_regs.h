/* AMD SVM: the VMCB and its constants. Source: AMD64 APM vol. 2, appendix B "Layout of VMCB" and
 * appendix C "SVM Intercept Exit Codes". */
#pragma once
#include "lib/types.h"

/* Vector 3 of intercepts (offset 0x0c) */
#define SVM_INTERCEPT_INTR (1u << 0)
#define SVM_INTERCEPT_NMI (1u << 1)
#define SVM_INTERCEPT_SMI (1u << 2)
#define SVM_INTERCEPT_INIT (1u << 3)
#define SVM_INTERCEPT_VINTR (1u << 4)
#define SVM_INTERCEPT_RDPMC (1u << 15)
#define SVM_INTERCEPT_CPUID (1u << 18)
#define SVM_INTERCEPT_IRET (1u << 20)
#define SVM_INTERCEPT_INVD (1u << 22)
#define SVM_INTERCEPT_HLT (1u << 24)
#define SVM_INTERCEPT_INVLPGA (1u << 26)
#define SVM_INTERCEPT_IOIO (1u << 27)
#define SVM_INTERCEPT_MSR (1u << 28)
#define SVM_INTERCEPT_TASK_SWITCH (1u << 29)
#define SVM_INTERCEPT_FERR (1u << 30)
#define SVM_INTERCEPT_SHUTDOWN (1u << 31)
/* Vector 4 (offset 0x10) */
#define SVM_INTERCEPT_VMRUN (1u << 0)
#define SVM_INTERCEPT_VMMCALL (1u << 1)
#define SVM_INTERCEPT_VMLOAD (1u << 2)
#define SVM_INTERCEPT_VMSAVE (1u << 3)
#define SVM_INTERCEPT_STGI (1u << 4)
#define SVM_INTERCEPT_CLGI (1u << 5)
#define SVM_INTERCEPT_SKINIT (1u << 6)
#define SVM_INTERCEPT_WBINVD (1u << 9)
#define SVM_INTERCEPT_MONITOR (1u << 10)
#define SVM_INTERCEPT_MWAIT (1u << 11)
#define SVM_INTERCEPT_XSETBV (1u << 13)

/* Exceptions whose delivery can raise them again, without end and without a look at interrupts. */
#define SVM_STARVING_EXCEPTIONS (1u << VECTOR_DB | 1u << VECTOR_AC)

#define SVM_EXIT_CR0_READ 0x000
#define SVM_EXIT_CR0_WRITE 0x010
#define SVM_EXIT_CR4_READ 0x004
#define SVM_EXIT_CR4_WRITE 0x014
#define SVM_EXIT_CR8_WRITE 0x018
#define SVM_EXIT_EXCEPTION 0x040 /* + vector */
#define SVM_EXIT_INTR 0x060
#define SVM_EXIT_NMI 0x061
#define SVM_EXIT_SMI 0x062
#define SVM_EXIT_INIT 0x063
#define SVM_EXIT_VINTR 0x064
#define SVM_EXIT_RDPMC 0x06f
#define SVM_EXIT_CPUID 0x072
#define SVM_EXIT_IRET 0x074
#define SVM_EXIT_INVD 0x076
#define SVM_EXIT_HLT 0x078
#define SVM_EXIT_INVLPGA 0x07a
#define SVM_EXIT_IOIO 0x07b
#define SVM_EXIT_MSR 0x07c
#define SVM_EXIT_TASK_SWITCH 0x07d
#define SVM_EXIT_SHUTDOWN 0x07f
#define SVM_EXIT_VMRUN 0x080
#define SVM_EXIT_VMMCALL 0x081
#define SVM_EXIT_SKINIT 0x086
#define SVM_EXIT_WBINVD 0x089
#define SVM_EXIT_MONITOR 0x08a
#define SVM_EXIT_MWAIT 0x08b
#define SVM_EXIT_XSETBV 0x08d
#define SVM_EXIT_NPF 0x400
#define SVM_EXIT_INVALID 0xffffffffu

#define SVM_NPF_WALK (1ull << 33) /* EXITINFO1 of a nested page fault */

#define SVM_EVENT_VECTOR 0xffu
#define SVM_EVENT_INTERRUPT (0u << 8)
#define SVM_EVENT_NMI (2u << 8)
#define SVM_EVENT_EXCEPTION (3u << 8)
#define SVM_EVENT_SOFTWARE (4u << 8)
#define SVM_EVENT_TYPE (7u << 8)
#define SVM_EVENT_HAS_ERROR (1u << 11)
#define SVM_EVENT_VALID (1u << 31)

#define SVM_IOIO_IN (1u << 0)
#define SVM_IOIO_STRING (1u << 2)
#define SVM_IOIO_REP (1u << 3)
#define SVM_IOIO_WIDTH 0x70u /* bit 4: 1 byte, 5: 2, 6: 4; so >> 4 is the width */

#define SVM_TLB_NOTHING 0
#define SVM_TLB_FLUSH_ALL 1
#define SVM_TLB_FLUSH_ASID 3

#define SVM_VINTR_TPR 0xffull
#define SVM_VINTR_IRQ (1ull << 8)
#define SVM_VINTR_PRIORITY_15 (15ull << 16)
#define SVM_VINTR_IGNORE_TPR (1ull << 20)
#define SVM_VINTR_MASKING (1ull << 24)
#define SVM_VINTR_VECTOR_SHIFT 32

#define SVM_SHADOW 1ull
#define SVM_NESTED_PAGING 1ull

/* Attributes of a segment in the VMCB: descriptor bits 40-47 and 52-55. */
#define SEGMENT_TYPE 0x00fu
#define SEGMENT_CODE_OR_DATA 0x010u
#define SEGMENT_DPL 0x060u
#define SEGMENT_PRESENT 0x080u
#define SEGMENT_LONG 0x200u
#define SEGMENT_BIG 0x400u
#define SEGMENT_PAGES 0x800u

struct svm_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* control area */
    uint16_t intercept_cr_reads, intercept_cr_writes;
    uint16_t intercept_dr_reads, intercept_dr_writes;
    uint32_t intercept_exceptions;
    uint32_t intercept3, intercept4, intercept5;
    uint8_t reserved1[0x3c - 0x18];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved2[3];
    uint64_t vintr, shadow;
    uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
    uint64_t nested_control, avic_bar, ghcb;
    uint32_t event, event_error;
    uint64_t nested_cr3, lbr_control;
    uint32_t clean_bits, reserved3;
    uint64_t next_rip;
    uint8_t fetched, bytes[15];
    uint8_t reserved4[0x400 - 0xe0];
    /* state save area */
    struct svm_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved5[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved6;
    uint64_t efer;
    uint8_t reserved7[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved8[0x5d8 - 0x580];
    uint64_t rsp, s_cet, ssp, isst;
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved9[0x668 - 0x648];
    uint64_t g_pat, debug_control, br_from, br_to, last_exception_from, last_exception_to;
    uint8_t reserved10[0x1000 - 0x698];
};
static_assert(offsetof(struct vmcb, iopm) == 0x40, "APM appendix B");
static_assert(offsetof(struct vmcb, asid) == 0x58, "APM appendix B");
static_assert(offsetof(struct vmcb, exit_code) == 0x70, "APM appendix B");
static_assert(offsetof(struct vmcb, event) == 0xa8, "APM appendix B");
static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "APM appendix B");
static_assert(offsetof(struct vmcb, es) == 0x400, "APM appendix B");
static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM appendix B");
static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM appendix B");
static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM appendix B");
static_assert(offsetof(struct vmcb, rip) == 0x578, "APM appendix B");
static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM appendix B");
static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM appendix B");
static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM appendix B");
static_assert(offsetof(struct vmcb, g_pat) == 0x668, "APM appendix B");
static_assert(sizeof(struct vmcb) == 0x1000, "one page");
