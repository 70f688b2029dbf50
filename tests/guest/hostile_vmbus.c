/* Attacks on the VMBus server and on rings, by a guest that drives VMBus itself. Its VM has the echo
 * service (echo=4); the second CPU helps where two are needed. Lines 'CASE name n' tell what came of
 * it: statuses, or counts.
 *
 *     do=contact   contacts that name what is not there, version hops
 *     do=flood     100,000 messages that mean nothing, as fast as they can be posted
 *     do=gpadl     lists of pages that cannot be, ids used twice, 100,000 that are never finished
 *     do=open      opens that cannot be, rings torn down while they live
 *     do=overlap   rings that lie on one page, on the message page, on the event page
 *     do=race      the same, while the second CPU keeps the ring busy
 *     do=order     100,000 opens, closes, teardowns and unloads in any order, under traffic
 *     do=ring      indices and headers that are wrong: how=0 ...; each ends the channel
 *     do=flip      the second CPU changes index and header while the host reads them
 *     do=undrained answers that nobody takes, and signals that are asked for and not wanted
 *     do=storm     both CPUs signal without end, for a while: the vmm has always something to do
 *     do=types     packets of any type, completions of nothing, to the echo and to services
 */
#include "tests/guest/hostile.h"
#include "tests/guest/vmbus.h"

#define ECHO_CLASS 0xb1d0ec40u
#define HEARTBEAT  0x57164f39u
#define KVP        0xa9a0f4e7u
#define PAGES      4u
#define MANY       100000u

static uint8_t rings[4][2 * PAGES * 4096] __attribute__((aligned(4096)));
static struct vmbus_channel channel;
static volatile uint32_t is_over, rounds;
static uint64_t seed = 7;

static void told(const char *name, uint64_t n)
{
    print("CASE %s %x\n", name, n);
}

static bool connect(void)
{
    return vmbus_contact(VMBUS_VERSION_5_3) && vmbus_get_offers() && vmbus_find(ECHO_CLASS, 0);
}

static bool begin(void)
{
    if (vmbus_synic_on() && connect())
        return true;
    print("HOSTILE no VMBus\n");
    return false;
}

static bool open_echo(void)
{
    return channel_open(&channel, vmbus_find(ECHO_CLASS, 0), 1, rings[0], PAGES);
}

/* One request and its answer: whether the channel works. */
static bool echoes(void)
{
    uint64_t payload[2] = { random_next(&seed), 1 }, back[2] = { 0, 0 };
    struct packet_head h;
    uint32_t words;

    if (!ring_put(&channel, 6, 1, 5, payload, 2))
        return false;
    if (ring_publish(&channel))
        channel_signal(&channel);
    for (uint32_t i = 0; i < 1000000; i++) {
        if (ring_take(&channel, &h, back, 2, &words)) {
            ring_done(&channel);
            return h.type == 11 && h.transaction == 5 && back[0] == payload[0];
        }
        __asm__ volatile("pause");
    }
    return false;
}

/* The channel is closed by the host: its rescind comes, the id is released. */
static bool is_rescinded(uint32_t id)
{
    struct vmbus_rescind m = { .channel = 0 };

    if (!vmbus_wait(VMBUS_RESCIND, &m, sizeof(m)) || m.channel != id)
        return false;
    m.header.type = VMBUS_RELID_RELEASED;
    vmbus_send(&m, sizeof(m));
    return true;
}

/* ---- the connection ---- */

static uint64_t contact_status(const struct vmbus_initiate_contact *m)
{
    struct vmbus_version_response r = { .is_supported = 9 };

    vmbus_post(m->version >= VMBUS_VERSION(5, 0) ? 4 : 1, m, sizeof(*m));
    return vmbus_wait(VMBUS_VERSION_RESPONSE, &r, sizeof(r)) ? r.is_supported : 99;
}

#define CONTACT(name, ...)                                                                \
    {                                                                                     \
        struct vmbus_initiate_contact m = { .header = { .type = VMBUS_INITIATE_CONTACT }, \
                                            .version = VMBUS_VERSION_5_3,                 \
                                            .sint = VMBUS_SINT };                         \
        __VA_ARGS__;                                                                      \
        told(name, contact_status(&m));                                                   \
    }

