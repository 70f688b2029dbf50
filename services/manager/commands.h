/* What each command does. A handler answers its request, makes it wait, or streams. */
#pragma once
#include "services/manager/request.h"

void commands_run(struct request *r, const struct command_line *c);

void host_command(struct request *r, const struct command_line *c);
void vm_command(struct request *r, const struct command_line *c);

/* vm set (vm_schedule.c), of a VM that is neither being made nor deleted. */
void vm_set_command(struct request *r, struct vm *vm, const struct command_line *c);

void debug_command(struct request *r, const struct command_line *c);
void help_command(struct request *r, const struct command_line *c);

/* debug fault manager; tests replace it. */
NORETURN void manager_fault(void);
