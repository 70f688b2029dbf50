/* A buddy allocator over one table of frames, blocks for guests on top of it, and a slab heap of
 * power-of-two sizes. All state is guarded by memory_lock. */
#include "kernel/memory.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/panic.h"
#include "kernel/budget.h"
#include "kernel/flush.h"
#include "kernel/lock.h"
#include "lib/string.h"

#define ORDER_MAX      9u /* 2 MiB */
#define NONE           UINT32_MAX
#define SLAB_CLASS_MIN 5u  /* 32 bytes */
#define SLAB_CLASS_MAX 11u /* 2 KiB; more takes whole frames */

struct frame {
    uint32_t next, prev;  /* in a free list, or in a list of slab pages with room */
    uint16_t slab_free;   /* offset of the first free slot, 0xffff: none */
    uint16_t slab_used;   /* slots in use */
    uint8_t owner;        /* enum frame_owner */
    uint8_t order;        /* of a free run or a taken one, on its first frame */
    uint8_t is_free_head; /* first frame of a run in a free list */
    uint8_t slab_class;
};
static_assert(sizeof(struct frame) == 16, "the table costs 0.4 % of memory");

struct frame_list {
    uint32_t first;
};

static struct spinlock memory_lock = SPINLOCK(RANK_MEMORY);
static struct frame *frames;
static uint32_t frame_count;
static struct frame_list free_lists[ORDER_MAX + 1];
static struct frame_list used_blocks; /* had a guest: neither in the direct map nor scrubbed */
static struct frame_list slabs[SLAB_CLASS_MAX + 1];
static uint64_t total_bytes, free_bytes;
static uint64_t alloc_count, fail_at;

static uint32_t frame_of(hpa_t a)
{
    return (uint32_t)(a.v >> PAGE_SHIFT);
}

static hpa_t address_of(uint32_t frame)
{
    return (hpa_t){ (uint64_t)frame << PAGE_SHIFT };
}

/* ---- lists ---- */

static void push(struct frame_list *l, uint32_t i)
{
    frames[i].next = l->first;
    frames[i].prev = NONE;
    if (l->first != NONE)
        frames[l->first].prev = i;
    l->first = i;
}

static void unlink_frame(struct frame_list *l, uint32_t i)
{
    struct frame *f = &frames[i];

    if (f->prev == NONE)
        l->first = f->next;
    else
        frames[f->prev].next = f->next;
    if (f->next != NONE)
        frames[f->next].prev = f->prev;
}

/* ---- buddy ---- */

static void set_owner(uint32_t first, unsigned order, enum frame_owner owner)
{
    for (uint32_t i = first; i < first + (1u << order); i++)
        frames[i].owner = (uint8_t)owner;
}

static void free_run(uint32_t i, unsigned order)
{
    set_owner(i, order, FRAME_FREE);
    free_bytes += PAGE_BYTES << order;
    while (order < ORDER_MAX) {
        uint32_t buddy = i ^ (1u << order);

        if (buddy >= frame_count || frames[buddy].owner != FRAME_FREE ||
            !frames[buddy].is_free_head || frames[buddy].order != order)
            break;
        unlink_frame(&free_lists[order], buddy);
        frames[buddy].is_free_head = 0;
        i = min(i, buddy);
        order++;
    }
    frames[i].order = (uint8_t)order;
    frames[i].is_free_head = 1;
    push(&free_lists[order], i);
}

static uint32_t take_run(unsigned order)
{
    unsigned at = order;
    uint32_t i;

    while (at <= ORDER_MAX && free_lists[at].first == NONE)
        at++;
    if (at > ORDER_MAX)
        return NONE;
    i = free_lists[at].first;
    unlink_frame(&free_lists[at], i);
    frames[i].is_free_head = 0;
    while (at > order) {
        uint32_t upper = i + (1u << --at);

        frames[upper].order = (uint8_t)at;
        frames[upper].is_free_head = 1;
        push(&free_lists[at], upper);
    }
    frames[i].order = (uint8_t)order;
    free_bytes -= PAGE_BYTES << order;
    return i;
}

static void zero_run(uint32_t i, unsigned order)
{
    memset(direct_map(address_of(i)), 0, PAGE_BYTES << order);
}

/* Brings a block that a guest has had back under the kernel's eyes, scrubbed. */
static bool reclaim_used_block(void)
{
    uint32_t i = used_blocks.first;

    if (i == NONE)
        return false;
    unlink_frame(&used_blocks, i);
    kernel_map_restore_block(address_of(i));
    zero_run(i, ORDER_MAX);
    free_bytes -= LARGE_BYTES; /* free_run counts it again */
    free_run(i, ORDER_MAX);
    return true;
}

