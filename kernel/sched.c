#include "kernel/sched.h"
#include "lib/x86/asm.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/tsc.h"
#include "kernel/reaper.h"
#include "kernel/sched_cap.h"
#include "kernel/vcpu.h"

#define SLEEP_BONUS_NS (SCHED_SLICE_NS / 2)

struct spinlock sched_lock = SPINLOCK(RANK_SCHED);
struct sched_group kernel_group = { .weight = SCHED_WEIGHT_USUAL * 10 };

static struct heap run_queue;
static uint64_t queue_count; /* threads ever queued: who came first, among those of one group */
static uint64_t present;     /* the largest virtual time that was ever chosen to run */

/* ---- time ---- */

void sched_charge_locked(struct kernel_cpu *cpu)
{
    struct thread *t = cpu->current;
    uint64_t now = rdtsc();
    uint64_t ns = multiply_shift32(now - cpu->run_start_tsc, host_clock.ns_per_tick_32);

    DEBUG_BUG_ON(now < cpu->run_start_tsc); /* the group would wait for centuries */
    cpu->run_start_tsc = now;
    if (t == cpu->idle)
        return;
    t->group->used_ns += ns;
    t->group->virtual_ns += ns * SCHED_WEIGHT_USUAL / t->group->weight;
    cap_charge_locked(t->group, ns);
}

static void arm_cpu_timer(struct kernel_cpu *cpu)
{
    struct heap_node *first = heap_first(&cpu->timers);
    uint64_t tsc = first ? first->key : UINT64_MAX;

    if (cpu->current != cpu->idle)
        tsc = min(tsc, cpu->slice_end_tsc);
    if (tsc == cpu->armed_tsc)
        return;
    cpu->armed_tsc = tsc;
    lapic_timer_arm(tsc);
}

void timer_arm_locked(struct timer *t, uint64_t tsc)
{
    timer_cancel_locked(t);
    if (tsc == UINT64_MAX)
        return;
    t->cpu = kernel_cpu();
    heap_insert(&t->cpu->timers, &t->node, tsc);
    arm_cpu_timer(t->cpu);
}

void timer_cancel_locked(struct timer *t)
{
    if (heap_holds(&t->node))
        heap_remove(&t->cpu->timers, &t->node);
}

/* The guest whose timer it is pays, not who happens to run here. That one's time begins anew behind
 * it: never later than now, whatever was charged in between. */
static void fire(struct kernel_cpu *cpu, struct timer *t)
{
    uint64_t start, ns;

    sched_charge_locked(cpu);
    start = cpu->run_start_tsc;
    cpu->timer_payer = NULL;
    t->fire(t);
    if (!cpu->timer_payer || cpu->timer_payer == cpu->current->group)
        return;
    cpu->run_start_tsc = rdtsc();
    ns = multiply_shift32(cpu->run_start_tsc - start, host_clock.ns_per_tick_32);
    cpu->timer_payer->used_ns += ns;
    cpu->timer_payer->virtual_ns += ns * SCHED_WEIGHT_USUAL / cpu->timer_payer->weight;
}

void sched_timer_interrupt(void)
{
    struct kernel_cpu *cpu = kernel_cpu();
    struct heap_node *first;

    spin_lock(&sched_lock);
    cpu->armed_tsc = UINT64_MAX;
    while ((first = heap_first(&cpu->timers)) && first->key <= rdtsc()) {
        struct timer *t = container_of(first, struct timer, node);

        heap_remove(&cpu->timers, first);
        fire(cpu, t);
    }
    if (cpu->current != cpu->idle && rdtsc() >= cpu->slice_end_tsc) {
        cpu->needs_resched = true;
        cpu->slice_end_tsc = UINT64_MAX;
    }
    arm_cpu_timer(cpu);
    spin_unlock(&sched_lock);
}

/* ---- run queue ---- */

/* Bit 0 of the key puts vCPUs behind other threads of the same virtual time. */
static uint64_t key_of(const struct thread *t)
{
    return t->group->virtual_ns << 1 | t->is_vcpu;
}

static struct heap *queue_of(struct thread *t)
{
    return t->pinned ? &t->pinned->pinned : &run_queue;
}

static void enqueue(struct thread *t)
{
    t->state = THREAD_READY;
    if (cap_holds_locked(t))
        cap_park_locked(t);
    else
        heap_insert_ordered(queue_of(t), &t->run_node, key_of(t), ++queue_count);
}

static struct heap_node *first_for(struct kernel_cpu *cpu)
{
    struct heap_node *own = heap_first(&cpu->pinned), *any = heap_first(&run_queue);

    return !own || (any && any->key < own->key) ? any : own;
}

