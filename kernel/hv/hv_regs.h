/* The Hyper-V guest interface. Source: Microsoft, "Hypervisor Top Level Functional Specification"
 * (TLFS), chapters "Feature and Interface Discovery", "Hypercall Interface", "Timers". */
#pragma once

#define HV_CPUID_BASE 0x40000000u
#define HV_CPUID_MAX 0x40000006u
#define HV_CPUID_VENDOR_EBX 0x7263694du /* "Microsoft Hv" */
#define HV_CPUID_VENDOR_ECX 0x666f736fu
#define HV_CPUID_VENDOR_EDX 0x76482074u
#define HV_CPUID_INTERFACE 0x31237648u /* "Hv#1" */

/* Leaf 3 EAX: privileges */
#define HV_ACCESS_REFERENCE_COUNTER (1u << 1)
#define HV_ACCESS_SYNIC (1u << 2)
#define HV_ACCESS_STIMERS (1u << 3)
#define HV_ACCESS_APIC_MSRS (1u << 4)
#define HV_ACCESS_HYPERCALL_MSRS (1u << 5)
#define HV_ACCESS_VP_INDEX (1u << 6)
#define HV_ACCESS_REFERENCE_TSC (1u << 9)
#define HV_ACCESS_GUEST_IDLE (1u << 10)
#define HV_ACCESS_FREQUENCY_MSRS (1u << 11)
#define HV_ACCESS_TSC_INVARIANT (1u << 15)
/* Leaf 3 EBX: privileges */
#define HV_MAY_POST_MESSAGES (1u << 4)
#define HV_MAY_SIGNAL_EVENTS (1u << 5)
/* Leaf 3 EDX: features */
#define HV_FEATURE_GUEST_IDLE (1u << 5)
#define HV_FEATURE_FREQUENCY_MSRS (1u << 8)
#define HV_FEATURE_CRASH_MSRS (1u << 10)
#define HV_FEATURE_DIRECT_STIMERS (1u << 19)
/* Leaf 4 EAX: hints */
#define HV_HINT_REMOTE_FLUSH (1u << 2)
#define HV_HINT_RELAXED_TIMING (1u << 5)
#define HV_HINT_NO_AUTO_EOI (1u << 9)
#define HV_HINT_CLUSTER_IPI (1u << 10)
#define HV_HINT_EX_MASKS (1u << 11)

#define HV_MSR_GUEST_OS_ID 0x40000000u
#define HV_MSR_HYPERCALL 0x40000001u
#define  HV_HYPERCALL_ENABLE 1ull
#define  HV_HYPERCALL_LOCKED 2ull
#define HV_MSR_VP_INDEX 0x40000002u
#define HV_MSR_REFERENCE_COUNTER 0x40000020u
#define HV_MSR_REFERENCE_TSC 0x40000021u
#define HV_MSR_TSC_FREQUENCY 0x40000022u
#define HV_MSR_APIC_FREQUENCY 0x40000023u
#define HV_MSR_EOI 0x40000070u
#define HV_MSR_ICR 0x40000071u
#define HV_MSR_TPR 0x40000072u
#define HV_MSR_VP_ASSIST 0x40000073u
#define HV_MSR_SCONTROL 0x40000080u
#define  HV_SYNIC_ENABLE 1ull
#define HV_MSR_SVERSION 0x40000081u
#define  HV_SYNIC_VERSION 1u
#define HV_MSR_SIEFP 0x40000082u
#define HV_MSR_SIMP 0x40000083u
#define HV_MSR_EOM 0x40000084u
#define HV_MSR_SINT0 0x40000090u
#define HV_MSR_SINT15 0x4000009fu
#define  HV_SINT_VECTOR 0xffull
#define  HV_SINT_MASKED (1ull << 16)
#define  HV_SINT_AUTO_EOI (1ull << 17)
#define  HV_SINT_POLLING (1ull << 18)
#define  HV_SINT_WRITABLE 0x700ffull
#define HV_MSR_STIMER0_CONFIG 0x400000b0u
#define HV_MSR_STIMER3_COUNT 0x400000b7u
#define  HV_STIMER_ENABLE 1ull
#define  HV_STIMER_PERIODIC 2ull
#define  HV_STIMER_LAZY 4ull
#define  HV_STIMER_AUTO_ENABLE 8ull
#define  HV_STIMER_VECTOR 0xff0ull
#define  HV_STIMER_DIRECT 0x1000ull
#define  HV_STIMER_SINT 0xf0000ull
#define  HV_STIMER_WRITABLE 0xf1fffull
#define HV_MSR_GUEST_IDLE 0x400000f0u
#define HV_MSR_CRASH_P0 0x40000100u
#define HV_MSR_CRASH_P4 0x40000104u
#define HV_MSR_CRASH_CONTROL 0x40000105u
#define  HV_CRASH_HAS_TEXT (1ull << 62) /* P3: guest-physical address, P4: bytes */
#define  HV_CRASH_NOTIFY (1ull << 63)
#define HV_MSR_TSC_INVARIANT 0x40000118u
#define HV_PAGE_ENABLE 1ull
#define HV_PAGE_ADDRESS 0xfffffffffffff000ull

#define HV_STATUS_SUCCESS 0
#define HV_STATUS_INVALID_CODE 2
#define HV_STATUS_INVALID_INPUT 3
#define HV_STATUS_INVALID_ALIGNMENT 4
#define HV_STATUS_INVALID_PARAMETER 5
#define HV_STATUS_INVALID_CONNECTION 0x12
#define HV_STATUS_NO_BUFFERS 0x13

/* The hypercall input value. */
#define HV_CALL_CODE 0xffffull
#define HV_CALL_FAST (1ull << 16)
#define HV_CALL_HEADER_QWORDS 0x7fe0000ull
#define HV_CALL_REP_COUNT 0xfff00000000ull
#define HV_CALL_REP_START 0xfff000000000000ull
#define HV_CALL_RESERVED 0xf000f000f8000000ull
#define HV_CALL_REPS_DONE 0xfff00000000ull /* of the result */

#define HV_CALL_FLUSH_SPACE 0x0002u
#define HV_CALL_FLUSH_LIST 0x0003u
#define HV_CALL_LONG_SPIN_WAIT 0x0008u
#define HV_CALL_SEND_IPI 0x000bu
#define HV_CALL_FLUSH_SPACE_EX 0x0013u
#define HV_CALL_FLUSH_LIST_EX 0x0014u
#define HV_CALL_SEND_IPI_EX 0x0015u
#define HV_CALL_POST_MESSAGE 0x005cu
#define HV_CALL_SIGNAL_EVENT 0x005du

#define HV_FLUSH_ALL_PROCESSORS 1ull
#define HV_FLUSH_ALL_SPACES 2ull
#define HV_FLUSH_NON_GLOBAL_ONLY 4ull
#define HV_FLUSH_EXTENDED_RANGES 8ull

#define HV_VP_SET_SPARSE 0u
#define HV_VP_SET_ALL 1u

struct hv_reference_tsc_page {
    unsigned sequence, reserved;
    unsigned long scale; /* 100 ns units = (TSC * scale >> 64) + offset */
    long offset;
};
