// SOURCES: services/vmm/devices/vuart.c services/vmm/devices/vrtc.c
#include "services/vmm/devices/vrtc.h"
#include "services/vmm/devices/vuart.h"
#include "tests/unit/test.h"

static char sent[256];
static const char *waiting;

static void line_send(struct vuart_line *l, uint8_t byte)
{
    (void)l;
    strncat(sent, (char *)&byte, 1);
}

static bool line_receive(struct vuart_line *l, uint8_t *byte)
{
    (void)l;
    if (!*waiting)
        return false;
    *byte = (uint8_t)*waiting++;
    return true;
}

static bool irq;
static unsigned irq_changes;

static void line_set_irq(struct vuart_line *l, bool is_asserted)
{
    (void)l;
    irq = is_asserted;
    irq_changes++;
}

static struct vuart_line line = { line_send, line_receive, line_set_irq };
static struct vuart u;

static void fresh(const char *input)
{
    sent[0] = 0;
    waiting = input;
    irq = false;
    irq_changes = 0;
    vuart_reset(&u, &line);
}

TEST(what_is_written_is_sent)
{
    fresh("");
    for (const char *c = "hello"; *c; c++)
        vuart_write(&u, UART_THR, (uint8_t)*c);
    EXPECT_STR(sent, "hello");
    EXPECT_EQ(vuart_read(&u, UART_LSR) & UART_LSR_THRE, UART_LSR_THRE);
}

TEST(input_waits_outside_until_there_is_room_and_none_is_lost)
{
    char got[64] = "";

    fresh("0123456789abcdefghijklmnopqrstuvwxyz");
    vuart_write(&u, UART_FCR, UART_FCR_ENABLE);
    while (vuart_read(&u, UART_LSR) & UART_LSR_DR) {
        uint8_t c = vuart_read(&u, UART_RBR);

        strncat(got, (char *)&c, 1);
    }
    EXPECT_STR(got, "0123456789abcdefghijklmnopqrstuvwxyz");
    EXPECT_EQ(vuart_read(&u, UART_LSR) & UART_LSR_OE, 0);
}

TEST(divisor_is_no_data)
{
    fresh("x");
    vuart_write(&u, UART_LCR, UART_LCR_DLAB);
    vuart_write(&u, UART_THR, 12);
    EXPECT_EQ(vuart_read(&u, UART_RBR), 12);
    EXPECT_STR(sent, "");
    vuart_write(&u, UART_LCR, UART_LCR_8N1);
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'x');
}

TEST(loopback_returns_what_is_sent_and_sends_nothing)
{
    fresh("");
    vuart_write(&u, UART_MCR, UART_MCR_LOOP);
    vuart_write(&u, UART_THR, 'l');
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'l');
    EXPECT_STR(sent, "");
}

/* As a driver does that uses interrupts: FIFO on with this trigger, OUT2, these sources. */
static void fresh_with_interrupts(const char *input, uint8_t trigger, uint8_t sources)
{
    fresh(input);
    vuart_write(&u, UART_FCR, (uint8_t)(UART_FCR_ENABLE | trigger << UART_FCR_TRIGGER_SHIFT));
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    vuart_write(&u, UART_IER, sources);
}

static uint8_t iir(void)
{
    return vuart_read(&u, UART_IIR) & (uint8_t)~UART_IIR_FIFO;
}

TEST(nothing_interrupts_that_was_not_asked_for)
{
    fresh_with_interrupts("", 0, 0);
    vuart_write(&u, UART_THR, 'x');
    waiting = "y";
    vuart_poll(&u);
    EXPECT_EQ(iir(), UART_IIR_NONE);
    EXPECT_EQ(irq_changes, 0);
}

TEST(received_bytes_interrupt_until_they_are_read)
{
    fresh_with_interrupts("", 0, UART_IER_RX);
    EXPECT(!irq);
    waiting = "ab";
    vuart_poll(&u);
    EXPECT(irq);
    EXPECT_EQ(iir(), UART_IIR_RX);
    EXPECT(irq); /* reading IIR does not acknowledge this one */
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'a');
    EXPECT(irq);
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'b');
    EXPECT(!irq);
    EXPECT_EQ(iir(), UART_IIR_NONE);
    EXPECT_EQ(irq_changes, 2);
}

TEST(fewer_bytes_than_the_trigger_level_time_out)
{
    static const unsigned levels[] = { 1, 4, 8, 14 };

    for (uint8_t i = 0; i < 4; i++) {
        fresh_with_interrupts("", i, UART_IER_RX);
        waiting = "0123456789abcdef" + 16 - levels[i];
        vuart_poll(&u);
        EXPECT_EQ(iir(), UART_IIR_RX);
        vuart_read(&u, UART_RBR);
        EXPECT_EQ(iir(), levels[i] == 1 ? UART_IIR_NONE : UART_IIR_TIMEOUT);
        EXPECT_EQ(irq, levels[i] > 1);
    }
}

