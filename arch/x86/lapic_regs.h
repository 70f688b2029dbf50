/* The local APIC. Source: Intel SDM vol. 3, "Advanced Programmable Interrupt Controller";
 * AMD64 APM vol. 2, "Advanced Programmable Interrupt Controller". Offsets are those of the MMIO
 * page; the x2APIC MSR is MSR_X2APIC + offset / 16. */
#pragma once

#define LAPIC_ID 0x20
#define LAPIC_VERSION 0x30
#define LAPIC_TPR 0x80
#define LAPIC_PPR 0xa0
#define LAPIC_EOI 0xb0
#define LAPIC_LDR 0xd0
#define LAPIC_DFR 0xe0
#define LAPIC_SVR 0xf0
#define  LAPIC_SVR_ENABLE 0x100
#define LAPIC_ISR 0x100
#define LAPIC_TMR 0x180
#define LAPIC_IRR 0x200
#define LAPIC_ESR 0x280
#define  LAPIC_ESR_SEND_VECTOR 0x20
#define  LAPIC_ESR_RECEIVE_VECTOR 0x40
#define LAPIC_LVT_CMCI 0x2f0
#define LAPIC_ICR 0x300
#define  LAPIC_ICR_FIXED 0x000
#define  LAPIC_ICR_LOWEST 0x100
#define  LAPIC_ICR_SMI 0x200
#define  LAPIC_ICR_NMI 0x400
#define  LAPIC_ICR_INIT 0x500
#define  LAPIC_ICR_STARTUP 0x600
#define  LAPIC_ICR_MODE 0x700
#define  LAPIC_ICR_LOGICAL 0x800
#define  LAPIC_ICR_PENDING 0x1000
#define  LAPIC_ICR_ASSERT 0x4000
#define  LAPIC_ICR_LEVEL 0x8000
#define  LAPIC_ICR_SHORTHAND 0xc0000
#define   LAPIC_ICR_TO_SELF 0x40000
#define   LAPIC_ICR_TO_ALL 0x80000
#define   LAPIC_ICR_TO_OTHERS 0xc0000
#define LAPIC_ICR_HIGH 0x310
#define LAPIC_LVT_TIMER 0x320
#define  LAPIC_LVT_VECTOR 0xff
#define  LAPIC_LVT_MASKED 0x10000
#define  LAPIC_LVT_TIMER_MODE 0x60000
#define   LAPIC_LVT_TIMER_ONESHOT 0x00000
#define   LAPIC_LVT_TIMER_PERIODIC 0x20000
#define   LAPIC_LVT_TIMER_DEADLINE 0x40000
#define LAPIC_LVT_THERMAL 0x330
#define LAPIC_LVT_PERF 0x340
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_LVT_ERROR 0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define  LAPIC_DIVIDE_BY_1 0xb
#define LAPIC_SELF_IPI 0x3f0

#define LAPIC_MMIO_BASE 0xfee00000ull
