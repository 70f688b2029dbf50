#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ring.h"
#include "services/manager/commands.h"
#include "services/manager/main.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "tests/unit/services/manager/fake_kernel.h"

#define HANDLES    2048
#define ROOT_BYTES MIB(256)

struct fake fake;

enum kind { BUDGET = 1, REGION, CHANNEL, PROCESS, PARTITION, SIGNAL, IOPORTS, INTERRUPT };

struct object {
    enum kind kind;
    unsigned refs;
    struct object *budget;
    uint64_t charged;
    uint64_t limit, used; /* BUDGET */
    uint8_t *memory;      /* REGION, CHANNEL */
    uint64_t bytes, bits;
    struct {
        struct object *signal;
        unsigned bit;
    } bound[6];
    bool is_image;          /* REGION */
    uint64_t data_bytes;    /* CHANNEL, each way */
    struct object *sent[8]; /* CHANNEL: to the vmm */
    unsigned sent_count;
    struct object *given[8]; /* to the manager */
    unsigned given_count;
    uint32_t pins[VMM_VCPUS_MAX]; /* PARTITION */
    /* PROCESS */
    uint64_t weight, cap;
    char name[32];
    enum fake_vmm_behaviour behaviour;
    struct process_info info;
    struct object *granted[8 + VMM_MODULES_MAX];
    unsigned granted_count;
    struct object *channel, *config, *console;
    struct ring out, in;
    bool was_ready, must_end, has_image, is_switch;
    struct object *board;
    struct fake_nic nics[VMM_NICS_MAX];
    uint32_t services;
    uint64_t utc_base_ns;
    struct fake_query query;
    struct object *next;
};

static struct object *table[HANDLES];
static struct object *processes;
static struct object *root, *estate;
static struct startup_info startup;
static jmp_buf manager_died;
static uint64_t pending_bits;
static unsigned made;

/* ---- objects ---- */

static void raise_bound(struct object *o, enum bind_event event)
{
    if (o->bound[event].signal)
        o->bound[event].signal->bits |= 1ull << o->bound[event].bit;
}

static bool charge(struct object *budget, uint64_t bytes)
{
    if (bytes > budget->limit - budget->used)
        return false;
    budget->used += bytes;
    return true;
}

static void uncharge(struct object *budget, uint64_t bytes)
{
    if (bytes > budget->used)
        abort();
    budget->used -= bytes;
    if (!budget->used)
        raise_bound(budget, BIND_BUDGET_EMPTY);
}

static void put(struct object *o)
{
    if (!o->refs)
        abort();
    if (--o->refs)
        return;
    if (o->kind == BUDGET && o->used)
        abort(); /* objects hold their budget */
    while (o->sent_count)
        put(o->sent[--o->sent_count]);
    while (o->given_count)
        put(o->given[--o->given_count]);
    struct object *budget = o->budget;
    if (budget) {
        uncharge(budget, o->charged);
        put(budget);
    }
    free(o->memory);
    free(o);
}

/* NULL: out of budget, or the test wants it to fail. */
static struct object *make(enum kind kind, struct object *budget, uint64_t bytes, uint64_t memory)
{
    if (fake.fail_at && ++made == fake.fail_at)
        return NULL;
    if (budget && !charge(budget, bytes))
        return NULL;
    struct object *o = calloc(1, sizeof(*o));
    o->kind = kind;
    o->refs = 1;
    o->budget = budget;
    o->charged = bytes;
    if (budget)
        budget->refs++;
    if (memory)
        o->memory = calloc(1, memory);
    o->bytes = memory;
    return o;
}

static handle_t give(struct object *o)
{
    for (handle_t h = 1; h < HANDLES; h++)
        if (!table[h]) {
            table[h] = o;
            return h;
        }
    abort();
}

static struct object *find(handle_t h, enum kind kind)
{
    return h < HANDLES && table[h] && (!kind || table[h]->kind == kind) ? table[h] : NULL;
}

/* Each call of the manager passes here. */
static void enter(void)
{
    fake.calls++;
    if (fake.crash_at && fake.calls == fake.crash_at) {
        fake.crash_at = 0;
        longjmp(manager_died, 1);
    }
}

void manager_fault(void)
{
    longjmp(manager_died, 1);
}

/* ---- UARTs ---- */

static struct uart_model {
    uint16_t base;
    uint8_t ier, lcr;
    bool thr_pending; /* the transmitter-empty interrupt */
    char *in;
    size_t in_n, in_at;
    char *out;
    size_t out_n, out_capacity;
    struct object *interrupt;
    bool is_masked, line;
} uarts[2];

static bool uart_line(const struct uart_model *u)
{
    return (u->ier & 1 && u->in_at < u->in_n) || (u->ier & 2 && u->thr_pending);
}

static void uart_update(struct uart_model *u)
{
    bool line = uart_line(u);

    if (line && !u->line && !u->is_masked) {
        u->is_masked = true;
        raise_bound(u->interrupt, BIND_INTERRUPT);
    }
    u->line = line;
}

