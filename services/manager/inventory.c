/* Each service is watched for how long it has been as it is; verdicts and news follow from that.
 * Whether something counts as lost (it worked before) or as missing is remembered per start. */
#include "services/manager/inventory.h"
#include "lib/format.h"
#include "lib/string.h"

#define SERVICE_BIT(service) (1u << (service))
#define BATCH_NS             (2 * INVENTORY_GRACE_NS) /* to tell of several services at once */

#define OS_ID_IS_OPEN      (1ull << 63)
#define OS_ID_FCOPY_BY_UIO 0x060au /* from Linux 6.10 on the daemon opens the channel itself */

/* ---- names ---- */

const char *service_state_name(uint32_t state)
{
    static const char *const names[SERVICE_STATE_END] = { "off",   "offered",  "negotiating",
                                                          "ready", "unusable", "broken" };

    return state < SERVICE_STATE_END ? names[state] : "unknown";
}

void inventory_os_of_id(uint64_t os_id, char *out, size_t capacity)
{
    static const char *const open[] = { "open source", "Linux", "FreeBSD", "Xen", "illumos" };
    unsigned kind = (unsigned)(os_id >> 56) & 0x7f, vendor = (unsigned)(os_id >> 48) & 0x7fff;
    unsigned version[] = { (unsigned)(os_id >> 32) & 0xff, (unsigned)(os_id >> 24) & 0xff,
                           (unsigned)(os_id >> 16) & 0xff };

    if (!os_id)
        out[0] = 0;
    else if (os_id & OS_ID_IS_OPEN && kind < array_count(open))
        format(out, capacity, "%s %u.%u.%u", open[kind], version[0], version[1], version[2]);
    else if (os_id & OS_ID_IS_OPEN)
        format(out, capacity, "OS of type %u", kind);
    else if (vendor == 1)
        format(out, capacity, "Windows %u.%u build %u", version[0], version[1],
               (unsigned)os_id & 0xffff);
    else
        format(out, capacity, "OS of vendor %u", vendor);
}

/* ---- taking it ---- */

static void end_text(char *text)
{
    text[INVENTORY_TEXT_BYTES - 1] = 0;
}

void inventory_take(struct guest_state *g, const struct vmm_inventory *in)
{
    struct vmm_inventory *i = &g->inventory;

    *i = *in;
    end_text(i->name);
    end_text(i->os);
    end_text(i->os_version);
    end_text(i->os_build);
    end_text(i->services_version);
    for (unsigned k = 0; k < SERVICE_COUNT; k++)
        if (i->services[k].state >= SERVICE_STATE_END)
            i->services[k].state = SERVICE_BROKEN;
    g->has_inventory = 1;
    g->next_ns = 0;
}

/* ---- watching ---- */

static bool is_bad(uint32_t condition)
{
    return condition >= CONDITION_NOT_OPENED;
}

static bool daemon_opens_it(const struct guest_state *g, unsigned service)
{
    bool is_linux = (g->os_id & OS_ID_IS_OPEN) && ((g->os_id >> 56) & 0x7f) == 1;

    return service == SERVICE_FCOPY && is_linux &&
           ((g->os_id >> 24) & 0xffff) >= OS_ID_FCOPY_BY_UIO;
}

/* Of a service in SERVICE_READY. What waits for a frozen file system has an excuse; a thaw that is
 * refused has none. */
static uint32_t ready_condition(const struct guest_state *g, unsigned service, uint32_t flags)
{
    bool is_frozen = g->inventory.services[SERVICE_VSS].flags & SERVICE_IS_FROZEN;
    bool has_daemon = service_rules[service].daemon;

    if (service == SERVICE_HEARTBEAT)
        return flags & SERVICE_IS_LOST ? CONDITION_LOST : CONDITION_READY;
    if (is_frozen && has_daemon && !(service == SERVICE_VSS && flags & SERVICE_WAS_REFUSED))
        return CONDITION_READY;
    if (flags & SERVICE_WAS_REFUSED || (flags & SERVICE_IS_SILENT && has_daemon))
        return CONDITION_NO_DAEMON;
    return flags & SERVICE_IS_SILENT ? CONDITION_SILENT : CONDITION_READY;
}

