/* A guest's end of the integration services, without an operating system: it opens those that open=
 * names, by their first letters (heartbeat, shutdown, timesync, kvp, vss, fcopy: open=hstkvf), and
 * answers them. It prints 'SERVICE letter' for each that is negotiated, then 'SERVICES ready', and
 * 'SHUTDOWN' when it is asked for that, which it does not obey.
 *
 *     old=1        speaks only heartbeat 1.0 in a frame of 1.0
 *     lie=...      text: KVP items with control characters, no end, lone surrogates; OSName too
 *                  endless: a list of items that never ends
 *                  short: answers that are cut off
 *                  replay: each answer twice, and answers to nothing
 *                  stop: the heartbeat is not answered after the tenth
 */
#include "lib/abi/services.h"
#include "tests/guest/hostile.h"
#include "tests/guest/vmbus.h"

#define PAGES   8u
#define WORDS   1100u
#define NO_MORE 0x80070103u

struct service {
    char letter;
    uint32_t class_a;
    struct ic_version version;
    struct vmbus_channel channel;
    bool is_open;
    uint32_t answered;
};

static struct service services[] = {
    { .letter = 'h', .class_a = 0x57164f39, .version = { 3, 0 } },
    { .letter = 's', .class_a = 0x0e0b6031, .version = { 3, 2 } },
    { .letter = 't', .class_a = 0x9527e630, .version = { 4, 0 } },
    { .letter = 'k', .class_a = 0xa9a0f4e7, .version = { 4, 0 } },
    { .letter = 'v', .class_a = 0x35fa2e29, .version = { 5, 0 } },
    { .letter = 'f', .class_a = 0x34d14be3, .version = { 1, 1 } },
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static uint8_t rings[SERVICES][2 * PAGES * 4096] __attribute__((aligned(4096)));
static uint64_t packet[WORDS];
static char lie[16];

INTERRUPT(on_event)
{
}

static struct ic_header *head(void)
{
    return (struct ic_header *)(void *)packet;
}

static uint8_t *body(void)
{
    return (uint8_t *)(void *)packet + sizeof(struct ic_header);
}

/* Unaligned. */
static void put32(uint32_t offset, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        body()[offset + i] = (uint8_t)(value >> 8 * i);
}

static void negotiate(struct service *s)
{
    bool is_old = argument("old", 0);
    uint16_t major = is_old ? 1 : s->version.major, minor = is_old ? 0 : s->version.minor;

    put32(0, 1 | 1 << 16);
    put32(4, 0);
    put32(8, is_old ? 1 : 3);
    put32(12, major | (uint32_t)minor << 16);
    print("SERVICE %s\n", (char[]){ s->letter, 0 });
}

static void put_text(uint32_t offset, uint32_t units, const char *text)
{
    uint32_t i = 0;

    for (; text[i]; i++) {
        body()[offset + 2 * i] = (uint8_t)text[i];
        body()[offset + 2 * i + 1] = 0;
    }
    for (; i < units; i++) { /* the rest has no end, but half a character */
        body()[offset + 2 * i] = 0;
        body()[offset + 2 * i + 1] = is(lie, "text") ? 0xd8 : 0;
    }
}

/* Item @index of a list, or the value of a key. */
static void answer_kvp(void)
{
    uint32_t at = body()[0] == 3 ? 20 : 16, index = body()[4];
    uint32_t last = is(lie, "endless") ? ~0u : 3;

    if (body()[0] == 3 && index >= last) {
        head()->status = NO_MORE;
        return;
    }
    put_text(at, 256, is(lie, "text") && !index ? "OS\x1b[2JName" : "OSName");
    if (index)
        put32(at + 2 * 6, 0); /* ends behind OSName: the host knows this key */
    put_text(at + 512, 1024, is(lie, "text") ? "\x1b]0;owned\x07\x01\x7f" : "payload");
}

static void answer(struct service *s)
{
    if (head()->type == IC_NEGOTIATE) {
        negotiate(s);
    } else if (s->letter == 'h') {
        *(volatile uint8_t *)body() = (uint8_t)(body()[0] + 1); /* even before */
    } else if (s->letter == 's') {
        print("SHUTDOWN\n");
    } else if (s->letter == 'k') {
        answer_kvp();
    }
    head()->flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
    s->answered++;
}

static void send(struct service *s, uint64_t transaction, uint32_t words)
{
    while (!ring_put(&s->channel, 6, 0, transaction, packet, words))
        __asm__ volatile("pause");
    if (ring_publish(&s->channel))
        channel_signal(&s->channel);
}

static void serve(struct service *s)
{
    struct packet_head h;
    uint32_t words;

    while (ring_take(&s->channel, &h, packet, WORDS, &words)) {
        ring_done(&s->channel);
        if (is(lie, "stop") && s->letter == 'h' && s->answered > 10)
            continue;
        answer(s);
        send(s, h.transaction, is(lie, "short") && s->answered > 1 ? s->answered % 5 : words);
        if (is(lie, "replay")) {
            send(s, h.transaction, words);
            head()->transaction += 77;
            send(s, h.transaction, words);
        }
    }
}

static bool open_services(const char *letters)
{
    for (uint32_t i = 0; i < SERVICES; i++) {
        struct service *s = &services[i];
        const struct vmbus_offer *offer = vmbus_find(s->class_a, 0);

        for (const char *l = letters; *l && offer; l++)
            if (*l == s->letter)
                s->is_open = channel_open(&s->channel, offer, 1 + i, rings[i], PAGES);
    }
    return true;
}

int payload_main(void)
{
    char letters[16] = "";

    argument_text("open", letters, sizeof(letters));
    argument_text("lie", lie, sizeof(lie));
    set_gate(VMBUS_VECTOR, on_event);
    apic_enable();
    if (!vmbus_synic_on() || !vmbus_contact(VMBUS_VERSION_5_3) || !vmbus_get_offers() ||
        !open_services(letters)) {
        print("SERVICES no VMBus\n");
        return 1;
    }
    print("SERVICES ready\n");
    for (;;) {
        interrupts_off();
        for (uint32_t i = 0; i < SERVICES; i++)
            if (services[i].is_open && vmbus_take_event(services[i].channel.id))
                serve(&services[i]);
        /* Nothing is lost between: an interrupt that is pending ends the HLT. */
        __asm__ volatile("sti; hlt" : : : "memory");
    }
}
