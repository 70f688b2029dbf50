#include "tests/guest/vmbus.h"

#define MSR_SCONTROL       0x40000080u
#define MSR_SIEFP          0x40000082u
#define MSR_SIMP           0x40000083u
#define MSR_EOM            0x40000084u
#define MSR_SINT2          0x40000092u
#define SINT_AUTO_EOI      (1u << 17)
#define POST               0x5cull
#define SIGNAL_FAST        0x1005dull
#define INVALID_CONNECTION 0x12u
#define BUSY               0x13u
#define PATIENCE           2000000u

static struct synic_message message_page[16] __attribute__((aligned(4096)));
static uint32_t event_page[1024] __attribute__((aligned(4096)));
static struct hv_post_message post_input __attribute__((aligned(4096)));
static uint32_t connection;

struct vmbus_offer vmbus_offers[VMBUS_OFFERS];
uint32_t vmbus_offer_count;

static void copy(void *to, const void *from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
}

bool vmbus_synic_on(void)
{
    return hypercall_enable() && write_msr(MSR_SIMP, (uint64_t)message_page | 1) &&
           write_msr(MSR_SIEFP, (uint64_t)event_page | 1) &&
           write_msr(MSR_SINT2, VMBUS_VECTOR | SINT_AUTO_EOI) && write_msr(MSR_SCONTROL, 1);
}

uint64_t vmbus_post(uint32_t to, const void *message, uint32_t bytes)
{
    post_input.connection = to;
    post_input.type = VMBUS_MESSAGE_TYPE;
    post_input.payload_bytes = bytes;
    copy(post_input.payload, message, bytes);
    return hypercall(POST, (uint64_t)&post_input, 0);
}

uint64_t vmbus_send(const void *message, uint32_t bytes)
{
    uint64_t status = BUSY;

    for (uint32_t i = 0; i < PATIENCE && status == BUSY; i++) {
        status = vmbus_post(connection, message, bytes);
        if (status == BUSY)
            __asm__ volatile("pause");
    }
    return status;
}

uint32_t vmbus_poll(void *to, uint32_t capacity)
{
    struct synic_message *slot = &message_page[VMBUS_SINT];
    uint32_t bytes;

    if (!__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE))
        return 0;
    bytes = slot->payload_bytes < capacity ? slot->payload_bytes : capacity;
    copy(to, slot->payload, bytes);
    __atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
    if (slot->flags & SYNIC_MESSAGE_PENDING)
        __asm__ volatile("wrmsr" : : "c"(MSR_EOM), "a"(0), "d"(0) : "memory");
    return bytes;
}

static void remember(const struct vmbus_offer *offer)
{
    if (offer->header.type == VMBUS_OFFER && vmbus_offer_count < VMBUS_OFFERS)
        vmbus_offers[vmbus_offer_count++] = *offer;
}

bool vmbus_wait(uint32_t type, void *to, uint32_t capacity)
{
    union {
        struct vmbus_header header;
        struct vmbus_offer offer;
        uint8_t bytes[SYNIC_PAYLOAD_BYTES];
    } m;

    for (uint32_t i = 0; i < PATIENCE; i++) {
        if (!vmbus_poll(&m, sizeof(m))) {
            __asm__ volatile("pause");
            continue;
        }
        remember(&m.offer);
        if (m.header.type == type) {
            copy(to, &m, capacity);
            return true;
        }
    }
    return false;
}

bool vmbus_contact(uint32_t version)
{
    struct vmbus_initiate_contact m = { .header = { .type = VMBUS_INITIATE_CONTACT },
                                        .version = version };
    struct vmbus_version_response r = { .is_supported = 0 };

    vmbus_offer_count = 0;
    connection = version >= VMBUS_VERSION(5, 0) ? VMBUS_CONNECTION : VMBUS_CONNECTION_OLD;
    if (version >= VMBUS_VERSION(5, 0))
        m.sint = VMBUS_SINT;
    if (vmbus_send(&m, sizeof(m)) || !vmbus_wait(VMBUS_VERSION_RESPONSE, &r, sizeof(r)))
        return false;
    return r.is_supported;
}

bool vmbus_get_offers(void)
{
    struct vmbus_header m = { .type = VMBUS_REQUEST_OFFERS };

    return !vmbus_send(&m, sizeof(m)) && vmbus_wait(VMBUS_ALL_OFFERS_DELIVERED, &m, sizeof(m));
}

const struct vmbus_offer *vmbus_find(uint32_t class_a, uint16_t index)
{
    for (uint32_t i = 0; i < vmbus_offer_count; i++)
        if (vmbus_offers[i].class_id.a == class_a && vmbus_offers[i].subchannel == index)
            return &vmbus_offers[i];
    return 0;
}

