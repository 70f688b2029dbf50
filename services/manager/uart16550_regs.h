/* National Semiconductor PC16550D, "Registers". Offsets from the first port. */
#pragma once

#define UART_DATA                0
#define UART_INTERRUPT_ENABLE    1
#define  UART_IER_RECEIVED       0x01
#define  UART_IER_SENT           0x02
#define UART_INTERRUPT_ID        2
#define  UART_IIR_NONE           0x01
#define UART_FIFO_CONTROL        2
#define  UART_FCR_ENABLE         0x01
#define  UART_FCR_CLEAR_RECEIVE  0x02
#define  UART_FCR_TRIGGER_1      0x00
#define UART_LINE_CONTROL        3
#define  UART_LCR_8N1            0x03
#define  UART_LCR_DIVISOR        0x80
#define UART_MODEM_CONTROL       4
#define  UART_MCR_DTR_RTS        0x03
#define  UART_MCR_OUT2           0x08 /* lets the interrupt out */
#define UART_LINE_STATUS         5
#define  UART_LSR_RECEIVED       0x01
#define  UART_LSR_SENT           0x20 /* the transmit FIFO is empty */
#define UART_MODEM_STATUS        6
#define UART_DIVISOR_LOW         0 /* while UART_LCR_DIVISOR */
#define UART_DIVISOR_HIGH        1
#define  UART_DIVISOR_115200     1

#define UART_FIFO_BYTES          16
