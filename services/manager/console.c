/* Whoever looks at the console is typing a command, waiting for one, or joined to a VM. Events of
 * some weight break in between lines: the prompt is taken away and drawn again behind them. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "lib/version.h"
#include "services/manager/completion.h"
#include "services/manager/console.h"
#include "services/manager/event.h"
#include "services/manager/people.h"
#include "services/manager/saves.h"
#include "services/manager/stream.h"
#include "services/manager/vmm.h"
#include "services/rt/startup.h"

#define PROMPT          "bulkhead> "
#define KEY_LEAVE       0x1d /* Ctrl-] */
#define ROOM_FOR_ANSWER (96u * 1024u)
#define STEPS_PER_TURN  64u

static struct console_state *state;
static struct uart *uart;

static void send(const char *text, size_t n)
{
    while (n) { /* in pieces: what does not fit is left out, the rest is not */
        size_t piece = min(n, 64ul);

        if (!byte_queue_put(&uart->to_send, text, piece))
            return;
        text += piece;
        n -= piece;
    }
}

bool console_init(struct console_state *s, struct uart *u)
{
    state = s;
    uart = u;
    bool is_good = byte_queue_init(&u->received, &s->rx, s->rx_data, CONSOLE_RX_BYTES);
    is_good &= byte_queue_init(&u->to_send, &s->tx, s->tx_data, CONSOLE_TX_BYTES);
    if (!line_editor_is_good(&s->editor)) {
        memset(&s->editor, 0, sizeof(s->editor));
        is_good = false;
    }
    return is_good;
}

bool console_is_flushed(void)
{
    return !byte_queue_used(&uart->to_send);
}

/* ---- text ---- */

void console_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        char shown[5];

        if (c == '\n')
            send("\r\n", 2);
        else if (c == '\r')
            continue;
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            send(shown, format(shown, sizeof(shown), "\\x%02x", c));
        else
            send(text + i, 1);
    }
}

void console_print(const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    console_text(text, format_v(text, sizeof(text), fmt, args));
    va_end(args);
}

void console_result(const char *json, size_t n)
{
    people_show(json, n, console_text);
}

void console_banner(const char *host_name)
{
    console_print("\nBulkhead %s (%s), host %s. Type help for the commands.\n", BULKHEAD_VERSION,
                  IS_DEBUG ? "debug" : "release", host_name);
}

static void prompt(void)
{
    if (state->is_prompting || state->is_attached)
        return;
    state->is_prompting = 1;
    line_editor_draw(&state->editor, PROMPT, send);
}

static void unprompt(void)
{
    if (state->is_prompting)
        send("\r\033[K", 4);
    state->is_prompting = 0;
}

/* ---- a VM's serial port ---- */

static struct vm *attached(void)
{
    if (!state->is_attached)
        return NULL;
    return vm_find_generation(state->attached_slot, state->attached_generation);
}

void console_attach(const struct vm *vm)
{
    unprompt();
    console_print("--- joined to %s; Ctrl-] leaves ---\n", vm->name);
    state->is_attached = 1;
    state->attached_slot = vm_slot(vm);
    state->attached_generation = vm->generation;
    uint64_t total = vmm_console_total(vm);
    state->attached_cursor = total > 2048 ? total - 2048 : 0; /* what is on the screen, about */
    vmm_console_wake(vm, true);
}

static void leave(const char *name, const char *how)
{
    const struct vm *vm = attached();

    if (vm)
        vmm_console_wake(vm, false);
    state->is_attached = 0;
    console_print("\n--- %s %s; back on Bulkhead's console ---\n", name, how);
}

/* True: output went out, there may be more. */
static bool pump_output(const struct vm *vm)
{
    char piece[512];

    if (byte_queue_free(&uart->to_send) < CONSOLE_TX_BYTES / 2)
        return false;
    size_t n = vmm_console_read(vm, &state->attached_cursor, piece, sizeof(piece));
    send(piece, n);
    return n > 0;
}

void console_vm_ended(const struct vm *vm, const char *how)
{
    if (attached() != vm)
        return;
    for (unsigned i = 0; i < 16 && pump_output(vm); i++)
        ;
    leave(vm->name, how);
}

static bool pump_attached(struct vm *vm)
{
    char c;

    if (pump_output(vm))
        return true;
    if (!vmm_console_room(vm) && vm_is_live(vm))
        return false; /* the guest is slow; the sender waits */
    if (!byte_queue_take(&uart->received, &c, 1))
        return false;
    if (c == KEY_LEAVE) {
        leave(vm->name, "left");
        return true;
    }
    if (vm_is_live(vm) && vmm_console_type(vm, &c, 1))
        return false; /* cannot be: there was room */
    return true;
}

/* ---- commands ---- */