static void attack_contact(void)
{
    static const uint32_t hops[] = { VMBUS_VERSION(5, 3),
                                     VMBUS_VERSION(2, 4),
                                     VMBUS_VERSION(6, 0),
                                     VMBUS_VERSION(5, 0),
                                     VMBUS_VERSION(4, 1),
                                     13,
                                     ~0u };
    uint32_t good = 0;

    if (!begin())
        return;
    CONTACT("vp", m.target_vp = 2);
    CONTACT("vp-huge", m.target_vp = ~0u);
    CONTACT("sint", m.sint = 5);
    CONTACT("interrupt-hole", m.version = VMBUS_VERSION(4, 1), m.interrupt_page = HOLE);
    CONTACT("interrupt-top", m.version = VMBUS_VERSION(4, 1), m.interrupt_page = ~0xfffull);
    CONTACT("monitor-hole", m.monitor_pages[1] = HOLE);
    CONTACT("monitor-unaligned", m.monitor_pages[0] = 0x200001);
    CONTACT("monitor-twice", m.monitor_pages[0] = m.monitor_pages[1] = 0x200000);
    for (uint32_t i = 0; i < 7000; i++)
        good += vmbus_contact(hops[i % 7]);
    told("hops", good);
    told("after", connect() && open_echo() && echoes());
}

/* What the host's queue does not hold is refused with BUSY, and nothing else. */
static void attack_flood(void)
{
    struct vmbus_header m = { .type = 99 };
    uint32_t taken = 0, busy = 0, other = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t status = vmbus_post(VMBUS_CONNECTION, &m, sizeof(m));

        taken += status == 0;
        busy += status == 0x13;
        other += status != 0 && status != 0x13;
    }
    told("taken-some", taken > 0);
    told("busy-some", busy > 0);
    told("other", other);
    told("after", connect() && open_echo() && echoes());
}

/* ---- GPADLs ---- */

static uint64_t gpadl_status(struct vmbus_gpadl_header h, uint64_t page, uint32_t count)
{
    struct {
        struct vmbus_gpadl_header head;
        uint64_t pages[26];
    } __attribute__((packed)) m = { .head = h };
    struct vmbus_gpadl_created r = { .status = 99 };

    m.head.header.type = VMBUS_GPADL_HEADER;
    for (uint32_t i = 0; i < count; i++)
        m.pages[i] = page + i;
    vmbus_send(&m, (uint32_t)sizeof(m.head) + 8 * count);
    return vmbus_wait(VMBUS_GPADL_CREATED, &r, sizeof(r)) ? r.status : 99;
}

static void attack_gpadl(void)
{
    uint64_t page = (uint64_t)rings[0] >> 12;
    struct vmbus_gpadl_header h = { .range_count = 1, .byte_count = 4096 };
    struct vmbus_gpadl_body body = { .header = { .type = VMBUS_GPADL_BODY }, .gpadl = 4711 };
    uint32_t answered = 0;

    if (!begin())
        return;
    h.channel = vmbus_find(ECHO_CLASS, 0)->channel;
#define GPADL(name, count, from, ...)             \
    {                                             \
        struct vmbus_gpadl_header saved = h;      \
        h.gpadl++;                                \
        __VA_ARGS__;                              \
        told(name, gpadl_status(h, from, count)); \
        uint32_t id = h.gpadl;                    \
        h = saved;                                \
        h.gpadl = id;                             \
    }
    GPADL("good", 1, page, (void)0);
    GPADL("id-twice", 1, page, h.gpadl--);
    GPADL("ranges-0", 1, page, h.range_count = 0);
    GPADL("ranges-65535", 1, page, h.range_count = 65535);
    GPADL("bytes-0", 0, page, h.byte_count = 0);
    GPADL("overflow", 1, page, h.byte_count = h.byte_offset = ~0u);
    GPADL("offset", 2, page, h.byte_offset = 4096);
    GPADL("pages-too-many", 2, page, (void)0);
    GPADL("hole", 1, HOLE >> 12, (void)0);
    GPADL("top", 1, ~0ull, (void)0);
    GPADL("above-52", 1, 1ull << 52, (void)0);
    GPADL("no-channel", 1, page, h.channel = 2000);
    GPADL("huge", 1, page, h.byte_count = ~0u - 4095);
    vmbus_send(&body, sizeof(body));      /* belongs to nothing */
    for (uint32_t i = 0; i < MANY; i++) { /* never finished: no answer but a refusal */
        struct vmbus_gpadl_header m = { .header = { .type = VMBUS_GPADL_HEADER },
                                        .channel = h.channel,
                                        .gpadl = 100 + i,
                                        .range_count = 1,
                                        .byte_count = 8 * 4096 };
        struct vmbus_gpadl_created r;

        vmbus_send(&m, sizeof(m));
        while (vmbus_poll(&r, sizeof(r)))
            answered += r.header.type == VMBUS_GPADL_CREATED && r.status;
    }
    told("unfinished-refused-some", answered > 0 && answered < MANY);
    told("after", connect() && open_echo() && echoes());
}