static uint32_t condition_of(const struct guest_state *g, unsigned service)
{
    bool was_ready = g->watches[service].was_ready;
    uint32_t state = g->inventory.services[service].state;

    if (!g->has_inventory)
        return CONDITION_UNSEEN;
    if (state == SERVICE_OFF)
        return CONDITION_OFF;
    if (state == SERVICE_BROKEN)
        return CONDITION_BROKEN;
    if (!g->inventory.vmbus_version)
        return was_ready ? CONDITION_LEFT : CONDITION_NO_VMBUS;
    switch (state) {
    case SERVICE_READY: return ready_condition(g, service, g->inventory.services[service].flags);
    case SERVICE_UNUSABLE: return CONDITION_NO_VERSION;
    case SERVICE_NEGOTIATING:
        return service_rules[service].daemon ? CONDITION_NO_DAEMON : CONDITION_SILENT;
    default: return daemon_opens_it(g, service) ? CONDITION_NO_DAEMON : CONDITION_NOT_OPENED;
    }
}

/* How long a bad condition is given; the vmm waited before it said that heartbeats are lost. */
static uint64_t grace_of(const struct guest_state *g, unsigned service)
{
    uint32_t condition = g->watches[service].condition;

    if (condition == CONDITION_LOST || condition == CONDITION_NO_VERSION ||
        condition == CONDITION_BROKEN)
        return 0;
    if (service == SERVICE_HEARTBEAT && g->watches[service].was_ready)
        return HEARTBEAT_GONE_NS;
    return INVENTORY_GRACE_NS;
}

static bool is_in_grace(const struct guest_state *g, unsigned service, uint64_t now)
{
    const struct service_watch *w = &g->watches[service];

    return is_bad(w->condition) && now - w->since_ns < grace_of(g, service);
}

static uint64_t next_look(const struct guest_state *g, uint64_t now)
{
    uint64_t next = DEADLINE_NEVER;

    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        const struct service_watch *w = &g->watches[i];
        uint64_t settled = w->since_ns + grace_of(g, i), late = w->since_ns + BATCH_NS;

        if (is_bad(w->condition) && settled > now)
            next = min(next, settled);
        if (is_bad(w->condition) && late > now)
            next = min(next, late);
    }
    return next;
}

/* While the guest stands still nothing is held against it. */
void inventory_watch(struct guest_state *g, bool is_running, uint64_t now)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        struct service_watch *w = &g->watches[i];
        uint32_t condition = condition_of(g, i);

        if (condition != w->condition || (!is_running && is_bad(condition)))
            w->since_ns = now;
        w->condition = condition;
        w->was_ready |= condition == CONDITION_READY;
        if (condition == CONDITION_OFF)
            w->was_ready = 0;
    }
    g->was_running = is_running;
    g->next_ns = is_running ? next_look(g, now) : DEADLINE_NEVER;
}

/* ---- verdicts ---- */

static bool is_at_least(struct ic_version v, struct ic_version least)
{
    return v.major > least.major || (v.major == least.major && v.minor >= least.minor);
}

/* The rule for the newest version of the table that is not newer than @v; else the oldest. */
static const struct version_rule *version_rule(unsigned service, struct ic_version v)
{
    const struct version_rule *rule = service_rules[service].versions;

    for (unsigned i = 1; i < SERVICE_VERSIONS_MAX && rule[1].version.major; i++) {
        if (is_at_least(v, rule->version))
            return rule;
        rule++;
    }
    return rule;
}

static struct finding find_ready(const struct guest_state *g, unsigned service)
{
    const struct version_rule *rule = version_rule(service, g->inventory.services[service].version);
    struct finding f = { rule->verdict, "", "", "" };

    if (f.verdict == VERDICT_OUTDATED) {
        f.reason = f.loses = rule->lost;
        f.remedy = "Update the guest's kernel, or its integration services.";
    } else if (!is_at_least(g->inventory.services[service].framework,
                            (struct ic_version){ 3, 0 })) {
        f.verdict = VERDICT_OLDER;
    }
    return f;
}

struct finding inventory_find(const struct guest_state *g, enum vm_service service, bool is_running,
                              uint64_t now)
{
    const struct service_watch *w = &g->watches[service];
    const struct condition_rule *rule = &condition_rules[w->condition];

    if (!is_running)
        return (struct finding){ VERDICT_UNKNOWN, "the VM is not running", "", "" };
    if (w->condition == CONDITION_UNSEEN)
        return (struct finding){ VERDICT_UNKNOWN, "", "", "" };
    if (w->condition == CONDITION_READY)
        return find_ready(g, service);
    if (!is_bad(w->condition))
        return (struct finding){ VERDICT_ABSENT, rule->reason, "", rule->remedy };
    if (is_in_grace(g, service, now))
        return (struct finding){ VERDICT_UNKNOWN, rule->reason, "", "" };
    return (struct finding){ VERDICT_MISSING, rule->reason, service_rules[service].loses,
                             rule->remedy };
}