static uint8_t uart_read(struct uart_model *u, unsigned reg)
{
    uint8_t v = 0;

    switch (reg) {
    case 0: v = u->in_at < u->in_n ? (uint8_t)u->in[u->in_at++] : 0; break;
    case 1: v = u->ier; break;
    case 2:
        v = u->ier & 1 && u->in_at < u->in_n ? 0xc4 : u->ier & 2 && u->thr_pending ? 0xc2 : 0xc1;
        if (v == 0xc2)
            u->thr_pending = false;
        break;
    case 5: v = (uint8_t)((fake.uart_stuck ? 0 : 0x60) | (u->in_at < u->in_n)); break;
    default: break;
    }
    uart_update(u);
    return v;
}

static void uart_write(struct uart_model *u, unsigned reg, uint8_t v)
{
    if (reg == 3)
        u->lcr = v;
    if (u->lcr & 0x80)
        return;
    if (reg == 0) {
        if (u->out_n + 2 > u->out_capacity)
            u->out = realloc(u->out, u->out_capacity = 2 * u->out_capacity + 4096);
        u->out[u->out_n++] = (char)v;
        u->out[u->out_n] = 0;
        u->thr_pending = true;
    }
    if (reg == 1) {
        if (v & 2 && !(u->ier & 2))
            u->thr_pending = true;
        u->ier = v;
    }
    if (reg == 2 && v & 2 && !u->out_n)
        u->in_at = u->in_n;
    uart_update(u);
}

static struct uart_model *uart_at(uint16_t port)
{
    for (unsigned i = 0; i < 2; i++)
        if (port >= uarts[i].base && port < uarts[i].base + 8)
            return &uarts[i];
    return NULL;
}

static void uart_type(struct uart_model *u, const void *bytes, size_t n)
{
    u->in = realloc(u->in, u->in_n + n + 1);
    memcpy(u->in + u->in_n, bytes, n);
    u->in_n += n;
    uart_update(u);
}

static uint8_t cmos_index;

/* ---- system calls ---- */

void sys_exit(uint64_t code)
{
    fprintf(stderr, "the manager exited with %lu\n", code);
    abort();
}

uint64_t sys_clock(void)
{
    return fake.now;
}

void sys_log_write(const char *text, size_t bytes)
{
    (void)text;
    (void)bytes;
}

enum err sys_log_read(struct log_read *r)
{
    static const char log[] = "first line\nsecond \xff line\n";

    r->from = min(r->from, sizeof(log) - 1);
    r->bytes = min(r->capacity, sizeof(log) - 1 - r->from);
    memcpy(r->text, log + r->from, r->bytes);
    r->next = r->from + r->bytes;
    return OK;
}

enum err sys_handle_close(handle_t h)
{
    enter();
    struct object *o = find(h, 0);
    if (!o)
        return ERR_HANDLE;
    table[h] = NULL;
    put(o);
    return OK;
}

enum err sys_bind(handle_t h, enum bind_event event, handle_t signal, unsigned bit)
{
    enter();
    struct object *o = find(h, 0), *s = find(signal, SIGNAL);
    if (!o || !s || bit > 63)
        return ERR_HANDLE;
    o->bound[event].signal = s;
    o->bound[event].bit = bit;
    return OK;
}

static enum err make_handle(struct object *o, handle_t *out)
{
    if (!o)
        return ERR_MEMORY;
    *out = give(o);
    return OK;
}

enum err sys_budget_create(handle_t parent, uint64_t bytes, handle_t *out)
{
    enter();
    struct object *p = find(parent, BUDGET);
    struct object *o = p ? make(BUDGET, p, bytes, 0) : NULL;
    if (o)
        o->limit = bytes;
    return make_handle(o, out);
}

enum err sys_budget_info(handle_t h, struct budget_info *out)
{
    enter();
    struct object *o = find(h, BUDGET);
    if (!o)
        return ERR_HANDLE;
    *out = (struct budget_info){ .limit_bytes = o->limit, .used_bytes = o->used };
    return OK;
}

enum err sys_region_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    enter();
    struct object *b = find(budget, BUDGET);
    return make_handle(b ? make(REGION, b, round_up(bytes, PAGE_BYTES), bytes) : NULL, out);
}

enum err sys_image_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    enter();
    struct object *b = find(budget, BUDGET);
    struct object *o = b ? make(REGION, b, round_up(bytes, PAGE_BYTES), 0) : NULL;
    if (o)
        o->is_image = true;
    return make_handle(o, out);
}

enum err sys_channel_send_handle(handle_t h, handle_t sent, uint32_t rights)
{
    enter();
    struct object *o = find(h, CHANNEL), *s = find(sent, 0);
    (void)rights;
    if (!o || !s)
        return ERR_HANDLE;
    if (o->sent_count == array_count(o->sent))
        return ERR_FULL;
    s->refs++;
    o->sent[o->sent_count++] = s;
    return OK;
}

enum err sys_channel_take_handle(handle_t h, handle_t *out)
{
    enter();
    struct object *o = find(h, CHANNEL);
    if (!o)
        return ERR_HANDLE;
    if (!o->given_count)
        return ERR_EMPTY;
    *out = give(o->given[0]);
    memmove(o->given, o->given + 1, --o->given_count * sizeof(*o->given));
    return OK;
}

enum err sys_partition_info(handle_t h, struct partition_info *out)
{
    enter();
    if (!find(h, PARTITION))
        return ERR_HANDLE;
    *out = (struct partition_info){ .guest_os_id = fake.guest_os_id };
    return OK;
}