/* Keys are those of the time of queueing: a thread whose group ran on meanwhile goes back, and keeps
 * its place among those of its group. */
static struct thread *dequeue(struct kernel_cpu *cpu)
{
    struct heap_node *first;

    while ((first = first_for(cpu))) {
        struct thread *t = container_of(first, struct thread, run_node);
        uint64_t queued = first->key, order = first->order;
        struct heap_node *next;

        heap_remove(queue_of(t), first);
        next = first_for(cpu);
        if (cap_holds_locked(t))
            cap_park_locked(t);
        else if (key_of(t) <= queued || !next || key_of(t) < next->key ||
                 (key_of(t) == next->key && order < next->order))
            return t;
        else
            heap_insert_ordered(queue_of(t), &t->run_node, key_of(t), order);
    }
    return NULL;
}

static void poke(struct kernel_cpu *cpu)
{
    cpu->needs_resched = true;
    if (cpu != kernel_cpu())
        lapic_send(cpu->arch.apic_id, VECTOR_RESCHEDULE);
}

/* Whether @t should take the CPU from who runs there. */
static bool is_better(const struct thread *t, const struct kernel_cpu *cpu)
{
    const struct thread *running = cpu->current;

    if (cpu->needs_resched)
        return false;
    if (running->group == t->group)
        return running->is_vcpu && !t->is_vcpu;
    return t->group->virtual_ns + SLEEP_BONUS_NS / 4 < running->group->virtual_ns;
}

/* An idle CPU, best its last one; else the CPU whose thread is furthest ahead of @t. */
static void find_cpu_for(struct thread *t)
{
    struct kernel_cpu *best = NULL;

    if (t->pinned) {
        if (t->pinned->current == t->pinned->idle || is_better(t, t->pinned))
            poke(t->pinned);
        return;
    }
    if (t->cpu && t->cpu->current == t->cpu->idle && !t->cpu->needs_resched) {
        poke(t->cpu);
        return;
    }
    for (unsigned i = 0; i < kernel_cpu_count; i++) {
        struct kernel_cpu *cpu = &kernel_cpus[i];

        if (cpu->current == cpu->idle && !cpu->needs_resched) {
            poke(cpu);
            return;
        }
        if (cpu->current == cpu->idle || !is_better(t, cpu))
            continue;
        sched_charge_locked(cpu);
        if (!best || cpu->current->group->virtual_ns > best->current->group->virtual_ns)
            best = cpu;
    }
    if (best)
        poke(best);
}

static void make_ready(struct thread *t)
{
    struct sched_group *g = t->group;

    if (g->ready_count++ == 0 && g->virtual_ns + SLEEP_BONUS_NS < present)
        g->virtual_ns = present - SLEEP_BONUS_NS;
    enqueue(t);
    if (!t->is_parked)
        find_cpu_for(t);
}

void sched_requeue_locked(struct thread *t)
{
    if (heap_holds(&t->run_node)) /* the caller has not changed its queue yet, or it was parked */
        return;
    enqueue(t);
    if (!t->is_parked)
        find_cpu_for(t);
}

void sched_start_locked(struct thread *t)
{
    make_ready(t);
}

void sched_wake_locked(struct thread *t)
{
    if (t->state == THREAD_BLOCKED)
        make_ready(t);
}

/* ---- what others may set ---- */

enum err sched_group_set(struct sched_group *g, uint64_t weight, uint64_t cap_percent)
{
    if (!weight || weight > SCHED_WEIGHT_MAX || cap_percent > HOST_CPUS_MAX * 100)
        return ERR_ARGUMENT;
    spin_lock(&sched_lock);
    g->weight = (uint32_t)weight;
    cap_set_locked(g, (uint32_t)cap_percent);
    spin_unlock(&sched_lock);
    return OK;
}

void sched_group_end(struct sched_group *g)
{
    spin_lock(&sched_lock);
    timer_cancel_locked(&g->cap_timer);
    spin_unlock(&sched_lock);
}

void sched_pin_locked(struct thread *t, struct kernel_cpu *cpu)
{
    bool is_queued = t->state == THREAD_READY && !t->is_parked;

    if (t->pinned == cpu)
        return;
    if (is_queued)
        heap_remove(queue_of(t), &t->run_node);
    t->pinned = cpu;
    if (is_queued)
        sched_requeue_locked(t);
    else if (t->state == THREAD_RUNNING && cpu && t->cpu != cpu)
        poke(t->cpu);
}

/* ---- switching ---- */