static bool is_to_fail(void)
{
    alloc_count++;
    if (!fail_at || alloc_count < fail_at)
        return false;
    fail_at = 0;
    return true;
}

static bool take_locked(struct budget *b, unsigned order, enum frame_owner owner, uint32_t *out)
{
    uint64_t bytes = PAGE_BYTES << order;

    if (is_to_fail() || !budget_charge_locked(b, bytes))
        return false;
    *out = take_run(order);
    if (*out == NONE && reclaim_used_block())
        *out = take_run(order);
    if (*out == NONE) {
        budget_release_locked(b, bytes);
        return false;
    }
    set_owner(*out, order, owner);
    return true;
}

enum err frames_take(struct budget *b, unsigned order, enum frame_owner owner, hpa_t *out)
{
    uint32_t i;

    spin_lock(&memory_lock);
    bool is_taken = take_locked(b, order, owner, &i);

    spin_unlock(&memory_lock);
    if (!is_taken)
        return ERR_MEMORY;
    zero_run(i, order);
    *out = address_of(i);
    return OK;
}

void frames_give(struct budget *b, hpa_t first, unsigned order)
{
    uint32_t i = frame_of(first);

    spin_lock(&memory_lock);
    BUG_ON(frames[i].owner == FRAME_FREE || frames[i].owner == FRAME_NONE);
    free_run(i, order);
    budget_release_locked(b, PAGE_BYTES << order);
    spin_unlock(&memory_lock);
}

/* ---- blocks ---- */

/* Any free block that the direct map holds as one large page: those near the kernel's image and
 * the start-up page are not. */
static bool take_fresh_block(uint32_t *out)
{
    for (uint32_t i = free_lists[ORDER_MAX].first; i != NONE; i = frames[i].next) {
        if (kernel_map_remove_block(address_of(i)))
            continue;
        unlink_frame(&free_lists[ORDER_MAX], i);
        frames[i].is_free_head = 0;
        frames[i].order = ORDER_MAX;
        free_bytes -= LARGE_BYTES;
        *out = i;
        return true;
    }
    return false;
}

enum err block_take(struct budget *b, hpa_t *out)
{
    uint32_t i = NONE;
    bool is_fresh = false;

    spin_lock(&memory_lock);
    if (is_to_fail() || !budget_charge_locked(b, LARGE_BYTES)) {
        spin_unlock(&memory_lock);
        return ERR_MEMORY;
    }
    if (used_blocks.first != NONE) {
        i = used_blocks.first;
        unlink_frame(&used_blocks, i);
        free_bytes -= LARGE_BYTES;
    } else {
        is_fresh = take_fresh_block(&i);
        if (!is_fresh)
            budget_release_locked(b, LARGE_BYTES);
    }
    if (i != NONE)
        set_owner(i, ORDER_MAX, FRAME_GUEST);
    spin_unlock(&memory_lock);
    if (i == NONE)
        return ERR_MEMORY;
    if (is_fresh)
        flush_all_cpus();
    *out = address_of(i);
    return OK;
}

void block_give(struct budget *b, hpa_t block)
{
    uint32_t i = frame_of(block);

    spin_lock(&memory_lock);
    BUG_ON(frames[i].owner != FRAME_GUEST);
    set_owner(i, ORDER_MAX, FRAME_NONE);
    push(&used_blocks, i);
    free_bytes += LARGE_BYTES;
    budget_release_locked(b, LARGE_BYTES);
    spin_unlock(&memory_lock);
}

/* ---- heap ---- */

static unsigned class_of(size_t bytes)
{
    unsigned c = SLAB_CLASS_MIN;

    while ((1ull << c) < bytes)
        c++;
    return c;
}

static unsigned order_of(size_t bytes)
{
    unsigned order = 0;

    while ((PAGE_BYTES << order) < bytes)
        order++;
    return order;
}

/* A page of free slots, chained through their first two bytes. */
static bool add_slab(unsigned class)
{
    uint32_t i = take_run(0);
    uint8_t *page;

    if (i == NONE && reclaim_used_block())
        i = take_run(0);
    if (i == NONE)
        return false;
    set_owner(i, 0, FRAME_KERNEL);
    page = direct_map(address_of(i));
    for (unsigned at = 0; at < PAGE_BYTES; at += 1u << class) {
        unsigned next = at + (1u << class);

        *(uint16_t *)(page + at) = next < PAGE_BYTES ? (uint16_t)next : 0xffff;
    }
    frames[i].slab_free = 0;
    frames[i].slab_used = 0;
    frames[i].slab_class = (uint8_t) class;
    push(&slabs[class], i);
    return true;
}

