/* Answers and events share one queue and never split each other: while a long answer is on its way
 * in pieces, other answers are held and events wait in their ring. A line is taken only when its
 * answer has room, so the sender is slowed and nothing is dropped. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/control.h"
#include "services/manager/event.h"
#include "services/manager/stream.h"
#include "services/rt/log.h"

#define ANSWER_ROOM    (100u * 1024u) /* before a line is run */
#define STEPS_PER_TURN 64u
#define ID_LIMIT       0x80000000ull

static struct control_state *state;
static struct uart *uart;
static struct byte_queue held;

bool control_init(struct control_state *s, struct uart *u)
{
    state = s;
    uart = u;
    bool is_good = byte_queue_init(&u->received, &s->rx, s->rx_data, CONTROL_RX_BYTES);
    is_good &= byte_queue_init(&u->to_send, &s->tx, s->tx_data, CONTROL_TX_BYTES);
    is_good &= byte_queue_init(&held, &s->held, s->held_data, CONTROL_HELD_BYTES);
    if (s->line_n > sizeof(s->line)) {
        s->line_n = 0;
        is_good = false;
    }
    return is_good;
}

void control_put_line(const char *line, size_t n)
{
    bool must_hold = request_streaming(false) || byte_queue_used(&held);

    if (!must_hold && byte_queue_put(&uart->to_send, line, n))
        return;
    if (!byte_queue_put(&held, line, n))
        log_line("control port: an answer of %zu bytes found no room and is lost", n);
}

bool control_is_flushed(void)
{
    return !byte_queue_used(&uart->to_send) && !byte_queue_used(&held) &&
           state->next_event >= event_next_seq();
}

/* ---- out ---- */

static bool pump_stream(struct request *r)
{
    static char piece[STREAM_PIECE_BYTES];
    bool is_done;

    if (byte_queue_free(&uart->to_send) < STREAM_PIECE_BYTES)
        return false;
    size_t n = stream_step(r, piece, &is_done);
    if (!byte_queue_put(&uart->to_send, piece, n))
        log_line("control port: no room for a piece"); /* cannot be: there was */
    return true;
}

static bool pump_event(void)
{
    static char line[EVENT_LINE_BYTES_MAX];
    struct json j;

    if (state->next_event < event_first_seq())
        state->next_event = event_first_seq();
    const struct event *e = event_get(state->next_event);
    if (!e || byte_queue_free(&uart->to_send) < sizeof(line))
        return false;
    json_init(&j, line, sizeof(line) - 1);
    event_to_json(&j, e);
    state->next_event++;
    if (j.is_overflown)
        return true;
    line[j.used++] = '\n';
    return byte_queue_put(&uart->to_send, line, j.used);
}

static bool pump_out(void)
{
    struct request *r = request_streaming(false);

    if (r)
        return pump_stream(r);
    if (byte_queue_used(&held))
        return byte_queue_move(&held, &uart->to_send, STREAM_PIECE_BYTES) > 0;
    return pump_event();
}

/* ---- in ---- */

static void refuse(const char *message)
{
    char line[256];
    struct json j;

    json_init(&j, line, sizeof(line) - 1);
    json_object_begin(&j);
    json_field_null(&j, "id");
    json_field_bool(&j, "ok", false);
    json_key(&j, "error");
    json_object_begin(&j);
    json_field_string(&j, "code", error_catalogue[ERROR_USAGE].name);
    json_field_string(&j, "message", message);
    json_field_string(&j, "hint", "@ID COMMAND, ID an unsigned number below 2147483648");
    json_object_end(&j);
    json_object_end(&j);
    line[j.used++] = '\n';
    control_put_line(line, j.used);
}

/* Reads "@ID " in front of the command; false when there is none. */
static bool take_id(const char *line, size_t n, size_t *at, uint32_t *id)
{
    uint64_t v = 0;

    if (n < 2 || line[0] != '@')
        return false;
    for (*at = 1; *at < n && line[*at] >= '0' && line[*at] <= '9'; (*at)++) {
        v = v * 10 + (uint64_t)(line[*at] - '0');
        if (v >= ID_LIMIT)
            return false;
    }
    if (*at == 1 || (*at < n && line[*at] != ' ' && line[*at] != '\t'))
        return false;
    *id = (uint32_t)v;
    while (*at < n && (line[*at] == ' ' || line[*at] == '\t'))
        (*at)++;
    return true;
}

static bool is_empty(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static void take_line(struct request *r)
{
    size_t n = state->line_n, at = 0;
    uint32_t id;

    state->line_n = 0;
    if (n && state->line[n - 1] == '\r')
        n--;
    if (is_empty(state->line, n))
        return;
    if (!take_id(state->line, n, &at, &id)) {
        refuse("the line does not begin with @ID and a blank");
        return;
    }
    r->id = id;
    request_execute(r, state->line + at, n - at);
}

/* Moves bytes into the line until one is complete. A line that is too long keeps its first bytes,
 * which say whose it is and that it is too long. */
static bool pump_in(void)
{
    struct request *r = request_allocate_control();
    char c;

    if (!r || request_streaming(false) || byte_queue_used(&held) ||
        byte_queue_free(&uart->to_send) < ANSWER_ROOM)
        return false;
    while (byte_queue_take(&uart->received, &c, 1)) {
        if (c == '\n') {
            take_line(r);
            return true;
        }
        if (state->line_n < sizeof(state->line))
            state->line[state->line_n++] = c;
    }
    return false;
}

bool control_pump(void)
{
    unsigned steps = 0;

    while (steps < STEPS_PER_TURN && (pump_out() || pump_in()))
        steps++;
    return steps == STEPS_PER_TURN;
}
