/* The one door to guest memory: every read and write of the vmm goes through here, so bounds,
 * page crossing and (with live migration) dirty tracking have one place. Loaders and devices take
 * a struct guest_memory, which host tests make over a plain buffer. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

#define GUEST_LOW_END    GIB(3) /* RAM above this continues at 4 GiB */
#define GUEST_HIGH_START GIB(4)

struct guest_memory {
    uint8_t *low, *high; /* where [0, low_bytes) and [4 GiB, ...) are mapped here */
    uint64_t low_bytes, high_bytes;
};

/* ERR_GUEST: not all of it is RAM; then nothing was copied. */
enum err guest_read(const struct guest_memory *m, gpa_t gpa, void *to, uint64_t bytes) MUST_CHECK;
enum err guest_write(const struct guest_memory *m, gpa_t gpa, const void *from, uint64_t bytes)
    MUST_CHECK;
enum err guest_fill_zero(const struct guest_memory *m, gpa_t gpa, uint64_t bytes) MUST_CHECK;
bool guest_has(const struct guest_memory *m, gpa_t gpa, uint64_t bytes);
