/* Regions that the switch fills with a pcapng file and the manager only reads. They are charged to the
 * manager's own budget, since a capture is the administrator's and no VM's. */
#include "lib/string.h"
#include "services/manager/network_commands.h"
#include "services/rt/sys.h"

struct capture *capture_find(const char *name)
{
    for (unsigned i = 0; i < CAPTURES_MAX; i++) {
        struct capture *c = &network()->captures[i];

        if (c->state != CAPTURE_FREE && strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static struct capture *find_free(void)
{
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (network()->captures[i].state == CAPTURE_FREE)
            return &network()->captures[i];
    return NULL;
}

static uint32_t index_of(const struct capture *c)
{
    return (uint32_t)(c - network()->captures);
}

void capture_delete(struct capture *c)
{
    handle_t region = c->region;

    if (c->state == CAPTURE_RUNNING)
        capture_stop(c);
    c->state = CAPTURE_FREE;
    c->region = HANDLE_NONE;
    if (region != HANDLE_NONE)
        sys_handle_close(region);
}

/* The handle goes only when the message behind it will have room. */
static enum err tell(const struct capture *c)
{
    struct capture_start m = { .index = index_of(c),
                               .switch_index = c->switch_index,
                               .port_index = c->port_index,
                               .snap_bytes = c->snap_bytes,
                               .region_bytes = c->bytes + CAPTURE_BYTES_OFFSET };

    if (!switch_has_room(sizeof(m)))
        return switch_program_is_up() ? ERR_FULL : ERR_STATE;
    enum err err = switch_send_handle(c->region, RIGHT_READ | RIGHT_WRITE);
    return err ? err : switch_send(CAPTURE_START, &m, sizeof(m));
}

enum err capture_start(const char *name, unsigned index, uint32_t port, uint64_t bytes,
                       uint32_t snap_bytes)
{
    struct capture *c = capture_find(name);

    if (c) /* what it holds makes way */
        capture_delete(c);
    c = find_free();
    if (!c)
        return ERR_EXISTS;
    *c = (struct capture){ .switch_index = index,
                           .port_index = port,
                           .snap_bytes = snap_bytes,
                           .bytes = round_up(bytes, PAGE_BYTES) };
    string_copy(c->name, sizeof(c->name), name);
    enum err err = sys_region_create(network_root(), c->bytes + CAPTURE_BYTES_OFFSET, &c->region);
    if (err)
        return err;
    c->state = CAPTURE_STOPPED;
    err = tell(c);
    if (err)
        capture_delete(c);
    else
        c->state = CAPTURE_RUNNING;
    return err;
}

/* A switch that cannot be told goes on into a region that nobody reads on; the next start with this
 * index ends it. */
void capture_stop(struct capture *c)
{
    struct switch_index m = { .index = index_of(c) };

    if (c->state == CAPTURE_RUNNING && switch_send(CAPTURE_STOP, &m, sizeof(m)) == OK)
        c->state = CAPTURE_STOPPED;
    else if (!switch_program_is_up())
        c->state = CAPTURE_STOPPED;
}

static enum err read_head(const struct capture *c, struct capture_head *head)
{
    const struct capture_head *at;
    void *map;
    enum err err = sys_region_map(c->region, 0, PAGE_BYTES, PROT_READ, &map);

    if (err)
        return err;
    at = map;
    head->used = min(__atomic_load_n(&at->used, __ATOMIC_ACQUIRE), c->bytes);
    head->frame_count = at->frame_count;
    head->lost_count = at->lost_count;
    sys_unmap(map);
    return OK;
}

enum err capture_read(const struct capture *c, uint64_t from, uint8_t *out, size_t *n,
                      struct capture_head *head)
{
    void *map;
    enum err err = read_head(c, head);

    if (err)
        return err;
    from = min(from, head->used);
    *n = min((uint64_t)*n, head->used - from);
    if (!*n)
        return OK;
    uint64_t begin = round_down(CAPTURE_BYTES_OFFSET + from, PAGE_BYTES);
    uint64_t skip = CAPTURE_BYTES_OFFSET + from - begin;
    err = sys_region_map(c->region, begin, round_up(skip + *n, PAGE_BYTES), PROT_READ, &map);
    if (err)
        return err;
    memcpy(out, (const uint8_t *)map + skip, *n);
    sys_unmap(map);
    return OK;
}
