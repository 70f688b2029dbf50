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
    RECORD_UART,            /* struct record_uart */
    RECORD_RTC,             /* struct record_rtc */
    RECORD_VMBUS,           /* struct record_vmbus */
    RECORD_VMBUS_MESSAGE,   /* struct record_vmbus_message: between the guest and the server */
    RECORD_GPADL,           /* struct record_gpadl and its page numbers */
    RECORD_CHANNEL,         /* struct record_channel */
    RECORD_SERVICE,         /* struct record_ic and what the service adds; instance: which */
    RECORD_NETVSP, /* struct record_netvsp and what follows it; instance: the NIC's number */
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

struct record_uart {
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors, msr_changes, is_tx_interrupt_pending, is_irq_asserted;
    uint8_t fifo_used;
    uint8_t reserved[4];
    uint8_t fifo[16]; /* the oldest byte first, 0 behind the last */
};
static_assert(sizeof(struct record_uart) == 32, "record_uart is saved");

struct record_rtc {
    uint8_t index;
    uint8_t reserved[7];
    uint8_t ram[128];
};
static_assert(sizeof(struct record_rtc) == 136, "record_rtc is saved");

struct record_vmbus {
    uint32_t version, target_vp;
    uint32_t has_requested_offers, has_delivered_offers;
    uint64_t refused_count;
};

struct record_vmbus_message {
    uint32_t is_to_guest;
    uint32_t bytes, vp, reserved;
    uint8_t payload[SYNIC_PAYLOAD_BYTES];
};

struct record_gpadl { /* pages follow */
    uint32_t id, channel, byte_count, byte_offset, received, reserved;
};

struct record_channel {
    uint32_t id, state; /* enum channel_state */
    uint32_t device;    /* its place among the devices */
    uint32_t subchannel, needs_rescind, target_vp, gpadl, downstream_page, open_id, is_broken;
    uint32_t is_announced, reserved;
    uint64_t signals_in, signals_out, packets_in, packets_out, bytes_in, bytes_out;
};

struct record_ic {  /* of an integration service; the service's own words */
    uint32_t state; /* enum ic_state */
    uint16_t framework[2], version[2];
    uint8_t transaction, is_waiting, is_silent, was_refused, is_enabled, is_broken, reserved[6];
    uint64_t strange_count;
    uint64_t own[2];
};
static_assert(sizeof(struct record_ic) == 48, "record_ic is saved");

/* A synthetic NIC that is offered. Behind it: @held_count slots of the receive buffer that the guest
 * holds (uint16_t each, packet by packet, RECORD_NETVSP_LAST at the last one of each; zeros up to a
 * multiple of 8), then @flight_count struct record_netvsp_flight. Frames that were on their way to the
 * switch are dropped, and in dropped_sends. */
#define RECORD_NETVSP_LAST      0x8000u
#define RECORD_NETVSP_RSS_KEY   40u
#define RECORD_NETVSP_RSS_TABLE 128u

struct record_netvsp {
    uint32_t state; /* enum nic_state */
    uint32_t nvsp_version, mtu;
    uint32_t buffers; /* bit 0: the receive buffer is lent; bit 1: the send buffer */
    uint32_t gpadls[2];
    uint32_t channel_limit, must_tell;
    uint32_t filter;
    uint8_t is_initialized, takes_rsc_ip4, takes_rsc_ip6, is_broken;
    uint8_t mac[6];
    uint8_t reserved[2];
    uint32_t rss_is_on, rss_hash;
    uint8_t rss_key[RECORD_NETVSP_RSS_KEY];
    uint8_t rss_table[RECORD_NETVSP_RSS_TABLE];
    uint32_t held_count, flight_count;
    uint64_t dropped_sends, strange_count;
};
static_assert(sizeof(struct record_netvsp) == 248, "record_netvsp is saved");
static_assert(offsetof(struct record_netvsp, dropped_sends) == 232, "record_netvsp has no padding");

struct record_netvsp_flight { /* a packet that is done; the guest waits for its completion */
    uint64_t transaction;
    uint32_t subchannel, reserved;
};

/* A saved VM: one region that begins with this head; behind it the vmm's records, RECORD_END, the
 * kernel's row; from memory_offset on the guest's memory as it was, that above 4 GiB right behind
 * that below. */
struct image_head {
    uint64_t magic;
    uint32_t version;
    uint32_t checksum;                /* checksum32() of what follows in the head */
    uint64_t bytes;                   /* of all */
    uint64_t vmm_bytes, kernel_bytes; /* of the records, each with its end */
    uint64_t memory_offset, memory_bytes;
};
static_assert(sizeof(struct image_head) == 56, "image_head is saved");
#define IMAGE_MAGIC   0x6567616d49486c42ull /* BlHImage */
#define IMAGE_VERSION 1u

/* Room for head and records: those of a vCPU are an XSAVE image, three pages, and less than 4 KiB
 * of the rest; those of VMBus are up to 2,047 channels, 2,304 GPADLs and their 32,768 page numbers
 * (704 KiB); those of 8 NICs have up to 16,384 slots and 512 packets each (42 KiB). */
static inline uint64_t image_memory_offset(unsigned cpu_count)
{
    return KIB(704) + 8 * KIB(42) + cpu_count * KIB(36);
}

static inline uint64_t image_bytes(uint64_t memory_bytes, unsigned cpu_count)
{
    return image_memory_offset(cpu_count) + round_up(memory_bytes, PAGE_BYTES);
}
