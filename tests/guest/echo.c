/* Measures a channel: requests of 64 bytes to the echo service of a VM with echo=1, and its answers.
 * Prints 'BENCH name N' as bench.c does.
 *
 *     channel-sleeping    one at a time; guest and vmm sleep first
 *     channel-in-flight   for each packet, 64 in flight
 *     channel-ring        what the guest's own part of a packet is: written and taken, by itself
 */
#include "tests/guest/measure.h"
#include "tests/guest/vmbus.h"

#define IN_FLIGHT  64u
#define WORDS      8u
#define PAGES      8u
#define ECHO_CLASS 0xb1d0ec40u

static uint8_t rings[2 * PAGES * 4096] __attribute__((aligned(4096)));
static struct vmbus_channel channel;

/* The interrupt only wakes: its SINT asks for no EOI. */
INTERRUPT(on_event)
{
}

/* Waits as a driver does: asleep until the event flag is there. */
static void sleep_until_event(void)
{
    interrupts_off();
    while (!vmbus_take_event(channel.id)) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    interrupts_on();
}

static inline bool put(uint64_t number)
{
    uint64_t payload[WORDS] = { number, ~number };

    return ring_put(&channel, 6, 1, number, payload, WORDS);
}

static bool publish(void)
{
    return !ring_publish(&channel) || channel_signal(&channel) == 0;
}

/* Takes the answer to request @number. */
static inline bool take(uint64_t number)
{
    uint64_t payload[WORDS];
    struct packet_head h;
    uint32_t words;

    return ring_take(&channel, &h, payload, WORDS, &words) && h.type == 11 &&
           h.transaction == number && words == WORDS && payload[0] == number &&
           payload[1] == ~number;
}

static bool sleeping(void)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t before = rdtsc();

        if (!put(i) || !publish())
            return false;
        sleep_until_event();
        if (!take(i))
            return false;
        ring_done(&channel);
        samples[i] = rdtsc() - before;
    }
    print("BENCH channel-sleeping %u\n", median() * 100);
    return true;
}

static bool in_flight(void)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t before = rdtsc();

        for (unsigned int k = 0; k < IN_FLIGHT; k++)
            if (!put(k))
                return false;
        if (!publish())
            return false;
        for (unsigned int k = 0; k < IN_FLIGHT;) {
            sleep_until_event();
            while (k < IN_FLIGHT && take(k))
                k++;
            ring_done(&channel);
        }
        samples[i] = (rdtsc() - before) * 100 / IN_FLIGHT;
    }
    print("BENCH channel-in-flight %u\n", median());
    return true;
}

/* The other side is played by turning the rings around. */
static void own_part(void)
{
    struct vmbus_channel real = channel;
    uint64_t payload[WORDS] = { 0 };
    struct packet_head h;
    uint32_t words;

    channel_reset_rings(&channel, rings, PAGES);
    channel.in = channel.out;
    channel.in_data = channel.out_data;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t before = rdtsc();

        ring_put(&channel, 6, 1, i, payload, WORDS);
        (void)ring_publish(&channel);
        ring_take(&channel, &h, payload, WORDS, &words);
        ring_done(&channel);
        samples[i] = rdtsc() - before;
    }
    print("BENCH channel-ring %u\n", median() * 100);
    channel = real;
}

int payload_main(void)
{
    const struct vmbus_offer *offer;

    set_gate(VMBUS_VECTOR, on_event);
    apic_enable();
    if (!vmbus_synic_on() || !vmbus_contact(VMBUS_VERSION_5_3) || !vmbus_get_offers()) {
        print("BENCH-FAILED no VMBus\n");
        return 1;
    }
    offer = vmbus_find(ECHO_CLASS, 0);
    if (!offer || !channel_open(&channel, offer, 1, rings, PAGES)) {
        print("BENCH-FAILED no echo service\n");
        return 1;
    }
    interrupts_on();
    if (!sleeping() || !in_flight())
        print("BENCH-FAILED the echo is not what was sent\n");
    vmbus_close(channel.id);
    vmbus_teardown(channel.id, 1);
    interrupts_off();
    own_part();
    print("BENCH done\n");
    return 0;
}
