#include "services/manager/switch_board.h"
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/rt/sys.h"

#define TRIES         100u
#define MACS_SHOWN    512u
#define DROPS_POLL_NS NS_PER_SECOND
#define QUIET_NS      (60 * NS_PER_SECOND)

const char *drop_reason_name(unsigned reason)
{
    static const char *const names[DROP_REASON_COUNT] = {
        [DROP_RUNT] = "runt",           [DROP_TOO_LONG] = "too-long",
        [DROP_SPOOFED] = "spoofed",     [DROP_VLAN] = "vlan",
        [DROP_OFFLOAD] = "offload",     [DROP_FLOOD_LIMIT] = "flood-limit",
        [DROP_ISOLATED] = "isolated",   [DROP_NO_RECEIVER] = "no-receiver",
        [DROP_LINK_DOWN] = "link-down", [DROP_FILTERED] = "filtered",
        [DROP_NO_BUFFER] = "no-buffer", [DROP_RING_FULL] = "ring-full",
        [DROP_TOO_LARGE] = "too-large",
    };

    return reason < DROP_REASON_COUNT ? names[reason] : "unknown";
}

/* ---- reading ---- */

/* A number that is even, and the same after what was read in between, says that nothing changed. */
static uint32_t sequence(void)
{
    const struct switch_board *board = switch_program_board();

    return board ? __atomic_load_n(&board->sequence, __ATOMIC_ACQUIRE) : 0;
}

void port_row_of(const struct port *p, struct port_row *out)
{
    const struct switch_board *board = switch_program_board();

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; board && i < TRIES; i++) {
        uint32_t before = sequence();

        *out = board->ports[port_index(p)];
        if (!(before & 1) && sequence() == before)
            return;
    }
}

void switch_row_of(const struct network_switch *s, struct switch_row *out)
{
    const struct switch_board *board = switch_program_board();

    memset(out, 0, sizeof(*out));
    if (board)
        *out = board->switches[switch_index(s)];
}

/* The counters are an array of numbers, whatever they are called. */
void port_counters_add(struct port_counters *to, const struct port_counters *more)
{
    uint64_t *sum = (uint64_t *)(void *)to;
    const uint64_t *add = (const uint64_t *)(const void *)more;

    for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
        sum[i] += add[i];
}

/* Of a port that the switch knows, or whose removal it has not said to have done. */
static bool is_counted(const struct port *p)
{
    return p->is_told || p->is_removing;
}

void port_counters_of(const struct port *p, struct port_counters *out)
{
    static struct port_row row;

    *out = p->kept;
    if (!is_counted(p))
        return;
    port_row_of(p, &row);
    port_counters_add(out, &row.counters);
}

static void add_all(const struct network_switch *s, struct port_counters *out)
{
    const struct switch_board *board = switch_program_board();

    *out = s->gone;
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port *p = &network()->ports[i];

        if (p->state == PORT_FREE || p->switch_index != switch_index(s))
            continue;
        port_counters_add(out, &p->kept);
        if (board && is_counted(p))
            port_counters_add(out, &board->ports[i].counters);
    }
}

void switch_counters(const struct network_switch *s, struct port_counters *out)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t before = sequence();

        add_all(s, out);
        if (!(before & 1) && sequence() == before)
            return;
    }
}

/* ---- sums ---- */

static uint64_t sum(const uint64_t *counts)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < DROP_REASON_COUNT; i++)
        n += counts[i];
    return n;
}

uint64_t counters_drops(const struct port_counters *c)
{
    return sum(c->in_drops) + sum(c->out_drops);
}

int64_t counters_balance(const struct port_counters *c)
{
    return (int64_t)(c->in_frames + c->replicas + c->segments - c->lso_sends - c->out_frames -
                     counters_drops(c));
}

/* ---- as JSON ---- */

static void drops(struct json *j, const char *key, const uint64_t *counts)
{
    json_key(j, key);
    json_object_begin(j);
    json_field_number(j, "total", sum(counts));
    for (unsigned i = 0; i < DROP_REASON_COUNT; i++)
        if (counts[i])
            json_field_number(j, drop_reason_name(i), counts[i]);
    json_object_end(j);
}

