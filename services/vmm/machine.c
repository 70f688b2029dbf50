#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "services/vmm/acpi_tables.h"
#include "services/vmm/loader/loader.h"
#include "services/vmm/machine.h"
#include "services/vmm/save.h"

/* ---- the console region ---- */

static void console_send(struct vuart_line *line, uint8_t byte)
{
    struct console_line *c = container_of(line, struct console_line, line);
    struct vmm_console *s = c->shared;
    uint64_t total = s->out_total;

    s->out[total % VMM_CONSOLE_OUT_BYTES] = byte;
    __atomic_store_n(&s->out_total, total + 1, __ATOMIC_RELEASE);
    if (__atomic_load_n(&s->wants_wake, __ATOMIC_RELAXED))
        sys_channel_signal(c->control);
}

static bool console_receive(struct vuart_line *line, uint8_t *byte)
{
    struct console_line *c = container_of(line, struct console_line, line);
    struct vmm_console *s = c->shared;
    uint64_t taken = s->in_taken;

    if (taken == __atomic_load_n(&s->in_total, __ATOMIC_ACQUIRE))
        return false;
    *byte = s->in[taken % VMM_CONSOLE_IN_BYTES];
    __atomic_store_n(&s->in_taken, taken + 1, __ATOMIC_RELEASE);
    return true;
}

/* Without an IOAPIC the line ends nowhere: the guest polls. */
static void console_set_irq(struct vuart_line *line, bool is_asserted)
{
    struct console_line *c = container_of(line, struct console_line, line);
    struct machine *m = container_of(c, struct machine, console);

    if (m->config->has_ioapic)
        sys_ioapic_set(m->partition, ACPI_UART_GSI, is_asserted);
}

void machine_input(struct machine *m)
{
    if (__atomic_load_n(&m->state, __ATOMIC_ACQUIRE) == MACHINE_STOPPED)
        return; /* it may not even be built */
    mutex_lock(&m->devices_lock);
    vuart_poll(&m->uart);
    mutex_unlock(&m->devices_lock);
}

/* ---- building ---- */

static enum err map_grant(const char *name, unsigned prot, const void **out, uint64_t *bytes)
{
    const struct startup_grant *g = startup_grant(name);
    void *at;
    enum err err = g ? OK : ERR_NOT_FOUND;

    if (!err)
        err = sys_region_map(g->handle, 0, g->bytes, prot, &at);
    if (!err) {
        *out = at;
        *bytes = g->bytes;
    }
    return err;
}

static enum err map_view(struct machine *m, gpa_t gpa, uint64_t bytes, uint8_t **out)
{
    handle_t view;
    void *at;
    enum err err = sys_view_create(m->partition, gpa, bytes, PROT_READ | PROT_WRITE, &view);

    if (!err)
        err = sys_view_map(view, &at);
    if (!err)
        *out = at;
    return err;
}

static enum err make_devices(struct machine *m)
{
    const void *console;
    uint64_t bytes;
    enum err err = map_grant(VMM_GRANT_CONSOLE, PROT_READ | PROT_WRITE, &console, &bytes);

    if (err)
        return err;
    m->console.shared = (struct vmm_console *)(uintptr_t)console;
    m->console.line = (struct vuart_line){ console_send, console_receive, console_set_irq };
    m->console.control = m->control;
    vuart_reset(&m->uart, &m->console.line);
    return mutex_init(&m->devices_lock, m->budget);
}

static enum err make_memory(struct machine *m)
{
    uint64_t left, bytes = m->config->memory_bytes;
    enum err err;

    do {
        err = sys_partition_populate(m->partition, &left);
    } while (!err && left);
    m->memory.low_bytes = min(bytes, GUEST_LOW_END);
    m->memory.high_bytes = bytes - m->memory.low_bytes;
    if (!err)
        err = map_view(m, (gpa_t){ 0 }, m->memory.low_bytes, &m->memory.low);
    if (!err && m->memory.high_bytes)
        err = map_view(m, (gpa_t){ GUEST_HIGH_START }, m->memory.high_bytes, &m->memory.high);
    return err;
}

static enum err map_modules(const struct machine *m, struct loader_module out[LOADER_MODULES_MAX])
{
    char name[GRANT_NAME_BYTES];
    const void *at;
    uint64_t unused;
    enum err err = m->config->module_count <= LOADER_MODULES_MAX ? OK : ERR_ARGUMENT;

    for (unsigned i = 0; !err && i < m->config->module_count; i++) {
        format(name, sizeof(name), VMM_GRANT_MODULE, i);
        err = map_grant(name, PROT_READ, &at, &unused);
        if (!err)
            out[i] = (struct loader_module){ at, m->config->modules[i].bytes,
                                             m->config->modules[i].name };
    }
    return err;
}

static enum err load_kernel(struct machine *m, struct vcpu_state *state, struct loader_failure *why)
{
    struct loader_module modules[LOADER_MODULES_MAX];
    struct loader_input in = {
        .memory = &m->memory,
        .kernel_name = m->config->kernel_name,
        .cmdline = m->config->cmdline,
        .type = m->config->type,
        .module_count = m->config->module_count,
        .modules = modules,
    };
    const void *at;
    uint64_t unused;

    if (!m->config->kernel_bytes)
        return loader_fail(why, ERR_FORMAT, "copy the file again", "%s is empty",
                           m->config->kernel_name);
    enum err err = map_grant(VMM_GRANT_KERNEL, PROT_READ, &at, &unused);

