// SOURCES: services/vmm/devices/*.c
#include "services/vmm/devices/vrtc.h"
#include "services/vmm/devices/vuart.h"
#include "tests/unit/test.h"

static uint8_t sent[64], waiting[64];
static unsigned sent_count, waiting_first, waiting_end;

static void line_send(struct vuart_line *l, uint8_t byte)
{
    sent[sent_count++] = byte;
}

static bool line_receive(struct vuart_line *l, uint8_t *byte)
{
    if (waiting_first == waiting_end)
        return false;
    *byte = waiting[waiting_first++];
    return true;
}

static struct vuart_line line = { line_send, line_receive };
static struct vuart u;

static void fresh(void)
{
    sent_count = waiting_first = waiting_end = 0;
    vuart_reset(&u, &line);
}

static void type(const char *text)
{
    while (*text)
        waiting[waiting_end++] = (uint8_t)*text++;
}

TEST(what_is_written_is_sent_and_there_is_always_room)
{
    fresh();
    vuart_write(&u, UART_THR, 'x');
    EXPECT_EQ(sent_count, 1);
    EXPECT_EQ(sent[0], 'x');
    EXPECT(vuart_read(&u, UART_LSR) & UART_LSR_THRE);
}

TEST(input_arrives_in_order_and_waits_while_the_fifo_is_full)
{
    fresh();
    vuart_write(&u, UART_FCR, UART_FCR_ENABLE);
    type("abcdefghijklmnopqrstuvwxyz");
    EXPECT(vuart_read(&u, UART_LSR) & UART_LSR_DR);
    EXPECT_EQ(waiting_first, UART_FIFO_BYTES);
    for (char c = 'a'; c <= 'z'; c++)
        EXPECT_EQ(vuart_read(&u, UART_RBR), c);
    EXPECT(!(vuart_read(&u, UART_LSR) & (UART_LSR_DR | UART_LSR_OE)));
}

TEST(the_divisor_hides_behind_dlab)
{
    fresh();
    vuart_write(&u, UART_LCR, UART_LCR_8N1 | UART_LCR_DLAB);
    vuart_write(&u, UART_DLL, 0x0c);
    vuart_write(&u, UART_DLM, 0x01);
    EXPECT_EQ(vuart_read(&u, UART_DLL), 0x0c);
    vuart_write(&u, UART_LCR, UART_LCR_8N1);
    EXPECT_EQ(vuart_read(&u, UART_IER), 0);
    EXPECT_EQ(sent_count, 0);
}

TEST(loopback_returns_bytes_and_modem_lines)
{
    fresh();
    vuart_write(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
    EXPECT_EQ(vuart_read(&u, UART_MSR) & 0xf0, UART_MSR_CTS | UART_MSR_DCD);
    vuart_write(&u, UART_THR, 'q');
    EXPECT_EQ(sent_count, 0);
    EXPECT_EQ(vuart_read(&u, UART_RBR), 'q');
}

TEST(interrupts_have_causes_and_are_acknowledged)
{
    fresh();
    vuart_write(&u, UART_MCR, UART_MCR_OUT2);
    EXPECT(!vuart_has_interrupt(&u));
    vuart_write(&u, UART_IER, UART_IER_TX | UART_IER_RX);
    EXPECT(vuart_has_interrupt(&u));
    EXPECT_EQ(vuart_read(&u, UART_IIR) & 0x0f, UART_IIR_TX);
    EXPECT_EQ(vuart_read(&u, UART_IIR) & 0x0f, UART_IIR_NONE);
    type("a");
    EXPECT_EQ(vuart_read(&u, UART_IIR) & 0x0f, UART_IIR_RX);
    vuart_read(&u, UART_RBR);
    EXPECT(!vuart_has_interrupt(&u));
}

static uint8_t clock_register(uint8_t index, uint64_t utc_seconds)
{
    struct vrtc r = { 0 };

    vrtc_write(&r, VRTC_PORT_INDEX, index);
    return vrtc_read(&r, VRTC_PORT_DATA, utc_seconds * NS_PER_SECOND);
}

TEST(the_clock_tells_the_date_in_bcd)
{
    uint64_t t = 1709210096; /* 2024-02-29 12:34:56, a Thursday */

    EXPECT_EQ(clock_register(0, t), 0x56);
    EXPECT_EQ(clock_register(2, t), 0x34);
    EXPECT_EQ(clock_register(4, t), 0x12);
    EXPECT_EQ(clock_register(6, t), 5);
    EXPECT_EQ(clock_register(7, t), 0x29);
    EXPECT_EQ(clock_register(8, t), 0x02);
    EXPECT_EQ(clock_register(9, t), 0x24);
    EXPECT_EQ(clock_register(0x32, t), 0x20);
    EXPECT_EQ(clock_register(7, t + 86400), 0x01);
    EXPECT_EQ(clock_register(8, t + 86400), 0x03);
}

TEST(the_clock_is_never_in_an_update)
{
    EXPECT(!(clock_register(10, 5) & 0x80));
    EXPECT_EQ(clock_register(13, 5), 0x80);
}
