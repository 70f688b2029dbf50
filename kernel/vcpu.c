#include "kernel/vcpu.h"
#include "lib/x86/asm.h"
#include "arch/x86/fpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/panic.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/emulate.h"
#include "kernel/exits.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/process.h"
#include "kernel/sched.h"
#include "lib/string.h"

/* ---- life ---- */

static uint64_t apic_base(unsigned index, uint64_t flags)
{
    return LAPIC_MMIO_BASE | APIC_BASE_ENABLE | (flags & VCPU_XAPIC ? 0 : APIC_BASE_X2APIC) |
           (index == 0 ? APIC_BASE_BSP : 0);
}

enum err vcpu_create(struct partition *p, unsigned index, uint64_t flags, struct budget *b,
                     struct vcpu **out)
{
    struct vcpu *v;
    hpa_t page;

    if (index >= PARTITION_VCPUS_MAX || (flags & ~VCPU_XAPIC))
        return ERR_ARGUMENT;
    v = object_create(b, OBJECT_VCPU, sizeof(*v));
    if (!v)
        return ERR_MEMORY;
    v->fpu = kernel_alloc(b, max(cpu_features.xsave_bytes, 4096u));
    if (!v->fpu || frames_take(b, 0, FRAME_KERNEL, &page)) {
        object_put(&v->object);
        return ERR_MEMORY;
    }
    virt_vcpu_init(&v->virt, page, p->nested_root);
    virt_set_tsc_offset(&v->virt, p->hv.tsc_offset);
    fpu_reset(v->fpu);
    v->xcr0 = XCR0_X87;
    v->index = index;
    v->nmi_iret_rip = UINT64_MAX;
    v->activity = index == 0 ? VCPU_ACTIVE : VCPU_WAITS_FOR_SIPI;
    vlapic_reset(&v->hv.lapic, index, apic_base(index, flags));
    synic_reset(&v->hv.synic);
    v->partition = p;
    *out = v;
    enum err err = partition_add_vcpu(p, v, index);

    if (err)
        object_put(&v->object);
    return err;
}

