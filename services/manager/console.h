/* The console: a line editor for people, tables for answers, warnings as they come, and the serial
 * port of one VM when somebody has joined it. */
#pragma once
#include "services/manager/line_editor.h"
#include "services/manager/request.h"
#include "services/manager/uart16550.h"

#define CONSOLE_RX_BYTES 4096u
#define CONSOLE_TX_BYTES 131072u

struct console_state {
    struct byte_queue_state rx, tx;
    uint64_t next_event;
    uint32_t is_attached, attached_slot, attached_generation;
    uint32_t is_prompting; /* the prompt is on the screen */
    uint64_t attached_cursor;
    struct line_editor editor;
    uint8_t rx_data[CONSOLE_RX_BYTES];
    uint8_t tx_data[CONSOLE_TX_BYTES];
};

bool console_init(struct console_state *state, struct uart *uart);
void console_banner(const char *host_name);
bool console_pump(void);

/* Text of ours or of anybody: what is not printable is made visible, LF becomes CR LF. What does
 * not fit is left out. */
void console_text(const char *text, size_t n);
void console_print(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A result of JSON, as a table. */
void console_result(const char *json, size_t n);

void console_attach(const struct vm *vm);

/* The VM ended or is gone: leaves it. */
void console_vm_ended(const struct vm *vm, const char *how);

bool console_is_flushed(void);