enum err sys_region_map(handle_t h, uint64_t offset, uint64_t bytes, unsigned prot, void **out)
{
    enter();
    (void)prot;
    struct object *o = find(h, REGION);
    if (!o)
        return ERR_HANDLE;
    if (o->is_image)
        return ERR_RIGHTS;
    if (!range_fits(offset, bytes, round_up(o->bytes, PAGE_BYTES)))
        return ERR_ARGUMENT;
    *out = o->memory + offset;
    return OK;
}

enum err sys_unmap(void *address)
{
    enter();
    return address ? OK : ERR_ARGUMENT;
}

enum err sys_signal_create(handle_t budget, handle_t *out)
{
    enter();
    struct object *b = find(budget, BUDGET);
    return make_handle(b ? make(SIGNAL, b, 64, 0) : NULL, out);
}

enum err sys_signal_wait(handle_t h, uint64_t deadline_ns, uint64_t *bits)
{
    struct object *o = find(h, SIGNAL);

    (void)deadline_ns;
    *bits = 0;
    if (!o)
        return ERR_HANDLE;
    *bits = o->bits;
    o->bits = 0;
    return *bits ? OK : ERR_TIMED_OUT;
}

#define RING_DATA  16384u /* of the channels to the manager */
#define RING_BYTES (4096u + RING_DATA)

enum err sys_channel_create(handle_t budget, uint64_t data_bytes, handle_t out[2])
{
    enter();
    struct object *b = find(budget, BUDGET);
    uint64_t bytes = 2 * (4096 + data_bytes);
    struct object *o = b ? make(CHANNEL, b, bytes, bytes) : NULL;
    if (!o)
        return ERR_MEMORY;
    o->data_bytes = data_bytes;
    ring_init((void *)o->memory);
    ring_init((void *)(o->memory + bytes / 2));
    o->refs++;
    out[0] = give(o);
    out[1] = give(o);
    return OK;
}

enum err sys_channel_map(handle_t h, void **out)
{
    enter();
    struct object *o = find(h, CHANNEL);
    if (!o)
        return ERR_HANDLE;
    *out = o->memory;
    return OK;
}

enum err sys_channel_signal(handle_t h)
{
    enter();
    return find(h, CHANNEL) ? OK : ERR_HANDLE;
}

enum err sys_partition_create(handle_t budget, uint64_t memory_bytes, handle_t *out)
{
    enter();
    struct object *b = find(budget, BUDGET);
    struct object *o = b ? make(PARTITION, b, round_up(memory_bytes, LARGE_BYTES), 0) : NULL;
    if (o)
        memset(o->pins, 0xff, sizeof(o->pins));
    return make_handle(o, out);
}

enum err sys_vcpu_pin(handle_t partition, unsigned index, uint64_t cpu)
{
    enter();
    struct object *o = find(partition, PARTITION);
    if (!o)
        return ERR_HANDLE;
    if (index >= VMM_VCPUS_MAX)
        return ERR_NOT_FOUND;
    if (cpu != UINT64_MAX && cpu >= 2)
        return ERR_ARGUMENT;
    o->pins[index] = cpu == UINT64_MAX ? VCPU_NOT_PINNED : (uint32_t)cpu;
    return OK;
}

enum err sys_vcpu_info(handle_t partition, unsigned index, struct vcpu_info *out)
{
    enter();
    struct object *o = find(partition, PARTITION);
    if (!o)
        return ERR_HANDLE;
    if (index >= VMM_VCPUS_MAX)
        return ERR_NOT_FOUND;
    memset(out, 0, sizeof(*out));
    out->exits[EXIT_CPUID] = 3;
    out->exits[EXIT_IO] = 40 + index;
    out->trace_total = 40 + index;
    out->pinned_cpu = o->pins[index];
    out->activity = index % 2 ? VCPU_HALTED : VCPU_ACTIVE;
    for (unsigned i = 0; i < VCPU_TRACE_COUNT; i++)
        out->trace[i] = (struct vcpu_trace){ .t_ns = i, .rip = 0x100000 + i, .kind = EXIT_IO };
    return OK;
}

enum err sys_process_create(const struct process_create *p, handle_t *out)
{
    enter();
    struct object *b = find(p->budget, BUDGET);
    if (!strcmp(p->program, "switch") && fake.has_no_switch)
        return ERR_ARGUMENT;
    struct object *o = b ? make(PROCESS, b, KIB(256), 0) : NULL;
    if (!o)
        return ERR_MEMORY;
    o->is_switch = !strcmp(p->program, "switch");
    snprintf(o->name, sizeof(o->name), "%s", p->name);
    o->behaviour = fake.behaviour;
    o->info.state = PROCESS_RUNNING;
    for (uint32_t i = 0; i < p->grant_count; i++) {
        struct object *g = find(p->grants[i].handle, 0);
        if (!g)
            abort();
        g->refs++;
        o->granted[o->granted_count++] = g;
        if (!strcmp(p->grants[i].name, VMM_GRANT_CONTROL))
            o->channel = g;
        if (!strcmp(p->grants[i].name, SWITCH_GRANT_BOARD))
            o->board = g;
        if (!strcmp(p->grants[i].name, VMM_GRANT_CONFIG))
            o->config = g;
        if (!strcmp(p->grants[i].name, VMM_GRANT_CONSOLE))
            o->console = g;
        if (!strcmp(p->grants[i].name, VMM_GRANT_IMAGE))
            o->has_image = g->is_image;
    }
    if (ring_attach_reader(&o->in, o->channel->memory, RING_DATA) ||
        ring_attach_writer(&o->out, o->channel->memory + RING_BYTES, RING_DATA))
        abort();
    o->refs++;
    o->next = processes;
    processes = o;
    *out = give(o);
    return OK;
}