/* ---- opening, closing ---- */

static void attack_open(void)
{
    uint64_t list[2 * PAGES];
    uint32_t id, other;

    if (!begin())
        return;
    id = vmbus_find(ECHO_CLASS, 0)->channel;
    other = vmbus_find(HEARTBEAT, 0)->channel;
    for (uint32_t i = 0; i < 2 * PAGES; i++)
        list[i] = ((uint64_t)rings[1] >> 12) + i;
    told("gpadl", vmbus_gpadl(id, 10, list, 2 * PAGES));
    told("gpadl-other", vmbus_gpadl(other, 11, list, 2 * PAGES));
    told("gpadl-small", vmbus_gpadl(id, 12, list, 3));
    told("no-channel", vmbus_open(2047, 10, PAGES, 0));
    told("no-gpadl", vmbus_open(id, 99, PAGES, 0));
    told("foreign-gpadl", vmbus_open(id, 11, PAGES, 0));
    told("split-0", vmbus_open(id, 10, 0, 0));
    told("split-1", vmbus_open(id, 10, 1, 0));
    told("split-end", vmbus_open(id, 10, 2 * PAGES, 0));
    told("split-beyond", vmbus_open(id, 10, ~0u, 0));
    told("one-page", vmbus_open(id, 12, 2, 0));
    told("vp", vmbus_open(id, 10, PAGES, 2));
    told("opened", open_echo() && echoes());
    told("twice", vmbus_open(id, 10, PAGES, 0));
    told("teardown-foreign", !vmbus_teardown(other, 1));
    told("still", echoes());
    told("teardown-live", vmbus_teardown(id, 1));
    told("teardown-again", !vmbus_teardown(id, 1));
    vmbus_close(id);
    vmbus_close(2047);
    told("after", open_echo() && echoes());
}

/* A ring over pages that overlap: opened or refused, it harms nobody; what is written there is the
 * guest's own. */
static uint64_t overlap(uint64_t first, uint64_t step, uint32_t split)
{
    uint64_t list[2 * PAGES];
    uint32_t id, status;

    if (!connect())
        return 99;
    id = vmbus_find(ECHO_CLASS, 0)->channel;
    for (uint32_t i = 0; i < 2 * PAGES; i++)
        list[i] = (first >> 12) + i * step;
    if (vmbus_gpadl(id, 1, list, 2 * PAGES))
        return 98;
    status = vmbus_open(id, 1, split, 0);
    channel.connection = vmbus_find(ECHO_CLASS, 0)->connection;
    for (uint64_t i = 0; i < 2000; i++) {
        if (step || i % 3 == 0) /* what a driver would write, or anything */
            *(volatile uint64_t *)(first + random_next(&seed) % 512 * 8) = i % 5 * 8;
        channel_signal(&channel);
    }
    return status != 0 && status != 0xc000000d;
}

static void attack_overlap(void)
{
    uint64_t message_page, event_page;

    if (!begin())
        return;
    read_msr(MSR_SIMP, &message_page);
    read_msr(MSR_SIEFP, &event_page);
    told("one-page", overlap((uint64_t)rings[0], 0, PAGES));
    told("shared-split", overlap((uint64_t)rings[0], 0, 2));
    told("message-page", overlap(message_page & ~0xfffull, 0, PAGES));
    write_good_msr(MSR_SIEFP, 0); /* its flags were overwritten: the page is set up anew */
    told("event-page", overlap(event_page & ~0xfffull, 0, PAGES));
    write_good_msr(MSR_SIEFP, event_page);
    told("after", begin() && open_echo() && echoes());
}

