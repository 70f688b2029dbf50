/* Handles are written into the VM's record right after the call that made them, and erased there
 * before they are closed: a manager that dies in between leaves a handle that nobody knows, and
 * its successor closes those. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "services/manager/host.h"
#include "services/manager/network.h"
#include "services/manager/saves.h"
#include "services/manager/vmm.h"
#include "services/rt/log.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

#define CHANNEL_DATA_BYTES (16u * 1024u)
#define OVERHEAD_BYTES     KIB(384) /* the vmm itself and the objects of the kernel for it */
#define VCPU_BYTES         KIB(64)  /* of each vCPU but the first: state, threads, stacks */

static handle_t signal;

/* What is mapped for each VM; not in the estate, since addresses do not survive. */
static struct link {
    void *channel;
    struct ring to_vmm, from_vmm;
} links[VM_COUNT_MAX];

static struct link *link_of(const struct vm *vm)
{
    return &links[vm_slot(vm)];
}

void vmm_init(handle_t root_budget, handle_t signal_handle)
{
    signal = signal_handle;
    memset(links, 0, sizeof(links));
    vmm_console_init(root_budget);
}

static unsigned signal_bit(const struct vm *vm)
{
    return vm_signal_bit(vm_slot(vm));
}

/* Closes the handle at @h and forgets it first. */
static void drop(handle_t *h)
{
    handle_t old = *h;

    *h = HANDLE_NONE;
    if (old != HANDLE_NONE)
        sys_handle_close(old);
}

/* Page tables: nested ones of 4 KiB leaves in the worst case, the vmm's own for its views of
 * guest memory and of the modules. */
uint64_t vmm_budget_bytes(uint64_t memory_bytes, uint64_t module_bytes, unsigned cpu_count)
{
    uint64_t memory = round_up(memory_bytes, LARGE_BYTES);

    return memory + OVERHEAD_BYTES + (cpu_count - 1) * VCPU_BYTES +
           round_up(memory / 256 + module_bytes / 512 + CHANNEL_DATA_BYTES * 2, PAGE_BYTES);
}

/* ---- launch ---- */

static void fill_modules(const struct vm *vm, struct vmm_config *c)
{
    const char *list = vm->settings.modules;

    while (c->module_count < VMM_MODULES_MAX &&
           module_list_next(&list, c->modules[c->module_count].name)) {
        const struct startup_grant *g = startup_grant(c->modules[c->module_count].name);

        c->modules[c->module_count++].bytes = g ? g->bytes : 0;
    }
}

static void fill_config(const struct vm *vm, struct vmm_config *c)
{
    const struct startup_grant *kernel = startup_grant(vm->settings.kernel);
    const struct startup_grant *initrd =
        vm->settings.initrd[0] ? startup_grant(vm->settings.initrd) : NULL;

    memset(c, 0, sizeof(*c));
    c->version = 1;
    c->type = vm->settings.type;
    c->memory_bytes = vm->settings.memory_bytes;
    c->kernel_bytes = kernel ? kernel->bytes : 0;
    c->initrd_bytes = initrd ? initrd->bytes : 0;
    c->utc_base_ns = host_utc_base_ns();
    c->cpu_count = vm->settings.cpu_count;
    c->has_ioapic = vm->settings.has_ioapic;
    c->services = SERVICES_ALL & ~vm->settings.services_off;
    c->echo_count = vm->settings.echo_count;
    string_copy(c->name, sizeof(c->name), vm->name);
    string_copy(c->kernel_name, sizeof(c->kernel_name), vm->settings.kernel);
    string_copy(c->cmdline, sizeof(c->cmdline), vm->settings.cmdline);
    fill_modules(vm, c);
    network_fill_config(vm, c);
}

static enum err make_config(const struct vm *vm, handle_t *out)
{
    uint64_t bytes = round_up(sizeof(struct vmm_config), PAGE_BYTES);
    void *at;
    enum err err = sys_region_create(vm->budget, bytes, out);

