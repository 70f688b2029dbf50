#include "kernel/partition.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "kernel/budget.h"
#include "kernel/flush.h"
#include "kernel/memory.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

#define GUEST_RAM_FLAGS (PTE_USER | PTE_WRITE)

static enum err take_table(struct page_source *source, hpa_t *out)
{
    struct partition *p = container_of(source, struct partition, source);

    return frames_take(p->object.budget, 0, FRAME_KERNEL, out);
}

static void give_table(struct page_source *source, hpa_t page)
{
    frames_give(container_of(source, struct partition, source)->object.budget, page, 0);
}

struct object *partition_object(struct partition *p)
{
    return &p->object;
}

/* The tree below top index 0 exists from the start: nested root and window both point at it. */
static enum err make_tables(struct partition *p)
{
    hpa_t below;
    enum err err = frames_take(p->object.budget, 0, FRAME_KERNEL, &p->nested_root);

    if (!err)
        err = take_table(&p->source, &below);
    if (!err)
        *(uint64_t *)direct_map(p->nested_root) = below.v | PTE_PRESENT | PTE_WRITE | PTE_USER;
    return err;
}

enum err partition_create(struct budget *b, uint64_t memory_bytes, struct partition **out)
{
    struct partition *p;
    enum err err;

    if (!memory_bytes || (memory_bytes & PAGE_MASK) || memory_bytes > GIB(256))
        return ERR_ARGUMENT;
    p = object_create(b, OBJECT_PARTITION, sizeof(*p));
    if (!p)
        return ERR_MEMORY;
    p->lock = SPINLOCK(RANK_OBJECT);
    p->memory_bytes = memory_bytes;
    p->block_count = round_up(memory_bytes, LARGE_BYTES) >> LARGE_SHIFT;
    p->source = (struct page_source){ take_table, give_table };
    p->blocks = kernel_alloc(b, p->block_count * sizeof(hpa_t));
    err = p->blocks ? make_tables(p) : ERR_MEMORY;
    if (!err)
        err = hv_partition_init(&p->hv, b);
    if (err) {
        object_put(&p->object);
        return err;
    }
    *out = p;
    return OK;
}

void partition_destroy(struct object *o)
{
    struct partition *p = container_of(o, struct partition, object);

    for (unsigned i = 0; i < PARTITION_VCPUS_MAX; i++)
        if (p->vcpus[i]) {
            p->vcpus[i]->partition = NULL; /* nobody runs it: who could holds the partition */
            object_put(&p->vcpus[i]->object);
        }
    binding_clear(&p->on_slot_free);
    binding_clear(&p->on_halt);
    hv_partition_destroy(&p->hv, o->budget);
    for (uint64_t i = 0; p->blocks && i < p->populated; i++)
        block_give(o->budget, p->blocks[i]);
    if (p->blocks)
        kernel_free(o->budget, p->blocks, p->block_count * sizeof(hpa_t));
    if (p->nested_root.v) {
        paging_free(p->nested_root, 0, 511, &p->source);
        frames_give(o->budget, p->nested_root, 0);
    }
}

uint64_t partition_window_entry(struct partition *p)
{
    uint64_t entry = *(uint64_t *)direct_map(p->nested_root);

    entry &= ~PTE_USER; /* the kernel's alone */
    return entry | (cpu_features.has_nx ? PTE_NO_EXECUTE : 0);
}

static gpa_t gpa_of_block(uint64_t index)
{
    uint64_t at = index << LARGE_SHIFT;

    return (gpa_t){ at < LOW_MEMORY_END ? at : at - LOW_MEMORY_END + HIGH_MEMORY_START };
}

/* The last block of an odd size is mapped page by page, up to the memory's end. */
static enum err map_block(struct partition *p, uint64_t index, hpa_t block)
{
    uint64_t bytes = min(p->memory_bytes - (index << LARGE_SHIFT), LARGE_BYTES);
    gpa_t gpa = gpa_of_block(index);
    enum err err = OK;

    if (bytes == LARGE_BYTES)
        return paging_map_large(p->nested_root, gpa.v, block, GUEST_RAM_FLAGS, &p->source);
    for (uint64_t at = 0; !err && at < bytes; at += PAGE_BYTES)
        err = paging_map(p->nested_root, gpa.v + at, (hpa_t){ block.v + at }, GUEST_RAM_FLAGS,
                         &p->source);
    return err;
}

enum err partition_populate(struct partition *p, uint64_t *left)
{
    uint64_t index = p->populated;
    hpa_t block;
    enum err err;

