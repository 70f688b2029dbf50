#include "services/vmm/devices/vuart.h"

#define IER_WRITABLE 0x0f
#define MCR_WRITABLE 0x1f
#define MCR_OUT1     0x04
#define MSR_RI       0x40

void vuart_reset(struct vuart *u, struct vuart_line *line)
{
    *u = (struct vuart){ .line = line, .lcr = UART_LCR_8N1, .dll = 1 };
}

static unsigned fifo_capacity(const struct vuart *u)
{
    return u->fcr & UART_FCR_ENABLE ? UART_FIFO_BYTES : 1;
}

static void fifo_put(struct vuart *u, uint8_t byte)
{
    if (u->fifo_used == fifo_capacity(u)) {
        u->lsr_errors |= UART_LSR_OE; /* only in loopback: the line waits */
        return;
    }
    u->fifo[(u->fifo_first + u->fifo_used++) % UART_FIFO_BYTES] = byte;
}

static uint8_t fifo_take(struct vuart *u)
{
    uint8_t byte;

    if (!u->fifo_used)
        return 0;
    byte = u->fifo[u->fifo_first];
    u->fifo_first = (uint8_t)((u->fifo_first + 1) % UART_FIFO_BYTES);
    u->fifo_used--;
    return byte;
}

static void fetch_input(struct vuart *u)
{
    uint8_t byte;

    if (u->mcr & UART_MCR_LOOP)
        return;
    while (u->fifo_used < fifo_capacity(u) && u->line->receive(u->line, &byte))
        fifo_put(u, byte);
}

static uint8_t line_status(const struct vuart *u)
{
    return (uint8_t)(UART_LSR_THRE | UART_LSR_TEMT | u->lsr_errors |
                     (u->fifo_used ? UART_LSR_DR : 0));
}

static uint8_t modem_status(const struct vuart *u)
{
    if (!(u->mcr & UART_MCR_LOOP))
        return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
    return (uint8_t)((u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
                     (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) | (u->mcr & MCR_OUT1 ? MSR_RI : 0) |
                     (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

/* The highest cause, in the data sheet's order. */
static uint8_t interrupt_cause(const struct vuart *u)
{
    if ((u->ier & UART_IER_LINE) && u->lsr_errors)
        return UART_IIR_LINE;
    if ((u->ier & UART_IER_RX) && u->fifo_used)
        return UART_IIR_RX;
    if ((u->ier & UART_IER_TX) && u->is_tx_interrupt_pending)
        return UART_IIR_TX;
    return UART_IIR_NONE;
}

bool vuart_has_interrupt(struct vuart *u)
{
    fetch_input(u);
    return (u->mcr & UART_MCR_OUT2) && interrupt_cause(u) != UART_IIR_NONE;
}

uint8_t vuart_read(struct vuart *u, unsigned reg)
{
    uint8_t v;

    fetch_input(u);
    switch (reg) {
    case UART_RBR: return u->lcr & UART_LCR_DLAB ? u->dll : fifo_take(u);
    case UART_IER: return u->lcr & UART_LCR_DLAB ? u->dlm : u->ier;
    case UART_IIR:
        v = interrupt_cause(u);
        if (v == UART_IIR_TX)
            u->is_tx_interrupt_pending = false; /* reading it is the acknowledgement */
        return v | (u->fcr & UART_FCR_ENABLE ? UART_IIR_FIFO : 0);
    case UART_LCR: return u->lcr;
    case UART_MCR: return u->mcr;
    case UART_LSR:
        v = line_status(u);
        u->lsr_errors = 0;
        return v;
    case UART_MSR: return modem_status(u);
    default: return u->scr;
    }
}

static void send(struct vuart *u, uint8_t byte)
{
    if (u->mcr & UART_MCR_LOOP)
        fifo_put(u, byte);
    else
        u->line->send(u->line, byte);
    u->is_tx_interrupt_pending = true;
}

static void write_fcr(struct vuart *u, uint8_t value)
{
    bool is_switched = (value ^ u->fcr) & UART_FCR_ENABLE;

    if (is_switched || (value & UART_FCR_CLEAR_RX))
        u->fifo_used = 0;
    u->fcr = value & UART_FCR_ENABLE;
}

void vuart_write(struct vuart *u, unsigned reg, uint8_t value)
{
    switch (reg) {
    case UART_THR:
        if (u->lcr & UART_LCR_DLAB)
            u->dll = value;
        else
            send(u, value);
        break;
    case UART_IER:
        if (u->lcr & UART_LCR_DLAB) {
            u->dlm = value;
            break;
        }
        if ((value & ~u->ier) & UART_IER_TX)
            u->is_tx_interrupt_pending = true; /* enabled while THR is empty */
        u->ier = value & IER_WRITABLE;
        break;
    case UART_FCR: write_fcr(u, value); break;
    case UART_LCR: u->lcr = value; break;
    case UART_MCR: u->mcr = value & MCR_WRITABLE; break;
    case UART_SCR: u->scr = value; break;
    default: break; /* LSR and MSR are read-only */
    }
}