TEST(without_fifo_one_byte_interrupts)
{
    fresh("ab");
    vuart_write(&u, UART_FCR, UART_FCR_TRIGGER); /* without the FIFO it has no meaning */
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    vuart_write(&u, UART_IER, UART_IER_RX);
    vuart_poll(&u);
    EXPECT_EQ(vuart_read(&u, UART_IIR), UART_IIR_RX);
    vuart_read(&u, UART_RBR);
    EXPECT(irq); /* the next one has moved up */
    EXPECT_EQ(vuart_read(&u, UART_IIR), UART_IIR_RX);
    vuart_read(&u, UART_RBR);
    EXPECT_EQ(vuart_read(&u, UART_IIR), UART_IIR_NONE);
}

TEST(input_is_left_outside_until_somebody_wants_it)
{
    fresh("abc");
    vuart_poll(&u);
    vuart_write(&u, UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RX); /* a driver begins */
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    EXPECT(!irq);
    vuart_write(&u, UART_IER, UART_IER_RX);
    EXPECT(irq);
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'a');
}

TEST(empty_transmitter_interrupts_once_for_each_time)
{
    fresh_with_interrupts("", 0, UART_IER_TX);
    EXPECT(irq); /* it is empty when it is asked for */
    EXPECT_EQ(iir(), UART_IIR_TX);
    EXPECT(!irq);
    EXPECT_EQ(iir(), UART_IIR_NONE);
    vuart_write(&u, UART_THR, 'x');
    EXPECT(irq);
    EXPECT_EQ(iir(), UART_IIR_TX);
    vuart_write(&u, UART_IER, UART_IER_TX); /* it was on before */
    EXPECT(!irq);
    vuart_write(&u, UART_IER, 0);
    vuart_write(&u, UART_IER, UART_IER_TX); /* a driver's test for chips that forget */
    EXPECT(irq);
    vuart_write(&u, UART_IER, 0);
    EXPECT(!irq);
}

TEST(causes_come_in_the_data_sheets_order)
{
    fresh_with_interrupts("", 0, 0x0f);
    vuart_write(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2); /* lines change, bytes come back */
    for (unsigned i = 0; i <= UART_FIFO_BYTES; i++)
        vuart_write(&u, UART_THR, 'x'); /* one more than there is room */
    EXPECT(!irq);                       /* in loopback the gate is shut */
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    EXPECT(irq);
    EXPECT_EQ(iir(), UART_IIR_LINE);
    EXPECT_EQ(vuart_read(&u, UART_LSR) & UART_LSR_OE, UART_LSR_OE);
    EXPECT_EQ(iir(), UART_IIR_RX);
    while (vuart_read(&u, UART_LSR) & UART_LSR_DR)
        vuart_read(&u, UART_RBR);
    EXPECT_EQ(iir(), UART_IIR_TX);
    EXPECT_EQ(iir(), UART_IIR_MODEM);
    EXPECT(irq);
    EXPECT_EQ(vuart_read(&u, UART_MSR) & 0x0f, UART_MSR_DELTA_CTS | UART_MSR_DELTA_DSR);
    EXPECT_EQ(iir(), UART_IIR_NONE);
    EXPECT(!irq);
}