enum verdict inventory_verdict(const struct guest_state *g, bool is_running, uint64_t now)
{
    enum verdict worst = VERDICT_ABSENT;

    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        worst = max(worst, inventory_find(g, (enum vm_service)i, is_running, now).verdict);
    return worst;
}

const char *inventory_heartbeat(const struct guest_state *g, bool is_running, uint64_t now)
{
    const struct service_watch *w = &g->watches[SERVICE_HEARTBEAT];
    uint32_t flags = g->inventory.services[SERVICE_HEARTBEAT].flags;

    if (!is_running || !w->was_ready)
        return NULL;
    if (w->condition == CONDITION_READY)
        return flags & SERVICE_IS_LATE ? "late" : "ok";
    return is_in_grace(g, SERVICE_HEARTBEAT, now) ? "late" : "lost";
}

/* ---- news ---- */

static bool has_worked(const struct guest_state *g, unsigned service)
{
    const struct service_watch *w = &g->watches[service];

    return w->was_ready && w->condition != CONDITION_NO_DAEMON &&
           w->condition != CONDITION_NO_VERSION;
}

/* What is to be told of one service whose verdict stands. */
static void tell(struct guest_state *g, unsigned service, enum verdict verdict,
                 struct inventory_news *news)
{
    struct service_watch *w = &g->watches[service];
    uint32_t bit = SERVICE_BIT(service), told = w->told;
    bool was_down = told == TOLD_MISSING || told == TOLD_LOST;

    if (verdict == VERDICT_MISSING && has_worked(g, service)) {
        news->lost |= was_down ? 0 : bit;
        w->told = was_down ? told : TOLD_LOST;
    } else if (verdict == VERDICT_MISSING) {
        bool is_known = was_down && (told == TOLD_LOST || w->told_condition == w->condition);

        news->missing |= is_known ? 0 : bit;
        w->told = is_known ? told : TOLD_MISSING;
    } else {
        news->back |= was_down && verdict != VERDICT_ABSENT ? bit : 0;
        news->outdated |= verdict == VERDICT_OUTDATED && told != TOLD_OUTDATED ? bit : 0;
        w->told = verdict == VERDICT_OUTDATED ? TOLD_OUTDATED : TOLD_NOTHING;
    }
    w->told_condition = w->condition;
}

/* Whether the other services' verdicts are in, or have been waited for long enough. */
static bool is_settled(const struct guest_state *g, uint64_t now)
{
    bool is_settled = true, is_late = false;

    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        const struct service_watch *w = &g->watches[i];

        is_settled &= !is_in_grace(g, i, now) && w->condition != CONDITION_UNSEEN;
        is_late |= is_bad(w->condition) && now - w->since_ns >= BATCH_NS;
    }
    return is_settled || is_late;
}

/* A guest without heartbeat answers nothing else either: that is told once. */
struct inventory_news inventory_news(struct guest_state *g, bool is_running, uint64_t now)
{
    struct inventory_news news = { 0 };

    if (!is_running || !g->has_inventory)
        return news;
    if (g->inventory.thaw_count != g->told_thaws) {
        news.thaws = g->inventory.thaw_count - g->told_thaws;
        g->told_thaws = g->inventory.thaw_count;
    }
    bool is_settled_now = is_settled(g, now), has_beat = g->watches[SERVICE_HEARTBEAT].was_ready;
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        enum verdict verdict = inventory_find(g, (enum vm_service)i, true, now).verdict;
        bool is_beat = i == SERVICE_HEARTBEAT && has_beat;

        if (verdict != VERDICT_UNKNOWN && (is_settled_now || is_beat))
            tell(g, i, verdict, &news);
        if (is_beat && verdict >= VERDICT_UNKNOWN && verdict != VERDICT_OUTDATED)
            break;
    }
    return news;
}

bool inventory_is_good(const struct guest_state *g)
{
    bool is_good = g->has_inventory <= 1;

    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        is_good &= g->watches[i].condition < CONDITION_COUNT && g->watches[i].told <= TOLD_LOST &&
                   g->inventory.services[i].state < SERVICE_STATE_END;
    return is_good && !g->inventory.name[INVENTORY_TEXT_BYTES - 1] &&
           !g->inventory.os[INVENTORY_TEXT_BYTES - 1] &&
           !g->inventory.os_version[INVENTORY_TEXT_BYTES - 1] &&
           !g->inventory.os_build[INVENTORY_TEXT_BYTES - 1] &&
           !g->inventory.services_version[INVENTORY_TEXT_BYTES - 1];
}
