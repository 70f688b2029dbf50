/* The machine: time, log, ports, interrupts, the host. */
#include "arch/x86/acpi.h"
#include "arch/x86/tsc.h"
#include "kernel/debug.h"
#include "kernel/host.h"
#include "kernel/interrupt.h"
#include "kernel/ioports.h"
#include "kernel/log.h"
#include "kernel/syscall/call.h"

enum err call_clock(struct call *c)
{
    c->value = clock_ns();
    return OK;
}

enum err call_log_write(struct call *c)
{
    char text[256];
    enum err err = OK;

    if (c->b > 4096)
        return ERR_ARGUMENT;
    for (uint64_t at = 0; !err && at < c->b; at += sizeof(text)) {
        uint64_t n = min(c->b - at, sizeof(text));

        err = user_read(text, c->a + at, n);
        if (!err)
            log_program(process_current()->name, text, n);
    }
    return err;
}

enum err call_log_read(struct call *c)
{
    struct log_read r;
    char text[512];
    uint64_t start = 0;
    enum err err = user_read(&r, c->a, sizeof(r));

    if (err)
        return err;
    r.bytes = 0;
    r.next = r.from;
    while (!err && r.bytes < min(r.capacity, KIB(64))) {
        size_t n = log_copy(r.next, text, min(sizeof(text), r.capacity - r.bytes), &start);

        if (!n)
            break;
        if (!r.bytes)
            r.from = start;
        err = user_write((uint64_t)r.text + r.bytes, text, n);
        r.bytes += n;
        r.next = start + n;
    }
    return err ? err : user_write(c->a, &r, sizeof(r));
}

enum err call_ioport_read(struct call *c)
{
    uint32_t value = 0;
    enum err err = c->b > UINT16_MAX ? ERR_ARGUMENT
                                     : ioports_read(SUBJECT_OF(c, ioports), (uint16_t)c->b,
                                                    (unsigned)c->c, &value);

    c->value = value;
    return err;
}

enum err call_ioport_write(struct call *c)
{
    if (c->b > UINT16_MAX)
        return ERR_ARGUMENT;
    return ioports_write(SUBJECT_OF(c, ioports), (uint16_t)c->b, (unsigned)c->c, (uint32_t)c->d);
}

enum err call_interrupt_ack(struct call *c)
{
    interrupt_ack(SUBJECT_OF(c, interrupt));
    return OK;
}

enum err call_host_info(struct call *c)
{
    static_assert(sizeof(struct host_info) < 2048, "fits the kernel's stack");
    struct host_info info;

    host_get_info(&info);
    return user_write(c->a, &info, sizeof(info));
}

enum err call_host_poweroff(struct call *c)
{
    if (process_current() != manager_process)
        return ERR_RIGHTS;
    acpi_power_off();
    return ERR_UNSUPPORTED;
}

enum err call_debug(struct call *c)
{
    if (!IS_DEBUG || process_current() != manager_process)
        return ERR_UNSUPPORTED;
    return debug_call((enum debug_op)c->a, c->b, c->c, c->d, &c->value);
}
