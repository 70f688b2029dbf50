/* Partitions, views and vCPUs. */
#include "arch/x86/tsc.h"
#include "kernel/budget.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/save.h"
#include "kernel/syscall/call.h"
#include "kernel/user_word.h"
#include "kernel/vcpu.h"
#include "kernel/view.h"
#include "lib/string.h"

enum err call_partition_create(struct call *c)
{
    struct partition *p;
    enum err err = partition_create(SUBJECT_OF(c, budget), c->b, &p);

    return err ? err : call_hand_out(c, &p->object);
}

/* The caller works with the partition's memory: it gets it into its window. The manager creates
 * and counts; it has no guest memory. */
static enum err attach(struct call *c)
{
    if (process_current() == manager_process)
        return ERR_RIGHTS;
    return process_attach(process_current(), SUBJECT_OF(c, partition));
}

enum err call_partition_populate(struct call *c)
{
    enum err err = attach(c);

    return err ? err : partition_populate(SUBJECT_OF(c, partition), &c->value);
}

enum err call_partition_info(struct call *c)
{
    const struct partition *p = SUBJECT_OF(c, partition);
    struct partition_info info = {
        .memory_bytes = p->memory_bytes,
        .populated_bytes = min(p->populated << LARGE_SHIFT, p->memory_bytes),
        .vcpu_count = p->vcpu_count,
        .tsc_offset = p->hv.tsc_offset,
        .guest_os_id = p->hv.guest_os_id,
        .reference_time = hv_reference_time(p),
        .clock_ns = clock_ns(),
    };

    return user_write(c->b, &info, sizeof(info));
}

enum err call_vcpu_info(struct call *c)
{
    struct vcpu_info *info = kernel_alloc(&root_budget, sizeof(*info));
    enum err err = info ? OK : ERR_MEMORY;

    if (!err)
        err = partition_vcpu_info(SUBJECT_OF(c, partition), c->b, info);
    if (!err)
        err = user_write(c->c, info, sizeof(*info));
    kernel_free(&root_budget, info, sizeof(*info));
    return err;
}

enum err call_view_create(struct call *c)
{
    struct view *v;
    enum err err = attach(c);

    if (!err)
        err = view_create(SUBJECT_OF(c, partition), process_current()->budget, (gpa_t){ c->b },
                          c->c, c->d & PROT_WRITE, &v);
    return err ? err : call_hand_out(c, &v->object);
}

enum err call_view_create_list(struct call *c)
{
    struct budget *b = process_current()->budget;
    uint64_t bytes = c->c * sizeof(uint64_t);
    uint64_t *pages = c->c && c->c <= VIEW_PAGES_MAX ? kernel_alloc(b, bytes) : NULL;
    struct view *v;
    enum err err = pages ? attach(c) : !c->c || c->c > VIEW_PAGES_MAX ? ERR_ARGUMENT : ERR_MEMORY;

    if (!err)
        err = user_read(pages, c->b, bytes);
    if (!err)
        err = view_create_list(SUBJECT_OF(c, partition), b, pages, c->c, c->d & PROT_WRITE, &v);
    if (err && pages)
        kernel_free(b, pages, bytes);
    return err ? err : call_hand_out(c, &v->object);
}

enum err call_view_map(struct call *c)
{
    struct view *v = SUBJECT_OF(c, view);

    /* A borrower checks what the lender says of it, or an access would be its end. */
    if ((c->b && c->b != v->bytes) || (c->c & PROT_WRITE && !v->is_writable))
        return ERR_ARGUMENT;
    if (v->is_writable && !(c->subject.rights & RIGHT_WRITE))
        return ERR_RIGHTS;
    return view_map(v, &process_current()->space, &c->value);
}

enum err call_view_revoke(struct call *c)
{
    view_revoke(SUBJECT_OF(c, view));
    return OK;
}

enum err call_view_epoch(struct call *c)
{
    c->value = SUBJECT_OF(c, view)->is_revoked;
    return OK;
}

