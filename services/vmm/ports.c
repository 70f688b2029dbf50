#include "services/vmm/ports.h"
#include "services/rt/sys.h"
#include "services/vmm/acpi_tables.h"
#include "services/vmm/bench_port.h"

#define PORT_UART             0x3f8
#define PORT_UART_LAST        0x3ff
#define PORT_NMI_REASON       0x61
#define PORT_KEYBOARD_COMMAND 0x64
#define KEYBOARD_PULSE_RESET  0xfe
#define PORT_EXIT             0xf4
#define PORT_RESET_CONTROL    0xcf9
#define RESET_CONTROL_CPU     0x04

static uint64_t utc_ns(const struct machine *m)
{
    return m->config->utc_base_ns + sys_clock();
}

/* ---- devices, which all vCPUs share ---- */

static uint8_t read_uart(struct machine *m, unsigned reg)
{
    mutex_lock(&m->devices_lock);
    uint8_t value = vuart_read(&m->uart, reg);

    mutex_unlock(&m->devices_lock);
    return value;
}

static void write_uart(struct machine *m, unsigned reg, uint8_t value)
{
    mutex_lock(&m->devices_lock);
    vuart_write(&m->uart, reg, value);
    mutex_unlock(&m->devices_lock);
}

/* Kept out of the way of reading the UART. */
static NOINLINE uint8_t read_rtc(struct machine *m, unsigned port)
{
    uint64_t now = utc_ns(m);

    mutex_lock(&m->devices_lock);
    uint8_t value = vrtc_read(&m->rtc, port, now);

    mutex_unlock(&m->devices_lock);
    return value;
}

static void write_rtc(struct machine *m, unsigned port, uint8_t value)
{
    mutex_lock(&m->devices_lock);
    vrtc_write(&m->rtc, port, value);
    mutex_unlock(&m->devices_lock);
}

/* ---- the map of ports ---- */

static uint8_t read_byte(struct machine *m, uint16_t port)
{
    if (port >= PORT_UART && port <= PORT_UART_LAST)
        return read_uart(m, port - PORT_UART);
    switch (port) {
    case VRTC_PORT_INDEX:
    case VRTC_PORT_DATA: return read_rtc(m, port);
    case PORT_NMI_REASON:
    case ACPI_PORT_SLEEP_CONTROL:
    case ACPI_PORT_SLEEP_STATUS:
    case ACPI_PORT_RESET: return 0;
    default:
        if (port >= BENCH_PORT_TIME && port < BENCH_PORT_TIME + BENCH_PORT_BYTES)
            return bench_port_read(m, port - BENCH_PORT_TIME);
        return 0xff;
    }
}

static void write_byte(struct vcpu *v, uint16_t port, uint8_t value)
{
    if (port >= PORT_UART && port <= PORT_UART_LAST) {
        write_uart(v->machine, port - PORT_UART, value);
        return;
    }
    switch (port) {
    case VRTC_PORT_INDEX:
    case VRTC_PORT_DATA: write_rtc(v->machine, port, value); break;
    case PORT_EXIT:
        machine_end(v, VMM_END_EXIT_PORT, value, "the guest wrote %u to port 0xF4", value);
        break;
    case ACPI_PORT_SLEEP_CONTROL:
        if ((value & ACPI_SLEEP_ENABLE) && ACPI_SLEEP_TYPE(value) == ACPI_S5_TYPE)
            machine_end(v, VMM_END_SLEEP, 0, "the guest switched itself off");
        break;
    case ACPI_PORT_RESET:
        if (value == ACPI_RESET_VALUE)
            machine_end(v, VMM_END_RESET, 0, "the guest reset itself");
        break;
    case PORT_KEYBOARD_COMMAND:
        if (value == KEYBOARD_PULSE_RESET)
            machine_end(v, VMM_END_RESET, 0, "the guest reset itself");
        break;
    default: break;
    }
}

/* Wider accesses are bytes at successive ports, as on an 8-bit bus; but the reset register hides
 * inside the PCI address register and is meant by single bytes only. */
static NOINLINE void access_bytes(struct vcpu *v, struct vcpu_exit *e)
{
    uint64_t value = 0;

    if (e->is_write && e->port == PORT_RESET_CONTROL && e->width == 1 &&
        (e->value & RESET_CONTROL_CPU))
        machine_end(v, VMM_END_RESET, 0, "the guest reset itself");
    for (unsigned i = 0; i < e->width; i++) {
        uint16_t port = (uint16_t)(e->port + i);

        if (e->is_write)
            write_byte(v, port, (uint8_t)(e->value >> 8 * i));
        else
            value |= (uint64_t)read_byte(v->machine, port) << 8 * i;
    }
    if (!e->is_write)
        e->value = value;
}

/* To read one byte is the most frequent exit to here; it saves no registers but what it needs. */
void ports_access(struct vcpu *v, struct vcpu_exit *e)
{
    if (likely(!e->is_write && e->width == 1))
        e->value = read_byte(v->machine, e->port);
    else
        access_bytes(v, e);
}
