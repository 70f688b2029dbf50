/* The 16550A UART. Source: Texas Instruments, "PC16550D Universal Asynchronous
 * Receiver/Transmitter with FIFOs", section 8 "Registers". Offsets are ports. */
#pragma once

#define UART_RBR 0 /* read */
#define UART_THR 0 /* write */
#define UART_DLL 0 /* with DLAB */
#define  UART_DIVISOR_115200 1
#define UART_DLM 1 /* with DLAB */
#define UART_IER 1
#define  UART_IER_RX 0x01
#define  UART_IER_TX 0x02
#define  UART_IER_LINE 0x04
#define  UART_IER_MODEM 0x08
#define UART_IIR 2 /* read */
#define  UART_IIR_MODEM 0x00
#define  UART_IIR_NONE 0x01
#define  UART_IIR_TX 0x02
#define  UART_IIR_RX 0x04
#define  UART_IIR_LINE 0x06
#define  UART_IIR_TIMEOUT 0x0c
#define  UART_IIR_FIFO 0xc0
#define UART_FCR 2 /* write */
#define  UART_FCR_ENABLE 0x01
#define  UART_FCR_CLEAR_RX 0x02
#define  UART_FCR_CLEAR_TX 0x04
#define  UART_FCR_TRIGGER 0xc0 /* receive interrupt at 1, 4, 8 or 14 bytes */
#define  UART_FCR_TRIGGER_SHIFT 6
#define UART_LCR 3
#define  UART_LCR_8N1 0x03
#define  UART_LCR_DLAB 0x80
#define UART_MCR 4
#define  UART_MCR_DTR 0x01
#define  UART_MCR_RTS 0x02
#define  UART_MCR_OUT1 0x04
#define  UART_MCR_OUT2 0x08 /* gates the interrupt line of a PC */
#define  UART_MCR_LOOP 0x10
#define UART_LSR 5
#define  UART_LSR_DR 0x01
#define  UART_LSR_OE 0x02
#define  UART_LSR_THRE 0x20
#define  UART_LSR_TEMT 0x40
#define UART_MSR 6
#define  UART_MSR_DELTA_CTS 0x01
#define  UART_MSR_DELTA_DSR 0x02
#define  UART_MSR_RI_ENDED 0x04
#define  UART_MSR_DELTA_DCD 0x08
#define  UART_MSR_CTS 0x10
#define  UART_MSR_DSR 0x20
#define  UART_MSR_RI 0x40
#define  UART_MSR_DCD 0x80
#define UART_SCR 7
#define UART_FIFO_BYTES 16
