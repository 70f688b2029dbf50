/* bulkhead.conf is run like typing: a line, its answer, the next line. Where it stands is in the
 * estate, so that a manager that was restarted goes on behind the line that was being run. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/config.h"
#include "services/manager/console.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

static struct config_state *state;
static const char *file;
static uint64_t file_bytes;

void config_init(struct config_state *s)
{
    const struct startup_grant *g = startup_grant(CONFIG_FILE);
    void *at;

    state = s;
    file = NULL;
    file_bytes = 0;
    if (state->is_done || !g || g->kind != GRANT_MODULE || !g->bytes)
        return;
    enum err err = sys_region_map(g->handle, 0, round_up(g->bytes, PAGE_BYTES), PROT_READ, &at);
    if (err) {
        event_emit(EVENT_CONFIG_ERROR, NULL, NULL, "%s cannot be read: %s", CONFIG_FILE,
                   err_name(err));
        state->error_count++;
        return;
    }
    file = at;
    file_bytes = g->bytes;
}

bool config_line(const char *text, uint64_t n, uint64_t *at, const char **line, uint64_t *line_n)
{
    uint64_t begin = *at, end = begin;

    if (begin >= n)
        return false;
    while (end < n && text[end] != '\n')
        end++;
    *at = end < n ? end + 1 : end;
    if (end > begin && text[end - 1] == '\r')
        end--;
    *line = text + begin;
    *line_n = end - begin;
    return true;
}

void config_error(const struct request *r, enum error_code code, uint32_t column,
                  const char *accepted, const char *message)
{
    char buffer[EVENT_FIELDS_BYTES];
    struct json j;

    state->error_count++;
    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "file", CONFIG_FILE);
    json_field_number(&j, "line", r->config_line);
    json_field_number(&j, "column", column);
    json_field_string(&j, "code", error_catalogue[code].name);
    json_field_string(&j, "message", message);
    json_field_string(&j, "accepted", accepted);
    json_object_end(&j);
    event_emit(EVENT_CONFIG_ERROR, NULL, &j, "%s:%u:%u: %s%s%s%s", CONFIG_FILE, r->config_line,
               column, message, accepted[0] ? " (accepted: " : "", accepted,
               accepted[0] ? ")" : "");
}

void config_attach(const char *vm)
{
    string_copy(state->attach, sizeof(state->attach), vm);
}

static void done(void)
{
    char buffer[64];
    struct json j;
    const struct vm *vm = state->attach[0] ? vm_find(state->attach) : NULL;

    state->is_done = 1;
    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_number(&j, "config_errors", state->error_count);
    json_object_end(&j);
    event_emit(EVENT_HOST_READY, NULL, &j, "host %s is ready", host_name());
    if (file)
        sys_unmap((void *)(uintptr_t)file);
    file = NULL;
    if (vm && vm->machine.is_born)
        console_attach(vm);
}

bool config_pump(void)
{
    struct request *r = request_allocate(REQUEST_CONFIG);
    const char *line;
    uint64_t n;

    if (state->is_done || !r)
        return false;
    if (!file || !config_line(file, file_bytes, &state->offset, &line, &n)) {
        done();
        return false;
    }
    r->config_line = ++state->line;
    request_execute(r, line, n);
    return true;
}
