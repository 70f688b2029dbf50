#include "arch/x86/uart.h"
#include "lib/x86/asm.h"
#include "lib/abi/uart16550_regs.h"

#define COM1      0x3f8
#define POLLS_MAX 100000u /* about 0.1 s of port reads; then the UART counts as absent */

static bool is_present;

void uart_early_init(void)
{
    out8(COM1 + UART_SCR, 0x5a);
    is_present = in8(COM1 + UART_SCR) == 0x5a;
    if (!is_present)
        return;
    out8(COM1 + UART_IER, 0);
    out8(COM1 + UART_LCR, UART_LCR_DLAB | UART_LCR_8N1);
    out8(COM1 + UART_DLL, UART_DIVISOR_115200);
    out8(COM1 + UART_DLM, 0);
    out8(COM1 + UART_LCR, UART_LCR_8N1);
    out8(COM1 + UART_FCR, UART_FCR_ENABLE);
    out8(COM1 + UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
}

static void put(char c)
{
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        if (in8(COM1 + UART_LSR) & UART_LSR_THRE) {
            out8(COM1 + UART_THR, (uint8_t)c);
            return;
        }
        cpu_relax();
    }
    is_present = false;
}

void uart_early_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && is_present; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}
