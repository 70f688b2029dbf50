/* The synthetic NICs of a VM: what netvsp asks of the machine (views, the arena, the link's channel), and
 * the manager's messages about them. All on the service thread. */
#pragma once
#include "services/vmm/control.h"
#include "services/vmm/image.h"
#include "services/vmm/vmbus/vmbus.h"
#include "services/vmm/vsp/netvsp.h"

/* Bits of machine.wake, one for each NIC: the switch has signalled. */
#define WAKE_NICS      12u
#define WAKE_NICS_MASK (((1ull << VMM_NICS_MAX) - 1) << WAKE_NICS)
#define WAKE_HALT      20u              /* a vCPU has halted while NICs were polled */
#define NIC_POLL_NS    (50 * NS_PER_US) /* at the latest, while the guest runs on */

struct nics;

struct nic {
    struct device device; /* enabled while the NIC is there */
    struct nics *nics;
    struct netvsp *netvsp; /* NULL: the NIC was never there */
    handle_t link, budget; /* HANDLE_NONE: none yet */
    void *link_at;
    handle_t arena;
    void *arena_at;
    handle_t views[NETVSP_BUFFERS];
    void *views_at[NETVSP_BUFFERS];
    bool is_dirty; /* the manager has not seen its state */
};

struct nics {
    struct machine *machine;
    struct vmbus *vmbus;
    struct control *control;
    uint32_t limit; /* no NIC was ever there from this number on */
    bool is_dirty;  /* one of them is */
    struct nic nics[VMM_NICS_MAX];
};

/* Adds the devices of all NICs to the server; those of the configuration are offered. */
enum err nics_init(struct nics *ns, struct machine *m, struct vmbus *v, struct control *c)
    MUST_CHECK;

/* What @bits of machine.wake say about links. */
void nics_serve(struct nics *ns, uint64_t bits);
/* Looks at the NICs whose guest was asked not to signal; @bits: what has come. True: there still are
 * some, so wait with sys_signal_wait_halt(). */
bool nics_poll(struct nics *ns, uint64_t bits);
/* Tells the manager what has changed. */
void nics_tell(struct nics *ns);

/* ---- the manager's messages ---- */
void nics_set(struct nics *ns, const struct vmm_nic *config);
void nics_remove(struct nics *ns, uint32_t number);
/* @link, @budget: the callee's. */
void nics_link(struct nics *ns, const struct vmm_nic_link *m, handle_t link, handle_t budget);

/* Those that are offered. */
void nics_save(struct nics *ns, struct image_writer *w);
/* One of them, after the records of VMBus. ERR_FORMAT: it cannot be, or the VM has no such NIC. */
enum err nics_restore(struct nics *ns, const struct record *r, const void *payload) MUST_CHECK;
