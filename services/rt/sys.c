/* Each system call is one instruction; the wrappers give it types. */
#include "services/rt/sys.h"

struct sys_result {
    enum err err;
    uint64_t value;
};

static struct sys_result call(enum syscall number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d;
    uint64_t rax = (uint64_t)number;
    uint64_t rdx = c;

    __asm__ volatile("syscall"
                     : "+a"(rax), "+d"(rdx), "+r"(r10)
                     : "D"(a), "S"(b)
                     : "rcx", "r11", "r8", "r9", "memory");
    return (struct sys_result){ (enum err)rax, rdx };
}

static enum err call_value(struct sys_result r, uint64_t *out)
{
    if (r.err == OK)
        *out = r.value;
    return r.err;
}

static enum err call_handle(struct sys_result r, handle_t *out)
{
    if (r.err == OK)
        *out = (handle_t)r.value;
    return r.err;
}

static enum err call_address(struct sys_result r, void **out)
{
    if (r.err == OK)
        *out = (void *)r.value;
    return r.err;
}

enum err sys_raw(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return call((enum syscall)number, a, b, c, d).err;
}

void sys_exit(uint64_t code)
{
    for (;;)
        call(SYS_EXIT, code, 0, 0, 0);
}

void sys_thread_exit(void)
{
    for (;;)
        call(SYS_THREAD_EXIT, 0, 0, 0, 0);
}

void sys_yield(void)
{
    call(SYS_YIELD, 0, 0, 0, 0);
}

uint64_t sys_clock(void)
{
    return call(SYS_CLOCK, 0, 0, 0, 0).value;
}

void sys_log_write(const char *text, size_t bytes)
{
    call(SYS_LOG_WRITE, (uint64_t)text, bytes, 0, 0);
}

enum err sys_log_read(struct log_read *r)
{
    return call(SYS_LOG_READ, (uint64_t)r, 0, 0, 0).err;
}

enum err sys_handle_close(handle_t h)
{
    return call(SYS_HANDLE_CLOSE, h, 0, 0, 0).err;
}

enum err sys_handle_copy(handle_t h, uint32_t rights, handle_t *out)
{
    return call_handle(call(SYS_HANDLE_COPY, h, rights, 0, 0), out);
}

enum err sys_bind(handle_t h, enum bind_event event, handle_t signal, unsigned bit)
{
    return call(SYS_BIND, h, event, signal, bit).err;
}

enum err sys_budget_create(handle_t parent, uint64_t bytes, handle_t *out)
{
    return call_handle(call(SYS_BUDGET_CREATE, parent, bytes, 0, 0), out);
}

enum err sys_budget_info(handle_t h, struct budget_info *out)
{
    return call(SYS_BUDGET_INFO, h, (uint64_t)out, 0, 0).err;
}

enum err sys_region_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    return call_handle(call(SYS_REGION_CREATE, budget, bytes, 0, 0), out);
}

enum err sys_image_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    return call_handle(call(SYS_REGION_CREATE, budget, bytes, REGION_IMAGE, 0), out);
}

enum err sys_region_map(handle_t h, uint64_t offset, uint64_t bytes, unsigned prot, void **out)
{
    return call_address(call(SYS_REGION_MAP, h, offset, bytes, prot), out);
}

enum err sys_unmap(void *address)
{
    return call(SYS_UNMAP, (uint64_t)address, 0, 0, 0).err;
}

enum err sys_process_create(const struct process_create *p, handle_t *out)
{
    return call_handle(call(SYS_PROCESS_CREATE, (uint64_t)p, 0, 0, 0), out);
}

enum err sys_process_kill(handle_t h)
{
    return call(SYS_PROCESS_KILL, h, 0, 0, 0).err;
}

enum err sys_process_info(handle_t h, struct process_info *out)
{
    return call(SYS_PROCESS_INFO, h, (uint64_t)out, 0, 0).err;
}

enum err sys_process_schedule(handle_t h, uint64_t weight, uint64_t cap_percent)
{
    return call(SYS_PROCESS_SCHEDULE, h, weight, cap_percent, 0).err;
}

enum err sys_process_fault(handle_t h)
{
    return call(SYS_PROCESS_FAULT, h, 0, 0, 0).err;
}

