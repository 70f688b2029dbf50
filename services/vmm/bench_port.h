/* A port that measures how long HvCallSignalEvent takes until a sleeping program runs: a VM whose
 * command line has the word bench-port=1 may signal connection BENCH_CONNECTION, and reads at the
 * ports from BENCH_PORT_TIME on when, by its own TSC, its vmm woke (8 bytes, lowest first). */
#pragma once
#include "services/vmm/machine.h"

#define BENCH_CONNECTION 0x10000u
#define BENCH_PORT_TIME  0xe0u
#define BENCH_PORT_BYTES 8u

/* Nothing without the word. */
enum err bench_port_open(struct machine *m) MUST_CHECK;
/* The service thread has woken with @bits. */
void bench_port_woken(struct machine *m, uint64_t bits);
uint8_t bench_port_read(const struct machine *m, unsigned index);
