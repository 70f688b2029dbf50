/* The machine's local APICs: interrupts between CPUs and the timer of each. */
#pragma once
#include "lib/types.h"

/* Vectors of the kernel; devices have those below. */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_DEVICE_LAST  0xdf
#define VECTOR_TIMER        0xf0
#define VECTOR_RESCHEDULE   0xf1
#define VECTOR_FLUSH        0xf2
#define VECTOR_SPURIOUS     0xff

void lapic_init(void); /* the boot CPU, in the mode that the firmware left: before calibration */
void lapic_init_cpu(void); /* each CPU: x2APIC where there is one, LVT masked, enabled */
uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_send(uint32_t apic_id, unsigned vector);
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, unsigned page);
void lapic_halt_others(void); /* NMI to all others; they stop when a panic is under way */

/* Fires VECTOR_TIMER once when the TSC passes @tsc (at once when it has), never later than the
 * counter can reach; UINT64_MAX stops it. */
void lapic_timer_arm(uint64_t tsc);

/* For calibration only. */
void lapic_timer_start(uint32_t count);
uint32_t lapic_timer_count(void);
void lapic_set_timer_hz(uint64_t hz);
extern uint64_t lapic_timer_hz;
