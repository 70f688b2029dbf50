#include "arch/x86/fpu.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "lib/string.h"

#define FXSAVE_BYTES       512u
#define XSAVE_HEADER_BYTES 64u
#define FCW_OFFSET         0
#define FCW_RESET          0x37f
#define MXCSR_OFFSET       24
#define MXCSR_RESET        0x1f80
#define MXCSR_ALLOWED      0xffffu /* what every CPU with SSE2 has */

void fpu_detect(void)
{
    struct cpu_features *c = &cpu_features;
    uint64_t wanted = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU;

    c->xcr0_mask = XCR0_X87 | XCR0_SSE;
    c->xsave_bytes = FXSAVE_BYTES + XSAVE_HEADER_BYTES;
    if (!c->has_xsave)
        return;
    struct cpuid_regs r = cpuid(0xd, 0);

    c->xcr0_mask = ((uint64_t)r.edx << 32 | r.eax) & wanted;
    if ((c->xcr0_mask & XCR0_AVX512) != XCR0_AVX512)
        c->xcr0_mask &= ~XCR0_AVX512;
    c->has_xsaveopt = cpuid(0xd, 1).eax & 1;
    for (unsigned i = 2; i < 63; i++) {
        if (!(c->xcr0_mask & 1ull << i))
            continue;
        r = cpuid(0xd, i);
        c->xsave_bytes = max(c->xsave_bytes, r.eax + r.ebx);
    }
}

void fpu_init_cpu(void)
{
    if (cpu_features.has_xsave)
        xsetbv0(cpu_features.xcr0_mask);
    __asm__ volatile("fninit");
}

void fpu_set_xcr0(uint64_t xcr0)
{
    if (cpu_features.has_xsave)
        xsetbv0(xcr0);
}

void fpu_save(void *area)
{
    uint64_t mask = cpu_features.xcr0_mask;

    if (!cpu_features.has_xsave) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
        return;
    }
    xsetbv0(mask);
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

void fpu_restore(const void *area)
{
    uint64_t mask = cpu_features.xcr0_mask;

    if (!cpu_features.has_xsave) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
        return;
    }
    xsetbv0(mask);
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

void fpu_reset(void *area)
{
    uint16_t fcw = FCW_RESET;
    uint32_t mxcsr = MXCSR_RESET;
    uint64_t components = XCR0_X87 | XCR0_SSE;

    memset(area, 0, cpu_features.xsave_bytes);
    memcpy((char *)area + FCW_OFFSET, &fcw, sizeof(fcw));
    memcpy((char *)area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    memcpy((char *)area + FXSAVE_BYTES, &components, sizeof(components));
}

/* XRSTOR faults on components that are off, on the compacted format and on reserved bits. */
bool fpu_image_is_valid(const void *area)
{
    const uint8_t *bytes = area;
    uint64_t header[XSAVE_HEADER_BYTES / 8];
    uint32_t mxcsr;

    memcpy(header, bytes + FXSAVE_BYTES, sizeof(header));
    memcpy(&mxcsr, bytes + MXCSR_OFFSET, sizeof(mxcsr));
    for (unsigned i = 1; i < array_count(header); i++)
        if (header[i])
            return false;
    return !(header[0] & ~cpu_features.xcr0_mask) && !(mxcsr & ~MXCSR_ALLOWED);
}

bool fpu_xcr0_is_valid(uint64_t xcr0)
{
    if (!(xcr0 & XCR0_X87) || (xcr0 & ~cpu_features.xcr0_mask))
        return false;
    if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
        return false;
    if ((xcr0 & XCR0_AVX512) && ((xcr0 & XCR0_AVX512) != XCR0_AVX512 || !(xcr0 & XCR0_AVX)))
        return false;
    return true;
}
