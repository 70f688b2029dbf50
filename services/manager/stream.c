/* Each step makes one piece from where the cursor stands. The cursor is in the estate: what was
 * being sent when the manager died is sent to its end by its successor. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/stream.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

#define RAW_BYTES 1024u /* six characters for a byte at worst, so a piece holds it */

static struct stream *begin(struct request *r, enum stream_kind kind)
{
    r->state = REQUEST_STREAMING;
    r->stream.kind = kind;
    r->stream.is_begun = r->stream.is_body_done = 0;
    r->stream.lost = r->stream.count = 0;
    return &r->stream;
}

void stream_vm_log(struct request *r, const struct vm *vm, uint64_t from)
{
    struct stream *s = begin(r, STREAM_VM_LOG);

    r->vm_slot = vm_slot(vm);
    r->vm_generation = vm->generation;
    s->cursor = from;
    s->end = vmm_console_total(vm);
    if (s->cursor > s->end)
        s->cursor = s->end;
}

void stream_events(struct request *r, enum severity at_least, const char *vm, uint64_t since)
{
    struct stream *s = begin(r, STREAM_EVENTS);

    s->cursor = since < UINT64_MAX ? since + 1 : since;
    s->end = event_next_seq();
    s->severity = at_least;
    string_copy(s->vm, sizeof(s->vm), vm);
}

void stream_kernel_log(struct request *r, uint64_t from)
{
    struct stream *s = begin(r, STREAM_KERNEL_LOG);

    s->cursor = from;
    s->end = UINT64_MAX;
}

/* ---- text: a VM's output, the kernel's log ---- */

/* Copies raw text from the cursor on and moves the cursor over what is lost; the caller moves it
 * over what it takes. */
static size_t raw_text(struct request *r, char *out)
{
    struct stream *s = &r->stream;

    if (s->kind == STREAM_KERNEL_LOG) {
        struct log_read l = { .from = s->cursor, .text = out, .capacity = RAW_BYTES };

        if (sys_log_read(&l) || l.bytes > RAW_BYTES)
            return 0;
        s->cursor = l.from;
        return l.bytes;
    }
    const struct vm *vm = vm_find_generation(r->vm_slot, r->vm_generation);
    uint64_t from = s->cursor;
    if (!vm || s->cursor >= s->end)
        return 0;
    size_t n = vmm_console_read(vm, &from, out, min((uint64_t)RAW_BYTES, s->end - s->cursor));
    s->lost += from - n - s->cursor;
    s->cursor = from - n;
    return s->cursor >= s->end ? 0 : min(n, s->end - s->cursor);
}

static size_t text_piece(struct request *r, bool is_console, char *out, size_t capacity)
{
    struct stream *s = &r->stream;
    char raw[RAW_BYTES];
    size_t n = raw_text(r, raw), written, taken;

    if (!n) {
        s->is_body_done = 1;
        return 0;
    }
    if (is_console) {
        memcpy(out, raw, n);
        s->cursor += n;
        return n;
    }
    taken = json_escape(raw, n, false, out, capacity, &written);
    if (!taken) /* the end of the text cuts a character */
        taken = json_escape(raw, n, true, out, capacity, &written);
    s->cursor += taken;
    return written;
}

/* ---- events ---- */

static size_t event_line(const struct event *e, char *out, size_t capacity)
{
    return format(out, capacity, "%6lu %5lu.%03lu %-7s %-20s %s%s%s\n", e->seq,
                  e->t_ns / NS_PER_SECOND, e->t_ns / NS_PER_MS % 1000,
                  severity_name(event_catalogue[e->id].severity), event_catalogue[e->id].name,
                  e->vm, e->vm[0] ? ": " : "", e->text);
}

static size_t event_piece(struct request *r, bool is_console, char *out, size_t capacity)
{
    struct stream *s = &r->stream;
    struct json j;

    s->cursor = max(s->cursor, event_first_seq());
    for (; s->cursor < s->end; s->cursor++) {
        const struct event *e = event_get(s->cursor);

        if (!e || !event_matches(e, (enum severity)s->severity, s->vm[0] ? s->vm : NULL))
            continue;
        s->cursor++;
        if (is_console)
            return event_line(e, out, capacity);
        json_init(&j, out, capacity);
        j.needs_comma = s->count++ > 0;
        event_to_json(&j, e);
        return j.is_overflown ? 0 : j.used;
    }
    s->is_body_done = 1;
    return 0;
}

/* ---- both ---- */

static size_t head(const struct request *r, char *out, size_t capacity)
{
    return format(out, capacity, "{\"id\":%u,\"ok\":true,\"result\":%s", r->id,
                  r->stream.kind == STREAM_EVENTS ? "[" : "{\"text\":\"");
}

static size_t tail(const struct stream *s, char *out, size_t capacity)
{
    if (s->kind == STREAM_EVENTS)
        return format(out, capacity, "]}\n");
    if (s->kind == STREAM_KERNEL_LOG)
        return format(out, capacity, "\",\"next\":%lu}}\n", s->cursor);
    return format(out, capacity, "\",\"next\":%lu,\"lost_bytes\":%lu}}\n", s->cursor, s->lost);
}

size_t stream_step(struct request *r, char *out, bool *is_done)
{
    struct stream *s = &r->stream;
    bool is_console = request_is_console(r);

    *is_done = false;
    if (!s->is_begun) {
        s->is_begun = 1;
        return is_console ? 0 : head(r, out, STREAM_PIECE_BYTES);
    }
    if (!s->is_body_done)
        return s->kind == STREAM_EVENTS ? event_piece(r, is_console, out, STREAM_PIECE_BYTES)
                                        : text_piece(r, is_console, out, STREAM_PIECE_BYTES);
    *is_done = true;
    r->state = REQUEST_FREE;
    return is_console ? 0 : tail(s, out, STREAM_PIECE_BYTES);
}
