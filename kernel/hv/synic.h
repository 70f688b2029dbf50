/* The synthetic interrupt controller (TLFS, "Inter-Partition Communication" and "Virtual Interrupt
 * Controller"): each vCPU has 16 sources (SINTs), a page of message slots and a page of event
 * flags. At most one message waits in a slot; who finds it taken is told when to try again.
 *
 * All state is guarded by the sched lock, since timers post too; the pages are the guest's to
 * scribble on, so what is read from them is read once and trusted for nothing. */
#pragma once
#include "kernel/timer.h"
#include "lib/abi/synic.h"
#include "lib/err.h"

struct vcpu;

#define STIMER_COUNT 4u

struct stimer {
    uint64_t config, count;
    uint64_t due; /* reference time of the next expiry; valid while it is armed */
    struct timer timer;
    uint32_t index;
    bool is_waiting; /* has expired, its message waits for the slot */
};

struct synic {
    uint64_t control, event_page, message_page; /* the MSRs */
    uint64_t sint[SINT_COUNT];
    struct synic_message *messages; /* kernel addresses; NULL: the page is off */
    uint8_t *flags;
    uint32_t waiting;      /* SINTs whose slot was found taken */
    uint32_t host_waiting; /* those of them that the vmm found taken */
    struct stimer timers[STIMER_COUNT];
};

void synic_reset(struct synic *s);
/* Cancels the timers; before the vCPU goes. */
void synic_stop(struct vcpu *v);

/* MSRs 0x40000080 to 0x4000009f, and those of the timers. False: #GP. May take locks. */
bool synic_read_msr(const struct vcpu *v, uint32_t msr, uint64_t *value);
bool synic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);
bool stimer_read_msr(const struct vcpu *v, uint32_t msr, uint64_t *value);
bool stimer_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);

/* With the sched lock held. ERR_STATE: the guest has it switched off; ERR_FULL: the slot is taken,
 * and the guest will say when it is free. */
enum err synic_post_locked(struct vcpu *v, unsigned sint, const struct synic_message *m) MUST_CHECK;
enum err synic_signal_locked(struct vcpu *v, unsigned sint, unsigned flag) MUST_CHECK;
/* A slot may have become free: whoever waits tries again. */
void synic_retry(struct vcpu *v);

void stimers_retry_locked(struct vcpu *v, uint32_t sints);
/* Recomputes the deadlines, after the reference time was moved. */
void stimers_rearm(struct vcpu *v);
void stimers_init(struct synic *s);
void stimers_stop_locked(struct vcpu *v);