enum err sys_process_schedule(handle_t h, uint64_t weight, uint64_t cap_percent)
{
    enter();
    struct object *o = find(h, PROCESS);
    if (!o)
        return ERR_HANDLE;
    o->weight = weight;
    o->cap = cap_percent;
    return OK;
}

enum err sys_process_kill(handle_t h)
{
    enter();
    struct object *o = find(h, PROCESS);
    if (!o)
        return ERR_HANDLE;
    if (o->info.state == PROCESS_RUNNING) {
        o->must_end = true;
        o->info.end = PROCESS_END_KILLED;
    }
    return OK;
}

enum err sys_process_fault(handle_t h)
{
    enter();
    struct object *o = find(h, PROCESS);
    if (!o)
        return ERR_HANDLE;
    o->must_end = true;
    o->info.end = PROCESS_END_FAULT;
    o->info.fault_vector = 6;
    o->info.fault_rip = 0x400123;
    return OK;
}

enum err sys_process_info(handle_t h, struct process_info *out)
{
    enter();
    struct object *o = find(h, PROCESS);
    if (!o)
        return ERR_HANDLE;
    *out = o->info;
    return OK;
}

enum err sys_ioport_read(handle_t h, uint16_t port, unsigned width, uint32_t *out)
{
    struct uart_model *u = uart_at(port);

    if (!find(h, IOPORTS) || width != 1)
        abort();
    *out = u ? uart_read(u, (unsigned)(port - u->base)) : port == 0x71 ? fake.cmos[cmos_index] : 0;
    return OK;
}

enum err sys_ioport_write(handle_t h, uint16_t port, unsigned width, uint32_t value)
{
    struct uart_model *u = uart_at(port);

    if (!find(h, IOPORTS) || width != 1)
        abort();
    if (u)
        uart_write(u, (unsigned)(port - u->base), (uint8_t)value);
    else if (port == 0x70)
        cmos_index = value & 127;
    return OK;
}

enum err sys_interrupt_ack(handle_t h)
{
    enter();
    struct object *o = find(h, INTERRUPT);
    for (unsigned i = 0; o && i < 2; i++)
        if (uarts[i].interrupt == o)
            uarts[i].is_masked = false;
    return o ? OK : ERR_HANDLE;
}

enum err sys_host_info(struct host_info *out)
{
    enter();
    memset(out, 0, sizeof(*out));
    out->uptime_ns = fake.now;
    out->memory_bytes = GIB(1);
    out->memory_free_bytes = root->limit - root->used;
    out->handle_count = fake_handle_count();
    out->cpu_count = 2;
    out->boot = 'p';
    out->virt = 's';
    out->is_debug = 1;
    memset(out->features, HOST_FEATURE_OK, sizeof(out->features));
    out->features[HOST_FEATURE_IOMMU] = HOST_FEATURE_MISSING;
    return OK;
}

enum err sys_host_poweroff(void)
{
    enter();
    fake.is_powered_off = true;
    return ERR_UNSUPPORTED;
}

enum err sys_debug(enum debug_op op, uint64_t argument, void *data, uint64_t bytes, uint64_t *out)
{
    enter();
    (void)argument;
    *out = 0;
    if (op == DEBUG_ROOTS && bytes >= sizeof(struct debug_root)) {
        *(struct debug_root *)data = (struct debug_root){ "kernel", 0x1000 };
        *out = 1;
    }
    return OK;
}

/* ---- start-up page ---- */

const struct startup_info *startup_info(void)
{
    return &startup;
}

const struct startup_grant *startup_grant(const char *name)
{
    for (uint32_t i = 0; i < startup.grant_count; i++)
        if (!strcmp(startup.grants[i].name, name))
            return &startup.grants[i];
    return NULL;
}

handle_t startup_handle(const char *name)
{
    const struct startup_grant *g = startup_grant(name);

    return g ? g->handle : HANDLE_NONE;
}

static void grant(const char *name, enum grant_kind kind, struct object *o, uint64_t bytes)
{
    struct startup_grant *g = &startup.grants[startup.grant_count++];

    g->handle = give(o);
    g->kind = kind;
    g->bytes = bytes;
    snprintf(g->name, sizeof(g->name), "%s", name);
    if (g->handle != startup.grant_count)
        abort();
}

static void grant_module(const char *name, const char *text, uint64_t bytes)
{
    /* Only bulkhead.conf is ever mapped. */
    struct object *o = make(REGION, NULL, 0, text ? round_up(bytes, PAGE_BYTES) : PAGE_BYTES);

    if (text)
        memcpy(o->memory, text, bytes);
    grant(name, GRANT_MODULE, o, bytes);
}

