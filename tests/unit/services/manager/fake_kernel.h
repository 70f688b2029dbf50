/* A kernel for host tests of the manager: handles, budgets, regions, channels, processes that play
 * a vmm, two UARTs and a CMOS clock, behind the functions of services/rt/sys.h. Time stands still
 * unless a test moves it. */
#pragma once
#include "lib/abi/switch_control.h"
#include "lib/abi/vm_control.h"
#include "lib/err.h"

enum fake_vmm_behaviour {
    VMM_GOOD,
    VMM_BAD_IMAGE,   /* answers the start with VMM_FAILED */
    VMM_SILENT,      /* never says anything */
    VMM_DIES,        /* faults before it is ready */
    VMM_DEAF,        /* ready, then answers nothing */
    VMM_REFUSES,     /* ready, then answers with errors */
    VMM_GARBAGE,     /* sends a message of unknown type */
    VMM_BREAKS_RING, /* writes a bad index */
};

struct fake {
    uint64_t now;
    enum fake_vmm_behaviour behaviour; /* of vmms made from now on */
    bool kills_hang;                   /* killed processes do not end */
    bool has_no_switch;                /* the program is not embedded */
    bool switch_hangs, vmms_hang;      /* they read nothing */
    bool uart_stuck;                   /* nothing can be sent */
    bool poweroff_works;
    bool is_powered_off;
    unsigned fail_at;  /* the n-th call that makes something fails with ERR_MEMORY; 0: none */
    unsigned crash_at; /* the n-th system call does not return: the manager dies; 0: none */
    unsigned calls;
    uint8_t cmos[128];
    uint64_t guest_os_id; /* of every partition */
};
extern struct fake fake;

/* An empty machine with 256 MiB to give and the modules "vmlinuz" (8 MiB), "guest.cpio" and
 * @config as bulkhead.conf (NULL: none). */
void fake_boot(const char *config);

/* Lets manager and vmms run until nothing happens without time passing. A manager that dies over
 * it is started again. */
void fake_run(void);
void fake_advance(uint64_t ns); /* in steps at which the manager wants to be woken, then runs */

/* Starts the manager again without its having faulted. */
void fake_restart_manager(void);
unsigned fake_starts(void);

void fake_type(const char *text);    /* on the console */
void fake_control(const char *text); /* on the control port */
void fake_control_bytes(const void *bytes, size_t n);
const char *fake_console_output(void);
const char *fake_control_output(void); /* all since boot, NUL-terminated */
void fake_forget_output(void);

/* The answer to @id on the control port, or NULL. Static storage. */
const char *fake_answer(unsigned id);

/* Sends `@id command`, runs, and returns the answer or "". */
const char *fake_ask(const char *command);

uint64_t fake_budget_used(void);
unsigned fake_handle_count(void);

/* ---- the vmm of VM @name ---- */
struct vmm_console *fake_vmm_console(const char *name);
const struct vmm_config *fake_vmm_config(const char *name);
bool fake_vmm_has_image(const char *name); /* it was made to restore a VM */

/* What the scheduler was told. */
unsigned fake_vmm_weight(const char *name);
unsigned fake_vmm_cap(const char *name);
void fake_vmm_print(const char *name, const char *text, size_t n);
void fake_vmm_end(const char *name, enum vmm_end_cause cause, uint32_t exit_code);
void fake_vmm_end_on(const char *name, uint32_t vcpu, enum vmm_end_cause cause, uint32_t exit_code);
void fake_vmm_fault(const char *name);
bool fake_vmm_exists(const char *name);

/* The last question to it. */
struct fake_query {
    struct vmm_query query;
    uint32_t sequence;
    bool has_region;
    unsigned count; /* so far */
};
const struct fake_query *fake_vmm_query(const char *name);
uint32_t fake_vmm_services(const char *name); /* the last VMM_SERVICES */
uint64_t fake_vmm_utc_base(const char *name); /* the last VMM_TIME */
void fake_vmm_inventory(const char *name, const struct vmm_inventory *inventory);

/* Answers the last question, with a region of @n bytes unless @region is NULL. */
void fake_vmm_reply(const char *name, struct vmm_reply *reply, const void *region, size_t n);

/* Lets it write foreign bytes: 0 as a message, 1 over the start of its ring, 2 over the totals of
 * the console region. */
void fake_vmm_scribble(const char *name, unsigned where, const void *bytes, size_t n);

/* ---- NICs ---- */

struct fake_nic {
    struct vmm_nic nic; /* of the last VMM_NIC_SET */
    uint32_t epoch;     /* of the last VMM_NIC_LINK */
    unsigned link_count;
};
const struct fake_nic *fake_vmm_nic(const char *name, unsigned number);
void fake_vmm_nic_state(const char *name, const struct vmm_nic_state *state);

/* ---- the switch program ---- */

struct object;
struct fake_switch {
    char
        order[16384]; /* what it was told: s0 p0 l0 -p0 -s0 (set, link, remove), since it started */
    struct port_config ports[PORTS_MAX];
    struct object *links[PORTS_MAX];
    unsigned link_count[PORTS_MAX]; /* over all programs */
    struct capture_start capture;
    struct object *capture_region;
};
struct fake_switch *fake_switch(void);
struct switch_board *fake_switch_board(void);
void fake_switch_fault(void);

/* Lets it write @n bytes of a file, of 3 frames with one lost. */
void fake_switch_capture(const void *bytes, size_t n);
