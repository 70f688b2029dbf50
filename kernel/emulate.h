/* Carrying out a guest's instruction in its place: an access to what is no RAM, or string port I/O.
 * The instruction is fetched once and must be the one that exited: its kind, its direction and the
 * address that it computes are matched to the exit, or the guest gets #UD. String instructions are
 * carried out an element at a time. */
#pragma once
#include "lib/x86/access.h"
#include "lib/types.h"

struct vcpu;
struct vcpu_exit;

/* The instructions that were decoded last, by their bytes: a driver has few that touch its device. */
struct emulate_cache {
    struct {
        uint64_t bytes[2];
        struct access access; /* length 0: empty */
    } entries[4];
};

void emulate_access(struct vcpu *v);
/* True: *@io is for the vmm; its answer goes to emulate_answer(). */
bool emulate_string_io(struct vcpu *v, struct vcpu_exit *io);
void emulate_answer(struct vcpu *v, uint64_t value);
