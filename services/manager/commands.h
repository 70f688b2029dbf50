/* What each command does. A handler answers its request, makes it wait, or streams. */
#pragma once
#include "services/manager/request.h"

void commands_run(struct request *r, const struct command_line *c);

void host_command(struct request *r, const struct command_line *c);
void vm_command(struct request *r, const struct command_line *c);

/* vm set (vm_schedule.c), of a VM that is neither being made nor deleted. */
void vm_set_command(struct request *r, struct vm *vm, const struct command_line *c);

/* vm saves, vm restore, vm forget. */
void save_command(struct request *r, const struct command_line *c);

/* Makes the image that vm save needs. False: @r has been answered. */
bool save_command_begin(struct request *r, struct vm *vm, const struct value *as) MUST_CHECK;

/* A new VM with room in the table, a budget and a console region, or NULL: @r has been answered. @at
 * is the value to blame for a lack of memory, or NULL. */
struct vm *vm_command_reserve(struct request *r, const struct value *name,
                              const struct vm_settings *s, const struct value *at) MUST_CHECK;

/* vm shutdown, kvp, ip, freeze, thaw, copy and channel list, of a VM that is neither being made nor
 * deleted. */
void guest_command(struct request *r, struct vm *vm, const struct command_line *c);

/* services ..., tools status. */
void services_command(struct request *r, const struct command_line *c);

/* switch, nic, port, capture. */
void network_command(struct request *r, const struct command_line *c);
void nic_command(struct request *r, const struct command_line *c);
void port_command(struct request *r, const struct command_line *c);
void capture_command(struct request *r, const struct command_line *c);

/* Whether @vm's NICs can run, and those of a save be made. False: @r has been answered. */
struct nic_settings;
bool network_may_start(struct request *r, const struct vm *vm) MUST_CHECK;
bool network_may_restore(struct request *r, const struct nic_settings *nics, unsigned count)
    MUST_CHECK;

/* Makes them, after network_may_restore(). */
void network_restore(struct vm *vm, const struct nic_settings *nics, unsigned count);

void debug_command(struct request *r, const struct command_line *c);
void help_command(struct request *r, const struct command_line *c);

/* debug fault manager; tests replace it. */
NORETURN void manager_fault(void);
