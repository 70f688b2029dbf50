/* A 16550 UART behind a handle on its ports, with a queue for each direction. Nothing received is
 * lost: while the receive queue is full the FIFO is left alone, and the sender waits. */
#pragma once
#include "lib/abi/syscall.h"
#include "services/manager/byte_queue.h"

struct uart {
    handle_t ports, interrupt;
    uint16_t base;
    uint8_t enabled; /* what stands in the interrupt enable register */
    bool is_present;
    struct byte_queue received, to_send;
};

/* Sets line and FIFOs; @is_first: throw away what the firmware left in the receiver. */
void uart_init(struct uart *u, handle_t ports, handle_t interrupt, uint16_t base, bool is_first);

/* Moves bytes both ways until the FIFOs are served, at most a bounded number. True: there is more
 * to do at once. */
bool uart_service(struct uart *u);

/* Its interrupt was raised: lets the next one through, then serves. */
bool uart_interrupt(struct uart *u);
