/* Long answers (vm log, event list, log show), made piece by piece as the port has room. */
#pragma once
#include "services/manager/request.h"

#define STREAM_PIECE_BYTES 8192u

void stream_vm_log(struct request *r, const struct vm *vm, uint64_t from);
void stream_events(struct request *r, enum severity at_least, const char *vm, uint64_t since);
void stream_kernel_log(struct request *r, uint64_t from);

/* Writes the next piece of at most STREAM_PIECE_BYTES to @out; *@is_done after the last. JSON for
 * the control port, text for people on the console. */
size_t stream_step(struct request *r, char *out, bool *is_done);