    if (err)
        return err;
    err = sys_region_map(*out, 0, bytes, PROT_READ | PROT_WRITE, &at);
    if (err) {
        drop(out);
        return err;
    }
    fill_config(vm, at);
    sys_unmap(at);
    return OK;
}

static void add_grant(struct process_create *p, struct process_grant *grants, const char *name,
                      enum grant_kind kind, handle_t h, uint32_t rights, uint64_t bytes)
{
    struct process_grant *g = &grants[p->grant_count++];

    *g = (struct process_grant){ .handle = h, .rights = rights, .kind = kind, .bytes = bytes };
    string_copy(g->name, sizeof(g->name), name);
}

static void add_module(struct process_create *p, struct process_grant *grants, const char *name,
                       const char *file)
{
    const struct startup_grant *g = startup_grant(file);

    if (g)
        add_grant(p, grants, name, GRANT_MODULE, g->handle, RIGHT_READ, g->bytes);
}

static void add_modules(struct process_create *p, struct process_grant *grants, const struct vm *vm)
{
    char grant[GRANT_NAME_BYTES], file[GRANT_NAME_BYTES];
    const char *list = vm->settings.modules;

    for (unsigned i = 0; i < VMM_MODULES_MAX && module_list_next(&list, file); i++) {
        format(grant, sizeof(grant), VMM_GRANT_MODULE, i);
        add_module(p, grants, grant, file);
    }
}

static enum err make_process(struct vm *vm, handle_t control, handle_t config)
{
    struct process_grant grants[8 + VMM_MODULES_MAX];
    struct process_create p = { .budget = vm->budget,
                                .weight = vm->settings.schedule.weight,
                                .grants = grants };

    string_copy(p.program, sizeof(p.program), "vmm");
    format(p.name, sizeof(p.name), "vmm:%s", vm->name);
    add_grant(&p, grants, VMM_GRANT_BUDGET, GRANT_BUDGET, vm->budget, RIGHT_ALL, 0);
    add_grant(&p, grants, VMM_GRANT_CONTROL, GRANT_CHANNEL, control, RIGHT_ALL, CHANNEL_DATA_BYTES);
    add_grant(&p, grants, VMM_GRANT_CONFIG, GRANT_REGION, config, RIGHT_READ,
              sizeof(struct vmm_config));
    add_grant(&p, grants, VMM_GRANT_CONSOLE, GRANT_REGION, vm->console, RIGHT_READ | RIGHT_WRITE,
              sizeof(struct vmm_console));
    add_grant(&p, grants, VMM_GRANT_PARTITION, GRANT_PARTITION, vm->partition, RIGHT_ALL,
              vm->settings.memory_bytes);
    if (vm->machine.operation == OPERATION_RESTORE && save_of(vm))
        add_grant(&p, grants, VMM_GRANT_IMAGE, GRANT_REGION, save_of(vm)->image, RIGHT_READ,
                  save_of(vm)->bytes);
    add_module(&p, grants, VMM_GRANT_KERNEL, vm->settings.kernel);
    if (vm->settings.initrd[0])
        add_module(&p, grants, VMM_GRANT_INITRD, vm->settings.initrd);
    add_modules(&p, grants, vm);
    return sys_process_create(&p, &vm->process);
}

static enum err bind_all(const struct vm *vm)
{
    enum err err = sys_bind(vm->channel, BIND_CHANNEL, signal, signal_bit(vm));

    return err ? err : sys_bind(vm->process, BIND_PROCESS_END, signal, signal_bit(vm));
}

static enum err map_channel(const struct vm *vm)
{
    struct link *link = link_of(vm);
    uint8_t *at;
    enum err err = sys_channel_map(vm->channel, &link->channel);

    if (err)
        return err;
    at = link->channel;
    err = ring_attach_writer(&link->to_vmm, at, CHANNEL_DATA_BYTES);
    if (err)
        return err;
    return ring_attach_reader(
        &link->from_vmm, at + sizeof(struct ring_control) + CHANNEL_DATA_BYTES, CHANNEL_DATA_BYTES);
}

