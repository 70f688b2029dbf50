/* The guest's 16550A. A pure model: registers in, bytes and an interrupt line out. Sending takes no
 * time; input waits outside until the guest's receive FIFO has room, so none is lost. */
#pragma once
#include "lib/abi/record.h"
#include "lib/abi/uart16550_regs.h"
#include "lib/err.h"

struct vuart_line { /* what is at the other end */
    void (*send)(struct vuart_line *l, uint8_t byte);
    bool (*receive)(struct vuart_line *l, uint8_t *byte);    /* false: nothing waits */
    void (*set_irq)(struct vuart_line *l, bool is_asserted); /* only when it changes */
};

struct vuart {
    struct vuart_line *line;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors;           /* bits that reading LSR clears */
    uint8_t msr_changes;          /* likewise of MSR */
    bool is_tx_interrupt_pending; /* THR has become empty and nobody was told */
    bool is_irq_asserted;
    uint8_t fifo[UART_FIFO_BYTES];
    uint8_t fifo_first, fifo_used;
};

void vuart_reset(struct vuart *u, struct vuart_line *line);
uint8_t vuart_read(struct vuart *u, unsigned reg);
void vuart_write(struct vuart *u, unsigned reg, uint8_t value);

void vuart_save(const struct vuart *u, struct record_uart *out);
/* All but the line; the interrupt's end keeps its level by itself. ERR_FORMAT: @in is none that
 * vuart_save() made; then nothing has changed. */
enum err vuart_restore(struct vuart *u, const struct record_uart *in) MUST_CHECK;

/* Input may have come. */
void vuart_poll(struct vuart *u);
