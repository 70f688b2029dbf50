/* Partitions: a guest's physical memory, and what its vCPUs share of the guest interface.
 *
 * One tree of tables maps guest-physical space; the nested page tables of its vCPUs and the window
 * of its vmm are two roots over it, so a change is seen by both. Memory comes in blocks. */
#pragma once
#include "arch/x86/paging.h"
#include "kernel/hv/hv.h"
#include "kernel/lock.h"
#include "kernel/object.h"
#include "kernel/signal.h"
#include "lib/abi/syscall.h"

#define PARTITION_VCPUS_MAX 64u
#define PARTITION_PORTS_MAX 40u
#define LOW_MEMORY_END      GIB(3) /* RAM above this continues at 4 GiB */
#define HIGH_MEMORY_START   GIB(4)

struct vcpu;
struct port;

struct partition {
    struct object object;
    struct spinlock lock;  /* rank OBJECT; guards tables and all that is not constant */
    uint64_t memory_bytes; /* constant */
    uint64_t block_count;  /* constant */
    uint64_t populated;    /* blocks */
    hpa_t *blocks;
    hpa_t nested_root;
    struct page_source source;
    struct vcpu *vcpus[PARTITION_VCPUS_MAX]; /* referenced: their counters outlive the vmm */
    uint32_t vcpu_count;                     /* constant once they run */
    struct port *ports[PARTITION_PORTS_MAX]; /* sched lock */
    struct binding on_slot_free;             /* a message slot that the vmm found taken */
    struct binding on_halt;                  /* a vCPU has halted, */
    bool is_halt_awaited; /* and somebody asked: set at any time, taken with the sched lock */
    struct hv_partition hv;
};

enum err partition_create(struct budget *b, uint64_t memory_bytes, struct partition **out)
    MUST_CHECK;
/* Gives the next block, scrubbed; the caller's process has the partition in its window. ERR_STATE:
 * it has vCPUs already. *@left: bytes still to come. */
enum err partition_populate(struct partition *p, uint64_t *left) MUST_CHECK;

struct object *partition_object(struct partition *p);
/* What goes into the window slot of the vmm's top table. */
uint64_t partition_window_entry(struct partition *p);

/* Whether @bytes at @gpa are RAM that is populated. */
bool partition_is_ram(const struct partition *p, gpa_t gpa, uint64_t bytes);
/* The block-backed page at @gpa, without overlays. ERR_ARGUMENT: no RAM there. */
enum err partition_page(const struct partition *p, gpa_t gpa, hpa_t *out) MUST_CHECK;

/* Puts a kernel page over the guest's page at @gpa (RAM beneath is kept) or takes it away (@page.v
 * 0). Works outside RAM too. The guest's TLBs are flushed. */
enum err partition_overlay(struct partition *p, gpa_t gpa, hpa_t page, bool is_writable,
                           bool is_executable) MUST_CHECK;

/* Counters of the vCPU with @index. ERR_NOT_FOUND. */
enum err partition_vcpu_info(struct partition *p, uint64_t index, struct vcpu_info *out) MUST_CHECK;

/* Takes a reference to @v. ERR_EXISTS: there is one with this index. */
enum err partition_add_vcpu(struct partition *p, struct vcpu *v, unsigned index) MUST_CHECK;
