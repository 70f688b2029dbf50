#include "services/manager/switch_program.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/network.h"
#include "services/manager/request.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"

#define BUDGET_BYTES      (MIB(8) + PORTS_MAX * KIB(64)) /* with page tables for each port's buffers */
#define BOARD_BYTES       round_up(sizeof(struct switch_board), PAGE_BYTES)
#define WEIGHT            400u /* as the manager's: what all VMs wait for */
#define QUICK_NS          NS_PER_SECOND
#define QUICK_DEATHS_MAX  5u
#define BACK_OFF_NS       NS_PER_SECOND
#define MESSAGES_PER_TURN 64u

static struct switch_program *program;
static handle_t root, signal;

/* What is mapped; made again after a restart of the manager. */
static struct switch_board *board;
static void *channel;
static struct ring to_switch, from_switch;

void switch_program_init(struct switch_program *p, handle_t root_budget, handle_t signal_handle)
{
    program = p;
    root = root_budget;
    signal = signal_handle;
    board = NULL;
    channel = NULL;
}

struct switch_board *switch_program_board(void)
{
    return board;
}

bool switch_program_is_up(void)
{
    return program->phase == SWITCH_UP && channel;
}

/* Forgotten first, then closed, as in vmm.c. */
static void drop(handle_t *h)
{
    handle_t old = *h;

    *h = HANDLE_NONE;
    if (old != HANDLE_NONE)
        sys_handle_close(old);
}

/* ---- start ---- */

static enum err map_board(void)
{
    void *at;
    enum err err = OK;

    if (board)
        return OK;
    if (program->board == HANDLE_NONE)
        err = sys_region_create(root, BOARD_BYTES, &program->board);
    if (!err)
        err = sys_region_map(program->board, 0, BOARD_BYTES, PROT_READ | PROT_WRITE, &at);
    if (err) {
        drop(&program->board);
        return err;
    }
    board = at;
    board->version = SWITCH_BOARD_VERSION;
    return OK;
}

static enum err map_channel(void)
{
    uint8_t *at;
    enum err err = sys_channel_map(program->channel, &channel);

    if (err) {
        channel = NULL;
        return err;
    }
    at = channel;
    err = ring_attach_writer(&to_switch, at, SWITCH_CONTROL_DATA_BYTES);
    if (err)
        return err;
    return ring_attach_reader(&from_switch,
                              at + sizeof(struct ring_control) + SWITCH_CONTROL_DATA_BYTES,
                              SWITCH_CONTROL_DATA_BYTES);
}

static enum err make_process(handle_t control)
{
    struct process_grant grants[] = {
        { .handle = program->budget,
          .rights = RIGHT_ALL,
          .kind = GRANT_BUDGET,
          .name = SWITCH_GRANT_BUDGET },
        { .handle = control,
          .rights = RIGHT_ALL,
          .kind = GRANT_CHANNEL,
          .bytes = SWITCH_CONTROL_DATA_BYTES,
          .name = SWITCH_GRANT_CONTROL },
        { .handle = program->board,
          .rights = RIGHT_READ | RIGHT_WRITE,
          .kind = GRANT_REGION,
          .bytes = sizeof(struct switch_board),
          .name = SWITCH_GRANT_BOARD },
    };
    struct process_create p = { .program = "switch",
                                .name = "switch",
                                .budget = program->budget,
                                .weight = WEIGHT,
                                .grant_count = array_count(grants),
                                .grants = grants };

    return sys_process_create(&p, &program->process);
}

static void undo(void)
{
    if (program->process != HANDLE_NONE)
        sys_process_kill(program->process);
    drop(&program->process);
    if (channel)
        sys_unmap(channel);
    channel = NULL;
    drop(&program->channel);
    program->phase = SWITCH_NONE;
}

/* Bound before it runs: what it signals unheard is not kept. */
static enum err launch(void)
{
    handle_t ends[2] = { HANDLE_NONE, HANDLE_NONE };
    enum err err = sys_channel_create(program->budget, SWITCH_CONTROL_DATA_BYTES, ends);

    if (err)
        return err;
    program->channel = ends[0];
    err = map_channel();
    if (!err)
        err = sys_bind(program->channel, BIND_CHANNEL, signal, SWITCH_SIGNAL_BIT);
    if (!err)
        err = make_process(ends[1]);
    if (!err)
        err = sys_bind(program->process, BIND_PROCESS_END, signal, SWITCH_SIGNAL_BIT);
    drop(&ends[1]);
    return err;
}

enum err switch_program_start(void)
{
    enum err err = OK;

    if (program->phase != SWITCH_NONE)
        return OK;
    if (program->budget == HANDLE_NONE)
        err = sys_budget_create(root, BUDGET_BYTES, &program->budget);
    if (!err)
        err = map_board();
    if (!err)
        err = launch();
    if (!err) {
        program->last_start_ns = sys_clock();
        program->phase = SWITCH_STARTING;
        return OK;
    }
    log_line("the program \"switch\" cannot be started: %s", err_name(err));
    undo();
    if (!program->start_count) {
        drop(&program->budget);
        if (board)
            sys_unmap(board);
        board = NULL;
        drop(&program->board);
    }
    return err;
}

enum err switch_program_fault(void)
{
    if (program->process == HANDLE_NONE)
        return ERR_STATE;
    return sys_process_fault(program->process);
}