void counters_show(struct json *j, const struct port_counters *c)
{
    json_field_number(j, "in_frames", c->in_frames);
    json_field_number(j, "in_bytes", c->in_bytes);
    json_key(j, "paths");
    json_object_begin(j);
    json_field_number(j, "switch", c->paths[PATH_SWITCH]);
    json_field_number(j, "vmq", c->paths[PATH_VMQ]);
    json_field_number(j, "vf", c->paths[PATH_VF]);
    json_object_end(j);
    drops(j, "in_drops", c->in_drops);
    json_field_number(j, "out_frames", c->out_frames);
    json_field_number(j, "out_bytes", c->out_bytes);
    drops(j, "out_drops", c->out_drops);
    json_field_number(j, "replicas", c->replicas);
    json_field_number(j, "lso_sends", c->lso_sends);
    json_field_number(j, "segments", c->segments);
    json_field_number(j, "lso_whole", c->lso_whole);
    json_field_number(j, "broadcasts", c->broadcasts);
    json_field_number(j, "multicasts", c->multicasts);
    json_field_number(j, "floods", c->floods);
    json_field_number(j, "rounds", c->rounds);
    json_field_number(j, "cycles", c->cycles);
    json_field_number(j, "signals", c->signals);
}

static void mac_entry(struct json *j, const struct mac_row *row, uint64_t now_s)
{
    const struct port *p = port_at(row->port);
    char mac[MAC_TEXT_BYTES];

    mac_text(&row->mac, mac);
    json_object_begin(j);
    json_field_string(j, "mac", mac);
    json_field_number(j, "vlan", row->vlan);
    if (p)
        json_field_string(j, "port", p->name);
    else
        json_field_null(j, "port");
    json_field_bool(j, "static", row->flags & MAC_IS_STATIC);
    json_field_number(j, "age_s", now_s > row->seen_s ? now_s - row->seen_s : 0);
    json_object_end(j);
}

void macs_show(struct json *j, const struct network_switch *s)
{
    const struct switch_board *board = switch_program_board();
    uint64_t now_s = sys_clock() / NS_PER_SECOND;
    unsigned shown = 0;

    json_list_begin(j);
    for (unsigned i = 0; board && i < MAC_ROWS && shown < MACS_SHOWN; i++) {
        struct mac_row row = board->macs[switch_index(s)][i];

        if (!(row.flags & MAC_IS_USED))
            continue;
        mac_entry(j, &row, now_s);
        shown++;
    }
    json_list_end(j);
}

/* ---- drops that are worth an event ---- */

static const struct {
    enum drop_reason reason;
    const char *text;
} watched[DROPS_WATCHED_MAX] = {
    { DROP_SPOOFED, "its guest sends from an address that is not the port's" },
    { DROP_VLAN, "its guest sends in a VLAN that is not the port's" },
    { DROP_OFFLOAD, "its guest asks for offloads that do not fit its frames" },
    { DROP_FLOOD_LIMIT, "its guest sends more to all than it may" },
    { DROP_TOO_LONG, "its guest sends frames that are longer than its MTU" },
    { DROP_NO_BUFFER, "its guest does not give its buffers back in time" },
    { DROP_RING_FULL, "its vmm does not keep up" },
};

static void tell(const struct port *p, unsigned which, uint64_t count)
{
    const char *reason = drop_reason_name(watched[which].reason);
    char buffer[160];
    struct json j;

    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "port", p->name);
    json_field_string(&j, "reason", reason);
    json_field_number(&j, "drop_count", count);
    json_object_end(&j);
    event_emit(EVENT_PORT_DROPS, port_vm(p) ? port_vm(p)->name : NULL, &j,
               "%s: frames are dropped (%s): %s", p->name, reason, watched[which].text);
}

/* Once, until it has been quiet for a while. */
static void watch_drops(struct port *p, uint64_t now)
{
    static struct port_counters c;

    port_counters_of(p, &c);
    for (unsigned i = 0; i < DROPS_WATCHED_MAX; i++) {
        uint64_t count = c.in_drops[watched[i].reason] + c.out_drops[watched[i].reason];
        uint64_t last_ns = p->drops[i].last_ns;

        if (count <= p->drops[i].count)
            continue;
        if (!last_ns || now - last_ns >= QUIET_NS)
            tell(p, i, count);
        p->drops[i].count = count;
        p->drops[i].last_ns = now;
    }
}

uint64_t port_drops_pump(uint64_t now)
{
    struct network *n = network();
    bool has_ports = false;

    if (now < n->drops_next_ns && n->drops_next_ns <= now + DROPS_POLL_NS)
        return n->drops_next_ns;
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = port_at(i);

        if (!p || !is_counted(p))
            continue;
        watch_drops(p, now);
        has_ports = true;
    }
    n->drops_next_ns = now + DROPS_POLL_NS;
    return has_ports ? n->drops_next_ns : DEADLINE_NEVER;
}
