/* What runs in the VMs: their inventories, the events that follow from them, and the answers of
 * their services. Everything that a guest says is shown as what it claims and decides nothing. */
#pragma once
#include "services/manager/request.h"

void guest_take_inventory(struct vm *vm, const struct vmm_inventory *inventory);

/* Answers who waits for @sequence. */
void guest_take_reply(struct vm *vm, uint32_t sequence, const struct vmm_reply *reply);

/* Looks at those guests whose time has come and tells what is new. Returns the next time. */
uint64_t guests_pump(uint64_t now);

/* services list: a row for each service of @vm. */
void guest_services(struct json *j, const struct vm *vm, bool is_explained);

/* tools status: one row. True: the guest needs attention. */
bool guest_status(struct json *j, const struct vm *vm);

/* After services enable or disable: tells the vmm. */
enum err guest_send_services(const struct vm *vm) MUST_CHECK;

/* After host set time=: tells every vmm, and the switch. */
void guests_send_time(void);
