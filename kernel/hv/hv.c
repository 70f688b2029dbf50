/* The partition's share of the guest interface: reference time, the hypercall page. */
#include "kernel/hv/hv.h"
#include "arch/x86/tsc.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "lib/muldiv.h"

enum err hv_partition_init(struct hv_partition *h, struct budget *b)
{
    h->lock = SPINLOCK(RANK_PROCESSES);
    h->tsc_offset = 0 - rdtsc();
    h->overlays = kernel_alloc(b, OVERLAY_COUNT * sizeof(struct overlay));
    vioapic_reset(&h->ioapic);
    hv_cpuid_init(h);
    return h->overlays ? OK : ERR_MEMORY;
}

void hv_partition_destroy(struct hv_partition *h, struct budget *b)
{
    overlays_destroy(h->overlays, b);
}

uint64_t hv_guest_tsc(const struct partition *p)
{
    return rdtsc() + p->hv.tsc_offset;
}

uint64_t hv_tsc_scale(void)
{
    return fraction64(10000000, host_clock.tsc_hz);
}

uint64_t hv_tsc_of_reference_time(const struct partition *p, uint64_t time)
{
    uint64_t guest = multiply_divide(time, host_clock.tsc_hz, 10000000);

    return guest >= UINT64_MAX / 2 ? UINT64_MAX : guest + 2 - p->hv.tsc_offset;
}

uint64_t hv_reference_time(const struct partition *p)
{
    return (uint64_t)(((unsigned __int128)hv_guest_tsc(p) * hv_tsc_scale()) >> 64);
}