/* ---- messages ---- */

bool switch_has_room(size_t n)
{
    return switch_program_is_up() &&
           ring_reserve(&to_switch, (uint32_t)(sizeof(struct switch_message) + n)) == OK;
}

enum err switch_send(enum switch_message_type type, const void *payload, size_t n)
{
    struct switch_message m = { .type = type };
    struct ring_packet header = { .type = RING_DATA_INBAND };
    struct ring_part parts[] = { { &m, sizeof(m) }, { payload, n } };
    bool wants_signal;

    if (!switch_program_is_up())
        return ERR_STATE;
    enum err err = ring_write(&to_switch, &header, parts, 2, &wants_signal);
    if (err)
        return err;
    return wants_signal ? sys_channel_signal(program->channel) : OK;
}

enum err switch_send_handle(handle_t h, uint32_t rights)
{
    return sys_channel_send_handle(program->channel, h, rights);
}

static void emit(enum event_id id, const char *text)
{
    char buffer[128];
    struct json j;

    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "program", "switch");
    json_field_number(&j, "start_count", program->start_count);
    json_object_end(&j);
    event_emit(id, NULL, &j, "%s", text);
}

static void take_ready(void)
{
    if (program->phase == SWITCH_UP)
        return;
    program->phase = SWITCH_UP;
    network_program_ended(); /* it knows nothing yet */
    if (program->start_count)
        emit(EVENT_PROGRAM_STARTED, "switch was started again");
}

/* False: it broke the protocol. */
static bool take_message(const struct ring_packet *h)
{
    struct {
        struct switch_message head;
        struct switch_index index;
    } m = { { 0 }, { 0 } };
    uint32_t n = min(ring_payload_bytes(h), (uint32_t)sizeof(m));

    if (h->type != RING_DATA_INBAND || n < sizeof(m.head) ||
        ring_read(&from_switch, h, ring_payload_offset(h), &m, n))
        return false;
    if (m.head.type == SWITCH_READY)
        take_ready();
    else if (m.head.type == SWITCH_TAKEN && n == sizeof(m) && port_at(m.index.index))
        port_at(m.index.index)->link.is_taken = 1;
    return true;
}

/* Its word is foreign: a program that breaks its ring is started anew. */
static bool take_messages(void)
{
    struct ring_packet h;
    bool is_good = true;

    for (unsigned i = 0; is_good && i < MESSAGES_PER_TURN; i++) {
        enum err err = ring_peek(&from_switch, &h);

        if (err == ERR_EMPTY)
            break;
        is_good = !err && take_message(&h);
        if (is_good)
            ring_advance(&from_switch, &h);
    }
    if (ring_commit(&from_switch))
        sys_channel_signal(program->channel);
    return is_good;
}

/* ---- its end ---- */

static bool has_ended(void)
{
    struct process_info info;

    return program->process == HANDLE_NONE || sys_process_info(program->process, &info) != OK ||
           info.state == PROCESS_ENDED;
}

static void take_end(uint64_t now)
{
    program->quick_deaths = now - program->last_start_ns < QUICK_NS ? program->quick_deaths + 1 : 0;
    undo();
    network_program_ended();
    emit(EVENT_PROGRAM_ENDED, "switch ended by a fault");
    request_program_ended();
    program->start_count++;
    program->phase = SWITCH_BACK_OFF;
    program->retry_ns = program->quick_deaths < QUICK_DEATHS_MAX ? now : now + BACK_OFF_NS;
}

static void start_again(uint64_t now)
{
    program->phase = SWITCH_NONE;
    if (switch_program_start()) {
        program->phase = SWITCH_BACK_OFF;
        program->retry_ns = now + BACK_OFF_NS;
    }
}

uint64_t switch_program_pump(uint64_t now)
{
    if (program->phase == SWITCH_STARTING || program->phase == SWITCH_UP) {
        if (channel && !take_messages()) {
            log_line("switch broke its ring and is ended");
            sys_process_kill(program->process);
        }
        if (has_ended())
            take_end(now);
    }
    if (program->phase == SWITCH_BACK_OFF && program->retry_ns <= now)
        start_again(now);
    return program->phase == SWITCH_BACK_OFF ? program->retry_ns : DEADLINE_NEVER;
}

/* ---- after a restart of the manager ---- */

static bool needs_program(void)
{
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        if (network()->switches[i].is_used)
            return true;
    return program->start_count || program->process != HANDLE_NONE;
}

enum err switch_program_adopt(void)
{
    enum err err = OK;

    if (program->phase >= SWITCH_PHASE_END)
        memset(program, 0, sizeof(*program));
    if (program->board != HANDLE_NONE)
        err = map_board();
    if (!needs_program())
        return err;
    if (!err && program->process != HANDLE_NONE && program->channel != HANDLE_NONE)
        err = map_channel();
    if (!err && channel)
        err = sys_bind(program->channel, BIND_CHANNEL, signal, SWITCH_SIGNAL_BIT);
    if (!err && channel)
        err = sys_bind(program->process, BIND_PROCESS_END, signal, SWITCH_SIGNAL_BIT);
    if (!err && channel && program->phase != SWITCH_BACK_OFF)
        return OK;
    undo();
    network_program_ended();
    program->phase = SWITCH_BACK_OFF;
    program->retry_ns = sys_clock();
    return err;
}
