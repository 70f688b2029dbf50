// SOURCES: services/vmm/devices/vuart.c
/* Any accesses to the guest's UART: it stays within its FIFO, and its interrupt line stands as what
 * the guest would read says. */
#include <assert.h>

#include "services/vmm/devices/vuart.h"

static uint8_t next_in;

static void line_send(struct vuart_line *l, uint8_t byte)
{
    (void)l;
    (void)byte;
}

static bool is_asserted;

static void line_set_irq(struct vuart_line *l, bool level)
{
    (void)l;
    assert(level != is_asserted);
    is_asserted = level;
}

static bool line_receive(struct vuart_line *l, uint8_t *byte)
{
    (void)l;
    *byte = next_in++;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct vuart_line line = { line_send, line_receive, line_set_irq };
    struct vuart u;

    is_asserted = false;
    vuart_reset(&u, &line);
    for (size_t i = 0; i + 1 < n; i += 2) {
        if (data[i] & 8)
            vuart_write(&u, data[i] & 7, data[i + 1]);
        else
            vuart_read(&u, data[i] & 7);
        if (data[i] & 0x80)
            vuart_poll(&u);
        struct vuart copy = u; /* reading it acknowledges */
        uint8_t iir = vuart_read(&copy, UART_IIR);
        is_asserted = u.is_irq_asserted;
        assert(u.is_irq_asserted == (!(iir & UART_IIR_NONE) && (u.mcr & 0x18) == 8));
        assert(u.fifo_used <= UART_FIFO_BYTES && u.fifo_first < UART_FIFO_BYTES);
    }
    return 0;
}
