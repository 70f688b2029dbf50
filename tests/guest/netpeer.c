/* Honest guests on a switch, beside one that is not. Each answers a typed byte by two lines:
 * 'FRAMES n MARKED n SECRET n' (frames that came; those among them that must not; bytes of others in
 * its receive buffer) and 'COUNT n TSC t' as counter.c does, where n counts frames of the pair.
 *
 *     do=echo   sends back what comes
 *     do=ask    asks the echo for ever, four frames at a time
 *     do=watch  takes all that the switch has for it
 */
#include "tests/guest/netpeer.h"
#include "tests/guest/netvsc.h"

#define MSR_TSC_FREQUENCY 0x40000022u
#define WINDOW            4u
#define BYTES             200u

static struct nic nic;
static uint64_t count, marked;
static bool is_echo;

static bool is_marked(const uint8_t *frame, uint32_t bytes)
{
    for (uint32_t i = 14; i + 8 <= bytes && i < 64; i += 2)
        if (*(const uint64_t *)(const void *)(frame + i) == PEER_MARK)
            return true;
    return false;
}

static void send_to(const uint8_t *to, const uint8_t *payload, uint32_t bytes)
{
    uint32_t s = (uint32_t)(nic.pushed % NIC_SECTIONS);
    uint8_t *frame;

    if (nic.pushed - nic.completed >= NIC_SECTIONS)
        return;
    frame = nic_frame(&nic, s, bytes);
    for (uint32_t i = 14; i < bytes; i++)
        frame[i] = payload ? payload[i] : (uint8_t)i;
    nic_address(&nic, frame, to, 0, PEER_TYPE);
    nic_push(&nic, s);
}

static void take(struct nic *n, uint8_t *frame, uint32_t bytes)
{
    (void)n;
    marked += is_marked(frame, bytes);
    if (bytes < 14 || frame[12] != PEER_TYPE >> 8 || frame[13] != (PEER_TYPE & 0xff))
        return;
    count++;
    if (is_echo)
        send_to(frame + 6, frame, bytes);
}

static uint64_t secrets(void)
{
    uint64_t found = 0, row = 0;

    for (uint32_t i = 0; i < NIC_RECEIVE_PAGES * 4096; i++) {
        row = nic.receive[i] == PEER_SECRET ? row + 1 : 0;
        found += row == 8;
    }
    return found;
}

static void tell(void)
{
    print("FRAMES %u MARKED %u SECRET %u\n", nic.frames, marked, secrets());
    print("COUNT %u TSC %u\n", count, rdtsc());
}

/* Frames may be lost: after a while without an answer all are asked anew. */
static void ask(uint64_t patience)
{
    static uint64_t asked, seen, since;

    if (seen != count) {
        seen = count;
        since = rdtsc();
    } else if (rdtsc() - since > patience) {
        asked = count;
        since = rdtsc();
    }
    if ((int64_t)(asked - count) < (int64_t)WINDOW) {
        asked++;
        send_to(peer_echo, 0, BYTES);
    }
}

int payload_main(void)
{
    char what[8] = "";
    uint64_t hz = 0;
    bool asks;

    read_msr(MSR_TSC_FREQUENCY, &hz);
    argument_text("do", what, sizeof(what));
    asks = what[0] == 'a';
    is_echo = what[0] == 'e';
    nic.frame = take;
    if (!nic_up(&nic, what[0] == 'w' ? FILTER_PROMISCUOUS : FILTER_DIRECTED | FILTER_BROADCAST)) {
        print("PEER no NIC\n");
        return 1;
    }
    print("PEER ready\n");
    for (uint32_t i = 0;; i++) {
        while (nic_serve(&nic))
            ;
        if (asks)
            ask(hz / 5);
        if (i % 64 == 0 && get_char() >= 0)
            tell();
        __asm__ volatile("pause");
    }
}
