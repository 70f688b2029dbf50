/* Runs random bytes as code: seed= picks them. Whatever comes of it stays in this VM. */
#include "tests/guest/payload.h"

#define CODE_BYTES 65536

static uint64_t kept_rsp __attribute__((used)), kept_rbp __attribute__((used));

/* Calls @target and comes back by a return or by an exception. */
static void run(const uint8_t *target)
{
    TRY("movq %%rsp, kept_rsp(%%rip)\n\t"
        "movq %%rbp, kept_rbp(%%rip)\n\t"
        "call *%[target]\n"
        "771:\n\t"
        "movq kept_rsp(%%rip), %%rsp\n\t"
        "movq kept_rbp(%%rip), %%rbp",
        , [target] "r"(target), "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
        "r12", "r13", "r14", "r15");
    __asm__ volatile("cld");
}

int payload_main(void)
{
    static uint8_t code[CODE_BYTES] __attribute__((aligned(4096)));
    uint64_t state = argument("seed", 1) * 0x9e3779b97f4a7c15ull + 1;

    for (uint64_t i = 0; i < CODE_BYTES; i += 8)
        *(uint64_t *)(code + i) = random_next(&state);
    print("RANDOMBYTES\n");
    /* After an exception, somewhere else in the bytes. The stack is put right each time. */
    for (uint64_t at = 0; at < CODE_BYTES - 16; at += 1 + random_next(&state) % 64)
        run(code + at);
    return 0;
}