enum err sys_thread_create(void (*entry)(void *), void *stack_top, void *argument, handle_t *out)
{
    return call_handle(
        call(SYS_THREAD_CREATE, (uint64_t)entry, (uint64_t)stack_top, (uint64_t)argument, 0), out);
}

enum err sys_signal_create(handle_t budget, handle_t *out)
{
    return call_handle(call(SYS_SIGNAL_CREATE, budget, 0, 0, 0), out);
}

enum err sys_signal_raise(handle_t h, uint64_t bits)
{
    return call(SYS_SIGNAL_RAISE, h, bits, 0, 0).err;
}

enum err sys_signal_wait(handle_t h, uint64_t deadline_ns, uint64_t *bits)
{
    struct sys_result r = call(SYS_SIGNAL_WAIT, h, deadline_ns, 0, 0);

    *bits = r.err == OK ? r.value : 0;
    return r.err;
}

enum err sys_signal_wait_halt(handle_t h, uint64_t ns, uint64_t *bits)
{
    struct sys_result r = call(SYS_SIGNAL_WAIT, h, ns, SIGNAL_WAIT_HALT, 0);

    *bits = r.err == OK ? r.value : 0;
    return r.err;
}

enum err sys_timer_create(handle_t budget, handle_t *out)
{
    return call_handle(call(SYS_TIMER_CREATE, budget, 0, 0, 0), out);
}

enum err sys_timer_set(handle_t h, uint64_t deadline_ns)
{
    return call(SYS_TIMER_SET, h, deadline_ns, 0, 0).err;
}

enum err sys_channel_create(handle_t budget, uint64_t data_bytes, handle_t out[2])
{
    return call(SYS_CHANNEL_CREATE, budget, data_bytes, (uint64_t)out, 0).err;
}

enum err sys_channel_map(handle_t h, void **out)
{
    return call_address(call(SYS_CHANNEL_MAP, h, 0, 0, 0), out);
}

enum err sys_channel_signal(handle_t h)
{
    return call(SYS_CHANNEL_SIGNAL, h, 0, 0, 0).err;
}

enum err sys_channel_send_handle(handle_t h, handle_t sent, uint32_t rights)
{
    return call(SYS_CHANNEL_SEND_HANDLE, h, sent, rights, 0).err;
}

enum err sys_channel_take_handle(handle_t h, handle_t *out)
{
    return call_handle(call(SYS_CHANNEL_TAKE_HANDLE, h, 0, 0, 0), out);
}

enum err sys_partition_create(handle_t budget, uint64_t memory_bytes, handle_t *out)
{
    return call_handle(call(SYS_PARTITION_CREATE, budget, memory_bytes, 0, 0), out);
}

enum err sys_partition_populate(handle_t h, uint64_t *left)
{
    return call_value(call(SYS_PARTITION_POPULATE, h, 0, 0, 0), left);
}

enum err sys_partition_info(handle_t h, struct partition_info *out)
{
    return call(SYS_PARTITION_INFO, h, (uint64_t)out, 0, 0).err;
}

enum err sys_vcpu_info(handle_t partition, unsigned index, struct vcpu_info *out)
{
    return call(SYS_VCPU_INFO, partition, index, (uint64_t)out, 0).err;
}

enum err sys_view_create(handle_t partition, gpa_t gpa, uint64_t bytes, unsigned prot,
                         handle_t *out)
{
    return call_handle(call(SYS_VIEW_CREATE, partition, gpa.v, bytes, prot), out);
}

enum err sys_view_create_list(handle_t partition, const uint64_t *pages, uint64_t count,
                              unsigned prot, handle_t *out)
{
    return call_handle(call(SYS_VIEW_CREATE_LIST, partition, (uint64_t)pages, count, prot), out);
}

enum err sys_view_map(handle_t h, void **out)
{
    return call_address(call(SYS_VIEW_MAP, h, 0, 0, 0), out);
}

enum err sys_view_map_checked(handle_t h, uint64_t bytes, unsigned prot, void **out)
{
    return call_address(call(SYS_VIEW_MAP, h, bytes, prot, 0), out);
}

enum err sys_view_revoke(handle_t h)
{
    return call(SYS_VIEW_REVOKE, h, 0, 0, 0).err;
}