static void keep_busy(unsigned int cpu)
{
    uint64_t payload[2] = { cpu, 0 };

    while (!is_over) {
        if (channel.out_data && ring_put(&channel, 6, 1, 5, payload, 2))
            (void)ring_publish(&channel);
        channel_signal(&channel);
        channel.in_at = channel.in ? channel.in->write_index : 0;
        if (channel.in)
            ring_done(&channel);
        rounds++;
    }
    rest();
}

static void attack_race(void)
{
    uint32_t id, torn = 0;

    if (!begin() || !open_echo() || !start_second(keep_busy))
        return;
    id = channel.id;
    for (uint32_t i = 0; i < 1000; i++) {
        torn += vmbus_teardown(id, 1);
        uint64_t list[2 * PAGES];
        for (uint32_t k = 0; k < 2 * PAGES; k++)
            list[k] = ((uint64_t)rings[0] >> 12) + k;
        if (vmbus_gpadl(id, 1, list, 2 * PAGES))
            break;
        if (vmbus_open(id, 1, PAGES, 0) && !connect()) /* the ring may be broken by now */
            break;
    }
    is_over = 1;
    told("torn-some", torn > 0);
    told("busy", rounds > 0);
    channel.out_data = 0;
    told("after", connect() && open_echo() && echoes());
}

/* ---- any order ---- */

static uint32_t sub_id(uint32_t which)
{
    const struct vmbus_offer *o = vmbus_find(ECHO_CLASS, (uint16_t)(which % 4));

    return o ? o->channel : 1 + which % 8;
}

static void post_quickly(uint32_t type, uint32_t id, uint32_t gpadl)
{
    union {
        struct vmbus_open open;
        struct vmbus_gpadl_teardown teardown;
        struct {
            struct vmbus_gpadl_header head;
            uint64_t pages[2 * PAGES];
        } __attribute__((packed)) gpadl;
    } m = { .open = { .header = { .type = type } } };
    uint32_t bytes = sizeof(m.teardown);

    m.teardown.channel = id;
    m.teardown.gpadl = gpadl;
    if (type == VMBUS_OPEN) {
        m.open.open_id = id;
        m.open.gpadl = gpadl;
        m.open.downstream_page = PAGES;
        bytes = sizeof(m.open);
    } else if (type == VMBUS_GPADL_HEADER) {
        m.gpadl.head.gpadl = gpadl;
        m.gpadl.head.range_count = 1;
        m.gpadl.head.byte_count = sizeof(rings[0]);
        for (uint32_t i = 0; i < 2 * PAGES; i++)
            m.gpadl.pages[i] = ((uint64_t)rings[gpadl % 4] >> 12) + i;
        bytes = sizeof(m.gpadl);
    }
    vmbus_send(&m, bytes);
}

/* What the host says meanwhile is dropped, but for new offers. */
static void drop_messages(void)
{
    union {
        struct vmbus_header header;
        struct vmbus_offer offer;
        struct vmbus_rescind rescind;
    } m;

    while (vmbus_poll(&m, sizeof(m)))
        if (m.header.type == VMBUS_RESCIND && random_next(&seed) % 2) {
            m.header.type = VMBUS_RELID_RELEASED;
            vmbus_send(&m, sizeof(m.rescind));
        }
}

static void attack_order(void)
{
    static const uint8_t types[] = { VMBUS_OPEN,           VMBUS_OPEN,           VMBUS_GPADL_HEADER,
                                     VMBUS_GPADL_HEADER,   VMBUS_GPADL_TEARDOWN, VMBUS_CLOSE,
                                     VMBUS_RELID_RELEASED, VMBUS_MODIFY_CHANNEL };
    uint64_t payload[4] = { 1, 2, 3, 4 };
    uint32_t many = (uint32_t)argument("n", MANY), unloads = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < many; i++) {
        uint64_t r = random_next(&seed);
        uint32_t id = sub_id((uint32_t)(r >> 8)), gpadl = 1 + (r >> 16) % 4;

        if (r % 256 == 0) {
            struct vmbus_header m = { .type = VMBUS_UNLOAD };

            vmbus_send(&m, sizeof(m));
            (void)vmbus_wait(VMBUS_UNLOAD_RESPONSE, &m, sizeof(m));
            unloads += connect();
        } else if (r % 8 == 1) {
            channel_reset_rings(&channel, rings[gpadl - 1], PAGES);
            channel.connection = 0x2000 + id;
            (void)ring_put(&channel, 6, 1, 5, payload, 4);
            (void)ring_publish(&channel);
            (void)channel_signal(&channel);
        } else {
            post_quickly(types[(r >> 24) % sizeof(types)], id, gpadl);
        }
        drop_messages();
    }
    told("unloads", unloads > 0);
    told("after", connect() && open_echo() && echoes());
}