static void *slab_take(unsigned class)
{
    uint32_t i;
    struct frame *f;
    uint8_t *slot;

    if (slabs[class].first == NONE && !add_slab(class))
        return NULL;
    i = slabs[class].first;
    f = &frames[i];
    slot = (uint8_t *)direct_map(address_of(i)) + f->slab_free;
    f->slab_free = *(uint16_t *)slot;
    f->slab_used++;
    if (f->slab_free == 0xffff)
        unlink_frame(&slabs[class], i);
    return slot;
}

static void slab_give(void *p, unsigned class)
{
    hpa_t a = { (uint64_t)p - DIRECT_BASE };
    uint32_t i = frame_of(a);
    struct frame *f = &frames[i];

    BUG_ON(f->owner != FRAME_KERNEL || f->slab_class != class || !f->slab_used);
    if (f->slab_free == 0xffff)
        push(&slabs[class], i);
    *(uint16_t *)p = f->slab_free;
    f->slab_free = (uint16_t)(a.v & PAGE_MASK);
    if (--f->slab_used == 0) {
        unlink_frame(&slabs[class], i);
        f->slab_class = 0;
        free_run(i, 0);
    }
}

void *kernel_alloc(struct budget *b, size_t bytes)
{
    unsigned class = class_of(bytes);
    void *p = NULL;

    if (class > SLAB_CLASS_MAX) {
        hpa_t a;

        return frames_take(b, order_of(bytes), FRAME_KERNEL, &a) ? NULL : direct_map(a);
    }
    spin_lock(&memory_lock);
    if (!is_to_fail() && budget_charge_locked(b, 1ull << class)) {
        p = slab_take(class);
        if (!p)
            budget_release_locked(b, 1ull << class);
    }
    spin_unlock(&memory_lock);
    if (p)
        memset(p, 0, 1ull << class);
    return p;
}

void kernel_free(struct budget *b, void *p, size_t bytes)
{
    unsigned class = class_of(bytes);

    if (!p)
        return;
    if (class > SLAB_CLASS_MAX) {
        frames_give(b, (hpa_t){ (uint64_t)p - DIRECT_BASE }, order_of(bytes));
        return;
    }
    memset(p, 0, 1ull << class);
    spin_lock(&memory_lock);
    slab_give(p, class);
    budget_release_locked(b, 1ull << class);
    spin_unlock(&memory_lock);
}

bool memory_charge(struct budget *b, uint64_t bytes)
{
    spin_lock(&memory_lock);
    bool is_charged = budget_charge_locked(b, bytes);

    spin_unlock(&memory_lock);
    return is_charged;
}

void memory_release(struct budget *b, uint64_t bytes)
{
    spin_lock(&memory_lock);
    budget_release_locked(b, bytes);
    spin_unlock(&memory_lock);
}

/* ---- start ---- */

struct early_source {
    struct page_source source;
    uint64_t start, next, end;
};
static struct early_source early;

static enum err early_take(struct page_source *s, hpa_t *out)
{
    if (early.next + PAGE_BYTES > early.end)
        return ERR_MEMORY;
    *out = (hpa_t){ early.next };
    early.next += PAGE_BYTES;
    memset(direct_map(*out), 0, PAGE_BYTES);
    return OK;
}

static void early_give(struct page_source *s, hpa_t page)
{
}

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
    return a < b_end && b < a_end;
}

extern uint8_t kernel_end[];

static uint64_t image_end(const struct boot_info *info)
{
    return (uint64_t)kernel_end - KERNEL_BASE - KERNEL_LINK_OFFSET + info->kernel_phys;
}

/* The end of what lies in [@from, @to) and is in use already, or 0. */
static uint64_t used_until(const struct boot_info *info, uint64_t from, uint64_t to)
{
    if (overlaps(from, to, info->kernel_phys, image_end(info)))
        return image_end(info);
    for (uint32_t i = 0; i < info->module_count; i++) {
        const struct boot_module *m = &info->modules[i];

        if (overlaps(from, to, m->base, m->base + m->bytes))
            return m->base + m->bytes;
    }
    return 0;
}