static struct fake_switch switch_seen;
static void switch_ended(void);

static void clear(void)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (table[i])
            memset(table[i]->bound, 0, sizeof(table[i]->bound));
    switch_ended();
    memset(&switch_seen, 0, sizeof(switch_seen));
    for (struct object *p = processes, *next; p; p = next) {
        next = p->next;
        memset(p->bound, 0, sizeof(p->bound));
        while (p->granted_count)
            put(p->granted[--p->granted_count]);
        put(p);
    }
    processes = NULL;
    for (unsigned i = 0; i < HANDLES; i++)
        if (table[i] && table[i]->kind != BUDGET) {
            put(table[i]);
            table[i] = NULL;
        }
    for (unsigned i = HANDLES; i--;)
        if (table[i]) {
            put(table[i]);
            table[i] = NULL;
        }
    for (unsigned i = 0; i < 2; i++) {
        free(uarts[i].in);
        free(uarts[i].out);
    }
}

void fake_boot(const char *config)
{
    static const uint8_t cmos[] = { 0x56, 0, 0x34, 0, 0x12, 0, 0, 0x22, 0x11, 0x26, 0x26, 0x02 };

    clear();
    memset(&fake, 0, sizeof(fake));
    memset(&startup, 0, sizeof(startup));
    memset(uarts, 0, sizeof(uarts));
    made = 0;
    fake.now = NS_PER_SECOND;
    memcpy(fake.cmos, cmos, sizeof(cmos));
    fake.cmos[0x0a] = 0x26;
    fake.cmos[0x32] = 0x20;
    uarts[0].base = 0x3f8;
    uarts[1].base = 0x2f8;
    root = make(BUDGET, NULL, 0, 0);
    root->limit = ROOT_BYTES;
    grant("budget", GRANT_BUDGET, root, 0);
    estate = make(REGION, root, MIB(4), MIB(4));
    grant("estate", GRANT_ESTATE, estate, MIB(4));
    grant("console-ports", GRANT_IOPORTS, make(IOPORTS, NULL, 0, 0), 0);
    uarts[0].interrupt = make(INTERRUPT, NULL, 0, 0);
    grant("console-irq", GRANT_INTERRUPT, uarts[0].interrupt, 0);
    grant("control-ports", GRANT_IOPORTS, make(IOPORTS, NULL, 0, 0), 0);
    uarts[1].interrupt = make(INTERRUPT, NULL, 0, 0);
    grant("control-irq", GRANT_INTERRUPT, uarts[1].interrupt, 0);
    grant("rtc-ports", GRANT_IOPORTS, make(IOPORTS, NULL, 0, 0), 0);
    grant_module("vmlinuz", NULL, MIB(8));
    grant_module("guest.cpio", NULL, KIB(100));
    grant_module("empty", NULL, 0);
    if (config)
        grant_module("bulkhead.conf", config, strlen(config));
    manager_come_up();
    pending_bits = UINT64_MAX;
    fake_run();
}

/* ---- the vmms ---- */

static void vmm_send(struct object *p, uint32_t type, uint32_t sequence, const void *more, size_t n)
{
    struct vmm_message m = { type, sequence };
    struct ring_packet h = { .type = RING_DATA_INBAND };
    struct ring_part parts[] = { { &m, sizeof(m) }, { more, n } };
    bool signal;

    (void)!ring_write(&p->out, &h, parts, 2, &signal); /* fails where a test broke the ring */
    raise_bound(p->channel, BIND_CHANNEL);
}

/* ---- the switch: remembers what it was told, since its predecessor's death ---- */

struct fake_switch *fake_switch(void)
{
    return &switch_seen;
}

static void switch_note(const char *fmt, unsigned index)
{
    size_t n = strlen(switch_seen.order);

    snprintf(switch_seen.order + n, sizeof(switch_seen.order) - n, fmt, index);
}

static struct switch_board *board_of(struct object *p)
{
    return (void *)p->board->memory;
}

static void switch_set_port(struct object *p, const struct port_config *c)
{
    struct port_row *row = &board_of(p)->ports[c->index];

    if (!row->is_used)
        memset(row, 0, sizeof(*row));
    row->is_used = 1;
    row->switch_index = c->switch_index;
    switch_seen.ports[c->index] = *c;
    switch_note("p%u ", c->index);
}

static void switch_take_link(struct object *p, uint32_t index)
{
    if (!p->channel->sent_count || p->channel->sent[0]->kind != CHANNEL)
        abort(); /* the handle comes before its message */
    if (switch_seen.links[index])
        put(switch_seen.links[index]);
    switch_seen.links[index] = p->channel->sent[0];
    memmove(p->channel->sent, p->channel->sent + 1,
            --p->channel->sent_count * sizeof(p->channel->sent[0]));
    switch_seen.link_count[index]++;
    switch_note("l%u ", index);
    vmm_send(p, SWITCH_TAKEN, 0, &(struct switch_index){ .index = index },
             sizeof(struct switch_index));
}

static void switch_drop_link(uint32_t index)
{
    if (switch_seen.links[index])
        put(switch_seen.links[index]);
    switch_seen.links[index] = NULL;
}

