/* One VM's vmm as the manager sees it: a process, a channel, and the console region. Everything
 * that comes from it is foreign. What is mapped is kept beside the estate and made again when the
 * manager was restarted. */
#pragma once
#include "services/manager/vm.h"

void vmm_init(handle_t root, handle_t signal);

/* Memory that a VM reserves: its own, what the kernel keeps about it, and its vmm. */
uint64_t vmm_budget_bytes(uint64_t memory_bytes, uint64_t module_bytes, unsigned cpu_count);

/* Makes partition, channel and process. On error nothing is left, and vm->failure says why. */
enum err vmm_launch(struct vm *vm) MUST_CHECK;

/* Sends VMM_START, VMM_PAUSE, VMM_RESUME, or VMM_SAVE, before which vmm_send_image() goes. */
enum err vmm_send(struct vm *vm, enum vmm_message_type type) MUST_CHECK;

/* Sends VMM_QUERY, VMM_SERVICES or VMM_TIME with what follows it. ERR_FULL: too many are on their
 * way. */
enum err vmm_tell(const struct vm *vm, enum vmm_message_type type, uint32_t sequence,
                  const void *payload, size_t n) MUST_CHECK;

enum err vmm_send_image(const struct vm *vm, handle_t image) MUST_CHECK;

/* Tells the kernel what vm->schedule says, as far as there is a vmm with vCPUs by now. */
enum err vmm_schedule(const struct vm *vm) MUST_CHECK;

/* What the kernel knows of one vCPU. ERR_STATE: there is no partition; ERR_NOT_FOUND: no such vCPU,
 * or not yet. */
enum err vmm_vcpu_info(const struct vm *vm, unsigned index, struct vcpu_info *out) MUST_CHECK;

/* The exits of all vCPUs, asked now, with the last exits of the vCPU that crashed, else of the
 * first. Errors as above. */
enum err vmm_counters(const struct vm *vm, struct vcpu_info *out) MUST_CHECK;

/* Keeps the counters as they are now, for when there is no vmm. */
void vmm_keep_counters(struct vm *vm);

/* Keeps the counters and kills the vmm; that it has ended is signalled. */
void vmm_kill(struct vm *vm);

/* Keeps the counters and closes what belonged to the vmm. */
void vmm_release(struct vm *vm);

/* Closes what is left of the VM. */
void vmm_forget(struct vm *vm);

bool vmm_has_ended(const struct vm *vm);
bool vmm_budget_is_empty(const struct vm *vm);
enum err vmm_watch_budget(const struct vm *vm) MUST_CHECK;

/* Takes the next message. ERR_EMPTY; ERR_GUEST: the vmm broke the protocol. @capacity bytes of
 * the payload at most, *@n of them were there. */
enum err vmm_receive(struct vm *vm, struct vmm_message *m, void *payload, size_t capacity,
                     size_t *n) MUST_CHECK;

/* After a restart of the manager: binds and maps what @vm's handles name. */
enum err vmm_adopt(struct vm *vm) MUST_CHECK;

/* ---- the console region (vmm_console.c); @root pays for it, since it outlives the vmms ---- */
void vmm_console_init(handle_t root);

/* Makes and maps the region that lives as long as the VM; maps it again after a restart. */
enum err vmm_console_create(struct vm *vm) MUST_CHECK;
enum err vmm_console_map(struct vm *vm) MUST_CHECK;
void vmm_console_close(struct vm *vm);

/* Bytes that the guest has written since the VM was created. */
uint64_t vmm_console_total(const struct vm *vm);

/* Copies up to @n bytes of output from byte *@from on; moves *@from over what is lost, then over
 * what it copied, and returns the number copied. */
size_t vmm_console_read(const struct vm *vm, uint64_t *from, char *out, size_t n);

size_t vmm_console_room(const struct vm *vm);

/* Queues @n typed bytes; ERR_FULL: more than vmm_console_room. */
enum err vmm_console_type(struct vm *vm, const char *text, size_t n) MUST_CHECK;

/* Drops what was typed and not yet taken. */
void vmm_console_drop_typed(struct vm *vm);

/* Asks to be signalled at new output, or not to be. */
void vmm_console_wake(const struct vm *vm, bool wants_wake);
