#include "kernel/lock.h"
#include "lib/x86/asm.h"
#include "arch/x86/panic.h"
#include "kernel/flush.h"
#include "kernel/kernel_cpu.h"

void spin_lock_slow(struct spinlock *l)
{
    do {
        while (__atomic_load_n(&l->is_taken, __ATOMIC_RELAXED)) {
            flush_answer();
            cpu_relax();
        }
    } while (__atomic_exchange_n(&l->is_taken, 1, __ATOMIC_ACQUIRE));
}

void spin_check_lock(const struct spinlock *l)
{
    struct kernel_cpu *k = kernel_cpu();

    BUG_ON(k->held_ranks >> l->rank);
    k->held_ranks |= 1u << l->rank;
}

void spin_check_unlock(const struct spinlock *l)
{
    struct kernel_cpu *k = kernel_cpu();

    BUG_ON(!(k->held_ranks & 1u << l->rank) || !l->is_taken);
    k->held_ranks &= ~(1u << l->rank);
}
