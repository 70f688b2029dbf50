/* One round: each port with work has a turn of bounded length, then every vmm that is to hear
 * something is told once. Whoever has more work has the next turn in the next round, after the
 * manager was heard. */
#include "services/switch/core.h"
#include "lib/string.h"
#include "lib/x86/asm.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/switch/inbox.h"
#include "services/switch/link.h"

#define TURN_STEPS 16u /* of a few frames each, or one message */

/* Learned addresses are looked at for their age a part at a time. */
#define SWEEP_EVERY_NS NS_PER_SECOND
#define SWEEP_ROWS     1024u

void port_list_add(struct port_list *l, uint16_t port)
{
    l->ports[l->count++] = port;
}

void port_list_remove(struct port_list *l, uint16_t port)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (l->ports[i] == port) {
            l->ports[i] = l->ports[--l->count];
            return;
        }
}

void core_clear_row(struct port_row *r)
{
    r->is_connected = r->generation = r->takes = r->mtu = 0;
    r->slot_count = r->free_slot_count = r->learned_count = 0;
}

void core_init(struct core *c, struct switch_board *board, handle_t budget, handle_t signal,
               uint64_t seed)
{
    memset(c, 0, sizeof(*c));
    c->board = board;
    c->budget = budget;
    c->signal = signal;
    c->seed = seed;
    if (board->version != SWITCH_BOARD_VERSION)
        memset(board, 0, sizeof(*board));
    board->version = SWITCH_BOARD_VERSION;
    board->sequence = (board->sequence + 1) & ~1u; /* it may have died in between */
    board->start_count++;
    memset(board->macs, 0, sizeof(board->macs));
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        board->switches[i].learned_count = 0;
    for (unsigned i = 0; i < PORTS_MAX; i++)
        core_clear_row(&board->ports[i]);
}

void core_begin(struct core *c, uint64_t now_ns)
{
    c->now_ns = now_ns;
    __atomic_store_n(&c->board->sequence, c->board->sequence | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* odd before anything changes */
}

void core_end(struct core *c)
{
    uint32_t even = (c->board->sequence | 1) + 1;

    __atomic_store_n(&c->board->sequence, even, __ATOMIC_RELEASE);
}

/* Ports whose bit is set have work, or share the bit with one that has. */
static void wake(struct core *c, uint64_t bits)
{
    bits &= (1ull << WAKE_PORTS_COUNT) - 1;
    for (; bits; bits &= bits - 1)
        for (unsigned i = (unsigned)__builtin_ctzll(bits); i < PORTS_MAX; i += WAKE_PORTS_COUNT)
            if (c->ports[i].has_link)
                drr_add(&c->drr, i);
}

static void close_broken(struct core *c, struct port *p)
{
    log_line("%s: its vmm has broken the ring; the link is closed", p->config.name);
    c->board->unknown_count++;
    link_close(c, p);
}

/* Gives what was read back to the vmm. Only who was seen empty after that has no more work: the vmm
 * signals what it puts into a ring that it sees read. */
static bool is_drained(struct port *p, enum inbox_step last)
{
    struct ring_packet next;

    if (ring_commit(&p->in))
        sys_channel_signal(p->channel);
    return last == INBOX_EMPTY && ring_peek(&p->in, &next) == ERR_EMPTY;
}

/* One turn of some @ticks: it can exceed them by one step, which is charged. */
static void serve(struct core *c, struct port *p, uint64_t ticks)
{
    uint64_t start = rdtsc(), taken = 0;
    enum inbox_step step = INBOX_DONE;

    for (unsigned n = 0; n < TURN_STEPS && taken < ticks && step == INBOX_DONE; n++) {
        step = inbox_step(c, p);
        taken = rdtsc() - start;
    }
    p->row->counters.rounds++;
    p->row->counters.cycles += taken;
    if (step == INBOX_BROKEN) {
        drr_charge_last(&c->drr, taken);
        close_broken(c, p);
    } else if (is_drained(p, step)) {
        drr_charge_last(&c->drr, taken);
    } else {
        drr_charge(&c->drr, taken);
    }
}

/* When the port is to be looked at again for what it holds back. */
static uint64_t flush(struct core *c, struct port *p, bool *is_clean)
{
    bool wants_signal = false;
    enum port_flush left = p->has_link ? port_flush(p, c->now_ns, &wants_signal) : PORT_IS_CLEAN;

    if (wants_signal) {
        p->row->counters.signals++;
        sys_channel_signal(p->channel);
    }
    p->row->free_slot_count = p->connection.slots.free_count;
    *is_clean = left != PORT_HOLDS_SENT;
    p->is_dirty = !*is_clean;
    return left == PORT_HOLDS_SENT ? p->sent_since_ns + SENT_HELD_NS : DEADLINE_NEVER;
}

static uint64_t flush_all(struct core *c)
{
    uint64_t deadline = DEADLINE_NEVER;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < c->dirty.count; i++) {
        bool is_clean;

        deadline = min(deadline, flush(c, &c->ports[c->dirty.ports[i]], &is_clean));
        if (!is_clean)
            c->dirty.ports[kept++] = c->dirty.ports[i];
    }
    c->dirty.count = kept;
    return deadline;
}

/* Returns when to sweep again. */
static uint64_t sweep(struct core *c)
{
    bool has_learned = false;

    if (c->now_ns < c->sweep_ns) /* what was learned since is not old */
        return c->sweep_again_ns;
    for (unsigned i = 0; i < SWITCHES_MAX; i++) {
        struct vswitch *v = &c->switches[i];
        uint64_t age = v->config.ageing_ns;

        if (!v->is_set || !age || !v->macs.row->learned_count)
            continue;
        has_learned = true;
        if (c->now_ns > age)
            mac_table_sweep(&v->macs, SWEEP_ROWS, (uint32_t)((c->now_ns - age) / NS_PER_SECOND));
    }
    c->sweep_ns = c->now_ns + SWEEP_EVERY_NS;
    c->sweep_again_ns = has_learned ? c->sweep_ns : DEADLINE_NEVER;
    return c->sweep_again_ns;
}

uint64_t core_round(struct core *c, uint64_t bits, uint64_t now_ns)
{
    uint64_t ticks, deadline;
    uint32_t port;

    core_begin(c, now_ns);
    wake(c, bits >> WAKE_PORTS);
    drr_begin(&c->drr);
    while (drr_next(&c->drr, &port, &ticks))
        serve(c, &c->ports[port], ticks);
    deadline = flush_all(c);
    deadline = min(deadline, sweep(c));
    core_end(c);
    return c->drr.count ? 0 : deadline;
}
