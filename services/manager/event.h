/* What has happened: the last EVENT_RING_COUNT events, in the estate, each with a number that
 * only grows. Ports send them on at their own pace by keeping the number of the next one. */
#pragma once
#include "lib/abi/syscall.h"
#include "services/manager/event_catalogue.h"
#include "services/manager/json.h"

#define EVENT_RING_COUNT     1280u
#define EVENT_TEXT_BYTES     256u
#define EVENT_FIELDS_BYTES   1280u
#define EVENT_LINE_BYTES_MAX 4096u /* of one event as JSON */

struct event {
    uint64_t seq;
    uint64_t t_ns;
    uint32_t id; /* enum event_id */
    uint32_t fields_n;
    char vm[PROGRAM_NAME_BYTES]; /* empty: of the host */
    char text[EVENT_TEXT_BYTES];
    char fields[EVENT_FIELDS_BYTES]; /* a JSON object */
};

struct event_ring {
    uint64_t next_seq; /* the first is 1 */
    struct event events[EVENT_RING_COUNT];
};

/* Uses @ring, emptying it first when it holds no good ring. False: it had to be emptied. */
bool event_init(struct event_ring *ring);

/* @vm: a name or NULL. @fields: what has been put between json_object_begin and _end, or NULL. */
void event_emit(enum event_id id, const char *vm, const struct json *fields, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

uint64_t event_first_seq(void);
uint64_t event_next_seq(void);

/* The event with number @seq, or NULL when it is no longer kept or has not happened. */
const struct event *event_get(uint64_t seq);

/* Severity and VM as asked for by `event list`; @vm NULL: any. */
bool event_matches(const struct event *e, enum severity at_least, const char *vm);

void event_to_json(struct json *j, const struct event *e);