void vcpu_destroy(struct object *o)
{
    struct vcpu *v = container_of(o, struct vcpu, object);

    vlapic_stop(&v->hv.lapic);
    synic_stop(v);
    for (unsigned i = 0; i < kernel_cpu_count; i++) /* its FPU state is worth nothing now */
        __atomic_compare_exchange_n(&kernel_cpus[i].fpu_owner, &(struct vcpu *){ v }, NULL, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (v->virt.vmcb)
        frames_give(o->budget, v->virt.vmcb_pa, 0);
    kernel_free(o->budget, v->fpu, max(cpu_features.xsave_bytes, 4096u));
}

/* ---- attention ---- */

/* Makes the vCPU's thread look at @v->attention soon. */
static void notify_locked(struct vcpu *v)
{
    struct thread *t = v->thread;

    if (!t)
        return;
    if (t->state == THREAD_BLOCKED && v->activity != VCPU_ACTIVE)
        sched_wake_locked(t);
    else if (t->state == THREAD_RUNNING && t->cpu != kernel_cpu())
        lapic_send(t->cpu->arch.apic_id, VECTOR_RESCHEDULE);
}

void vcpu_interrupt_self(struct vcpu *v, unsigned vector)
{
    if (vlapic_request(&v->hv.lapic, vector, false))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

void vcpu_attend_locked(struct vcpu *v, uint64_t why)
{
    vcpu_attend(v, why);
    notify_locked(v);
}

bool vcpu_interrupt_running(struct vcpu *v, unsigned vector)
{
    struct kernel_cpu *cpu;

    if (!vlapic_request(&v->hv.lapic, vector, false))
        return true;
    __atomic_or_fetch(&v->attention, VCPU_ATTEND_INTERRUPT, __ATOMIC_SEQ_CST);
    cpu = __atomic_load_n(&v->guest_cpu, __ATOMIC_SEQ_CST);
    if (cpu && cpu != kernel_cpu())
        lapic_send(cpu->arch.apic_id, VECTOR_RESCHEDULE);
    return cpu;
}

void vcpu_interrupt_locked(struct vcpu *v, unsigned vector, bool is_level)
{
    if (v->thread)
        kernel_cpu()->timer_payer = v->thread->group;
    if (vlapic_request(&v->hv.lapic, vector, is_level))
        vcpu_attend_locked(v, VCPU_ATTEND_INTERRUPT);
}

void vcpu_kick(struct vcpu *v)
{
    spin_lock(&sched_lock);
    vcpu_attend(v, VCPU_ATTEND_KICK);
    notify_locked(v);
    spin_unlock(&sched_lock);
}

void vcpu_flush_all(struct partition *p)
{
    for (unsigned i = 0; i < PARTITION_VCPUS_MAX; i++)
        if (p->vcpus[i])
            vcpu_attend(p->vcpus[i], VCPU_ATTEND_FLUSH);
}

/* ---- FPU ---- */

static void read_debug_registers(uint64_t r[4])
{
    __asm__ volatile("mov %%db0, %0" : "=r"(r[0]));
    __asm__ volatile("mov %%db1, %0" : "=r"(r[1]));
    __asm__ volatile("mov %%db2, %0" : "=r"(r[2]));
    __asm__ volatile("mov %%db3, %0" : "=r"(r[3]));
}

static void write_debug_registers(const uint64_t r[4])
{
    __asm__ volatile("mov %0, %%db0" : : "r"(r[0]));
    __asm__ volatile("mov %0, %%db1" : : "r"(r[1]));
    __asm__ volatile("mov %0, %%db2" : : "r"(r[2]));
    __asm__ volatile("mov %0, %%db3" : : "r"(r[3]));
}

/* The state is loaded unless it is still there from the last time. */
static void load_fpu(struct vcpu *v)
{
    struct kernel_cpu *cpu = kernel_cpu();

    if (cpu->fpu_owner == v && v->fpu_cpu == cpu)
        return;
    if (cpu->last_partition != v->partition && cpu_features.has_ibpb)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); /* no guest trains another's predictions */
    cpu->last_partition = v->partition;
    fpu_restore(v->fpu);
    fpu_set_xcr0(v->xcr0);
    write_debug_registers(v->debug_registers);
    if (cpu_features.has_rdtscp)
        wrmsr(MSR_TSC_AUX, v->hv.tsc_aux);
    cpu->fpu_owner = v;
    v->fpu_cpu = cpu;
}

/* Saved whenever the thread gives up the CPU, so that it may go on anywhere. */
void vcpu_leave_cpu(struct kernel_cpu *cpu, struct thread *t)
{
    struct vcpu *v = t->vcpu;

    if (!v || cpu->fpu_owner != v || v->fpu_cpu != cpu)
        return;
    fpu_save(v->fpu);
    fpu_set_xcr0(v->xcr0);
    read_debug_registers(v->debug_registers);
}

/* ---- running ---- */

/* Delivers the highest interrupt, or asks for a window when the guest cannot take it now. */
static void deliver_interrupt(struct vcpu *v)
{
    int vector = vlapic_highest(&v->hv.lapic);

    if (vector < 0) {
        __atomic_and_fetch(&v->attention, ~VCPU_ATTEND_INTERRUPT, __ATOMIC_ACQUIRE);
        virt_request_window(&v->virt, false);
        if (vlapic_highest(&v->hv.lapic) >= 0) /* it came while the bit was being cleared */
            vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
        return;
    }
    if (!virt_is_interruptible(&v->virt)) {
        virt_request_window(&v->virt, true);
        return;
    }
    vlapic_accept(&v->hv.lapic, (unsigned)vector);
    virt_inject_interrupt(&v->virt, (unsigned)vector);
    virt_request_window(&v->virt, vlapic_highest(&v->hv.lapic) >= 0);
}

static void record(struct vcpu *v)
{
    const struct virt_exit *e = &v->virt.exit;
    struct vcpu_trace *t = &v->trace[v->trace_total++ % VCPU_TRACE_COUNT];

    v->exits[e->kind]++;
    t->t_ns = rdtsc();
    v->guest_ticks += t->t_ns;
    t->rip = v->virt.rip;
    t->kind = e->kind;
    t->code = e->code;
    t->detail = e->kind == EXIT_NESTED_PAGE_FAULT ? e->info2 : e->info1;
}

/* In the guest until an exit that needs the host's state. */
static void run_fast(struct vcpu *v)
{
    load_fpu(v);
    virt_enter(&v->virt);
    /* Who sets attention looks here behind it: one of us two sees the other. */
    __atomic_store_n(&v->guest_cpu, kernel_cpu(), __ATOMIC_SEQ_CST);
    do {
        if (unlikely(v->attention & VCPU_ATTEND_INTERRUPT))
            deliver_interrupt(v);
        v->guest_ticks -= rdtsc(); /* record() adds the end */
        virt_run(&v->virt);
        record(v);
    } while (exit_handle_fast(v));
    __atomic_store_n(&v->guest_cpu, NULL, __ATOMIC_RELEASE);
    virt_leave(&v->virt);
}

#define ATTEND_ALWAYS (VCPU_ATTEND_KICK | VCPU_ATTEND_INIT)

static bool has_nmi(const struct vcpu *v)
{
    return (v->attention & VCPU_ATTEND_NMI) && !v->is_nmi_masked;
}

/* Whether what has come ends the guest's sleep. */
static bool is_awake(const struct vcpu *v)
{
    switch (v->activity) {
    case VCPU_HALTED:
        return has_nmi(v) ||
               (virt_interrupts_enabled(&v->virt) && vlapic_highest(&v->hv.lapic) >= 0);
    case VCPU_IDLE: return has_nmi(v) || vlapic_highest_request(&v->hv.lapic) >= 0;
    case VCPU_WAITS_FOR_SIPI: return v->attention & VCPU_ATTEND_SIPI;
    default: return true;
    }
}

/* Until the guest has reason to go on, or somebody wants the thread. */
static void sleep(struct vcpu *v)
{
    struct thread *t = thread_current();
    struct partition *p = v->partition;

    spin_lock(&sched_lock);
    while (!t->is_dying && !(v->attention & ATTEND_ALWAYS) && !is_awake(v)) {
        if (p->is_halt_awaited) {
            p->is_halt_awaited = false;
            binding_fire_locked(&p->on_halt);
        }
        sched_block_locked();
    }
    if (v->activity != VCPU_WAITS_FOR_SIPI && is_awake(v))
        v->activity = VCPU_ACTIVE;
    spin_unlock(&sched_lock);
}

/* ---- INIT, SIPI, NMI: what comes from other vCPUs and changes this one ---- */

static void set_activity(struct vcpu *v, enum vcpu_activity a)
{
    spin_lock(&sched_lock);
    v->activity = a;
    spin_unlock(&sched_lock);
}

static void take_init(struct vcpu *v)
{
    virt_reset(&v->virt);
    vlapic_init(&v->hv.lapic);
    v->is_nmi_masked = false;
    v->read_width = 0;
    v->is_string_read = false;
    set_activity(v, v->index == 0 ? VCPU_ACTIVE : VCPU_WAITS_FOR_SIPI);
}

/* One is enough; a vCPU that runs does not hear it. */
static void take_sipi(struct vcpu *v)
{
    if (v->activity != VCPU_WAITS_FOR_SIPI)
        return;
    virt_start_at(&v->virt, __atomic_load_n(&v->sipi_vector, __ATOMIC_RELAXED));
    set_activity(v, VCPU_ACTIVE);
}

/* Stays pending while another one is served: one waits, as in hardware. Right after the IRET has
 * exited the guest is still on the handler's stack, so the next exit is awaited. */
static void take_nmi(struct vcpu *v)
{
    if (v->is_nmi_masked || virt_has_event(&v->virt) || v->virt.rip == v->nmi_iret_rip)
        return;
    __atomic_and_fetch(&v->attention, ~VCPU_ATTEND_NMI, __ATOMIC_ACQUIRE);
    if (v->activity == VCPU_WAITS_FOR_SIPI)
        return;
    set_activity(v, VCPU_ACTIVE);
    v->is_nmi_masked = true;
    v->nmi_iret_rip = UINT64_MAX;
    virt_inject_nmi(&v->virt);
    virt_intercept_iret(&v->virt, true);
}

void vcpu_end_nmi(struct vcpu *v)
{
    v->is_nmi_masked = false;
    v->nmi_iret_rip = v->virt.rip;
    virt_intercept_iret(&v->virt, false);
}

/* A thread stays with the vCPU that it ran last until it runs another or ends, so that going back
 * and forth between guest and vmm takes no lock and moves no FPU state. */
static enum err attach_thread(struct vcpu *v)
{
    struct thread *t = thread_current();
    enum err err = OK;

    vcpu_detach(t);
    spin_lock(&sched_lock);
    if (v->thread) {
        err = ERR_STATE;
    } else {
        object_get(&v->object);
        v->thread = t;
        t->vcpu = v;
        t->is_vcpu = true;
        sched_pin_locked(t, v->pinned);
    }
    spin_unlock(&sched_lock);
    return err;
}

void vcpu_detach(struct thread *t)
{
    struct vcpu *v = t->vcpu;

    if (!v)
        return;
    vcpu_leave_cpu(kernel_cpu(), t); /* another thread may run it next, elsewhere */
    spin_lock(&sched_lock);
    v->thread = NULL;
    t->vcpu = NULL;
    t->is_vcpu = false;
    sched_pin_locked(t, NULL);
    spin_unlock(&sched_lock);
    object_put(&v->object);
}

static void take_answer(struct vcpu *v, const struct vcpu_exit *io)
{
    uint64_t *rax = &v->virt.gpr[REG_RAX];

    if (v->read_width == 1)
        *rax = (*rax & ~0xffull) | (io->value & 0xff);
    else if (v->read_width == 2)
        *rax = (*rax & ~0xffffull) | (io->value & 0xffff);
    else if (v->read_width == 4)
        *rax = io->value & UINT32_MAX;
    v->read_width = 0;
}

/* True: *@io is for the vmm. */
static bool attend(struct vcpu *v, struct vcpu_exit *io)
{
    uint64_t why = __atomic_fetch_and(&v->attention, VCPU_ATTEND_INTERRUPT | VCPU_ATTEND_NMI,
                                      __ATOMIC_ACQUIRE);

    if (why & VCPU_ATTEND_FLUSH)
        virt_flush(&v->virt);
    if (why & VCPU_ATTEND_INIT)
        take_init(v);
    if (why & VCPU_ATTEND_SIPI)
        take_sipi(v);
    if (why & VCPU_ATTEND_NMI)
        take_nmi(v);
    if (why & VCPU_ATTEND_KICK)
        *io = (struct vcpu_exit){ .reason = VCPU_EXIT_KICK };
    return why & VCPU_ATTEND_KICK;
}

enum err vcpu_run(struct vcpu *v, struct vcpu_exit *io)
{
    struct thread *t = thread_current();
    enum err err = t->vcpu == v ? OK : attach_thread(v);

    if (err)
        return err;
    v->is_running = true;
    if (v->read_width)
        take_answer(v, io);
    else if (unlikely(v->is_string_read))
        emulate_answer(v, io->value);
    for (;;) {
        if (unlikely(sched_has_work(t))) {
            if (t->is_dying)
                break;
            sched_yield();
            continue;
        }
        if ((v->attention & ~VCPU_ATTEND_INTERRUPT) && attend(v, io))
            break;
        if (v->activity != VCPU_ACTIVE) {
            sleep(v);
            continue;
        }
        run_fast(v);
        interrupts_window();
        if (exit_handle(v, io))
            break;
    }
    v->is_running = false;
    return t->is_dying ? ERR_STATE : OK;
}

enum err vcpu_pin(struct vcpu *v, uint64_t cpu)
{
    if (cpu != UINT64_MAX && cpu >= kernel_cpu_count)
        return ERR_ARGUMENT;
    spin_lock(&sched_lock);
    v->pinned = cpu == UINT64_MAX ? NULL : &kernel_cpus[cpu];
    if (v->thread)
        sched_pin_locked(v->thread, v->pinned);
    spin_unlock(&sched_lock);
    return OK;
}

static uint64_t guest_ns(const struct vcpu *v)
{
    uint64_t ticks = __atomic_load_n(&v->guest_ticks, __ATOMIC_RELAXED);

    if (ticks >> 63) /* it is in guest mode at this moment */
        ticks += rdtsc();
    return multiply_shift32(ticks, host_clock.ns_per_tick_32);
}

void vcpu_get_info(const struct vcpu *v, struct vcpu_info *out)
{
    memcpy(out->exits, v->exits, sizeof(out->exits));
    memcpy(out->trace, v->trace, sizeof(out->trace));
    out->trace_total = v->trace_total;
    out->guest_ns = guest_ns(v);
    out->activity = v->activity;
    out->is_xapic = vlapic_is_x(&v->hv.lapic);
    out->is_running = v->is_running;
    out->pinned_cpu = v->pinned ? v->pinned->arch.id : VCPU_NOT_PINNED;
    out->host_cpu = v->fpu_cpu ? v->fpu_cpu->arch.id : 0;
    for (unsigned i = 0; i < VCPU_TRACE_COUNT; i++)
        if (out->trace[i].t_ns)
            out->trace[i].t_ns = clock_from_tsc(out->trace[i].t_ns);
}