/* ---- rings ---- */

static void put_raw(uint64_t head)
{
    *(uint64_t *)(void *)channel.out_data = head;
    *(uint64_t *)(void *)(channel.out_data + 8) = 5;
}

/* Each way to break a ring, with the writer's index behind it. */
static void break_ring(uint32_t how)
{
    uint32_t data = channel.data_bytes;
    static const uint64_t heads[] = {
        6 | 2ull << 16 | 0ull << 32,           6 | 2ull << 16 | 1ull << 32,
        6 | 2ull << 16 | 0xffffull << 32,      6 | 9ull << 16 | 4ull << 32,
        6 | 1ull << 16 | 4ull << 32,           6 | 0ull << 16 | 4ull << 32,
        6 | 0xffffull << 16 | 0xffffull << 32,
    };
    uint32_t indices[] = { data, data + 8, ~0u, 0x80000000u, 4, 13, 8, 16 };

    if (how < 8) {
        put_raw(6 | 2ull << 16 | 2ull << 32);
        channel.out->write_index = indices[how];
    } else {
        put_raw(heads[how - 8]);
        channel.out->write_index = 64;
    }
    channel_signal(&channel);
}

/* A channel whose id was released takes no GPADL. */
static bool server_knows(uint32_t id)
{
    uint64_t page = (uint64_t)rings[3] >> 12;

    return vmbus_gpadl(id, 77, &page, 1) == 0;
}

static void attack_ring(void)
{
    for (uint32_t how = 0; how < 15; how++) {
        bool is_open = begin() && open_echo() && echoes();

        if (!is_open) {
            told("not-open", how);
            return;
        }
        vmbus_teardown(channel.id, 1);
        if (!open_echo()) /* anew, with indices at the start */
            told("not-open", how);
        break_ring(how);
        told("rescinded", is_rescinded(channel.id));
        told("released", !server_knows(channel.id));
    }
    /* Backwards: from 64 to 32. */
    if (begin() && open_echo() && echoes()) {
        channel.out->write_index -= 16;
        channel_signal(&channel);
        told("rescinded", is_rescinded(channel.id));
    }
    /* The reader's index of the other ring. */
    if (begin() && open_echo()) {
        uint64_t payload[2] = { 0, 0 };

        channel.in->read_index = channel.data_bytes + 8;
        (void)ring_put(&channel, 6, 1, 5, payload, 2);
        (void)ring_publish(&channel);
        channel_signal(&channel);
        told("rescinded", is_rescinded(channel.id));
    }
    told("after", begin() && open_echo() && echoes());
}

static void flip(unsigned int cpu)
{
    uint64_t r = cpu;

    while (!is_over) {
        if (channel.out) {
            channel.out->write_index = random_next(&r) % 4 ? (uint32_t)(r % 512) * 8 : (uint32_t)r;
            *(volatile uint64_t *)(void *)channel.out_data =
                6 | (r >> 8) % 8 << 16 | (r >> 16) % 128 << 32;
            *(volatile uint64_t *)(void *)(channel.out_data + (r >> 24) % 64 * 8) = r;
            channel.in->read_index = (uint32_t)(r >> 32) % 512 * 8;
            channel.in->interrupt_mask = r & 1;
            channel.in->pending_send_bytes = (uint32_t)(r >> 40);
        }
        rounds++;
    }
    rest();
}

static void attack_flip(void)
{
    uint32_t broken = 0, opened = 0;

    if (!begin() || !open_echo() || !start_second(flip))
        return;
    for (uint32_t i = 0; i < 60; i++) {
        struct vmbus_rescind m;

        for (uint32_t k = 0; k < 20; k++)
            channel_signal(&channel);
        while (vmbus_poll(&m, sizeof(m)))
            broken += m.header.type == VMBUS_RESCIND;
        if (connect())
            opened += open_echo();
    }
    is_over = 1;
    told("broken-some", broken > 0);
    told("opened-some", opened > 0);
    while (vmbus_take_event(channel.id))
        ;
    told("after", connect() && open_echo() && echoes());
}

