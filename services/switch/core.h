/* All that the switch program knows, and one round of its work. Everything here runs in a host test:
 * memory, rings and a few system calls that tests replace. */
#pragma once
#include "services/switch/capture.h"
#include "services/switch/drr.h"
#include "services/switch/frame.h"
#include "services/switch/mac_table.h"
#include "services/switch/port.h"

/* Bits of the one signal; ports share those from WAKE_PORTS on by their index. That a vmm has died the
 * manager says: until then its buffers are revoked, and what goes there is lost. */
#define WAKE_CONTROL     0u
#define WAKE_PORTS       1u
#define WAKE_PORTS_COUNT 62u

#define DROP_NONE DROP_REASON_COUNT

/* Ports by their index, in any order. */
struct port_list {
    uint32_t count;
    uint16_t ports[PORTS_MAX];
};

struct vswitch {
    struct switch_config config;
    bool is_set;
    uint32_t flood_turn; /* where the next flood begins that the budget cuts short */
    struct port_list members;
    struct mac_table macs;
};

struct core {
    struct switch_board *board;
    handle_t budget, signal;
    uint64_t seed; /* of the address tables' hashes */
    uint64_t now_ns, sweep_ns;
    uint64_t sweep_again_ns; /* or DEADLINE_NEVER: nothing was learned when it was last looked */
    struct vswitch switches[SWITCHES_MAX];
    struct port ports[PORTS_MAX];
    struct drr drr;
    struct port_list dirty;   /* with something for their vmms */
    struct port_list targets; /* of the frame in hand */
    struct captures captures;
};

/* Takes from @r what holds of a port that works; what was counted stays. */
void core_clear_row(struct port_row *r);

/* Takes up the board that the manager, or a predecessor of this program, left. */
void core_init(struct core *c, struct switch_board *board, handle_t budget, handle_t signal,
               uint64_t seed);

/* Between these two the board may change. */
void core_begin(struct core *c, uint64_t now_ns);
void core_end(struct core *c);

/* Serves the ports whose bits are in @bits, or that had more work. Returns when to come back at the
 * latest: 0 at once, DEADLINE_NEVER when there is nothing to wait for. */
uint64_t core_round(struct core *c, uint64_t bits, uint64_t now_ns) MUST_CHECK;

/* @p has something for its vmm: a flush comes at the end of the round. */
static inline void core_mark_dirty(struct core *c, struct port *p)
{
    if (p->is_dirty)
        return;
    p->is_dirty = true;
    c->dirty.ports[c->dirty.count++] = p->index;
}

static inline struct vswitch *core_switch_of(struct core *c, const struct port *p)
{
    return &c->switches[p->config.switch_index];
}

void port_list_add(struct port_list *l, uint16_t port);
void port_list_remove(struct port_list *l, uint16_t port);