static void switch_to(struct kernel_cpu *cpu, struct thread *next)
{
    struct thread *previous = cpu->current;

    /* Threads of one group share what is left of a slice. */
    if (next->group != previous->group || cpu->slice_end_tsc <= cpu->run_start_tsc ||
        cpu->slice_end_tsc == UINT64_MAX)
        cpu->slice_end_tsc =
            cpu->run_start_tsc + multiply_shift32(cap_slice_locked(next->group, SCHED_SLICE_NS),
                                                  host_clock.ticks_per_ns_32);
    cpu->needs_resched = false;
    if (next != cpu->idle) {
        next->state = THREAD_RUNNING;
        present = max(present, next->group->virtual_ns);
    }
    cpu->current = next;
    arm_cpu_timer(cpu);
    if (next == previous)
        return;
    BUG_ON(((struct stack_header *)previous->stack)->canary != STACK_CANARY);
    next->cpu = cpu;
    ((struct stack_header *)next->stack)->cpu = &cpu->arch;
    vcpu_leave_cpu(cpu, previous);
    process_enter(next->process);
    cpu_set_stack(&cpu->arch, next->stack + STACK_BYTES);
    context_switch(&previous->rsp, next->rsp);
}

/* With the sched lock held, on the way from one thread to the next; returns with it held when the
 * caller runs again. The caller has set its own state (and queued itself if it is ready). */
static void schedule_locked(void)
{
    struct kernel_cpu *cpu = kernel_cpu();
    struct thread *next;

    DEBUG_BUG_ON(cpu->held_ranks != 1u << RANK_SCHED);
    next = dequeue(cpu);
    switch_to(cpu, next ? next : cpu->idle);
}

void sched_block_locked(void)
{
    struct thread *t = thread_current();

    sched_charge_locked(t->cpu);
    t->state = THREAD_BLOCKED;
    t->group->ready_count--;
    schedule_locked();
}

static void timeout_fire(struct timer *timer)
{
    sched_wake_locked(container_of(timer, struct thread, timeout));
}

/* A timeout that did not come and is far off stays armed: the next wait is often for the same, and
 * waking a thread for nothing is allowed. One that would come soon costs its interrupt. */
#define SOON_NS NS_PER_MS
void sched_block_until_locked(uint64_t deadline, const uint64_t *word)
{
    struct thread *t = thread_current();

    while (!*(volatile const uint64_t *)word && !t->is_dying && rdtsc() < deadline) {
        t->timeout.fire = timeout_fire;
        if (!heap_holds(&t->timeout.node) || t->timeout.node.key != deadline)
            timer_arm_locked(&t->timeout, deadline);
        sched_block_locked();
    }
    if (heap_holds(&t->timeout.node) &&
        t->timeout.node.key - t->cpu->run_start_tsc < host_clock.tsc_hz / (NS_PER_SECOND / SOON_NS))
        timer_cancel_locked(&t->timeout);
}

void sched_yield(void)
{
    struct thread *t = thread_current();

    spin_lock(&sched_lock);
    sched_charge_locked(t->cpu);
    enqueue(t);
    if (t->pinned && t->pinned != t->cpu && !t->is_parked)
        find_cpu_for(t);
    schedule_locked();
    spin_unlock(&sched_lock);
}

void sched_check(void)
{
    struct thread *t = thread_current();

    if (t->is_dying)
        thread_exit();
    if (t->cpu->needs_resched)
        sched_yield();
    if (t->is_dying)
        thread_exit();
}

void sched_exit_locked(void)
{
    struct thread *t = thread_current();

    sched_charge_locked(t->cpu);
    timer_cancel_locked(&t->timeout);
    t->state = THREAD_DEAD;
    t->group->ready_count--;
    reaper_add_thread_locked(t);
    schedule_locked();
    panic("a dead thread ran");
}

/* ---- idle ---- */

void sched_init_cpu(struct kernel_cpu *cpu, struct thread *idle)
{
    cpu->idle = idle;
    cpu->current = idle;
    idle->state = THREAD_RUNNING;
    idle->cpu = cpu;
    cpu->armed_tsc = UINT64_MAX;
}

static void halt(struct kernel_cpu *cpu)
{
    uint64_t start = rdtsc();

    __atomic_store_n(&cpu->halt_start_tsc, start, __ATOMIC_RELAXED);
    cpu_halt_once();
    cpu->halted_ticks += rdtsc() - start;
    __atomic_store_n(&cpu->halt_start_tsc, 0, __ATOMIC_RELAXED);
}

void sched_idle(void)
{
    struct kernel_cpu *cpu = kernel_cpu();

    for (;;) {
        spin_lock(&sched_lock);
        sched_charge_locked(cpu);
        schedule_locked();
        spin_unlock(&sched_lock);
        if (!cpu->needs_resched)
            halt(cpu);
    }
}
