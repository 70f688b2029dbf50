/* The control port: lines `@ID COMMAND` in; answers and events out, each one line of JSON. */
#pragma once
#include "services/manager/byte_queue.h"
#include "services/manager/request.h"
#include "services/manager/uart16550.h"

#define CONTROL_RX_BYTES   16384u
#define CONTROL_TX_BYTES   262144u
#define CONTROL_HELD_BYTES 262144u
#define CONTROL_LINE_BYTES (LINE_BYTES_MAX + 32u)

struct control_state {
    struct byte_queue_state rx, tx, held;
    uint64_t next_event;
    uint32_t line_n;
    uint32_t reserved;
    uint8_t rx_data[CONTROL_RX_BYTES];
    uint8_t tx_data[CONTROL_TX_BYTES];
    uint8_t held_data[CONTROL_HELD_BYTES]; /* answers that must not split a stream */
    char line[CONTROL_LINE_BYTES];
};

/* False: a part of @state was no good and has been emptied. */
bool control_init(struct control_state *state, struct uart *uart);

/* Sends what is there and runs what has arrived, a bounded number of steps. True: there is more
 * that can be done at once. */
bool control_pump(void);

/* Queues one whole line with its LF. */
void control_put_line(const char *line, size_t n);

/* Nothing is left to send. */
bool control_is_flushed(void);
