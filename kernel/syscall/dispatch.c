/* System calls: from numbers and words to objects. The table is the interface. */
#include "kernel/syscall/dispatch.h"
#include "kernel/syscall/call.h"
#include "lib/abi/syscall.h"

#define ANY OBJECT_TYPE_COUNT /* of any type */

static const struct {
    enum err (*run)(struct call *c);
    uint8_t type;   /* enum object_type of the first argument, or ANY; 0: it is no handle */
    uint8_t rights; /* that its handle must have */
} table[SYS_COUNT] = {
    [SYS_EXIT] = { call_exit, 0, 0 },
    [SYS_THREAD_EXIT] = { call_thread_exit, 0, 0 },
    [SYS_YIELD] = { call_yield, 0, 0 },
    [SYS_CLOCK] = { call_clock, 0, 0 },
    [SYS_LOG_WRITE] = { call_log_write, 0, 0 },
    [SYS_LOG_READ] = { call_log_read, 0, 0 },
    [SYS_HANDLE_CLOSE] = { call_handle_close, 0, 0 },
    [SYS_HANDLE_COPY] = { call_handle_copy, ANY, RIGHT_TRANSFER },
    [SYS_BIND] = { call_bind, ANY, RIGHT_MANAGE },
    [SYS_BUDGET_CREATE] = { call_budget_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_BUDGET_INFO] = { call_budget_info, OBJECT_BUDGET, RIGHT_COUNT },
    [SYS_REGION_CREATE] = { call_region_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_REGION_MAP] = { call_region_map, OBJECT_REGION, RIGHT_READ },
    [SYS_UNMAP] = { call_unmap, 0, 0 },
    [SYS_PROCESS_CREATE] = { call_process_create, 0, 0 },
    [SYS_PROCESS_KILL] = { call_process_kill, OBJECT_PROCESS, RIGHT_MANAGE },
    [SYS_PROCESS_INFO] = { call_process_info, OBJECT_PROCESS, RIGHT_COUNT },
    [SYS_PROCESS_SCHEDULE] = { call_process_schedule, OBJECT_PROCESS, RIGHT_MANAGE },
    [SYS_PROCESS_FAULT] = { call_process_fault, OBJECT_PROCESS, RIGHT_MANAGE },
    [SYS_THREAD_CREATE] = { call_thread_create, 0, 0 },
    [SYS_SIGNAL_CREATE] = { call_signal_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_SIGNAL_RAISE] = { call_signal_raise, OBJECT_SIGNAL, RIGHT_WRITE },
    [SYS_SIGNAL_WAIT] = { call_signal_wait, OBJECT_SIGNAL, RIGHT_READ },
    [SYS_TIMER_CREATE] = { call_timer_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_TIMER_SET] = { call_timer_set, OBJECT_TIMER, RIGHT_WRITE },
    [SYS_CHANNEL_CREATE] = { call_channel_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_CHANNEL_MAP] = { call_channel_map, OBJECT_CHANNEL, RIGHT_READ | RIGHT_WRITE },
    [SYS_CHANNEL_SIGNAL] = { call_channel_signal, OBJECT_CHANNEL, RIGHT_WRITE },
    [SYS_CHANNEL_SEND_HANDLE] = { call_channel_send_handle, OBJECT_CHANNEL, RIGHT_WRITE },
    [SYS_CHANNEL_TAKE_HANDLE] = { call_channel_take_handle, OBJECT_CHANNEL, RIGHT_READ },
    [SYS_PARTITION_CREATE] = { call_partition_create, OBJECT_BUDGET, RIGHT_MANAGE },
    [SYS_PARTITION_POPULATE] = { call_partition_populate, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_PARTITION_INFO] = { call_partition_info, OBJECT_PARTITION, RIGHT_COUNT },
    [SYS_VCPU_INFO] = { call_vcpu_info, OBJECT_PARTITION, RIGHT_COUNT },
    [SYS_VIEW_CREATE] = { call_view_create, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_VIEW_CREATE_LIST] = { call_view_create_list, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_VIEW_MAP] = { call_view_map, OBJECT_VIEW, RIGHT_READ },
    [SYS_VIEW_REVOKE] = { call_view_revoke, OBJECT_VIEW, RIGHT_MANAGE },
    [SYS_VIEW_EPOCH] = { call_view_epoch, OBJECT_VIEW, RIGHT_READ },
    [SYS_VCPU_CREATE] = { call_vcpu_create, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_VCPU_RUN] = { call_vcpu_run, 0, 0 }, /* looks up for itself: see there */
    [SYS_VCPU_KICK] = { call_vcpu_kick, OBJECT_VCPU, RIGHT_MEMORY },
    [SYS_VCPU_GET] = { call_vcpu_get, OBJECT_VCPU, RIGHT_MEMORY },
    [SYS_VCPU_SET] = { call_vcpu_set, OBJECT_VCPU, RIGHT_MEMORY },
    [SYS_PARTITION_SAVE] = { call_partition_save, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_PARTITION_RESTORE] = { call_partition_restore, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_VCPU_PIN] = { call_vcpu_pin, OBJECT_PARTITION, RIGHT_MANAGE },
    [SYS_IOAPIC_CREATE] = { call_ioapic_create, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_IOAPIC_SET] = { call_ioapic_set, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_SYNIC_POST] = { call_synic_post, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_SYNIC_SIGNAL] = { call_synic_signal, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_PORT_CREATE] = { call_port_create, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_PORT_TAKE] = { call_port_take, OBJECT_PORT, RIGHT_READ },
    [SYS_GUEST_CRASH] = { call_guest_crash, OBJECT_PARTITION, RIGHT_MEMORY },
    [SYS_IOPORT_READ] = { call_ioport_read, OBJECT_IOPORTS, RIGHT_READ },
    [SYS_IOPORT_WRITE] = { call_ioport_write, OBJECT_IOPORTS, RIGHT_WRITE },
    [SYS_INTERRUPT_ACK] = { call_interrupt_ack, OBJECT_INTERRUPT, RIGHT_WRITE },
    [SYS_HOST_INFO] = { call_host_info, 0, 0 },
    [SYS_HOST_POWEROFF] = { call_host_poweroff, 0, 0 },
    [SYS_DEBUG] = { call_debug, 0, 0 },
};

