/* The FPU and vector state of guests. Kernel and programs have none: they are built without it.
 *
 * Source: AMD64 APM vol. 2, "XSAVE/XRSTOR". Without XSAVE the legacy FXSAVE image is used. */
#pragma once
#include "lib/types.h"

#define XCR0_X87    (1ull << 0)
#define XCR0_SSE    (1ull << 1)
#define XCR0_AVX    (1ull << 2)
#define XCR0_MPX    (3ull << 3)
#define XCR0_AVX512 (7ull << 5)
#define XCR0_PKRU   (1ull << 9)

/* The components that a guest may have: those of the CPU among x87, SSE, AVX, AVX-512, PKRU. */
void fpu_detect(void);
void fpu_init_cpu(void);

/* @area: cpu_features.xsave_bytes, 64-byte aligned. Both leave XCR0 at the full mask. */
void fpu_save(void *area);
void fpu_restore(const void *area);
/* The state after INIT: x87 and SSE as the manual says, the rest zero. */
void fpu_reset(void *area);
void fpu_set_xcr0(uint64_t xcr0);

/* Whether fpu_restore() takes the image that a record holds. */
bool fpu_image_is_valid(const void *area);
/* Whether a guest may load @xcr0 (XSETBV). */
bool fpu_xcr0_is_valid(uint64_t xcr0);
