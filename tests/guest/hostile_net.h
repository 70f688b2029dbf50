/* What the attacks on a NIC share: the NIC, frames, and the echo, which says that it still works. */
#pragma once
#include "tests/guest/hostile.h"
#include "tests/guest/netpeer.h"
#include "tests/guest/netvsc.h"

static struct nic nic;
static uint64_t seed = 7, echoed;

static inline void told(const char *name, uint64_t n)
{
    print("CASE %s %x\n", name, n);
}

static inline void take(struct nic *n, uint8_t *frame, uint32_t bytes)
{
    (void)n;
    echoed += bytes >= 14 && frame[12] == PEER_TYPE >> 8 && frame[13] == (PEER_TYPE & 0xff);
}

static inline bool begin(void)
{
    nic.frame = take;
    if (nic_up(&nic, FILTER_DIRECTED | FILTER_BROADCAST))
        return true;
    print("HOSTILE no NIC\n");
    return false;
}

/* A frame from the section, to be filled in: 0xee, or the mark that nobody may see. */
static inline uint8_t *make(uint32_t s, const uint8_t *to, uint32_t bytes, bool is_marked)
{
    uint8_t *frame = nic_frame(&nic, s, bytes);

    for (uint32_t i = 14; i < bytes; i++)
        frame[i] = is_marked ? (uint8_t)(PEER_MARK >> (i - 14) % 8 * 8) : 0xee;
    nic_address(&nic, frame, to, 0, HOSTILE_TYPE);
    return frame;
}

static inline bool push(uint32_t s)
{
    return nic_push(&nic, s) && nic_drain(&nic);
}

/* The echo answers. */
static inline bool pings(void)
{
    uint64_t before = echoed;
    uint8_t *frame = make(0, peer_echo, 100, false);

    nic_address(&nic, frame, peer_echo, 0, PEER_TYPE);
    if (!push(0))
        return false;
    for (uint32_t i = 0; i < 3000000 && echoed == before; i++)
        if (!nic_serve(&nic))
            __asm__ volatile("pause");
    return echoed > before;
}

/* The same, though the echo may still be busy with what was sent before and drop a few. */
static inline bool works(void)
{
    bool is_well = false;

    for (uint32_t i = 0; i < 8 && !is_well; i++)
        is_well = pings();
    return is_well;
}