uint32_t vmbus_gpadl(uint32_t channel, uint32_t gpadl, const uint64_t *pages, uint32_t count)
{
    struct {
        struct vmbus_gpadl_header head;
        uint64_t pages[26];
    } __attribute__((packed)) first = { .head = { .header = { .type = VMBUS_GPADL_HEADER },
                                                  .channel = channel,
                                                  .gpadl = gpadl,
                                                  .range_bytes = (uint16_t)(8 + 8 * count),
                                                  .range_count = 1,
                                                  .byte_count = count * 4096 } };
    struct {
        struct vmbus_gpadl_body head;
        uint64_t pages[28];
    } __attribute__((packed))
    more = { .head = { .header = { .type = VMBUS_GPADL_BODY }, .gpadl = gpadl } };
    struct vmbus_gpadl_created r = { .status = ~0u };
    uint32_t n = count < 26 ? count : 26;

    copy(first.pages, pages, n * 8);
    vmbus_send(&first, sizeof(first.head) + n * 8);
    for (uint32_t at = n; at < count; at += n) {
        n = count - at < 28 ? count - at : 28;
        copy(more.pages, pages + at, n * 8);
        vmbus_send(&more, sizeof(more.head) + n * 8);
    }
    return vmbus_wait(VMBUS_GPADL_CREATED, &r, sizeof(r)) ? r.status : ~0u;
}

uint32_t vmbus_open(uint32_t channel, uint32_t gpadl, uint32_t downstream_page, uint32_t vp)
{
    struct vmbus_open m = { .header = { .type = VMBUS_OPEN },
                            .channel = channel,
                            .open_id = channel,
                            .gpadl = gpadl,
                            .target_vp = vp,
                            .downstream_page = downstream_page };
    struct vmbus_open_result r = { .status = ~0u };

    vmbus_send(&m, sizeof(m));
    return vmbus_wait(VMBUS_OPEN_RESULT, &r, sizeof(r)) ? r.status : ~0u;
}

void vmbus_close(uint32_t channel)
{
    struct vmbus_rescind m = { .header = { .type = VMBUS_CLOSE }, .channel = channel };

    vmbus_send(&m, sizeof(m));
}

bool vmbus_teardown(uint32_t channel, uint32_t gpadl)
{
    struct vmbus_gpadl_teardown m = { .header = { .type = VMBUS_GPADL_TEARDOWN },
                                      .channel = channel,
                                      .gpadl = gpadl };
    struct vmbus_gpadl_torndown r;

    vmbus_send(&m, sizeof(m));
    return vmbus_wait(VMBUS_GPADL_TORNDOWN, &r, sizeof(r)) && r.gpadl == gpadl;
}

void channel_reset_rings(struct vmbus_channel *c, void *memory, uint32_t pages)
{
    uint8_t *at = memory;

    for (uint32_t i = 0; i < 2 * pages * 4096; i += 8)
        *(volatile uint64_t *)(at + i) = 0;
    c->out = memory;
    c->in = (struct ring_page *)(at + pages * 4096);
    c->out_data = at + 4096;
    c->in_data = at + (pages + 1) * 4096;
    c->data_bytes = (pages - 1) * 4096;
    c->out->feature_bits = c->in->feature_bits = 1;
    c->in_at = c->out_at = 0;
}

bool channel_open(struct vmbus_channel *c, const struct vmbus_offer *offer, uint32_t gpadl,
                  void *memory, uint32_t pages)
{
    uint64_t list[2 * RING_PAGES_MAX];

    for (uint32_t i = 0; i < 2 * pages; i++)
        list[i] = ((uint64_t)memory >> 12) + i;
    c->id = offer->channel;
    c->connection = offer->connection;
    c->gpadl = gpadl;
    channel_reset_rings(c, memory, pages);
    return vmbus_gpadl(c->id, gpadl, list, 2 * pages) == 0 &&
           vmbus_open(c->id, gpadl, pages, 0) == 0;
}

uint32_t ring_put_words(struct vmbus_channel *c, uint32_t at, const uint64_t *from, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        *(volatile uint64_t *)(c->out_data + at) = from[i];
        at = at + 8 < c->data_bytes ? at + 8 : 0;
    }
    return at;
}

uint32_t ring_take_words(struct vmbus_channel *c, uint32_t at, uint64_t *to, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        to[i] = *(volatile uint64_t *)(c->in_data + at);
        at = at + 8 < c->data_bytes ? at + 8 : 0;
    }
    return at;
}

uint64_t channel_signal(const struct vmbus_channel *c)
{
    return hypercall(SIGNAL_FAST, c->connection, 0);
}

bool vmbus_take_event(uint32_t channel)
{
    uint32_t bit = 1u << channel % 32;

    return __atomic_fetch_and(&event_page[VMBUS_SINT * 64 + channel / 32], ~bit, __ATOMIC_SEQ_CST) &
           bit;
}