static void switch_read(struct object *p)
{
    union {
        struct switch_config config;
        struct switch_index index;
        struct port_config port;
        struct capture_start capture;
    } m;
    struct switch_message head;
    struct ring_packet h;

    while (!fake.switch_hangs && ring_peek(&p->in, &h) == OK) {
        uint32_t n = ring_payload_bytes(&h) - (uint32_t)sizeof(head);

        if (ring_read(&p->in, &h, ring_payload_offset(&h), &head, sizeof(head)) || n > sizeof(m) ||
            ring_read(&p->in, &h, ring_payload_offset(&h) + (uint32_t)sizeof(head), &m, n))
            abort();
        ring_advance(&p->in, &h);
        (void)!ring_commit(&p->in);
        switch (head.type) {
        case SWITCH_SET: switch_note("s%u ", m.config.index); break;
        case SWITCH_REMOVE: switch_note("-s%u ", m.index.index); break;
        case PORT_SET: switch_set_port(p, &m.port); break;
        case PORT_REMOVE:
            board_of(p)->ports[m.index.index].is_used = 0;
            switch_drop_link(m.index.index);
            switch_note("-p%u ", m.index.index);
            break;
        case PORT_LINK: switch_take_link(p, m.index.index); break;
        case CAPTURE_START:
            if (p->channel->sent_count != 1)
                abort();
            switch_seen.capture = m.capture;
            if (switch_seen.capture_region)
                put(switch_seen.capture_region);
            switch_seen.capture_region = p->channel->sent[--p->channel->sent_count];
            break;
        case CAPTURE_STOP:
            if (switch_seen.capture_region)
                put(switch_seen.capture_region);
            switch_seen.capture_region = NULL;
            break;
        default: abort();
        }
    }
}

static void switch_ended(void)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        switch_drop_link(i);
    if (switch_seen.capture_region)
        put(switch_seen.capture_region);
    switch_seen.capture_region = NULL;
    switch_seen.order[0] = 0;
}

static struct object *switch_process(void)
{
    for (struct object *p = processes; p; p = p->next)
        if (p->is_switch && !p->must_end)
            return p;
    return NULL;
}

struct switch_board *fake_switch_board(void)
{
    return board_of(switch_process());
}

void fake_switch_capture(const void *bytes, size_t n)
{
    struct capture_head *head = (void *)switch_seen.capture_region->memory;

    memcpy(switch_seen.capture_region->memory + CAPTURE_BYTES_OFFSET, bytes, n);
    head->used = n;
    head->frame_count = 3;
    head->lost_count = 1;
}

void fake_switch_fault(void)
{
    struct object *p = switch_process();

    p->must_end = true;
    p->info.end = PROCESS_END_FAULT;
}

/* ---- a vmm's NICs ---- */

static struct object *take_first(struct object *channel)
{
    struct object *first = channel->sent[0];

    if (!channel->sent_count)
        abort();
    memmove(channel->sent, channel->sent + 1, --channel->sent_count * sizeof(channel->sent[0]));
    return first;
}

static void vmm_take_link(struct object *p, const struct vmm_nic_link *l)
{
    struct object *channel = take_first(p->channel), *budget = take_first(p->channel);

    if (channel->kind != CHANNEL || budget->kind != BUDGET || l->number >= VMM_NICS_MAX)
        abort();
    put(budget);
    put(channel);
    p->nics[l->number].epoch = l->epoch;
    p->nics[l->number].link_count++;
}

static void vmm_first_step(struct object *p)
{
    struct vmm_failure f = { .err = ERR_FORMAT,
                             .message = "vmlinuz is no kernel",
                             .hint = "use a bzImage" };

    switch (p->behaviour) {
    case VMM_BAD_IMAGE: vmm_send(p, VMM_FAILED, 0, &f, sizeof(f)); break;
    case VMM_SILENT: break;
    case VMM_DIES:
        p->must_end = true;
        p->info.end = PROCESS_END_FAULT;
        p->info.fault_vector = 14;
        break;
    case VMM_GARBAGE: vmm_send(p, 0x999, 0, &f, sizeof(f)); break;
    case VMM_BREAKS_RING:
        ((struct ring_control *)(void *)(p->channel->memory + RING_BYTES))->write_index =
            0xfffffff0;
        raise_bound(p->channel, BIND_CHANNEL);
        break;
    default: vmm_send(p, p->is_switch ? (uint32_t)SWITCH_READY : (uint32_t)VMM_READY, 0, NULL, 0);
    }
}

/* Takes the image and says that a partition and two vCPUs are in it. */
static void vmm_save(struct object *p, uint32_t sequence)
{
    struct vmm_saved s = { .type_count = 2 };

    if (p->channel->sent_count != 1 || !p->channel->sent[0]->is_image)
        abort();
    put(p->channel->sent[--p->channel->sent_count]);
    s.types[0].type = 1;
    s.types[0].count = 1;
    s.types[0].checksum = 77;
    s.types[1].type = 4;
    s.types[1].count = 2;
    vmm_send(p, VMM_SAVED, sequence, &s, sizeof(s));
}

static void vmm_take_rest(struct object *p, const struct ring_packet *h, void *to, size_t n)
{
    if (ring_payload_bytes(h) < sizeof(struct vmm_message) + n ||
        ring_read(&p->in, h, ring_payload_offset(h) + (uint32_t)sizeof(struct vmm_message), to,
                  (uint32_t)n))
        abort();
}

