/* Saved state: a row of records, each a head and its payload, ended by RECORD_END. A reader refuses
 * the whole row for one unknown type, newer version, wrong length or checksum. Layouts are little
 * endian and have no hidden padding; times are the guest's own TSC. */
#pragma once
#include "lib/abi/synic.h"
#include "lib/abi/syscall.h"

struct record {
    uint32_t type; /* enum record_type */
    uint16_t version;
    uint16_t instance; /* vCPU index, or overlay slot */
    uint32_t bytes;    /* of the payload; a multiple of 8 */
    uint32_t checksum; /* checksum32() of the payload */
};

enum record_type {
    RECORD_END,
    /* the kernel's, by SYS_PARTITION_SAVE: */
    RECORD_PARTITION, /* struct record_partition */
    RECORD_IOAPIC,    /* struct record_ioapic; absent: the VM has none */
    RECORD_MSRS,      /* struct record_msr[]: set by writing them; instance: the vCPU that does */
    RECORD_CPU,       /* struct record_cpu */
    RECORD_FPU,       /* the XSAVE image */
    RECORD_LAPIC,     /* struct record_lapic */
    RECORD_SYNIC,     /* struct record_synic */
    RECORD_PAGE,      /* an overlay page's 4 KiB; instance: its slot */
    /* the vmm's: */
    RECORD_MACHINE = 0x100, /* struct vmm_config: the VM as it was created */
    RECORD_UART,
    RECORD_RTC,
};
#define RECORD_VERSION 1u

struct record_partition {
    uint64_t memory_bytes;
    uint64_t vcpu_count;
    uint64_t tsc;     /* the guest's when it was saved */
    uint64_t host_ns; /* the host's clock then: on the same host the guest's time goes on */
    uint64_t tsc_hz;
    uint64_t crash[5], crash_control;
};

struct record_ioapic {
    uint32_t select, id, lines, reserved;
    uint64_t redirect[24];
};

struct record_msr {
    uint64_t msr, value;
};

/* What the CPU keeps of a guest beside struct vcpu_state. event and shadow are in AMD's format. */
struct record_virt {
    uint64_t pat, dr6, dr7, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t event, shadow;
};

struct record_cpu {
    struct vcpu_state state;
    struct record_virt virt;
    uint64_t debug_registers[4];
    uint64_t xcr0, tsc_aux;
    uint64_t pending;  /* VCPU_ATTEND_INIT, _SIPI, _NMI */
    uint32_t activity; /* enum vcpu_activity */
    uint8_t sipi_vector, is_nmi_masked, reserved[2];
    uint64_t nmi_iret_rip;
};

struct record_lapic {
    uint64_t irr[4], tmr[4], isr[4];
    uint64_t icr;
    uint64_t deadline; /* of the timer; UINT64_MAX: not armed */
    uint64_t start;
    uint32_t ldr, dfr, tpr, svr, esr, errors;
    uint32_t lvt[6];
    uint32_t timer_initial, timer_divide;
};

struct record_stimer {
    uint64_t config, count, due;
    uint64_t is_waiting;
};

struct record_synic {
    uint32_t waiting, host_waiting;
    struct record_stimer timers[4];
};