/* Whatever of a vmm exists goes; its process first, so that nobody uses the rest. */
static void undo(struct vm *vm)
{
    struct link *link = link_of(vm);

    if (vm->process != HANDLE_NONE)
        sys_process_kill(vm->process);
    drop(&vm->process);
    if (link->channel)
        sys_unmap(link->channel);
    link->channel = NULL;
    drop(&vm->channel);
    drop(&vm->partition);
}

static enum err launch_failed(struct vm *vm, enum err err, const char *what)
{
    undo(vm);
    if (err == ERR_MEMORY)
        vm_fail(vm, ERROR_NO_MEMORY, "take less memory=, or delete a VM",
                "not enough memory for the VM's %s; %lu MiB are free", what,
                host_free_bytes() >> 20);
    else
        vm_fail(vm, ERROR_FAILED, "log show", "the kernel refused the VM's %s: %s", what,
                err_name(err));
    return err;
}

enum err vmm_launch(struct vm *vm)
{
    handle_t ends[2] = { HANDLE_NONE, HANDLE_NONE }, config = HANDLE_NONE;
    const char *what = "partition";
    enum err err = sys_partition_create(vm->budget, vm->settings.memory_bytes, &vm->partition);

    if (err)
        return launch_failed(vm, err, what);
    what = "channel";
    err = sys_channel_create(vm->budget, CHANNEL_DATA_BYTES, ends);
    if (err)
        return launch_failed(vm, err, what);
    vm->channel = ends[0];
    err = map_channel(vm);
    if (!err) /* before the vmm runs: what it signals unheard is not kept */
        err = sys_bind(vm->channel, BIND_CHANNEL, signal, signal_bit(vm));
    if (!err) {
        what = "configuration";
        err = make_config(vm, &config);
    }
    if (!err) {
        what = "vmm";
        err = make_process(vm, ends[1], config);
    }
    if (!err)
        err = sys_bind(vm->process, BIND_PROCESS_END, signal, signal_bit(vm));
    drop(&config);
    drop(&ends[1]);
    if (err)
        return launch_failed(vm, err, what);
    vm->sent_type = 0;
    return OK;
}

/* ---- messages ---- */

enum err vmm_tell(const struct vm *vm, enum vmm_message_type type, uint32_t sequence,
                  const void *payload, size_t n)
{
    struct vmm_message m = { .type = type, .sequence = sequence };
    struct ring_packet header = { .type = RING_DATA_INBAND };
    struct ring_part parts[] = { { &m, sizeof(m) }, { payload, n } };
    bool wants_signal;

    if (!link_of(vm)->channel)
        return ERR_STATE;
    enum err err = ring_write(&link_of(vm)->to_vmm, &header, parts, payload ? 2 : 1, &wants_signal);
    if (err)
        return err;
    return sys_channel_signal(vm->channel);
}

enum err vmm_send(struct vm *vm, enum vmm_message_type type)
{
    vm->sequence++;
    vm->sent_type = type;
    return vmm_tell(vm, type, vm->sequence, NULL, 0);
}

enum err vmm_send_image(const struct vm *vm, handle_t image)
{
    if (network_is_sending(vm)) /* its handles and its message belong together */
        return ERR_FULL;
    return sys_channel_send_handle(vm->channel, image, RIGHT_READ | RIGHT_WRITE);
}

enum err vmm_receive(struct vm *vm, struct vmm_message *m, void *payload, size_t capacity,
                     size_t *n)
{
    struct link *link = link_of(vm);
    struct ring *ring = &link->from_vmm;
    struct ring_packet h;

    if (!link->channel)
        return ERR_EMPTY;
    enum err err = ring_peek(ring, &h);
    if (err)
        return err;
    uint32_t offset = ring_payload_offset(&h), bytes = ring_payload_bytes(&h);
    if (h.type != RING_DATA_INBAND || bytes < sizeof(*m))
        return ERR_GUEST;
    *n = min((size_t)bytes - sizeof(*m), capacity);
    err = ring_read(ring, &h, offset, m, sizeof(*m));
    if (!err)
        err = ring_read(ring, &h, offset + (uint32_t)sizeof(*m), payload, (uint32_t)*n);
    if (err)
        return err;
    ring_advance(ring, &h);
    if (ring_commit(ring))
        sys_channel_signal(vm->channel);
    return OK;
}