TEST(modem_lines_in_loopback_are_the_outputs_and_remember_changes)
{
    fresh("");
    EXPECT_EQ(vuart_read(&u, UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
    vuart_write(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
    EXPECT_EQ(vuart_read(&u, UART_MSR), UART_MSR_CTS | UART_MSR_DCD | UART_MSR_DELTA_DSR);
    EXPECT_EQ(vuart_read(&u, UART_MSR), UART_MSR_CTS | UART_MSR_DCD);
    vuart_write(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
    EXPECT_EQ(vuart_read(&u, UART_MSR), UART_MSR_RI | UART_MSR_DELTA_CTS | UART_MSR_DELTA_DCD);
    vuart_write(&u, UART_MCR, UART_MCR_LOOP);
    EXPECT_EQ(vuart_read(&u, UART_MSR), UART_MSR_RI_ENDED);
}

TEST(out2_gates_the_interrupt_line)
{
    fresh_with_interrupts("a", 0, UART_IER_RX);
    vuart_poll(&u);
    EXPECT(irq);
    vuart_write(&u, UART_MCR, 0);
    EXPECT(!irq);
    EXPECT_EQ(iir(), UART_IIR_RX); /* the chip itself knows no gate */
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    EXPECT(irq);
    vuart_write(&u, UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RX);
    EXPECT(!irq);
}

TEST(clock_reads_in_bcd_and_by_the_calendar)
{
    struct vrtc r = { 0 };
    static const struct {
        uint8_t index, value;
    } want[] = { { 0, 0x51 }, { 2, 0x14 }, { 4, 0x16 },    { 6, 0x01 },  { 7, 0x22 },
                 { 8, 0x11 }, { 9, 0x26 }, { 0x32, 0x20 }, { 11, 0x02 }, { 13, 0x80 } };

    for (unsigned i = 0; i < array_count(want); i++) {
        vrtc_write(&r, VRTC_PORT_INDEX, want[i].index | 0x80);
        EXPECT_EQ(vrtc_read(&r, VRTC_PORT_DATA, 1795364091ull * NS_PER_SECOND), want[i].value);
    }
    vrtc_write(&r, VRTC_PORT_INDEX, 7);
    EXPECT_EQ(vrtc_read(&r, VRTC_PORT_DATA, 951782400ull * NS_PER_SECOND), 0x29); /* 2000-02-29 */
}

/* ---- saving ---- */

static void busy(void)
{
    fresh("abcdefgh");
    vuart_write(&u, UART_FCR, UART_FCR_ENABLE | UART_FCR_TRIGGER);
    vuart_write(&u, UART_IER, UART_IER_RX | UART_IER_TX);
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    vuart_write(&u, UART_SCR, 0x5a);
    (void)vuart_read(&u, UART_RBR);
    (void)vuart_read(&u, UART_RBR);
}

TEST(uart_saved_restored_and_saved_gives_equal_bytes)
{
    struct record_uart before, after;

    EXPECT_OF(busy());
    vuart_save(&u, &before);
    EXPECT_EQ(before.fifo_used, 6);
    EXPECT_EQ(before.fifo[0], 'c');
    fresh("");
    EXPECT_EQ(vuart_restore(&u, &before), OK);
    vuart_save(&u, &after);
    EXPECT(!memcmp(&before, &after, sizeof(before)));
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'c');
    EXPECT_EQ(irq_changes, 0);
}

TEST(every_part_of_the_uart_is_in_its_record)
{
    uint8_t *const parts[] = {
        &u.ier,
        &u.fcr,
        &u.lcr,
        &u.mcr,
        &u.scr,
        &u.dll,
        &u.dlm,
        &u.lsr_errors,
        &u.msr_changes,
        &u.fifo_first,
        &u.fifo_used,
        (uint8_t *)&u.is_irq_asserted,
        (uint8_t *)&u.is_tx_interrupt_pending,
        &u.fifo[5],
    };
    struct record_uart before, after;

    for (unsigned i = 0; i < array_count(parts); i++) {
        EXPECT_OF(busy());
        vuart_save(&u, &before);
        *parts[i] ^= 1;
        vuart_save(&u, &after);
        EXPECT(memcmp(&before, &after, sizeof(before)));
    }
}

TEST(uart_records_that_cannot_be_are_refused_and_change_nothing)
{
    struct record_uart good, bad, after;

    EXPECT_OF(busy());
    vuart_save(&u, &good);
    uint8_t *const parts[] = {
        &bad.ier,      &bad.fcr, &bad.mcr, &bad.is_irq_asserted, &bad.is_tx_interrupt_pending,
        &bad.fifo_used
    };
    for (unsigned i = 0; i < array_count(parts); i++) {
        bad = good;
        *parts[i] = 0xff;
        EXPECT_EQ(vuart_restore(&u, &bad), ERR_FORMAT);
        vuart_save(&u, &after);
        EXPECT(!memcmp(&good, &after, sizeof(good)));
    }
}

TEST(clock_saved_restored_and_saved_gives_equal_bytes)
{
    struct vrtc clock = { .index = 0x40 }, other = { 0 };
    struct record_rtc before, after;

    for (unsigned i = 0; i < sizeof(clock.ram); i++)
        clock.ram[i] = (uint8_t)(i * 7);
    vrtc_save(&clock, &before);
    EXPECT_EQ(vrtc_restore(&other, &before), OK);
    vrtc_save(&other, &after);
    EXPECT(!memcmp(&before, &after, sizeof(before)));
    clock.index ^= 1;
    vrtc_save(&clock, &after);
    EXPECT(memcmp(&before, &after, sizeof(before)));
    clock.index ^= 1;
    clock.ram[127] ^= 1;
    vrtc_save(&clock, &after);
    EXPECT(memcmp(&before, &after, sizeof(before)));
    before.index = 128;
    EXPECT_EQ(vrtc_restore(&other, &before), ERR_FORMAT);
    EXPECT_EQ(other.index, 0x40);
}
