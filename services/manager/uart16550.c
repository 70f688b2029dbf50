/* Line status is asked before each byte in and each FIFO out, so a lost interrupt costs time and
 * never bytes. */
#include "services/manager/uart16550.h"
#include "lib/abi/uart16550_regs.h"
#include "services/rt/sys.h"

#define SERVICE_BYTES_MAX 4096u

static uint8_t get(const struct uart *u, unsigned reg)
{
    uint32_t v;

    if (sys_ioport_read(u->ports, (uint16_t)(u->base + reg), 1, &v))
        return 0xff;
    return (uint8_t)v;
}

static void put(const struct uart *u, unsigned reg, unsigned v)
{
    sys_ioport_write(u->ports, (uint16_t)(u->base + reg), 1, v);
}

/* Received bytes interrupt while there is room for them, an empty FIFO while there is something
 * to send. */
static void set_interrupts(struct uart *u)
{
    unsigned wanted = (byte_queue_free(&u->received) ? UART_IER_RX : 0) |
                      (byte_queue_used(&u->to_send) ? UART_IER_TX : 0);

    if (wanted == u->enabled)
        return;
    u->enabled = (uint8_t)wanted;
    put(u, UART_IER, wanted);
}

void uart_init(struct uart *u, handle_t ports, handle_t interrupt, uint16_t base, bool is_first)
{
    u->ports = ports;
    u->interrupt = interrupt;
    u->base = base;
    u->enabled = 0;
    u->is_present = ports != HANDLE_NONE && get(u, UART_LSR) != 0xff;
    if (!u->is_present)
        return;
    put(u, UART_IER, 0);
    if (is_first) {
        put(u, UART_LCR, UART_LCR_DLAB | UART_LCR_8N1);
        put(u, UART_DLL, UART_DIVISOR_115200);
        put(u, UART_DLM, 0);
    }
    put(u, UART_LCR, UART_LCR_8N1);
    put(u, UART_FCR, UART_FCR_ENABLE | (is_first ? UART_FCR_CLEAR_RX : 0));
    put(u, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
    set_interrupts(u);
}

static uint32_t receive(struct uart *u)
{
    uint32_t n = 0;

    for (; n < SERVICE_BYTES_MAX && byte_queue_free(&u->received); n++) {
        if (!(get(u, UART_LSR) & UART_LSR_DR))
            break;
        uint8_t c = get(u, UART_RBR);
        if (!byte_queue_put(&u->received, &c, 1))
            break; /* cannot be: there was room */
    }
    return n;
}

static uint32_t send(struct uart *u)
{
    uint8_t fifo[UART_FIFO_BYTES];
    uint32_t n = 0;

    while (n < SERVICE_BYTES_MAX && byte_queue_used(&u->to_send)) {
        if (!(get(u, UART_LSR) & UART_LSR_THRE))
            break;
        size_t got = byte_queue_take(&u->to_send, fifo, sizeof(fifo));
        for (size_t i = 0; i < got; i++)
            put(u, UART_THR, fifo[i]);
        n += (uint32_t)got;
    }
    return n;
}

bool uart_service(struct uart *u)
{
    if (!u->is_present) {
        u->to_send.state->read = u->to_send.state->write; /* nobody will ever read it */
        return false;
    }
    uint32_t received = receive(u), sent = send(u);

    set_interrupts(u);
    return received == SERVICE_BYTES_MAX || sent >= SERVICE_BYTES_MAX;
}

/* The line is edge-triggered: it must be seen low after the acknowledgement, or no edge follows.
 * Reading the identification, the modem status and the data lowers it. */
bool uart_interrupt(struct uart *u)
{
    bool has_more = false;

    if (!u->is_present)
        return false;
    sys_interrupt_ack(u->interrupt);
    for (unsigned i = 0; i < 8; i++) {
        if (get(u, UART_IIR) & UART_IIR_NONE)
            break;
        get(u, UART_MSR);
        has_more = uart_service(u);
    }
    return has_more;
}
