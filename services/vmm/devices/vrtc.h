/* The guest's CMOS clock: an MC146818 that always has a good time, BCD, 24 hours, no interrupts.
 * Source: Motorola MC146818A data sheet, "Address Map". Pure: the time is an argument. */
#pragma once
#include "lib/abi/record.h"
#include "lib/err.h"

#define VRTC_PORT_INDEX 0x70
#define VRTC_PORT_DATA  0x71

struct vrtc {
    uint8_t index;
    uint8_t ram[128]; /* what the guest stored in the bytes that are no clock */
};

/* @utc_ns: since 1970. */
uint8_t vrtc_read(const struct vrtc *r, unsigned port, uint64_t utc_ns);
void vrtc_write(struct vrtc *r, unsigned port, uint8_t value);

void vrtc_save(const struct vrtc *r, struct record_rtc *out);
/* ERR_FORMAT: @in is none that vrtc_save() made; then nothing has changed. */
enum err vrtc_restore(struct vrtc *r, const struct record_rtc *in) MUST_CHECK;
