/* Interrupts as in the data sheet's table "Interrupt Control Functions". Its character timeout,
 * four characters' time without another, has always passed: on this line a character takes no time,
 * so what has come is all there is for now. */
#include "services/vmm/devices/vuart.h"

#define IER_WRITABLE 0x0f
#define MCR_WRITABLE 0x1f

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

/* The modem's lines: there is always one, and it is ready; in loopback they are our own. */
static uint8_t modem_lines(const struct vuart *u)
{
    if (!(u->mcr & UART_MCR_LOOP))
        return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
    return (uint8_t)((u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
                     (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
                     (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
                     (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

static void write_mcr(struct vuart *u, uint8_t value)
{
    uint8_t before = modem_lines(u), changed;

    u->mcr = value & MCR_WRITABLE;
    changed = before ^ modem_lines(u);
    u->msr_changes |= (uint8_t)((changed & UART_MSR_CTS ? UART_MSR_DELTA_CTS : 0) |
                                (changed & UART_MSR_DSR ? UART_MSR_DELTA_DSR : 0) |
                                (changed & before & UART_MSR_RI ? UART_MSR_RI_ENDED : 0) |
                                (changed & UART_MSR_DCD ? UART_MSR_DELTA_DCD : 0));
}

/* ---- interrupts ---- */

static unsigned trigger_level(const struct vuart *u)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return u->fcr & UART_FCR_ENABLE ? levels[u->fcr >> UART_FCR_TRIGGER_SHIFT] : 1;
}

/* The highest cause, in the data sheet's order. */
static uint8_t interrupt_cause(const struct vuart *u)
{
    if ((u->ier & UART_IER_LINE) && u->lsr_errors)
        return UART_IIR_LINE;
    if ((u->ier & UART_IER_RX) && u->fifo_used)
        return u->fifo_used >= trigger_level(u) ? UART_IIR_RX : UART_IIR_TIMEOUT;
    if ((u->ier & UART_IER_TX) && u->is_tx_interrupt_pending)
        return UART_IIR_TX;
    if ((u->ier & UART_IER_MODEM) && u->msr_changes)
        return UART_IIR_MODEM;
    return UART_IIR_NONE;
}

/* On a PC OUT2 gates the line, and in loopback the chip holds its outputs inactive. What waits
 * outside moves up when it is to interrupt; else it stays, where nothing can clear it away. */
static NOINLINE void update_irq(struct vuart *u)
{
    bool is_gated = (u->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) != UART_MCR_OUT2;

    if (u->ier & UART_IER_RX)
        fetch_input(u);
    bool is_asserted = !is_gated && interrupt_cause(u) != UART_IIR_NONE;

    if (is_asserted == u->is_irq_asserted)
        return;
    u->is_irq_asserted = is_asserted;
    u->line->set_irq(u->line, is_asserted);
}

/* After each access; short for who does not use interrupts. */
static void settle_irq(struct vuart *u)
{
    if (u->ier || u->is_irq_asserted)
        update_irq(u);
}

void vuart_poll(struct vuart *u)
{
    settle_irq(u);
}

/* ---- registers ---- */

static uint8_t read_iir(struct vuart *u)
{
    uint8_t cause = interrupt_cause(u);

    if (cause == UART_IIR_TX)
        u->is_tx_interrupt_pending = false; /* reading it is the acknowledgement */
    return cause | (u->fcr & UART_FCR_ENABLE ? UART_IIR_FIFO : 0);
}

static uint8_t read_lsr(struct vuart *u)
{
    uint8_t v = line_status(u);

    u->lsr_errors = 0;
    return v;
}

static uint8_t read_msr(struct vuart *u)
{
    uint8_t v = modem_lines(u) | u->msr_changes;

    u->msr_changes = 0;
    return v;
}

static uint8_t read_register(struct vuart *u, unsigned reg)
{
    bool has_divisor = u->lcr & UART_LCR_DLAB;

    switch (reg) {
    case UART_RBR: return has_divisor ? u->dll : fifo_take(u);
    case UART_IER: return has_divisor ? u->dlm : u->ier;
    case UART_IIR: return read_iir(u);
    case UART_LCR: return u->lcr;
    case UART_MCR: return u->mcr;
    case UART_LSR: return read_lsr(u);
    case UART_MSR: return read_msr(u);
    default: return u->scr;
    }
}

uint8_t vuart_read(struct vuart *u, unsigned reg)
{
    uint8_t v;

    fetch_input(u);
    v = read_register(u, reg);
    settle_irq(u);
    return v;
}

static void send(struct vuart *u, uint8_t byte)
{
    if (u->mcr & UART_MCR_LOOP)
        fifo_put(u, byte);
    else
        u->line->send(u->line, byte);
    u->is_tx_interrupt_pending = true; /* THR is empty again */
}

static void write_ier(struct vuart *u, uint8_t value)
{
    if ((value & ~u->ier) & UART_IER_TX)
        u->is_tx_interrupt_pending = true; /* enabled while THR is empty */
    u->ier = value & IER_WRITABLE;
}

/* Switched off, the FIFO has no trigger level. */
static void write_fcr(struct vuart *u, uint8_t value)
{
    bool is_switched = (value ^ u->fcr) & UART_FCR_ENABLE;

    if (is_switched || (value & UART_FCR_CLEAR_RX))
        u->fifo_used = 0;
    u->fcr = value & UART_FCR_ENABLE ? value & (UART_FCR_ENABLE | UART_FCR_TRIGGER) : 0;
}

static void write_register(struct vuart *u, unsigned reg, uint8_t value)
{
    bool has_divisor = u->lcr & UART_LCR_DLAB;

    switch (reg) {
    case UART_THR:
        if (has_divisor)
            u->dll = value;
        else
            send(u, value);
        break;
    case UART_IER:
        if (has_divisor)
            u->dlm = value;
        else
            write_ier(u, value);
        break;
    case UART_FCR: write_fcr(u, value); break;
    case UART_LCR: u->lcr = value; break;
    case UART_MCR: write_mcr(u, value); break;
    case UART_SCR: u->scr = value; break;
    default: break; /* LSR and MSR are read-only */
    }
}

void vuart_write(struct vuart *u, unsigned reg, uint8_t value)
{
    write_register(u, reg, value);
    settle_irq(u);
}

/* ---- saving ---- */

void vuart_save(const struct vuart *u, struct record_uart *out)
{
    *out = (struct record_uart){
        .ier = u->ier,
        .fcr = u->fcr,
        .lcr = u->lcr,
        .mcr = u->mcr,
        .scr = u->scr,
        .dll = u->dll,
        .dlm = u->dlm,
        .lsr_errors = u->lsr_errors,
        .msr_changes = u->msr_changes,
        .is_tx_interrupt_pending = u->is_tx_interrupt_pending,
        .is_irq_asserted = u->is_irq_asserted,
        .fifo_used = u->fifo_used,
    };
    for (unsigned i = 0; i < u->fifo_used; i++)
        out->fifo[i] = u->fifo[(u->fifo_first + i) % UART_FIFO_BYTES];
}

enum err vuart_restore(struct vuart *u, const struct record_uart *in)
{
    struct vuart restored = {
        .line = u->line,
        .ier = in->ier,
        .fcr = in->fcr,
        .lcr = in->lcr,
        .mcr = in->mcr,
        .scr = in->scr,
        .dll = in->dll,
        .dlm = in->dlm,
        .lsr_errors = in->lsr_errors,
        .msr_changes = in->msr_changes,
        .is_tx_interrupt_pending = in->is_tx_interrupt_pending,
        .is_irq_asserted = in->is_irq_asserted,
        .fifo_used = in->fifo_used,
    };

    if ((in->ier & ~IER_WRITABLE) || (in->mcr & ~MCR_WRITABLE) ||
        (in->fcr & ~(UART_FCR_ENABLE | UART_FCR_TRIGGER)) || in->is_tx_interrupt_pending > 1 ||
        in->is_irq_asserted > 1 || in->fifo_used > fifo_capacity(&restored))
        return ERR_FORMAT;
    for (unsigned i = 0; i < in->fifo_used; i++)
        restored.fifo[i] = in->fifo[i];
    *u = restored;
    return OK;
}