    if (err)
        return err;
    in.kernel = at;
    in.kernel_bytes = m->config->kernel_bytes;
    if (m->config->initrd_bytes) {
        err = map_grant(VMM_GRANT_INITRD, PROT_READ, &at, &unused);
        in.initrd = at;
        in.initrd_bytes = m->config->initrd_bytes;
    }
    if (!err)
        err = map_modules(m, modules);
    if (err)
        return err;
    m->starts_in_xapic = loader_type(&in) == GUEST_MULTIBOOT;
    return loader_load(&in, state, why);
}

static enum err make_vcpus(struct machine *m, struct loader_failure *why)
{
    enum err err = OK;

    for (unsigned i = 0; !err && i < m->vcpu_count; i++)
        err = vcpu_create(&m->vcpus[i], m, i);
    if (err)
        return loader_fail(why, err, "take fewer cpus=, or delete another VM",
                           "no memory for %u vCPUs", m->vcpu_count);
    return OK;
}

static enum err make_processors(struct machine *m, struct loader_failure *why)
{
    enum err err = m->config->has_ioapic ? sys_ioapic_create(m->partition) : OK;

    return err ? err : make_vcpus(m, why);
}

/* The machine as its firmware and loader leave it. */
static enum err boot(struct machine *m, struct loader_failure *why)
{
    struct acpi_machine acpi = { m->config->cpu_count, m->config->has_ioapic, true };
    struct vcpu_state state;
    enum err err = load_kernel(m, &state, why);

    if (!err)
        err = acpi_write_tables(&m->memory, &acpi);
    if (!err)
        err = acpi_write_reset_vector(&m->memory);
    if (!err)
        err = make_processors(m, why);
    if (!err)
        err = sys_vcpu_set(m->vcpus[0].handle, &state);
    return err;
}

/* The machine as it was saved. */
static enum err restore(struct machine *m, struct services *s, struct loader_failure *why)
{
    const struct startup_grant *image = startup_grant(VMM_GRANT_IMAGE);
    enum err err = make_processors(m, why);

    return err ? err : machine_restore(m, s, image->handle, image->bytes, why);
}

enum err machine_open(struct machine *m, struct loader_failure *why)
{
    const void *config;
    uint64_t bytes;
    enum err err = map_grant(VMM_GRANT_CONFIG, PROT_READ, &config, &bytes);

    if (err)
        return err;
    m->config = config;
    if (!m->config->cpu_count || m->config->cpu_count > VMM_VCPUS_MAX)
        return ERR_ARGUMENT;
    m->vcpu_count = m->config->cpu_count;
    err = make_devices(m);
    if (err)
        return err;
    err = make_memory(m);
    if (err)
        return loader_fail(why, err, "give it less memory, or delete another VM",
                           "no memory for the VM's %lu MiB", m->config->memory_bytes >> 20);
    return OK;
}

enum err machine_build(struct machine *m, struct services *s, struct loader_failure *why)
{
    return startup_grant(VMM_GRANT_IMAGE) ? restore(m, s, why) : boot(m, why);
}

/* ---- states ---- */

/* From @from to @to; false when it is in another state. */
static bool change_state(struct machine *m, uint32_t from, enum machine_state to)
{
    return __atomic_compare_exchange_n(&m->state, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

void machine_run(struct machine *m)
{
    if (!change_state(m, MACHINE_STOPPED, MACHINE_RUNNING) &&
        !change_state(m, MACHINE_PAUSED, MACHINE_RUNNING))
        return;
    for (unsigned i = 0; i < m->vcpu_count; i++)
        sys_signal_raise(m->vcpus[i].go, 1);
}

void machine_pause(struct machine *m)
{
    if (!change_state(m, MACHINE_RUNNING, MACHINE_PAUSED))
        return;
    for (unsigned i = 0; i < m->vcpu_count; i++)
        vcpu_kick(&m->vcpus[i]);
}

bool machine_is_paused(const struct machine *m)
{
    bool are_parked = __atomic_load_n(&m->state, __ATOMIC_SEQ_CST) == MACHINE_PAUSED;

    for (unsigned i = 0; i < m->vcpu_count; i++)
        are_parked &= __atomic_load_n(&m->vcpus[i].is_parked, __ATOMIC_SEQ_CST);
    return are_parked;
}

/* True for the one vCPU that ends the machine; the others are on their way out of the guest. */
static bool begin_end(struct machine *m, const struct vcpu *v)
{
    uint32_t from;

    do {
        from = __atomic_load_n(&m->state, __ATOMIC_SEQ_CST);
        if (from >= MACHINE_ENDING)
            return false;
    } while (!change_state(m, from, MACHINE_ENDING));
    for (unsigned i = 0; i < m->vcpu_count; i++)
        if (i != v->index)
            vcpu_kick(&m->vcpus[i]);
    return true;
}

static bool is_crash(enum vmm_end_cause cause)
{
    return cause == VMM_END_TRIPLE_FAULT || cause == VMM_END_CRASH;
}

/* For the report: registers, and the bytes at RIP. */
static void add_registers(const struct vcpu *v, struct vmm_end *e)
{
    if (sys_vcpu_get(v->handle, &e->state) == OK)
        e->code_bytes = vcpu_fetch_code(v->machine, &e->state, e->code, sizeof(e->code));
}

void machine_end(struct vcpu *v, enum vmm_end_cause cause, uint32_t exit_code, const char *fmt, ...)
{
    struct machine *m = v->machine;
    va_list args;

    if (!begin_end(m, v))
        return;
    m->end = (struct vmm_end){ .cause = cause, .exit_code = exit_code, .vcpu_index = v->index };
    va_start(args, fmt);
    format_v(m->end.text, sizeof(m->end.text), fmt, args);
    va_end(args);
    if (is_crash(cause))
        add_registers(v, &m->end);
    __atomic_store_n(&m->state, MACHINE_ENDED, __ATOMIC_RELEASE);
    sys_signal_raise(m->wake, 1ul << WAKE_VCPU);
}