    if (p->vcpu_count)
        return ERR_STATE;
    if (index < p->block_count) {
        err = block_take(p->object.budget, &block);
        if (err)
            return err;
        spin_lock(&p->lock);
        p->blocks[index] = block;
        p->populated++; /* from here on partition_destroy() gives it back */
        err = map_block(p, index, block);
        spin_unlock(&p->lock);
        if (err)
            return err;
        memset((void *)(WINDOW_BASE + gpa_of_block(index).v), 0,
               min(p->memory_bytes - (index << LARGE_SHIFT), LARGE_BYTES));
    }
    *left = p->memory_bytes - min(p->populated << LARGE_SHIFT, p->memory_bytes);
    return OK;
}

/* The offset into the blocks, or UINT64_MAX. */
static uint64_t offset_of(const struct partition *p, gpa_t gpa)
{
    uint64_t populated = min(p->populated << LARGE_SHIFT, p->memory_bytes);
    uint64_t at = gpa.v;

    if (gpa.v >= LOW_MEMORY_END) {
        if (gpa.v < HIGH_MEMORY_START)
            return UINT64_MAX;
        at = gpa.v - HIGH_MEMORY_START + LOW_MEMORY_END;
    }
    return at < populated ? at : UINT64_MAX;
}

bool partition_is_ram(const struct partition *p, gpa_t gpa, uint64_t bytes)
{
    uint64_t first = offset_of(p, gpa), last;

    if (!bytes || gpa.v + bytes - 1 < gpa.v)
        return false;
    last = offset_of(p, (gpa_t){ gpa.v + bytes - 1 });
    return first != UINT64_MAX && last != UINT64_MAX && last - first == bytes - 1;
}

enum err partition_page(const struct partition *p, gpa_t gpa, hpa_t *out)
{
    uint64_t at = offset_of(p, gpa);

    if (at == UINT64_MAX)
        return ERR_ARGUMENT;
    out->v = p->blocks[at >> LARGE_SHIFT].v + (at & (LARGE_BYTES - 1) & ~PAGE_MASK);
    return OK;
}

static enum err put_leaf(struct partition *p, gpa_t gpa, hpa_t page, uint64_t flags)
{
    uint64_t bytes;
    enum err err = paging_split(p->nested_root, gpa.v, &p->source);
    uint64_t *leaf = err ? NULL : paging_leaf(p->nested_root, gpa.v, &bytes);

    if (err)
        return err;
    if (leaf) {
        *leaf = page.v | flags | PTE_PRESENT;
        return OK;
    }
    return paging_map(p->nested_root, gpa.v, page, flags, &p->source);
}

enum err partition_overlay(struct partition *p, gpa_t gpa, hpa_t page, bool is_writable,
                           bool is_executable)
{
    uint64_t flags = PTE_USER | (is_writable ? PTE_WRITE : 0) |
                     (is_executable || !cpu_features.has_nx ? 0 : PTE_NO_EXECUTE);
    enum err err = OK;
    uint64_t bytes;

    spin_lock(&p->lock);
    if (page.v) {
        err = put_leaf(p, gpa, page, flags);
    } else if (partition_page(p, gpa, &page) == OK) {
        err = put_leaf(p, gpa, page, GUEST_RAM_FLAGS);
    } else {
        uint64_t *leaf = paging_leaf(p->nested_root, gpa.v, &bytes);

        if (leaf)
            *leaf = 0;
    }
    spin_unlock(&p->lock);
    if (!err) {
        vcpu_flush_all(p);
        flush_all_cpus(); /* the window sees the same tree */
    }
    return err;
}

enum err partition_add_vcpu(struct partition *p, struct vcpu *v, unsigned index)
{
    enum err err = ERR_EXISTS;

    spin_lock(&p->lock);
    if (!p->vcpus[index]) {
        object_get(&v->object);
        __atomic_store_n(&p->vcpus[index], v, __ATOMIC_RELEASE);
        p->vcpu_count++;
        hv_cpuid_set_cpus(&p->hv, p->vcpu_count);
        err = OK;
    }
    spin_unlock(&p->lock);
    return err;
}

enum err partition_vcpu_info(struct partition *p, uint64_t index, struct vcpu_info *out)
{
    enum err err = ERR_NOT_FOUND;

    spin_lock(&p->lock);
    if (index < PARTITION_VCPUS_MAX && p->vcpus[index]) {
        vcpu_get_info(p->vcpus[index], out);
        err = OK;
    }
    spin_unlock(&p->lock);
    return err;
}
