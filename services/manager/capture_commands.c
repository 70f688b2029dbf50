/* capture ... */
#include "lib/string.h"
#include "services/manager/host.h"
#include "services/manager/network_commands.h"

#define BYTES_USUAL    MIB(1)
#define BYTES_MIN      KIB(4)
#define BYTES_MAX      MIB(64)
#define SNAP_USUAL     65535u
#define SNAP_MIN       64u
#define SAVE_BYTES_MAX (48u * 1024u) /* of the file, in one answer */

static void summary(struct json *j, const struct capture *c)
{
    struct capture_head head = { 0 };
    size_t none = 0;

    if (capture_read(c, 0, NULL, &none, &head))
        memset(&head, 0, sizeof(head));
    json_object_begin(j);
    json_field_string(j, "name", c->name);
    json_field_string(j, "state", c->state == CAPTURE_RUNNING ? "running" : "stopped");
    json_field_number(j, "bytes", head.used);
    json_field_number(j, "limit_bytes", c->bytes);
    json_field_number(j, "snap_bytes", c->snap_bytes);
    json_field_number(j, "frames", head.frame_count);
    json_field_number(j, "lost", head.lost_count);
    json_object_end(j);
}

static void answer(struct request *r, const struct capture *c)
{
    summary(answer_begin(r), c);
    answer_end(r);
}

static void list(struct request *r)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (network()->captures[i].state != CAPTURE_FREE)
            summary(j, &network()->captures[i]);
    json_list_end(j);
    answer_end(r);
}

/* ---- start ---- */

static bool sizes_are_good(struct request *r, const struct value *bytes, const struct value *snap)
{
    if (bytes->is_set && (bytes->number < BYTES_MIN || bytes->number > BYTES_MAX)) {
        answer_error(r, ERROR_USAGE, bytes, "from 4K to 64M", "bytes=%s cannot be", bytes->text);
        return false;
    }
    if (snap->is_set && (snap->number < SNAP_MIN || snap->number > SNAP_USUAL)) {
        answer_error(r, ERROR_USAGE, snap, "from 64 to 65535", "snap=%s cannot be", snap->text);
        return false;
    }
    return true;
}

static void refuse_start(struct request *r, enum err err)
{
    if (err == ERR_EXISTS)
        answer_error(r, ERROR_NO_MEMORY, NULL, "capture delete", "there are %u captures already",
                     CAPTURES_MAX);
    else if (err == ERR_MEMORY)
        answer_error(r, ERROR_NO_MEMORY, NULL, "a smaller bytes=, or capture delete",
                     "not enough memory; %lu MiB are free", host_free_bytes() >> 20);
    else if (err == ERR_STATE)
        answer_error(r, ERROR_WRONG_STATE, NULL, "try again", "the switch program does not run");
    else
        answer_error(r, ERROR_FAILED, NULL, "try again", "the switch cannot be told: %s",
                     err_name(err));
}

static void start(struct request *r, const struct command_line *c, const struct value *target)
{
    const struct value *bytes = command_value(c, "bytes"), *snap = command_value(c, "snap");
    const struct network_switch *s = switch_find(target->text);
    const struct port *p = port_find(target->text);
    const struct capture *old = capture_find(target->text);

    if (!s && !p) {
        answer_error(r, ERROR_NOT_FOUND, target, "port list, switch list",
                     "no port or switch named %s", target->text);
        return;
    }
    if (old && old->state == CAPTURE_RUNNING) {
        answer_error(r, ERROR_WRONG_STATE, target, "capture stop", "%s is being captured",
                     target->text);
        return;
    }
    if (!sizes_are_good(r, bytes, snap))
        return;
    enum err err = capture_start(target->text, s ? switch_index(s) : p->switch_index,
                                 s ? CAPTURE_ALL_PORTS : port_index(p),
                                 bytes->is_set ? bytes->number : BYTES_USUAL,
                                 snap->is_set ? (uint32_t)snap->number : SNAP_USUAL);
    if (err)
        refuse_start(r, err);
    else
        answer(r, capture_find(target->text));
}

/* ---- save ---- */

static struct {
    uint8_t bytes[SAVE_BYTES_MAX];
    char text[SAVE_BYTES_MAX / 3 * 4 + 5];
} piece; /* one answer is made at a time */

static void to_base64(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (left > 2 ? in[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[v & 63] : '=';
    }
    *out = 0;
}

static void save(struct request *r, const struct capture *c, const struct value *from)
{
    struct capture_head head;
    size_t n = SAVE_BYTES_MAX;
    enum err err = capture_read(c, from->number, piece.bytes, &n, &head);

    if (err) {
        answer_error(r, ERROR_FAILED, NULL, "log show", "the capture cannot be read: %s",
                     err_name(err));
        return;
    }
    to_base64(piece.bytes, n, piece.text);
    struct json *j = answer_begin(r);
    json_object_begin(j);
    json_field_string(j, "name", c->name);
    json_field_string(j, "base64", piece.text);
    json_field_number(j, "next", min(from->number, head.used) + n);
    json_field_number(j, "bytes", head.used);
    json_field_number(j, "frames", head.frame_count);
    json_field_number(j, "lost", head.lost_count);
    json_object_end(j);
    answer_end(r);
}

static void stop(struct request *r, struct capture *c)
{
    if (c->state != CAPTURE_RUNNING) {
        answer_error(r, ERROR_WRONG_STATE, NULL, "capture start", "%s is not being captured",
                     c->name);
        return;
    }
    capture_stop(c);
    if (c->state == CAPTURE_RUNNING)
        answer_error(r, ERROR_FAILED, NULL, "try again", "the switch takes no message");
    else
        answer(r, c);
}

void capture_command(struct request *r, const struct command_line *c)
{
    const struct value *target = command_value(c, "TARGET");
    struct capture *capture = capture_find(target->text);

    if (c->command->id == COMMAND_CAPTURE_LIST) {
        list(r);
        return;
    }
    if (c->command->id == COMMAND_CAPTURE_START) {
        start(r, c, target);
        return;
    }
    if (!capture) {
        answer_error(r, ERROR_NOT_FOUND, target, "capture list", "no capture of %s", target->text);
        return;
    }
    switch (c->command->id) {
    case COMMAND_CAPTURE_STOP: stop(r, capture); break;
    case COMMAND_CAPTURE_SAVE: save(r, capture, command_value(c, "from")); break;
    default:
        summary(answer_begin(r), capture);
        capture_delete(capture);
        answer_end(r);
    }
}
