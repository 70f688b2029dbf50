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
#define HV_ACCESS_APIC_MSRS (1u << 4)
#define HV_ACCESS_HYPERCALL_MSRS (1u << 5)
#define HV_ACCESS_VP_INDEX (1u << 6)
#define HV_ACCESS_REFERENCE_TSC (1u << 9)
#define HV_ACCESS_FREQUENCY_MSRS (1u << 11)
#define HV_ACCESS_TSC_INVARIANT (1u << 15)
/* Leaf 3 EDX: features */
#define HV_FEATURE_FREQUENCY_MSRS (1u << 8)
/* Leaf 4 EAX: hints */
#define HV_HINT_RELAXED_TIMING (1u << 5)
#define HV_HINT_NO_AUTO_EOI (1u << 9)

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
#define HV_MSR_TSC_INVARIANT 0x40000118u
#define HV_PAGE_ENABLE 1ull
#define HV_PAGE_ADDRESS 0xfffffffffffff000ull

#define HV_STATUS_SUCCESS 0
#define HV_STATUS_INVALID_CODE 2
#define HV_STATUS_INVALID_INPUT 3

struct hv_reference_tsc_page {
    unsigned sequence, reserved;
    unsigned long scale; /* 100 ns units = (TSC * scale >> 64) + offset */
    long offset;
};
