#include "services/switch/capture.h"
#include "services/rt/sys.h"
#include "services/switch/bytes.h"

#define MAC_BYTES 12u /* of both addresses; a tag comes behind them */
#define TAG_TYPE  0x8100u

static const char *const reasons[DROP_REASON_COUNT] = {
    [DROP_RUNT] = "dropped: runt",           [DROP_TOO_LONG] = "dropped: too long",
    [DROP_SPOOFED] = "dropped: spoofed",     [DROP_VLAN] = "dropped: vlan",
    [DROP_OFFLOAD] = "dropped: offload",     [DROP_FLOOD_LIMIT] = "dropped: flood limit",
    [DROP_ISOLATED] = "dropped: isolated",   [DROP_NO_RECEIVER] = "dropped: no receiver",
    [DROP_LINK_DOWN] = "dropped: link down", [DROP_FILTERED] = "dropped: filtered",
    [DROP_NO_BUFFER] = "dropped: no buffer", [DROP_RING_FULL] = "dropped: ring full",
    [DROP_TOO_LARGE] = "dropped: too large",
};

enum err capture_start(struct captures *all, const struct capture_start *s, handle_t region)
{
    struct capture *c = &all->all[s->index % CAPTURES_MAX];
    void *mapped;
    enum err err;

    if (s->index >= CAPTURES_MAX || s->switch_index >= SWITCHES_MAX ||
        s->region_bytes < CAPTURE_BYTES_OFFSET)
        return ERR_ARGUMENT;
    err = sys_region_map(region, 0, s->region_bytes, PROT_READ | PROT_WRITE, &mapped);
    if (err)
        return err;
    if (c->head && capture_stop(all, s->index))
        return ERR_ARGUMENT;
    *c = (struct capture){ .head = mapped, .region = region, .config = *s };
    c->file.at = (uint8_t *)mapped + CAPTURE_BYTES_OFFSET;
    c->file.capacity = s->region_bytes - CAPTURE_BYTES_OFFSET;
    *c->head = (struct capture_head){ 0 };
    if (!pcapng_section(&c->file))
        c->file.capacity = 0; /* too small for anything: it only counts */
    __atomic_store_n(&c->head->used, c->file.used, __ATOMIC_RELEASE);
    all->count++;
    return OK;
}

enum err capture_stop(struct captures *all, uint32_t index)
{
    struct capture *c = &all->all[index % CAPTURES_MAX];

    if (index >= CAPTURES_MAX || !c->head)
        return ERR_ARGUMENT;
    sys_unmap(c->head);
    sys_handle_close(c->region);
    c->head = NULL;
    all->count--;
    return OK;
}

/* The interface block of a port comes before its first packet. */
static bool describe(struct capture *c, const struct capture_frame *f)
{
    if (c->interfaces[f->port])
        return true;
    if (!pcapng_interface(&c->file, f->port_name, c->config.snap_bytes))
        return false;
    c->interfaces[f->port] = ++c->interface_count;
    return true;
}

static bool write(struct capture *c, const struct capture_frame *f)
{
    struct pcapng_packet p = { .time_ns = f->time_ns,
                               .bytes = f->head_bytes + f->rest_bytes,
                               .snap_bytes = c->config.snap_bytes,
                               .direction = f->direction,
                               .queue = f->queue };
    uint8_t tag[VLAN_TAG_BYTES];
    uint32_t macs = min(f->head_bytes, MAC_BYTES);

    if (!describe(c, f))
        return false;
    p.interface = c->interfaces[f->port] - 1;
    p.comment = f->reason < DROP_REASON_COUNT ? reasons[f->reason] : NULL;
    p.parts[0] = (struct pcapng_part){ f->head, macs };
    if (f->tci != CAPTURE_NO_TAG) {
        be16_put(tag, TAG_TYPE);
        be16_put(tag + 2, (uint16_t)f->tci);
        p.parts[1] = (struct pcapng_part){ tag, sizeof(tag) };
        p.bytes += VLAN_TAG_BYTES;
    }
    p.parts[2] = (struct pcapng_part){ f->head + macs, f->head_bytes - macs };
    p.parts[3] = (struct pcapng_part){ f->rest, f->rest_bytes };
    return pcapng_packet(&c->file, &p);
}

void capture_frame(struct captures *all, const struct capture_frame *f)
{
    for (unsigned i = 0; i < CAPTURES_MAX; i++) {
        struct capture *c = &all->all[i];

        if (!c->head || c->config.switch_index != f->switch_index ||
            (c->config.port_index != CAPTURE_ALL_PORTS && c->config.port_index != f->port))
            continue;
        if (write(c, f))
            c->head->frame_count++;
        else
            c->head->lost_count++;
        __atomic_store_n(&c->head->used, c->file.used, __ATOMIC_RELEASE);
    }
}
