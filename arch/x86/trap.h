/* Exceptions, interrupts and system calls: what entry.S saves, and whom it calls. */
#pragma once
#include "lib/types.h"

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

static inline bool trap_is_user(const struct trap_frame *f)
{
    return (f->cs & 3) == 3;
}

struct syscall_result {
    uint64_t err, value; /* RAX, RDX */
};

/* arch never calls up; the kernel registers what to do. All run with interrupts off. */
struct trap_hooks {
    void (*interrupt)(unsigned vector, struct trap_frame *f); /* 32..255 */
    void (*user_fault)(struct trap_frame *f);                 /* an exception in ring 3 */
    void (*user_return)(void); /* before any return to ring 3 after a trap */
    void (*nmi)(struct trap_frame *f);
    void (*machine_check)(struct trap_frame *f);
    struct syscall_result (*syscall)(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                     uint64_t number);
    NORETURN void (*panic)(struct trap_frame *f, const char *why);
};
extern struct trap_hooks trap_hooks;

void trap_init(void); /* once: fills the IDT */
void trap_load(void); /* on each CPU */

const char *trap_name(unsigned vector);

/* Copies between the kernel and an address that may not be mapped; false when it faulted (some
 * bytes may have been copied). The caller has checked that the range is where it should be. */
bool copy_fault_safe(void *to, const void *from, size_t bytes);
bool user_copy_fault_safe(void *to, const void *from, size_t bytes); /* lifts SMAP */