static void offer_names(struct completion *c, enum value_kind kind)
{
    const struct startup_info *info = startup_info();

    if (kind == VALUE_NOUN)
        for (unsigned i = 0; i < command_count; i++)
            completion_offer(c, command_table[i].noun, strlen(command_table[i].noun), " ");
    if (kind == VALUE_VM || kind == VALUE_PROGRAM)
        for (unsigned i = 0; i < VM_COUNT_MAX; i++)
            if (vm_at(i))
                completion_offer(c, vm_at(i)->name, strlen(vm_at(i)->name), " ");
    if (kind == VALUE_SAVE)
        for (unsigned i = 0; i < SAVE_COUNT_MAX; i++)
            if (save_name(i))
                completion_offer(c, save_name(i), strlen(save_name(i)), " ");
    if (kind == VALUE_PROGRAM) {
        completion_offer(c, "manager", 7, " ");
        completion_offer(c, "switch", 6, " ");
    }
    if (kind == VALUE_SWITCH || kind == VALUE_TARGET)
        for (unsigned i = 0; i < SWITCHES_MAX; i++)
            if (network()->switches[i].is_used)
                completion_offer(c, network()->switches[i].name,
                                 strlen(network()->switches[i].name), " ");
    if (kind == VALUE_PORT || kind == VALUE_TARGET)
        for (unsigned i = 0; i < PORTS_MAX; i++)
            if (port_at(i))
                completion_offer(c, port_at(i)->name, strlen(port_at(i)->name), " ");
    if (kind == VALUE_MODULE)
        for (uint32_t i = 0; i < info->grant_count; i++)
            if (info->grants[i].kind == GRANT_MODULE)
                completion_offer(c, info->grants[i].name, strlen(info->grants[i].name), " ");
}

static void complete(void)
{
    struct line_editor *e = &state->editor;
    struct completion c;

    completion_find(&c, e->line, e->cursor, offer_names);
    size_t typed = c.n - c.word, common = completion_common(&c);
    if (common > typed) {
        line_editor_insert(e, c.candidates[0] + typed, common - typed, PROMPT, send);
        return;
    }
    if (c.count < 2)
        return;
    console_text("\n", 1);
    for (unsigned i = 0; i < c.count; i++)
        console_print("%s ", c.candidates[i]);
    console_text("\n", 1);
    line_editor_draw(e, PROMPT, send);
}

static void execute(struct request *r)
{
    struct line_editor *e = &state->editor;

    state->is_prompting = 0;
    request_execute(r, e->line, e->n);
    line_editor_clear(e);
}

static bool pump_keys(struct request *r)
{
    char c;

    if (byte_queue_free(&uart->to_send) < ROOM_FOR_ANSWER)
        return false;
    prompt();
    if (!byte_queue_take(&uart->received, &c, 1))
        return false;
    switch (line_editor_key(&state->editor, c, PROMPT, send)) {
    case LINE_EDITOR_LINE: execute(r); break;
    case LINE_EDITOR_TAB: complete(); break;
    default: break;
    }
    return true;
}

static bool pump_stream(struct request *r)
{
    static char piece[STREAM_PIECE_BYTES];
    bool is_done;

    if (byte_queue_free(&uart->to_send) < 4 * sizeof(piece))
        return false;
    size_t n = stream_step(r, piece, &is_done);
    console_text(piece, n);
    if (is_done && r->stream.kind != STREAM_EVENTS)
        console_text("\n", 1);
    return true;
}

static bool pump_event(void)
{
    if (state->next_event < event_first_seq())
        state->next_event = event_first_seq();
    const struct event *e = event_get(state->next_event);
    if (!e || byte_queue_free(&uart->to_send) < ROOM_FOR_ANSWER)
        return false;
    state->next_event++;
    if (event_catalogue[e->id].severity == SEVERITY_INFO && e->id != EVENT_HOST_READY &&
        e->id != EVENT_PROGRAM_STARTED)
        return true;
    unprompt();
    console_print("[%5lu.%03lu] %s %s%s%s: %s\n", e->t_ns / NS_PER_SECOND,
                  e->t_ns / NS_PER_MS % 1000, severity_name(event_catalogue[e->id].severity),
                  event_catalogue[e->id].name, e->vm[0] ? " " : "", e->vm, e->text);
    return true;
}

static bool step(void)
{
    struct request *streaming = request_streaming(true);
    struct request *free_request = request_allocate(REQUEST_CONSOLE);
    struct vm *vm = attached();

    if (state->is_attached && !vm)
        leave("the VM", "is gone");
    if (vm)
        return pump_attached(vm);
    if (streaming)
        return pump_stream(streaming);
    if (pump_event())
        return true;
    return free_request ? pump_keys(free_request) : false;
}

bool console_pump(void)
{
    unsigned steps = 0;

    while (steps < STEPS_PER_TURN && step())
        steps++;
    return steps == STEPS_PER_TURN;
}