/* Enough for tables and the frame table: 1/128 of memory and 2 MiB, below 4 GiB. */
static bool find_early_range(const struct boot_info *info, uint64_t wanted)
{
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const struct boot_memory *m = &info->memory[i];
        uint64_t at = round_up(max(m->base, MIB(1)), PAGE_BYTES);
        uint64_t end = min(m->base + m->bytes, GIB(4)), used;

        if (m->kind != BOOT_MEMORY_USABLE)
            continue;
        while (at < end && end - at >= wanted) {
            used = used_until(info, at, at + wanted);
            if (!used) {
                early.start = early.next = at;
                early.end = at + wanted;
                return true;
            }
            at = round_up(used, PAGE_BYTES);
        }
    }
    return false;
}

struct page_source *memory_early_source(struct boot_info *info)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < info->memory_count; i++)
        if (info->memory[i].kind == BOOT_MEMORY_USABLE) {
            bytes += info->memory[i].bytes;
            frame_count =
                max(frame_count,
                    (uint32_t)((info->memory[i].base + info->memory[i].bytes) >> PAGE_SHIFT));
        }
    total_bytes = bytes;
    early.source = (struct page_source){ early_take, early_give };
    uint64_t table = frame_count * sizeof(struct frame);

    if (bytes < MIB(64) || !find_early_range(info, table + (bytes >> 9) + MIB(4)))
        refuse("%lu MiB of memory are too little, or too scattered below 4 GiB: give it 64",
               bytes >> 20);
    return &early.source;
}

/* Contiguous, since the early source hands out one page behind the other. */
static void make_frame_table(void)
{
    uint64_t bytes = round_up(frame_count * sizeof(struct frame), PAGE_BYTES);
    hpa_t page;

    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
        if (early_take(&early.source, &page))
            panic("out of early memory for the frame table");
        if (at == 0)
            frames = direct_map(page);
    }
}

/* Frames below 1 MiB stay with the firmware's habits and the start of the other CPUs. */
static bool is_reserved(uint64_t at)
{
    return at < MIB(1) || (at >= early.start && at < early.next);
}

static void free_usable(const struct boot_info *info, uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t used = used_until(info, from, from + PAGE_BYTES);

        if (!used && !is_reserved(from))
            free_run((uint32_t)(from >> PAGE_SHIFT), 0);
        from = max(round_up(used, PAGE_BYTES), from + PAGE_BYTES);
    }
}

/* Tables of the kernel's own half, from now on. Taken with the memory lock held when a block goes
 * back to the direct map; all its tables exist then, so it never recurses. */
static enum err root_take(struct page_source *s, hpa_t *out)
{
    return frames_take(&root_budget, 0, FRAME_KERNEL, out);
}

static void root_give(struct page_source *s, hpa_t page)
{
    frames_give(&root_budget, page, 0);
}

static struct page_source root_source = { root_take, root_give };

void memory_init(struct boot_info *info)
{
    make_frame_table();
    for (unsigned i = 0; i <= ORDER_MAX; i++)
        free_lists[i].first = NONE;
    for (unsigned i = 0; i <= SLAB_CLASS_MAX; i++)
        slabs[i].first = NONE;
    used_blocks.first = NONE;
    for (uint32_t i = 0; i < info->memory_count; i++)
        if (info->memory[i].kind == BOOT_MEMORY_USABLE)
            free_usable(info, round_up(info->memory[i].base, PAGE_BYTES),
                        round_down(info->memory[i].base + info->memory[i].bytes, PAGE_BYTES));
    spin_lock(&memory_lock);
    root_budget.limit = free_bytes - free_bytes / 64;
    spin_unlock(&memory_lock);
    kernel_map_set_source(&root_source);
}

uint64_t memory_total_bytes(void)
{
    return total_bytes;
}

uint64_t memory_free_bytes(void)
{
    return root_budget.limit - root_budget.used;
}

enum frame_owner memory_owner_of(hpa_t frame)
{
    return frame_of(frame) < frame_count ? frames[frame_of(frame)].owner : FRAME_NONE;
}

void memory_module_freed(hpa_t base, uint64_t bytes)
{
    spin_lock(&memory_lock);
    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES)
        free_run(frame_of((hpa_t){ base.v + at }), 0);
    spin_unlock(&memory_lock);
}

void memory_fail_nth(uint64_t n)
{
    spin_lock(&memory_lock);
    fail_at = n ? alloc_count + n : 0;
    spin_unlock(&memory_lock);
}

uint64_t memory_alloc_count(void)
{
    return alloc_count;
}