/* Messages that are not answered at once. */
static bool vmm_is_told(struct object *p, const struct ring_packet *h, const struct vmm_message *m)
{
    struct vmm_services services;
    struct vmm_nic_link link;
    struct vmm_nic nic;
    struct vmm_time time;

    switch (m->type) {
    case VMM_SERVICES:
        vmm_take_rest(p, h, &services, sizeof(services));
        p->services = services.enabled;
        return true;
    case VMM_TIME:
        vmm_take_rest(p, h, &time, sizeof(time));
        p->utc_base_ns = time.utc_base_ns;
        return true;
    case VMM_NIC_SET:
        vmm_take_rest(p, h, &nic, sizeof(nic));
        p->nics[nic.number].nic = nic;
        return true;
    case VMM_NIC_REMOVE:
        vmm_take_rest(p, h, &nic, sizeof(nic));
        memset(&p->nics[nic.number], 0, sizeof(p->nics[0]));
        return true;
    case VMM_NIC_LINK:
        vmm_take_rest(p, h, &link, sizeof(link));
        vmm_take_link(p, &link);
        return true;
    case VMM_QUERY:
        vmm_take_rest(p, h, &p->query.query, sizeof(p->query.query));
        p->query.sequence = m->sequence;
        p->query.has_region = p->channel->sent_count;
        p->query.count++;
        while (p->channel->sent_count)
            put(p->channel->sent[--p->channel->sent_count]);
        return true;
    default: return false;
    }
}

static void vmm_read(struct object *p)
{
    struct ring_packet h;

    while (ring_peek(&p->in, &h) == OK) {
        struct vmm_message m;
        struct vmm_answer a = { .err = p->behaviour == VMM_REFUSES ? ERR_STATE : OK };

        if (ring_read(&p->in, &h, ring_payload_offset(&h), &m, sizeof(m)))
            abort();
        bool is_told = vmm_is_told(p, &h, &m);
        ring_advance(&p->in, &h);
        (void)!ring_commit(&p->in);
        if (is_told)
            continue;
        if (m.type == VMM_SAVE && p->behaviour == VMM_GOOD) {
            vmm_save(p, m.sequence);
            continue;
        }
        if (p->behaviour != VMM_DEAF)
            vmm_send(p, VMM_ANSWER, m.sequence, &a, sizeof(a));
    }
}

static void vmm_ended(struct object *p)
{
    p->info.state = PROCESS_ENDED;
    if (p->is_switch)
        switch_ended();
    while (p->granted_count)
        put(p->granted[--p->granted_count]);
    raise_bound(p, BIND_PROCESS_END);
}

static bool vmms_step(void)
{
    bool did = false;

    for (struct object **at = &processes; *at;) {
        struct object *p = *at;

        if (p->must_end && !fake.kills_hang) {
            *at = p->next;
            vmm_ended(p);
            put(p);
            did = true;
            continue;
        }
        if (!p->was_ready && !p->must_end) {
            p->was_ready = did = true;
            vmm_first_step(p);
        }
        if (!p->must_end && p->is_switch)
            switch_read(p);
        else if (!p->must_end && !fake.vmms_hang)
            vmm_read(p);
        at = &p->next;
    }
    return did;
}

static struct object *vmm(const char *name)
{
    for (struct object *p = processes; p; p = p->next)
        if (!p->is_switch && !strcmp(p->name + 4, name) && !p->must_end)
            return p;
    return NULL;
}

const struct fake_nic *fake_vmm_nic(const char *name, unsigned number)
{
    return &vmm(name)->nics[number];
}

void fake_vmm_nic_state(const char *name, const struct vmm_nic_state *state)
{
    vmm_send(vmm(name), VMM_NIC_STATE, 0, state, sizeof(*state));
    fake_run();
}

bool fake_vmm_exists(const char *name)
{
    return vmm(name) != NULL;
}

struct vmm_console *fake_vmm_console(const char *name)
{
    return (void *)vmm(name)->console->memory;
}

const struct vmm_config *fake_vmm_config(const char *name)
{
    return (const void *)vmm(name)->config->memory;
}

bool fake_vmm_has_image(const char *name)
{
    return vmm(name)->has_image;
}

unsigned fake_vmm_weight(const char *name)
{
    return (unsigned)vmm(name)->weight;
}

unsigned fake_vmm_cap(const char *name)
{
    return (unsigned)vmm(name)->cap;
}

void fake_vmm_print(const char *name, const char *text, size_t n)
{
    struct object *p = vmm(name);
    struct vmm_console *c = (void *)p->console->memory;

    for (size_t i = 0; i < n; i++)
        c->out[c->out_total++ % VMM_CONSOLE_OUT_BYTES] = (uint8_t)text[i];
    if (c->wants_wake)
        raise_bound(p->channel, BIND_CHANNEL);
}

void fake_vmm_end(const char *name, enum vmm_end_cause cause, uint32_t exit_code)
{
    fake_vmm_end_on(name, 0, cause, exit_code);
}

