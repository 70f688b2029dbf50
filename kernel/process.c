#include "kernel/process.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/panic.h"
#include "kernel/budget.h"
#include "kernel/elf.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/reaper.h"
#include "lib/string.h"

#define STACK_TOP        0x7ffff0000000ull
#define USER_STACK_BYTES KIB(64)

extern const uint8_t program_manager[], program_manager_end[], program_vmm[], program_vmm_end[],
    program_switch[], program_switch_end[];
const struct program programs[] = {
    { "manager", program_manager, program_manager_end },
    { "vmm", program_vmm, program_vmm_end },
    { "switch", program_switch, program_switch_end },
};
const unsigned program_count = array_count(programs);

struct process *manager_process;

static struct spinlock processes_lock = SPINLOCK(RANK_PROCESSES);
static struct process *processes;

enum err process_create(const struct program *program, const char *name, struct budget *b,
                        uint32_t weight, struct process **out)
{
    struct process *p = object_create(b, OBJECT_PROCESS, sizeof(*p));
    enum err err;

    if (!p)
        return ERR_MEMORY;
    string_copy(p->name, sizeof(p->name), name);
    p->program = program;
    p->budget = b;
    p->lock = SPINLOCK(RANK_OBJECT);
    p->group.weight = weight;
    p->info.state = PROCESS_RUNNING;
    err = space_init(&p->space, b);
    if (!err)
        err = handle_table_init(&p->handles, b);
    if (err) {
        object_put(&p->object);
        return err;
    }
    *out = p;
    return OK;
}

static void list_add(struct process *p)
{
    spin_lock(&processes_lock);
    p->next = processes;
    processes = p;
    spin_unlock(&processes_lock);
}

static void list_remove(struct process *p)
{
    spin_lock(&processes_lock);
    for (struct process **link = &processes; *link; link = &(*link)->next)
        if (*link == p) {
            *link = p->next;
            break;
        }
    spin_unlock(&processes_lock);
}

void process_for_each(void (*visit)(struct process *p, void *argument), void *argument)
{
    spin_lock(&processes_lock);
    for (struct process *p = processes; p; p = p->next)
        visit(p, argument);
    spin_unlock(&processes_lock);
}

enum err process_add_thread(struct process *p, struct thread *t)
{
    enum err err = OK;

    spin_lock(&p->lock);
    if (p->is_ending) {
        err = ERR_STATE;
    } else {
        object_get(&t->object);
        t->next_in_process = p->threads;
        p->threads = t;
        p->thread_count++;
    }
    spin_unlock(&p->lock);
    if (err)
        return err;
    spin_lock(&sched_lock);
    sched_start_locked(t);
    spin_unlock(&sched_lock);
    return OK;
}

enum err process_start(struct process *p, const struct startup_info *info)
{
    struct thread *t;
    uint64_t entry;
    enum err err = elf_load(&p->space, p->program->image,
                            (uint64_t)(p->program->image_end - p->program->image), &entry);

    if (!err)
        err = space_add_private(&p->space, STARTUP_VA, round_up(sizeof(*info), PAGE_BYTES), info,
                                sizeof(*info));
    if (!err)
        err = space_add_private(&p->space, STACK_TOP - USER_STACK_BYTES, USER_STACK_BYTES, NULL, 0);
    if (!err)
        err = thread_create_user(p, entry, STACK_TOP, 0, &t);
    if (err)
        return err;
    list_add(p);
    err = process_add_thread(p, t);
    object_put(&t->object);
    return err;
}

void process_end(struct process *p, enum process_end end, const struct process_info *how)
{
    struct thread *t;

    spin_lock(&p->lock);
    if (p->is_ending) {
        spin_unlock(&p->lock);
        return;
    }
    p->is_ending = true;
    if (how)
        p->info = *how;
    p->info.state = PROCESS_ENDING;
    p->info.end = end;
    t = p->threads;
    for (; t; t = t->next_in_process)
        thread_kill(t);
    bool is_empty = p->thread_count == 0;

    spin_unlock(&p->lock);
    if (is_empty)
        reaper_add_process(p);
}

void process_release(struct process *p, bool keep_handles)
{
    struct thread *t = p->threads;

    list_remove(p);
    p->threads = NULL;
    while (t) {
        struct thread *next = t->next_in_process;

        object_put(&t->object);
        t = next;
    }
    if (p->partition && p->space.root.v)
        ((uint64_t *)direct_map(p->space.root))[WINDOW_SLOT] = 0;
    space_destroy(&p->space);
    if (p->partition)
        object_put(partition_object(p->partition));
    p->partition = NULL;
    if (!keep_handles)
        handle_table_destroy(&p->handles, p->budget);
    p->info.cpu_ns = p->group.used_ns;
    p->info.state = PROCESS_ENDED;
    binding_latch(&p->on_end);
}

void process_destroy(struct object *o)
{
    struct process *p = container_of(o, struct process, object);

    binding_clear(&p->on_end);
    sched_group_end(&p->group);
    list_remove(p);
    space_destroy(&p->space); /* both do nothing after process_release() */
    handle_table_destroy(&p->handles, p->budget);
}

void process_enter(struct process *p)
{
    hpa_t root = p ? p->space.root : kernel_root;

    if (read_cr3() != root.v)
        write_cr3(root.v);
}

enum err process_attach(struct process *p, struct partition *partition)
{
    uint64_t *slot = (uint64_t *)direct_map(p->space.root) + WINDOW_SLOT;
    enum err err = OK;

    spin_lock(&p->lock);
    if (!p->partition) {
        object_get(partition_object(partition));
        p->partition = partition;
        *slot = partition_window_entry(partition);
    } else if (p->partition != partition) {
        err = ERR_STATE;
    }
    spin_unlock(&p->lock);
    return err;
}
