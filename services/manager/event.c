#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"

static struct event_ring *ring;

static struct event *slot(uint64_t seq)
{
    return &ring->events[seq % EVENT_RING_COUNT];
}

static bool is_good(const struct event *e, uint64_t seq)
{
    return e->seq == seq && e->id < EVENT_ID_COUNT && e->fields_n < EVENT_FIELDS_BYTES &&
           e->vm[PROGRAM_NAME_BYTES - 1] == 0 && e->text[EVENT_TEXT_BYTES - 1] == 0;
}

bool event_init(struct event_ring *r)
{
    ring = r;
    bool is_fresh = ring->next_seq == 0;

    for (uint64_t seq = event_first_seq(); !is_fresh && seq < ring->next_seq; seq++) {
        if (is_good(slot(seq), seq))
            continue;
        memset(ring, 0, sizeof(*ring));
        ring->next_seq = 1;
        return false;
    }
    if (is_fresh)
        ring->next_seq = 1;
    return true;
}

uint64_t event_first_seq(void)
{
    return ring->next_seq > EVENT_RING_COUNT ? ring->next_seq - EVENT_RING_COUNT : 1;
}

uint64_t event_next_seq(void)
{
    return ring->next_seq;
}

void event_emit(enum event_id id, const char *vm, const struct json *fields, const char *fmt, ...)
{
    uint64_t seq = ring->next_seq;
    struct event *e = slot(seq);
    va_list args;

    memset(e, 0, offsetof(struct event, text));
    e->seq = seq;
    e->t_ns = sys_clock();
    e->id = id;
    if (vm)
        string_copy(e->vm, sizeof(e->vm), vm);
    va_start(args, fmt);
    format_v(e->text, sizeof(e->text), fmt, args);
    va_end(args);
    if (fields && !fields->is_overflown && fields->used < sizeof(e->fields)) {
        memcpy(e->fields, fields->out, fields->used);
        e->fields_n = (uint32_t)fields->used;
    }
    ring->next_seq = seq + 1;
    log_line("%s%s%s: %s", event_catalogue[id].name, vm ? " " : "", vm ? vm : "", e->text);
}

const struct event *event_get(uint64_t seq)
{
    if (seq < event_first_seq() || seq >= ring->next_seq)
        return NULL;
    return slot(seq);
}

bool event_matches(const struct event *e, enum severity at_least, const char *vm)
{
    return event_catalogue[e->id].severity >= at_least && (!vm || strcmp(vm, e->vm) == 0);
}

void event_to_json(struct json *j, const struct event *e)
{
    json_object_begin(j);
    json_field_string(j, "event", event_catalogue[e->id].name);
    json_field_number(j, "seq", e->seq);
    json_field_number(j, "t_ns", e->t_ns);
    json_field_string(j, "severity", severity_name(event_catalogue[e->id].severity));
    if (e->vm[0])
        json_field_string(j, "vm", e->vm);
    json_field_string(j, "text", e->text);
    json_key(j, "fields");
    json_raw(j, e->fields_n ? e->fields : "{}", e->fields_n ? e->fields_n : 2);
    json_object_end(j);
}