enum err sys_view_epoch(handle_t h, uint64_t *epoch)
{
    return call_value(call(SYS_VIEW_EPOCH, h, 0, 0, 0), epoch);
}

enum err sys_vcpu_create(handle_t partition, unsigned index, uint64_t flags, handle_t *out)
{
    return call_handle(call(SYS_VCPU_CREATE, partition, index, flags, 0), out);
}

enum err sys_partition_save(handle_t h, void *buffer, uint64_t capacity, uint64_t *bytes)
{
    return call_value(call(SYS_PARTITION_SAVE, h, (uint64_t)buffer, capacity, 0), bytes);
}

enum err sys_partition_restore(handle_t h, const void *buffer, uint64_t bytes)
{
    return call(SYS_PARTITION_RESTORE, h, (uint64_t)buffer, bytes, 0).err;
}

enum err sys_vcpu_pin(handle_t partition, unsigned index, uint64_t cpu)
{
    return call(SYS_VCPU_PIN, partition, index, cpu, 0).err;
}

enum err sys_vcpu_run(handle_t h, struct vcpu_exit *exit)
{
    return call(SYS_VCPU_RUN, h, (uint64_t)exit, 0, 0).err;
}

enum err sys_vcpu_kick(handle_t h)
{
    return call(SYS_VCPU_KICK, h, 0, 0, 0).err;
}

enum err sys_vcpu_get(handle_t h, struct vcpu_state *out)
{
    return call(SYS_VCPU_GET, h, (uint64_t)out, 0, 0).err;
}

enum err sys_vcpu_set(handle_t h, const struct vcpu_state *in)
{
    return call(SYS_VCPU_SET, h, (uint64_t)in, 0, 0).err;
}

enum err sys_ioapic_create(handle_t partition)
{
    return call(SYS_IOAPIC_CREATE, partition, 0, 0, 0).err;
}

enum err sys_ioapic_set(handle_t partition, unsigned pin, bool is_asserted)
{
    return call(SYS_IOAPIC_SET, partition, pin, is_asserted, 0).err;
}

enum err sys_synic_post(handle_t partition, unsigned vp, unsigned sint,
                        const struct synic_message *m)
{
    return call(SYS_SYNIC_POST, partition, vp << 8 | sint, (uint64_t)m, 0).err;
}

enum err sys_synic_signal(handle_t partition, unsigned vp, unsigned sint, unsigned flag)
{
    return call(SYS_SYNIC_SIGNAL, partition, vp << 8 | sint, flag, 0).err;
}

enum err sys_port_create(handle_t partition, uint32_t connection, unsigned flag_count,
                         handle_t *out)
{
    return call_handle(call(SYS_PORT_CREATE, partition, connection, flag_count, 0), out);
}

enum err sys_port_take(handle_t h, struct hv_post_message *m, uint64_t *flags)
{
    struct sys_result r = call(SYS_PORT_TAKE, h, (uint64_t)m, 0, 0);

    *flags = r.value;
    return r.err;
}

enum err sys_guest_crash(handle_t partition, struct guest_crash *out)
{
    return call(SYS_GUEST_CRASH, partition, (uint64_t)out, 0, 0).err;
}

enum err sys_ioport_read(handle_t h, uint16_t port, unsigned width, uint32_t *out)
{
    struct sys_result r = call(SYS_IOPORT_READ, h, port, width, 0);

    if (r.err == OK)
        *out = (uint32_t)r.value;
    return r.err;
}

enum err sys_ioport_write(handle_t h, uint16_t port, unsigned width, uint32_t value)
{
    return call(SYS_IOPORT_WRITE, h, port, width, value).err;
}

enum err sys_interrupt_ack(handle_t h)
{
    return call(SYS_INTERRUPT_ACK, h, 0, 0, 0).err;
}

enum err sys_host_info(struct host_info *out)
{
    return call(SYS_HOST_INFO, (uint64_t)out, 0, 0, 0).err;
}

enum err sys_host_poweroff(void)
{
    return call(SYS_HOST_POWEROFF, 0, 0, 0, 0).err;
}

enum err sys_debug(enum debug_op op, uint64_t argument, void *data, uint64_t bytes, uint64_t *out)
{
    return call_value(call(SYS_DEBUG, op, argument, (uint64_t)data, bytes), out);
}
