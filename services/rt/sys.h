/* The system calls as functions. Contracts stand in lib/abi/syscall.h; all return enum err, and
 * what the call yields goes through the last pointer, written on OK only. Host tests of a program
 * link fakes of these functions instead of sys.c. */
#pragma once
#include "lib/abi/synic.h"
#include "lib/abi/syscall.h"
#include "lib/err.h"

/* Any call by its number, for tests. */
enum err sys_raw(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

NORETURN void sys_exit(uint64_t code);
NORETURN void sys_thread_exit(void);
void sys_yield(void);
uint64_t sys_clock(void);
void sys_log_write(const char *text, size_t bytes);
enum err sys_log_read(struct log_read *r) MUST_CHECK;

enum err sys_handle_close(handle_t h);
enum err sys_handle_copy(handle_t h, uint32_t rights, handle_t *out) MUST_CHECK;
enum err sys_bind(handle_t h, enum bind_event event, handle_t signal, unsigned bit) MUST_CHECK;

enum err sys_budget_create(handle_t parent, uint64_t bytes, handle_t *out) MUST_CHECK;
enum err sys_budget_info(handle_t h, struct budget_info *out) MUST_CHECK;

enum err sys_region_create(handle_t budget, uint64_t bytes, handle_t *out) MUST_CHECK;
/* A region that the manager cannot map. */
enum err sys_image_create(handle_t budget, uint64_t bytes, handle_t *out) MUST_CHECK;
enum err sys_region_map(handle_t h, uint64_t offset, uint64_t bytes, unsigned prot, void **out)
    MUST_CHECK;
enum err sys_unmap(void *address);

enum err sys_process_create(const struct process_create *p, handle_t *out) MUST_CHECK;
enum err sys_process_kill(handle_t h);
enum err sys_process_info(handle_t h, struct process_info *out) MUST_CHECK;
/* @cap_percent: of one CPU; 0: none. */
enum err sys_process_schedule(handle_t h, uint64_t weight, uint64_t cap_percent) MUST_CHECK;
enum err sys_process_fault(handle_t h) MUST_CHECK;
enum err sys_thread_create(void (*entry)(void *), void *stack_top, void *argument, handle_t *out)
    MUST_CHECK;

enum err sys_signal_create(handle_t budget, handle_t *out) MUST_CHECK;
enum err sys_signal_raise(handle_t h, uint64_t bits);
/* OK with *bits != 0, or ERR_TIMED_OUT with *bits = 0. */
enum err sys_signal_wait(handle_t h, uint64_t deadline_ns, uint64_t *bits);
/* For @ns at most; while it waits, the first vCPU that halts raises what is bound to BIND_HALT. */
enum err sys_signal_wait_halt(handle_t h, uint64_t ns, uint64_t *bits);
enum err sys_timer_create(handle_t budget, handle_t *out) MUST_CHECK;
enum err sys_timer_set(handle_t h, uint64_t deadline_ns) MUST_CHECK;

enum err sys_channel_create(handle_t budget, uint64_t data_bytes, handle_t out[2]) MUST_CHECK;
enum err sys_channel_map(handle_t h, void **out) MUST_CHECK;
enum err sys_channel_signal(handle_t h);
enum err sys_channel_send_handle(handle_t h, handle_t sent, uint32_t rights) MUST_CHECK;
enum err sys_channel_take_handle(handle_t h, handle_t *out) MUST_CHECK;

enum err sys_partition_create(handle_t budget, uint64_t memory_bytes, handle_t *out) MUST_CHECK;
enum err sys_partition_populate(handle_t h, uint64_t *left) MUST_CHECK;
enum err sys_partition_info(handle_t h, struct partition_info *out) MUST_CHECK;
enum err sys_vcpu_info(handle_t partition, unsigned index, struct vcpu_info *out) MUST_CHECK;
enum err sys_view_create(handle_t partition, gpa_t gpa, uint64_t bytes, unsigned prot,
                         handle_t *out) MUST_CHECK;
/* The pages @pages[0..@count), numbers of 4 KiB pages, one behind the other. */
enum err sys_view_create_list(handle_t partition, const uint64_t *pages, uint64_t count,
                              unsigned prot, handle_t *out) MUST_CHECK;
enum err sys_view_map(handle_t h, void **out) MUST_CHECK;
/* A view that somebody else has lent. ERR_ARGUMENT: it is not of @bytes, or cannot be written as
 * @prot says. */
enum err sys_view_map_checked(handle_t h, uint64_t bytes, unsigned prot, void **out) MUST_CHECK;
enum err sys_view_revoke(handle_t h) MUST_CHECK;
enum err sys_view_epoch(handle_t h, uint64_t *epoch) MUST_CHECK;

/* @flags: VCPU_XAPIC. */
enum err sys_vcpu_create(handle_t partition, unsigned index, uint64_t flags, handle_t *out)
    MUST_CHECK;
enum err sys_partition_save(handle_t h, void *buffer, uint64_t capacity, uint64_t *bytes)
    MUST_CHECK;
enum err sys_partition_restore(handle_t h, const void *buffer, uint64_t bytes) MUST_CHECK;
/* @cpu: UINT64_MAX for any. */
enum err sys_vcpu_pin(handle_t partition, unsigned index, uint64_t cpu) MUST_CHECK;
enum err sys_vcpu_run(handle_t h, struct vcpu_exit *exit) MUST_CHECK;
enum err sys_vcpu_kick(handle_t h);
enum err sys_vcpu_get(handle_t h, struct vcpu_state *out) MUST_CHECK;
enum err sys_vcpu_set(handle_t h, const struct vcpu_state *in) MUST_CHECK;

enum err sys_ioapic_create(handle_t partition) MUST_CHECK;
enum err sys_ioapic_set(handle_t partition, unsigned pin, bool is_asserted);
enum err sys_synic_post(handle_t partition, unsigned vp, unsigned sint,
                        const struct synic_message *m) MUST_CHECK;
enum err sys_synic_signal(handle_t partition, unsigned vp, unsigned sint, unsigned flag) MUST_CHECK;
enum err sys_port_create(handle_t partition, uint32_t connection, unsigned flag_count,
                         handle_t *out) MUST_CHECK;
/* *@flags: of an event port; @m may be NULL there. */
enum err sys_port_take(handle_t h, struct hv_post_message *m, uint64_t *flags) MUST_CHECK;
enum err sys_guest_crash(handle_t partition, struct guest_crash *out) MUST_CHECK;

enum err sys_ioport_read(handle_t h, uint16_t port, unsigned width, uint32_t *out) MUST_CHECK;
enum err sys_ioport_write(handle_t h, uint16_t port, unsigned width, uint32_t value);
enum err sys_interrupt_ack(handle_t h);
enum err sys_host_info(struct host_info *out) MUST_CHECK;
enum err sys_host_poweroff(void);
enum err sys_debug(enum debug_op op, uint64_t argument, void *data, uint64_t bytes, uint64_t *out)
    MUST_CHECK;
