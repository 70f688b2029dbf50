/* What the functions behind the system calls share. The table in dispatch.c says which object the
 * first argument must name and with which rights; the object is looked up before the function runs
 * and released behind it. */
#pragma once
#include "kernel/handle.h"
#include "kernel/process.h"

struct call {
    uint64_t a, b, c, d;         /* the arguments; @a named the object */
    struct handle_entry subject; /* when the table names a type */
    uint64_t value;              /* RDX at the return */
};

#define SUBJECT_OF(call, type) container_of((call)->subject.object, struct type, object)

/* Another handle of the caller, with a new reference. Errors as handle_find(). */
enum err call_find(uint64_t h, enum object_type type, uint32_t rights, struct handle_entry *out)
    MUST_CHECK;
/* A new object becomes a handle of the caller, with all rights; or it goes again. */
enum err call_hand_out(struct call *c, struct object *o) MUST_CHECK;
/* The same with fewer rights, or another end. */
enum err call_hand_out_as(struct call *c, struct object *o, uint32_t rights, uint32_t badge)
    MUST_CHECK;

/* handles.c */
enum err call_handle_close(struct call *c);
enum err call_handle_copy(struct call *c);
enum err call_bind(struct call *c);
enum err call_budget_create(struct call *c);
enum err call_budget_info(struct call *c);
enum err call_region_create(struct call *c);
enum err call_region_map(struct call *c);
enum err call_unmap(struct call *c);
/* programs.c */
enum err call_exit(struct call *c);
enum err call_thread_exit(struct call *c);
enum err call_yield(struct call *c);
enum err call_process_create(struct call *c);
enum err call_process_kill(struct call *c);
enum err call_process_info(struct call *c);
enum err call_process_schedule(struct call *c);
enum err call_process_fault(struct call *c);
enum err call_thread_create(struct call *c);
/* waiting.c */
enum err call_signal_create(struct call *c);
enum err call_signal_raise(struct call *c);
enum err call_signal_wait(struct call *c);
enum err call_timer_create(struct call *c);
enum err call_timer_set(struct call *c);
enum err call_channel_create(struct call *c);
enum err call_channel_map(struct call *c);
enum err call_channel_signal(struct call *c);
enum err call_channel_send_handle(struct call *c);
enum err call_channel_take_handle(struct call *c);
/* guest_interrupts.c */
enum err call_partition_save(struct call *c);
enum err call_partition_restore(struct call *c);
enum err call_vcpu_pin(struct call *c);
enum err call_ioapic_create(struct call *c);
enum err call_ioapic_set(struct call *c);
enum err call_synic_post(struct call *c);
enum err call_synic_signal(struct call *c);
enum err call_port_create(struct call *c);
enum err call_port_take(struct call *c);
enum err call_guest_crash(struct call *c);
/* guests.c */
enum err call_partition_create(struct call *c);
enum err call_partition_populate(struct call *c);
enum err call_partition_info(struct call *c);
enum err call_vcpu_info(struct call *c);
enum err call_view_create(struct call *c);
enum err call_view_create_list(struct call *c);
enum err call_view_map(struct call *c);
enum err call_view_revoke(struct call *c);
enum err call_view_epoch(struct call *c);
enum err call_vcpu_create(struct call *c);
enum err call_vcpu_run(struct call *c);
enum err call_vcpu_kick(struct call *c);
enum err call_vcpu_get(struct call *c);
enum err call_vcpu_set(struct call *c);
/* machine.c */
enum err call_clock(struct call *c);
enum err call_log_write(struct call *c);
enum err call_log_read(struct call *c);
enum err call_ioport_read(struct call *c);
enum err call_ioport_write(struct call *c);
enum err call_interrupt_ack(struct call *c);
enum err call_host_info(struct call *c);
enum err call_host_poweroff(struct call *c);
enum err call_debug(struct call *c);
