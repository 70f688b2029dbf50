/* From the id of a command to what does it. */
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/console.h"
#include "services/manager/help.h"

static void put_console(void *context, const char *text, size_t n)
{
    (void)context;
    console_text(text, n);
}

static struct {
    char text[24576];
    size_t n;
} help_buffer;

static void put_buffer(void *context, const char *text, size_t n)
{
    (void)context;
    n = min(n, sizeof(help_buffer.text) - help_buffer.n);
    memcpy(help_buffer.text + help_buffer.n, text, n);
    help_buffer.n += n;
}

void help_command(struct request *r, const struct command_line *c)
{
    const struct value *noun = command_value(c, "NOUN");
    const char *name = noun->is_set ? noun->text : NULL;

    if (c->is_json) {
        help_json(answer_begin(r), name);
        answer_end(r);
        return;
    }
    help_buffer.n = 0;
    if (!help_text(name, request_is_console(r) ? put_console : put_buffer, NULL)) {
        answer_error(r, ERROR_NOT_FOUND, noun, "help", "no commands begin with %.40s", noun->text);
        return;
    }
    if (!request_is_control(r)) {
        answer_none(r);
        return;
    }
    struct json *j = answer_begin(r);
    json_object_begin(j);
    json_key(j, "text");
    json_bytes(j, help_buffer.text, help_buffer.n);
    json_object_end(j);
    answer_end(r);
}

void commands_run(struct request *r, const struct command_line *c)
{
    switch (c->command->id) {
    case COMMAND_HELP: help_command(r, c); break;
    case COMMAND_HOST_SHOW:
    case COMMAND_HOST_SET:
    case COMMAND_HOST_CHECK:
    case COMMAND_HOST_SHUTDOWN:
    case COMMAND_EVENT_LIST:
    case COMMAND_LOG_SHOW: host_command(r, c); break;
    case COMMAND_VM_SAVES:
    case COMMAND_VM_RESTORE:
    case COMMAND_VM_FORGET: save_command(r, c); break;
    case COMMAND_SERVICES_LIST:
    case COMMAND_SERVICES_ENABLE:
    case COMMAND_SERVICES_DISABLE:
    case COMMAND_TOOLS_STATUS: services_command(r, c); break;
    case COMMAND_SWITCH_CREATE:
    case COMMAND_SWITCH_DELETE:
    case COMMAND_SWITCH_SET:
    case COMMAND_SWITCH_LIST:
    case COMMAND_SWITCH_SHOW:
    case COMMAND_NIC_ADD:
    case COMMAND_NIC_REMOVE:
    case COMMAND_NIC_SET:
    case COMMAND_NIC_LIST:
    case COMMAND_PORT_LIST:
    case COMMAND_PORT_SHOW:
    case COMMAND_PORT_SET:
    case COMMAND_PORT_EXPLAIN:
    case COMMAND_CAPTURE_START:
    case COMMAND_CAPTURE_STOP:
    case COMMAND_CAPTURE_LIST:
    case COMMAND_CAPTURE_SAVE:
    case COMMAND_CAPTURE_DELETE: network_command(r, c); break;
    case COMMAND_DEBUG_FAULT:
    case COMMAND_DEBUG_ROOTS:
    case COMMAND_DEBUG_FAIL_ALLOC: debug_command(r, c); break;
    default: vm_command(r, c);
    }
}
