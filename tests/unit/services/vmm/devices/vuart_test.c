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

static struct vuart_line line = { line_send, line_receive };
static struct vuart u;

static void fresh(const char *input)
{
    sent[0] = 0;
    waiting = input;
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
