/* The guest's 16550A. A pure model: registers in, bytes out. Sending takes no time; input waits
 * outside until the guest's receive FIFO has room, so none is lost. */
#pragma once
#include "lib/abi/uart16550_regs.h"
#include "lib/types.h"

struct vuart_line { /* what is at the other end */
    void (*send)(struct vuart_line *l, uint8_t byte);
    bool (*receive)(struct vuart_line *l, uint8_t *byte); /* false: nothing waits */
};

struct vuart {
    struct vuart_line *line;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors;           /* bits that reading LSR clears */
    bool is_tx_interrupt_pending; /* THR has become empty and nobody was told */
    uint8_t fifo[UART_FIFO_BYTES];
    uint8_t fifo_first, fifo_used;
};

void vuart_reset(struct vuart *u, struct vuart_line *line);
uint8_t vuart_read(struct vuart *u, unsigned reg);
void vuart_write(struct vuart *u, unsigned reg, uint8_t value);
/* Whether the interrupt line is up. */
bool vuart_has_interrupt(struct vuart *u);