enum err call_vcpu_create(struct call *c)
{
    struct vcpu *v;
    enum err err = c->b < PARTITION_VCPUS_MAX ? attach(c) : ERR_ARGUMENT;

    if (!err)
        err = vcpu_create(SUBJECT_OF(c, partition), (unsigned)c->b, c->c, process_current()->budget,
                          &v);
    return err ? err : call_hand_out(c, &v->object);
}

/* The first time that a thread runs this vCPU, or since a handle was closed. */
static enum err run_found(struct call *c, struct vcpu_exit *io, uint64_t key)
{
    struct handle_entry e;
    enum err err = call_find(c->a, OBJECT_VCPU, RIGHT_MEMORY, &e);

    if (err)
        return err;
    thread_current()->vcpu_handles = 0;
    if (!process_current()->partition ||
        process_current()->partition != container_of(e.object, struct vcpu, object)->partition)
        err = ERR_RIGHTS; /* the window that exits look through is another partition's */
    else
        err = vcpu_run(container_of(e.object, struct vcpu, object), io);
    if (!err)
        thread_current()->vcpu_handles = key;
    object_put(e.object);
    return err;
}

/* Of what the vmm passes only the value counts. */
static enum err read_answer(uint64_t from, struct vcpu_exit *io)
{
    bool is_read = false;

    if (likely(range_fits(from, sizeof(*io), USER_END))) {
        user_access_begin();
        is_read = user_load_word(from + offsetof(struct vcpu_exit, value), &io->value);
        user_access_end();
    }
    return is_read ? OK : ERR_ARGUMENT;
}

static enum err write_exit(uint64_t to, const struct vcpu_exit *io)
{
    uint64_t words[sizeof(*io) / 8];
    bool is_written;

    __builtin_memcpy(words, io, sizeof(words));
    user_access_begin();
    is_written = user_store_word(to, words[0]) && user_store_word(to + 8, words[1]) &&
                 user_store_word(to + 16, words[2]);
    user_access_end();
    return is_written ? OK : ERR_ARGUMENT;
}

enum err call_vcpu_run(struct call *c)
{
    struct thread *t = thread_current();
    uint64_t key = (uint64_t)t->process->handles.closed_count << 32 | (uint32_t)c->a;
    struct vcpu_exit io;
    enum err err = read_answer(c->b, &io);

    if (unlikely(err))
        return err;
    if (likely(t->vcpu && t->vcpu_handles == key))
        err = vcpu_run(t->vcpu, &io);
    else
        err = run_found(c, &io, key);
    return err ? err : write_exit(c->b, &io);
}

enum err call_partition_save(struct call *c)
{
    return save_partition(SUBJECT_OF(c, partition), c->b, c->c, &c->value);
}

enum err call_partition_restore(struct call *c)
{
    return restore_partition(SUBJECT_OF(c, partition), c->b, c->c);
}

enum err call_vcpu_pin(struct call *c)
{
    struct partition *p = SUBJECT_OF(c, partition);
    struct vcpu *v =
        c->b < PARTITION_VCPUS_MAX ? __atomic_load_n(&p->vcpus[c->b], __ATOMIC_ACQUIRE) : NULL;

    return v ? vcpu_pin(v, c->c) : ERR_NOT_FOUND;
}

enum err call_vcpu_kick(struct call *c)
{
    vcpu_kick(SUBJECT_OF(c, vcpu));
    return OK;
}

/* Registers can be read and set only while no thread runs the vCPU. */
enum err call_vcpu_get(struct call *c)
{
    const struct vcpu *v = SUBJECT_OF(c, vcpu);
    struct vcpu_state state = { 0 };

    if (v->is_running)
        return ERR_STATE;
    virt_get_state(&v->virt, &state);
    return user_write(c->b, &state, sizeof(state));
}

enum err call_vcpu_set(struct call *c)
{
    struct vcpu *v = SUBJECT_OF(c, vcpu);
    struct vcpu_state state;
    enum err err = user_read(&state, c->b, sizeof(state));

    if (err)
        return err;
    return v->is_running ? ERR_STATE : virt_set_state(&v->virt, &state);
}