/* ---- the scheduler ---- */

/* vCPUs exist once the vmm is ready; then it is told again. */
enum err vmm_schedule(const struct vm *vm)
{
    const struct vm_schedule *s = &vm->settings.schedule;
    enum err err = OK;

    if (vm->process == HANDLE_NONE || vm->machine.phase == VMM_ENDING)
        return OK;
    err = sys_process_schedule(vm->process, s->weight, s->cap_percent);
    for (unsigned i = 0; !err && i < vm->settings.cpu_count; i++) {
        err = sys_vcpu_pin(vm->partition, i, cpu_list_at(&s->pin, i));
        if (err == ERR_NOT_FOUND)
            return OK;
    }
    return err;
}

/* ---- what is known and what is left ---- */

bool vmm_has_ended(const struct vm *vm)
{
    struct process_info info;

    if (vm->process == HANDLE_NONE)
        return true;
    return sys_process_info(vm->process, &info) != OK || info.state == PROCESS_ENDED;
}

enum err vmm_vcpu_info(const struct vm *vm, unsigned index, struct vcpu_info *out)
{
    if (vm->partition == HANDLE_NONE)
        return ERR_STATE;
    return sys_vcpu_info(vm->partition, index, out);
}

/* The index is the vmm's word. */
static unsigned crashed_vcpu(const struct vm *vm)
{
    unsigned index = vm->crash.has_registers ? vm->crash.end.vcpu_index : 0;

    return index < vm->settings.cpu_count ? index : 0;
}

enum err vmm_counters(const struct vm *vm, struct vcpu_info *out)
{
    struct vcpu_info other;
    unsigned shown = crashed_vcpu(vm);
    enum err err = vmm_vcpu_info(vm, shown, out);

    for (unsigned i = 0; !err && i < vm->settings.cpu_count; i++) {
        if (i == shown)
            continue;
        err = vmm_vcpu_info(vm, i, &other);
        for (unsigned kind = 0; !err && kind < EXIT_KIND_COUNT; kind++)
            out->exits[kind] += other.exits[kind];
    }
    return err;
}

/* The vCPUs may be gone before the partition is: then what was kept before stays. */
void vmm_keep_counters(struct vm *vm)
{
    static struct vcpu_info now;

    if (vmm_counters(vm, &now))
        return;
    if (!vm->has_counters || now.trace_total >= vm->counters.trace_total)
        vm->counters = now;
    vm->has_counters = 1;
}

void vmm_release(struct vm *vm)
{
    vmm_keep_counters(vm);
    undo(vm);
}

void vmm_kill(struct vm *vm)
{
    vmm_keep_counters(vm);
    sys_process_kill(vm->process);
}

bool vmm_budget_is_empty(const struct vm *vm)
{
    struct budget_info info;

    if (vm->budget == HANDLE_NONE)
        return true;
    return sys_budget_info(vm->budget, &info) != OK || info.used_bytes == 0;
}

enum err vmm_watch_budget(const struct vm *vm)
{
    if (vm->budget == HANDLE_NONE)
        return OK;
    return sys_bind(vm->budget, BIND_BUDGET_EMPTY, signal, signal_bit(vm));
}

void vmm_forget(struct vm *vm)
{
    undo(vm);
    vmm_console_close(vm);
    drop(&vm->budget);
}

enum err vmm_adopt(struct vm *vm)
{
    struct process_info info;
    enum err err;

    link_of(vm)->channel = NULL;
    err = vmm_console_map(vm);
    if (err)
        return err;
    if (vm->process == HANDLE_NONE)
        return OK;
    err = sys_process_info(vm->process, &info);
    if (!err)
        err = map_channel(vm);
    return err ? err : bind_all(vm);
}