void fake_vmm_end_on(const char *name, uint32_t vcpu, enum vmm_end_cause cause, uint32_t exit_code)
{
    struct vmm_end e = {
        .cause = cause, .exit_code = exit_code, .vcpu_index = vcpu, .code_bytes = 2
    };

    e.state.rip = 0x1234;
    e.state.cr2 = 0x77;
    e.code[0] = 0x0f;
    e.code[1] = 0x0b;
    if (cause == VMM_END_TRIPLE_FAULT)
        snprintf(e.text, sizeof(e.text), "triple fault at rip=0x1234");
    vmm_send(vmm(name), VMM_ENDED, 0, &e, sizeof(e));
}

void fake_vmm_fault(const char *name)
{
    struct object *p = vmm(name);

    p->must_end = true;
    p->info.end = PROCESS_END_FAULT;
    p->info.fault_vector = 13;
}

const struct fake_query *fake_vmm_query(const char *name)
{
    return &vmm(name)->query;
}

uint32_t fake_vmm_services(const char *name)
{
    return vmm(name)->services;
}

uint64_t fake_vmm_utc_base(const char *name)
{
    return vmm(name)->utc_base_ns;
}

void fake_vmm_inventory(const char *name, const struct vmm_inventory *inventory)
{
    vmm_send(vmm(name), VMM_INVENTORY, 0, inventory, sizeof(*inventory));
    fake_run();
}

void fake_vmm_reply(const char *name, struct vmm_reply *reply, const void *region, size_t n)
{
    struct object *p = vmm(name);

    if (region) {
        struct object *o = make(REGION, NULL, 0, round_up(max(n, 1ul), PAGE_BYTES));

        memcpy(o->memory, region, n);
        p->channel->given[p->channel->given_count++] = o;
    }
    vmm_send(p, VMM_REPLY, p->query.sequence, reply, sizeof(*reply));
    fake_run();
}

void fake_vmm_scribble(const char *name, unsigned where, const void *bytes, size_t n)
{
    struct object *p = vmm(name);
    struct ring_packet h = { .type = RING_DATA_INBAND };
    struct ring_part part = { bytes, n };
    bool signal;

    if (where == 0)
        (void)!ring_write(&p->out, &h, &part, 1, &signal);
    else if (where == 1)
        memcpy(p->channel->memory + RING_BYTES, bytes, min(n, (size_t)(4096 + RING_DATA)));
    else
        memcpy(p->console->memory, bytes, min(n, (size_t)32));
    raise_bound(p->channel, BIND_CHANNEL);
}

/* ---- running ---- */

static uint64_t next_deadline;

void fake_restart_manager(void)
{
    startup.start_count++;
    if (setjmp(manager_died))
        startup.start_count++;
    manager_come_up();
    pending_bits = UINT64_MAX;
}

unsigned fake_starts(void)
{
    return startup.start_count;
}

static struct object *signal_object(void)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (table[i] && table[i]->kind == SIGNAL)
            return table[i];
    abort();
}

static void run_manager(void)
{
    for (unsigned idle = 0; idle < 2;) {
        next_deadline = manager_turn(&pending_bits);
        bool did = vmms_step();
        struct object *signal = signal_object();

        pending_bits |= signal->bits;
        signal->bits = 0;
        idle = did || pending_bits || next_deadline == 0 ? 0 : idle + 1;
    }
}

void fake_run(void)
{
    if (setjmp(manager_died)) { /* here again at each death, also while it comes up */
        startup.start_count++;
        manager_come_up();
        pending_bits = UINT64_MAX;
    }
    run_manager();
}

void fake_advance(uint64_t ns)
{
    uint64_t end = fake.now + ns;

    while (fake.now < end) {
        fake.now = min(end, max(next_deadline, fake.now + 1));
        fake_run();
    }
}

void fake_type(const char *text)
{
    uart_type(&uarts[0], text, strlen(text));
    fake_run();
}

void fake_control_bytes(const void *bytes, size_t n)
{
    uart_type(&uarts[1], bytes, n);
    fake_run();
}

void fake_control(const char *text)
{
    fake_control_bytes(text, strlen(text));
}

const char *fake_console_output(void)
{
    return uarts[0].out ? uarts[0].out : "";
}

const char *fake_control_output(void)
{
    return uarts[1].out ? uarts[1].out : "";
}

void fake_forget_output(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uarts[i].out_n = 0;
        if (uarts[i].out)
            uarts[i].out[0] = 0;
    }
}

const char *fake_answer(unsigned id)
{
    static char *line;
    char head[32];
    const char *out = fake_control_output();

    snprintf(head, sizeof(head), "{\"id\":%u,", id);
    for (const char *at = out; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (!strncmp(at, head, strlen(head)) && strchr(at, '\n')) {
            free(line);
            line = strndup(at, (size_t)(strchr(at, '\n') - at));
            return line;
        }
    return NULL;
}

const char *fake_ask(const char *command)
{
    static unsigned id = 1000;
    size_t n = strlen(command) + 32;
    char *line = malloc(n);

    snprintf(line, n, "@%u %s\n", ++id, command);
    fake_control(line);
    free(line);
    const char *answer = fake_answer(id);
    return answer ? answer : "";
}

uint64_t fake_budget_used(void)
{
    return root->used;
}

unsigned fake_handle_count(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < HANDLES; i++)
        n += table[i] != NULL;
    return n;
}