enum err call_find(uint64_t h, enum object_type type, uint32_t rights, struct handle_entry *out)
{
    if (h > UINT32_MAX)
        return ERR_HANDLE;
    return handle_find(&process_current()->handles, (handle_t)h, type, rights, out);
}

enum err call_hand_out_as(struct call *c, struct object *o, uint32_t rights, uint32_t badge)
{
    handle_t h;
    enum err err = handle_add(&process_current()->handles, o, rights, badge, &h);

    if (err)
        object_put(o);
    else
        c->value = h;
    return err;
}

enum err call_hand_out(struct call *c, struct object *o)
{
    return call_hand_out_as(c, o, RIGHT_ALL, 0);
}

static enum err run_on_subject(struct call *c, uint64_t number)
{
    enum object_type type = table[number].type == ANY ? 0 : table[number].type;
    enum err err = call_find(c->a, type, table[number].rights, &c->subject);

    if (err)
        return err;
    err = table[number].run(c);
    object_put(c->subject.object);
    return err;
}

struct syscall_result syscall_dispatch(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                       uint64_t number)
{
    struct call call = { .a = a, .b = b, .c = c, .d = d };
    enum err err;

    if (unlikely(number >= SYS_COUNT))
        err = ERR_ARGUMENT;
    else if (table[number].type)
        err = run_on_subject(&call, number);
    else
        err = table[number].run(&call);
    if (unlikely(sched_has_work(thread_current())))
        sched_check();
    return (struct syscall_result){ (uint64_t)err, call.value };
}
