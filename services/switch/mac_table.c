/* A row's first eight bytes, the address and the VLAN, are compared as one number. The VLAN is part of
 * what is hashed: one address can be behind many VLANs of a trunk. */
#include "services/switch/mac_table.h"
#include "lib/string.h"

static uint64_t key_of(uint64_t mac, uint16_t vlan)
{
    return mac | (uint64_t)vlan << 48;
}

static uint64_t row_key(const struct mac_row *r)
{
    uint64_t key;

    __builtin_memcpy(&key, r, sizeof(key));
    return key;
}

static uint64_t hash(const struct mac_table *t, uint64_t key)
{
    uint64_t h = (key ^ t->keys[0]) * t->keys[1];

    h = (h ^ h >> 32) * t->keys[1];
    return h ^ h >> 29;
}

static struct mac_row *bucket(const struct mac_table *t, uint64_t h, unsigned which)
{
    return &t->rows[(which ? h >> 32 : h) % MAC_BUCKETS * MAC_BUCKET_ROWS];
}

/* The row of @key, or NULL. */
static inline struct mac_row *find(const struct mac_table *t, uint64_t key)
{
    uint64_t h = hash(t, key);

    for (unsigned which = 0; which < 2; which++) {
        struct mac_row *r = bucket(t, h, which);

        for (unsigned i = 0; i < MAC_BUCKET_ROWS; i++)
            if (row_key(&r[i]) == key && r[i].flags & MAC_IS_USED)
                return &r[i];
    }
    return NULL;
}

/* A free row for @key; or, when there is none, one that lacks all of @kept. NULL: none either. */
static struct mac_row *find_room(const struct mac_table *t, uint64_t key, uint16_t kept)
{
    uint64_t h = hash(t, key);
    struct mac_row *victim = NULL;

    for (unsigned which = 0; which < 2; which++) {
        struct mac_row *r = bucket(t, h, which);

        for (unsigned i = 0; i < MAC_BUCKET_ROWS; i++) {
            if (!(r[i].flags & MAC_IS_USED))
                return &r[i];
            if (!(r[i].flags & kept))
                victim = &r[i];
        }
    }
    return victim;
}

void mac_table_init(struct mac_table *t, struct mac_row *rows, struct switch_row *row,
                    uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    memset(rows, 0, MAC_ROWS * sizeof(*rows));
    t->rows = rows;
    t->row = row;
    t->keys[0] = seed * 0x9e3779b97f4a7c15ull;
    t->keys[1] = (seed ^ seed >> 31) * 0xd6e8feb86659fd93ull | 1; /* odd: every bit counts */
    row->learned_count = 0;
}

/* Out of line: most switches have no trunk, and their look-ups need no stack. */
static NOINLINE const struct mac_row *find_any_vlan(const struct mac_table *t, uint64_t mac)
{
    return t->any_vlan_count ? find(t, key_of(mac, MAC_ANY_VLAN)) : NULL;
}

const struct mac_row *mac_table_find(const struct mac_table *t, uint64_t mac, uint16_t vlan)
{
    const struct mac_row *r = find(t, key_of(mac, vlan));

    return likely(r) ? r : find_any_vlan(t, mac);
}

static void forget(struct mac_table *t, struct mac_row *r)
{
    if (!(r->flags & MAC_IS_STATIC)) {
        t->learned[r->port]--;
        t->row->learned_count--;
    } else if (r->vlan == MAC_ANY_VLAN) {
        t->any_vlan_count--;
    }
    memset(r, 0, sizeof(*r));
}

static void fill(struct mac_row *r, uint64_t key, uint16_t port, uint16_t flags, uint32_t now_s)
{
    __builtin_memcpy(r, &key, sizeof(key));
    r->port = port;
    r->seen_s = now_s;
    r->flags = flags | MAC_IS_USED;
}

static void learn_new(struct mac_table *t, uint64_t key, uint16_t port, uint32_t learned_max,
                      uint32_t now_s)
{
    struct mac_row *r = t->learned[port] < learned_max ? find_room(t, key, MAC_IS_USED) : NULL;

    if (!r) {
        t->row->refused_total++;
        return;
    }
    fill(r, key, port, 0, now_s);
    t->learned[port]++;
    t->row->learned_count++;
    t->row->learned_total++;
}

static void move(struct mac_table *t, struct mac_row *r, uint16_t port, uint32_t learned_max)
{
    if (r->flags & MAC_IS_STATIC || t->learned[port] >= learned_max) {
        t->row->refused_total++;
        return;
    }
    t->learned[r->port]--;
    t->learned[port]++;
    r->port = port;
    t->row->moved_total++;
}

void mac_table_learn(struct mac_table *t, uint64_t mac, uint16_t vlan, uint16_t port,
                     uint32_t learned_max, uint32_t now_s)
{
    struct mac_row *r = (struct mac_row *)mac_table_find(t, mac, vlan);

    if (!r) {
        learn_new(t, key_of(mac, vlan), port, learned_max, now_s);
        return;
    }
    if (r->port != port)
        move(t, r, port, learned_max);
    if (r->port == port)
        r->seen_s = now_s;
}

/* What others have taught of @mac: a row of one VLAN would hide a static one of any. */
static void forget_learned(struct mac_table *t, uint64_t mac)
{
    for (uint32_t i = 0; i < MAC_ROWS; i++) {
        struct mac_row *r = &t->rows[i];

        if (r->flags & MAC_IS_USED && !(r->flags & MAC_IS_STATIC) && row_key(r) << 16 == mac << 16)
            forget(t, r);
    }
}

enum err mac_table_set_static(struct mac_table *t, uint64_t mac, uint16_t vlan, uint16_t port)
{
    uint64_t key = key_of(mac, vlan);
    struct mac_row *r = find(t, key);

    if (r && r->flags & MAC_IS_STATIC)
        return r->port == port ? OK : ERR_EXISTS;
    if (!r)
        r = find_room(t, key, MAC_IS_STATIC);
    if (!r)
        return ERR_FULL;
    if (r->flags & MAC_IS_USED)
        forget(t, r);
    forget_learned(t, mac);
    fill(r, key, port, MAC_IS_STATIC, 0);
    t->any_vlan_count += vlan == MAC_ANY_VLAN;
    return OK;
}

void mac_table_forget(struct mac_table *t, uint16_t port)
{
    for (uint32_t i = 0; i < MAC_ROWS; i++)
        if (t->rows[i].flags & MAC_IS_USED && t->rows[i].port == port)
            forget(t, &t->rows[i]);
}

void mac_table_sweep(struct mac_table *t, uint32_t count, uint32_t oldest_s)
{
    for (; count; count--, t->swept = (t->swept + 1) % MAC_ROWS) {
        struct mac_row *r = &t->rows[t->swept];

        if ((r->flags & (MAC_IS_USED | MAC_IS_STATIC)) != MAC_IS_USED || r->seen_s >= oldest_s)
            continue;
        forget(t, r);
        t->row->aged_total++;
    }
}
