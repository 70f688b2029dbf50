/* The table of VMs in the estate, and what drives their state machines. */
#pragma once
#include "lib/abi/vm_control.h"
#include "lib/err.h"
#include "services/manager/event_catalogue.h"
#include "services/manager/inventory.h"
#include "services/manager/json.h"
#include "services/manager/module_list.h"
#include "services/manager/vm_machine.h"
#include "services/manager/vm_schedule.h"

#define VM_COUNT_MAX         96u
#define VM_RESTARTS_MAX      5u /* in VM_RESTART_WINDOW_NS, for on-crash=restart */
#define VM_RESTART_WINDOW_NS (60 * NS_PER_SECOND)

/* Why an operation fails, kept from where it is known to where it is answered. */
struct vm_failure {
    uint32_t code; /* enum error_code */
    char message[200];
    char hint[200];
};

struct vm_crash {
    uint32_t is_set;
    uint32_t has_registers;
    char cause[160];
    struct vmm_end end;
};

/* What a VM is made of; a save keeps a copy. */
struct vm_settings {
    uint64_t memory_bytes;
    uint32_t type; /* enum vmm_guest_type */
    uint32_t cpu_count;
    uint32_t has_ioapic;
    uint32_t restarts_on_crash;
    uint32_t services_off; /* bit n: enum vm_service n is not offered */
    uint32_t echo_count;   /* channels of the echo service; 0: it is not offered */
    struct vm_schedule schedule;
    char kernel[GRANT_NAME_BYTES];
    char initrd[GRANT_NAME_BYTES]; /* empty: none */
    char cmdline[VMM_CMDLINE_BYTES];
    char modules[MODULE_LIST_BYTES]; /* empty: none */
};

struct vm {
    uint32_t is_used;
    uint32_t generation; /* one more each time the slot is used */
    char name[PROGRAM_NAME_BYTES];
    struct vm_machine machine;

    struct vm_settings settings;

    handle_t budget, console;             /* from creation to deletion */
    handle_t partition, channel, process; /* while there is a vmm */
    uint32_t sent_type, sequence; /* the last message to the vmm; its answer has this number */

    uint64_t deadline_ns; /* of the operation; DEADLINE_NEVER: none */
    uint64_t started_ns;  /* while running or paused */
    uint64_t in_total;    /* typed bytes, see struct vmm_console */
    uint64_t restart_ns[VM_RESTARTS_MAX];
    uint64_t restart_count;
    uint32_t has_exit_code, exit_code;
    uint32_t save; /* 1 + slot of the save that is made of it, or that it began with; 0: none */
    struct vm_failure failure;
    struct vm_crash crash;
    struct guest_state guest; /* of the last start */
    uint32_t query_sequence;  /* of the last VMM_QUERY */
    uint32_t has_counters;
    struct vcpu_info counters; /* as of the end of the last vmm, see vmm_counters() */
};

struct vm_table {
    uint64_t generation; /* of the last VM */
    struct vm vms[VM_COUNT_MAX];
};

/* Uses @table; @root pays for what outlives a vmm. @signal's bits from VM_SIGNAL_BIT on, one for
 * each slot, are raised for all that concerns a VM. */
#define VM_SIGNAL_BIT 8u

/* A signal has 64 bits: slots beyond share theirs with earlier ones. */
static inline unsigned vm_signal_bit(unsigned slot)
{
    return VM_SIGNAL_BIT + slot % (64 - VM_SIGNAL_BIT);
}
void vm_init(struct vm_table *table, handle_t root, handle_t signal);

/* At a restart: checks each VM, binds and maps again, and keeps what is good. */
void vm_adopt(void);

struct vm *vm_at(unsigned slot); /* NULL when the slot is free */
unsigned vm_slot(const struct vm *vm);
struct vm *vm_find(const char *name);
struct vm *vm_find_generation(unsigned slot, uint32_t generation);

/* A cleared slot with @name, or NULL when all are taken. */
struct vm *vm_allocate(const char *name);

/* Steps @vm's machine by @input and does what it says. @vm may be free afterwards. */
void vm_input(struct vm *vm, enum vm_input input);

/* Notes why the operation in progress fails. */
void vm_fail(struct vm *vm, enum error_code code, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Bit VM_SIGNAL_BIT + @slot was raised: looks at everything that may have caused it. True: there
 * is more; call again. */
bool vm_service(unsigned slot);

/* Operations whose limit has passed; returns the next limit. */
uint64_t vm_deadlines(uint64_t now);

bool vm_settings_are_good(const struct vm_settings *s);

bool vm_is_live(const struct vm *vm); /* running or paused */

bool vm_is_running(const struct vm *vm); /* and its vmm can be asked */

/* ---- vm_show.c ---- */
void vm_list_entry(struct json *j, const struct vm *vm); /* a row of vm list */
void vm_show(struct json *j, const struct vm *vm);
void vm_crash_fields(struct json *j, const struct vm *vm);            /* of the event */
void vm_exits(struct json *j, const uint64_t exits[EXIT_KIND_COUNT]); /* counts by reason */
const char *guest_type_name(uint32_t type);

/* ---- vm_vcpus.c ---- */
void vm_vcpus(struct json *j, const struct vm *vm);       /* vm vcpus */
void vm_vcpus_brief(struct json *j, const struct vm *vm); /* a part of vm show */
