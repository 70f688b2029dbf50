#include "kernel/hv/vioapic.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/ioapic_regs.h"
#include "kernel/hv/vipi.h"
#include "kernel/partition.h"

#define VERSION ((VIOAPIC_PINS - 1) << 16 | 0x11)

void vioapic_reset(struct vioapic *a)
{
    a->lock = SPINLOCK(RANK_INTERRUPTS);
    a->select = a->id = a->lines = 0;
    for (unsigned i = 0; i < VIOAPIC_PINS; i++)
        a->redirect[i] = IOAPIC_REDIRECT_MASKED;
}

static void tell(struct partition *p, uint64_t entry)
{
    struct vipi i = {
        .destination = (uint32_t)(entry >> IOAPIC_REDIRECT_DESTINATION_SHIFT),
        .mode = (uint32_t)(entry & IOAPIC_REDIRECT_MODE),
        .vector = (uint8_t)entry,
        .is_logical = entry & IOAPIC_REDIRECT_LOGICAL,
        .is_level = entry & IOAPIC_REDIRECT_LEVEL,
    };

    vipi_deliver(p, &i);
}

/* An asserted line of an unmasked pin; a level-triggered one waits for its EOI. */
static void service(struct partition *p, unsigned pin)
{
    uint64_t *entry = &p->hv.ioapic.redirect[pin];

    if (*entry & (IOAPIC_REDIRECT_MASKED | IOAPIC_REDIRECT_REMOTE_IRR))
        return;
    if (*entry & IOAPIC_REDIRECT_LEVEL)
        *entry |= IOAPIC_REDIRECT_REMOTE_IRR;
    tell(p, *entry);
}

enum err vioapic_set_line(struct partition *p, uint64_t pin, bool is_asserted)
{
    struct vioapic *a = &p->hv.ioapic;
    uint32_t bit = 1u << (pin & 31);

    if (!a->is_present || pin >= VIOAPIC_PINS)
        return ERR_ARGUMENT;
    spin_lock(&a->lock);
    bool is_rise = is_asserted && !(a->lines & bit);

    a->lines = is_asserted ? a->lines | bit : a->lines & ~bit;
    if (is_rise)
        service(p, (unsigned)pin);
    spin_unlock(&a->lock);
    return OK;
}

void vioapic_eoi(struct partition *p, unsigned vector)
{
    struct vioapic *a = &p->hv.ioapic;

    if (!a->is_present)
        return;
    spin_lock(&a->lock);
    for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
        uint64_t *entry = &a->redirect[pin];

        if ((*entry & IOAPIC_REDIRECT_VECTOR) != vector || !(*entry & IOAPIC_REDIRECT_REMOTE_IRR))
            continue;
        *entry &= ~IOAPIC_REDIRECT_REMOTE_IRR;
        if (a->lines & 1u << pin)
            service(p, pin);
    }
    spin_unlock(&a->lock);
}

/* ---- registers ---- */

uint32_t vioapic_read(struct partition *p, uint32_t offset)
{
    struct vioapic *a = &p->hv.ioapic;
    uint32_t value = 0;

    spin_lock(&a->lock);
    unsigned pin = (a->select - IOAPIC_REDIRECT) / 2;

    if (offset == IOAPIC_SELECT)
        value = a->select;
    else if (offset != IOAPIC_WINDOW)
        value = 0;
    else if (a->select == IOAPIC_ID || a->select == IOAPIC_ARBITRATION)
        value = a->id;
    else if (a->select == IOAPIC_VERSION)
        value = VERSION;
    else if (a->select >= IOAPIC_REDIRECT && pin < VIOAPIC_PINS)
        value = (uint32_t)(a->redirect[pin] >> (a->select & 1 ? 32 : 0));
    spin_unlock(&a->lock);
    return value;
}

static void write_redirect(struct partition *p, unsigned pin, bool is_high, uint32_t value)
{
    struct vioapic *a = &p->hv.ioapic;
    uint64_t *entry = &a->redirect[pin];
    uint64_t mask = (is_high ? ~(uint64_t)UINT32_MAX : UINT32_MAX) & IOAPIC_REDIRECT_WRITABLE;

    *entry = (*entry & ~mask) | ((is_high ? (uint64_t)value << 32 : value) & mask);
    if (!(*entry & IOAPIC_REDIRECT_LEVEL))
        *entry &= ~IOAPIC_REDIRECT_REMOTE_IRR;
    else if (a->lines & 1u << pin)
        service(p, pin);
}

void vioapic_write(struct partition *p, uint32_t offset, uint32_t value)
{
    struct vioapic *a = &p->hv.ioapic;

    spin_lock(&a->lock);
    unsigned pin = (a->select - IOAPIC_REDIRECT) / 2;

    if (offset == IOAPIC_SELECT)
        a->select = value & 0xff;
    else if (offset == IOAPIC_WINDOW && a->select == IOAPIC_ID)
        a->id = value & 0x0f000000;
    else if (offset == IOAPIC_WINDOW && a->select >= IOAPIC_REDIRECT && pin < VIOAPIC_PINS)
        write_redirect(p, pin, a->select & 1, value);
    spin_unlock(&a->lock);
}
