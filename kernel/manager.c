#include "kernel/manager.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/interrupt.h"
#include "kernel/ioports.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/region.h"
#include "lib/string.h"

#define ESTATE_BYTES     MIB(4)
#define QUICK_DEATHS_MAX 5u
#define QUICK_NS         (NS_PER_SECOND / 5)
#define BACK_OFF_NS      NS_PER_SECOND

static struct startup_info startup;
static uint64_t last_start_ns;
static unsigned quick_deaths;

static void must(enum err err, const char *what)
{
    if (err)
        panic("cannot set up the manager: %s: %s", what, err_name(err));
}

static void grant(struct process *p, struct object *o, uint32_t kind, const char *name,
                  uint64_t bytes, uint64_t value)
{
    handle_t h;
    struct startup_grant *g = &startup.grants[startup.grant_count];

    must(startup.grant_count < STARTUP_GRANTS_MAX ? OK : ERR_FULL, name);
    must(handle_add(&p->handles, o, RIGHT_ALL, 0, &h), name);
    *g = (struct startup_grant){ .handle = h, .kind = kind, .bytes = bytes, .value = value };
    string_copy(g->name, sizeof(g->name), name);
    startup.grant_count++;
}

static void grant_ports(struct process *p, uint16_t first, uint16_t count, const char *name)
{
    struct ioports *o;

    must(ioports_create(&root_budget, first, count, &o), name);
    grant(p, &o->object, GRANT_IOPORTS, name, count, first);
}

static void grant_interrupt(struct process *p, unsigned isa, const char *name)
{
    struct interrupt *o;
    uint32_t gsi = ioapic_gsi_of_isa(isa);
    enum err err = interrupt_create(&root_budget, gsi, &o);

    if (err) {
        log_line("no interrupt for %s: no IOAPIC has GSI %u", name, gsi);
        return;
    }
    grant(p, &o->object, GRANT_INTERRUPT, name, 0, gsi);
}

/* Unaligned modules are copied, before the tails of the aligned ones are cleared. */
static void grant_modules(struct process *p, const struct boot_info *info)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < info->module_count; i++) {
            const struct boot_module *m = &info->modules[i];
            bool is_aligned = !(m->base & PAGE_MASK);
            struct region *r;

            if (is_aligned != (pass == 1))
                continue;
            if (region_of_module((hpa_t){ m->base }, m->bytes, &r)) {
                log_line("boot module %s of %lu bytes is left out: no memory to copy it; align "
                         "its data to 4096 bytes in the archive",
                         m->name, m->bytes);
                continue;
            }
            if (!is_aligned)
                memory_module_freed((hpa_t){ round_up(m->base, PAGE_BYTES) },
                                    round_down(m->base + m->bytes, PAGE_BYTES) -
                                        min(round_up(m->base, PAGE_BYTES),
                                            round_down(m->base + m->bytes, PAGE_BYTES)));
            grant(p, &r->object, GRANT_MODULE, m->name, m->bytes, 0);
        }
}

static struct process *create(void)
{
    struct process *p;

    must(process_create(&programs[0], "manager", &root_budget, SCHED_WEIGHT_USUAL * 4, &p),
         "process");
    return p;
}

void manager_start(const struct boot_info *info)
{
    struct process *p = create();
    struct region *estate;

    string_copy(startup.name, sizeof(startup.name), "manager");
    startup.tsc_hz = host_clock.tsc_hz;
    object_get(&root_budget.object);
    grant(p, &root_budget.object, GRANT_BUDGET, "budget", 0, 0);
    must(region_create(&root_budget, ESTATE_BYTES, &estate), "estate");
    grant(p, &estate->object, GRANT_ESTATE, "estate", ESTATE_BYTES, 0);
    grant_ports(p, 0x3f8, 8, "console-ports");
    grant_ports(p, 0x2f8, 8, "control-ports");
    grant_ports(p, 0x70, 2, "rtc-ports");
    grant_interrupt(p, 4, "console-irq");
    grant_interrupt(p, 3, "control-irq");
    grant_modules(p, info);
    manager_process = p;
    last_start_ns = clock_ns();
    log_set_uart(false);
    must(process_start(p, &startup), "start");
}

/* One that dies at once again and again must not eat the machine; the VMs run on meanwhile. */
static void slow_down(void)
{
    static const uint64_t never;
    uint64_t now = clock_ns();

    quick_deaths = now - last_start_ns < QUICK_NS ? quick_deaths + 1 : 0;
    if (quick_deaths < QUICK_DEATHS_MAX)
        return;
    log_line("the manager died %u times as soon as it ran: next try in a second", quick_deaths);
    spin_lock(&sched_lock);
    sched_block_until_locked(clock_to_tsc(now + BACK_OFF_NS), &never);
    spin_unlock(&sched_lock);
}

void manager_restart(struct process *old)
{
    struct process *p;

    slow_down();
    p = create();
    handle_table_destroy(&p->handles, p->budget);
    p->handles = old->handles;
    old->handles = (struct handle_table){ .lock = SPINLOCK(RANK_HANDLES) };
    startup.start_count++;
    last_start_ns = clock_ns();
    manager_process = p;
    must(process_start(p, &startup), "restart");
    object_put(&old->object);
}