static void attack_undrained(void)
{
    uint64_t payload[32] = { 0 };
    uint32_t put = 0, events = 0, again = 0;

    if (!begin() || !open_echo())
        return;
    for (uint32_t i = 0; i < 20000; i++) { /* until both rings are full */
        if (ring_put(&channel, 6, 1, i, payload, 32))
            put++;
        (void)ring_publish(&channel);
        channel_signal(&channel);
        events += vmbus_take_event(channel.id);
    }
    told("stops-itself", put > 50 && put < 200);
    told("events-few", events < 50);
    for (uint32_t i = 0; i < 20000; i++) { /* signals that are asked for by every trick */
        channel.in->pending_send_bytes = i % 3 ? 8 : ~0u;
        channel.in->interrupt_mask = i & 1;
        channel.out->interrupt_mask = i & 2;
        channel_signal(&channel);
        again += vmbus_take_event(channel.id);
    }
    told("signals-bounded", again <= 20000);
    channel.in->interrupt_mask = channel.out->interrupt_mask = 0;
    channel.in_at = channel.in->write_index;
    ring_done(&channel); /* all at once */
    channel_signal(&channel);
    for (uint32_t i = 0; i < 1000000 && channel.out->read_index != channel.out->write_index; i++) {
        channel.in_at = channel.in->write_index;
        ring_done(&channel);
        if (i % 1000 == 0)
            channel_signal(&channel);
        __asm__ volatile("pause");
    }
    channel.in_at = channel.in->write_index;
    ring_done(&channel);
    told("after", echoes());
}

static void storm(unsigned int cpu)
{
    (void)cpu;
    while (!is_over)
        channel_signal(&channel);
    rest();
}

static void attack_storm(void)
{
    uint64_t begin_tsc, hz = 0;

    if (!begin() || !open_echo() || !start_second(storm))
        return;
    print("STORM\n");
    read_msr(0x40000022, &hz);
    begin_tsc = rdtsc();
    while (rdtsc() - begin_tsc < 20 * hz)
        channel_signal(&channel);
    is_over = 1;
    told("after", echoes());
}

static void attack_types(void)
{
    static uint64_t payload[64];
    uint32_t strange = 0;
    struct vmbus_channel echo;

    if (!begin() || !open_echo())
        return;
    for (uint32_t i = 0; i < 64; i++)
        payload[i] = ~0ull; /* 2^32 - 1 ranges, of any length */
    for (uint32_t type = 0; type < 20; type++) {
        struct packet_head h;
        uint64_t back[64];
        uint32_t words;

        (void)ring_put(&channel, (uint16_t)type, 0xffff, ~0ull, payload, 64);
        (void)ring_publish(&channel);
        channel_signal(&channel);
        while (ring_take(&channel, &h, back, 64, &words))
            strange += h.type != 11 || h.transaction != ~0ull;
        ring_done(&channel);
    }
    told("echo-strange", strange);
    echo = channel;
    for (uint32_t k = 0; k < 2; k++) {
        const struct vmbus_offer *o = vmbus_find(k ? KVP : HEARTBEAT, 0);

        if (!channel_open(&channel, o, 20 + k, rings[1 + k], PAGES)) {
            told("service-not-open", k);
            continue;
        }
        for (uint32_t i = 0; i < 200; i++) { /* completions and answers of nothing */
            (void)ring_put(&channel, i & 1 ? 11 : 6, 0, random_next(&seed), payload, i % 60);
            (void)ring_publish(&channel);
            channel_signal(&channel);
        }
    }
    channel = echo;
    told("after", echoes());
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "contact", attack_contact },     { "flood", attack_flood }, { "gpadl", attack_gpadl },
        { "open", attack_open },           { "race", attack_race },   { "overlap", attack_overlap },
        { "order", attack_order },         { "ring", attack_ring },   { "flip", attack_flip },
        { "undrained", attack_undrained }, { "types", attack_types }, { "storm", attack_storm },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
