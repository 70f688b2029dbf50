/* What is wanted of the virtual network, in the estate: switches, and ports, each with the NIC of a VM
 * behind it. What of it the switch program and the vmms have been told stands beside it (port_sync.c
 * brings the two together), and so do the counters of what no longer is. */
#pragma once
#include "lib/abi/switch_control.h"
#include "services/manager/nic_words.h"
#include "services/manager/switch_program.h"
#include "services/manager/vlan_setting.h"
#include "services/manager/vm.h"

#define AGEING_USUAL_S    300u
#define AGEING_S_MAX      1000000u
#define LEARNED_USUAL     64u
#define LEARNED_MAX       4096u
#define SPEED_BITS_USUAL  10000000000ull
#define NIC_BUDGET_BYTES  MIB(4)
#define DROPS_WATCHED_MAX 7u /* reasons that are worth an event */

struct network_switch {
    uint32_t is_used;
    uint32_t type; /* enum switch_type */
    uint32_t ageing_s;
    uint32_t needs_set; /* the program is to be told */
    uint32_t needs_remove, reserved;
    char name[PROGRAM_NAME_BYTES];
    struct port_counters gone; /* of ports that were removed */
};

/* What a NIC is, with its port: a save keeps a copy. */
struct nic_settings {
    uint32_t number; /* below VMM_NICS_MAX */
    uint32_t flags;  /* PORT_IS_*, PORT_MAY_* */
    uint32_t learned_max;
    uint32_t reserved;
    uint64_t speed_bits;
    struct mac_address mac;
    uint16_t reserved2;
    struct guid instance_id;
    struct vlan_setting vlan;
    char switch_name[PROGRAM_NAME_BYTES];
};

enum port_state {
    PORT_FREE,
    PORT_WANTED,
    PORT_LEAVING, /* removed; switch and vmm have not been told or the counters not been taken */
    PORT_STATE_END,
};

/* How far the channel between vmm and switch has got. */
enum link_phase { LINK_NONE, LINK_MADE, LINK_TO_VMM, LINK_DONE, LINK_PHASE_END };

struct port_link {
    uint32_t phase;               /* enum link_phase */
    uint32_t epoch;               /* of the NIC's last channel */
    uint32_t is_wanted;           /* another one, after this */
    uint32_t is_handed;           /* the switch was sent the channel, and not yet told */
    uint32_t vmm_handles;         /* so many the vmm was sent, and not yet told */
    uint32_t is_taken;            /* the switch says so */
    handle_t budget;              /* pays for the NIC while it has a vmm */
    handle_t switch_end, vmm_end; /* until they are sent */
    uint32_t has_failed;          /* said once */
    uint32_t reserved;
    uint64_t retry_ns;
};

struct port {
    uint32_t state; /* enum port_state */
    uint32_t vm_slot, vm_generation;
    uint32_t switch_index;
    struct nic_settings settings;
    char name[PORT_NAME_BYTES];
    uint32_t is_told;       /* the switch has it */
    uint32_t needs_set;     /* and is to be told of changes */
    uint32_t is_removing;   /* the switch was told to remove it */
    uint32_t vmm_knows;     /* the vmm has the NIC */
    uint32_t needs_nic_set; /* and is to be told of changes */
    uint32_t has_state;
    uint64_t removing_ns; /* since when */
    struct port_link link;
    struct vmm_nic_state nic;  /* the vmm's word, checked */
    struct port_counters kept; /* of earlier times in the switch */
    struct {
        uint64_t count, last_ns; /* drops seen, and when they last grew; 0: nothing told */
    } drops[DROPS_WATCHED_MAX];
};

enum capture_state { CAPTURE_FREE, CAPTURE_RUNNING, CAPTURE_STOPPED, CAPTURE_STATE_END };

struct capture {
    uint32_t state;                    /* enum capture_state */
    uint32_t switch_index, port_index; /* or CAPTURE_ALL_PORTS */
    uint32_t snap_bytes;
    uint64_t bytes; /* of a file at most */
    handle_t region;
    uint32_t reserved;
    char name[PORT_NAME_BYTES]; /* of port or switch, as it was at the start */
};

struct network {
    struct switch_program program;
    struct network_switch switches[SWITCHES_MAX];
    struct port ports[PORTS_MAX];
    struct capture captures[CAPTURES_MAX];
    uint64_t drops_next_ns; /* when to look for drops again */
};

void network_init(struct network *n, handle_t root, handle_t signal);
struct network *network(void);
handle_t network_root(void); /* the budget that pays */

/* At a restart, after vm_adopt(): empties what is damaged, takes over the program. False: something
 * was damaged. */
bool network_adopt(void);

/* Calls @mark for each handle that the network holds, and for some HANDLE_NONE. */
void network_mark_handles(const struct network *n, void (*mark)(handle_t h));

/* ---- switches ---- */
struct network_switch *switch_find(const char *name); /* or NULL */
unsigned switch_index(const struct network_switch *s);
bool switch_has_ports(const struct network_switch *s);

/* Ports of switch @index are leaving, and the program has yet to say so. */
bool switch_has_leavers(unsigned index);

/* A cleared one with @name, or NULL when there are SWITCHES_MAX. */
struct network_switch *switch_allocate(const char *name);

/* ---- ports ---- */
struct port *port_at(unsigned index); /* NULL: none that is wanted */
unsigned port_index(const struct port *p);
struct port *port_find(const char *name);
struct port *port_of_nic(const struct vm *vm, unsigned number);
struct vm *port_vm(const struct port *p); /* NULL: it is gone */

/* Another port on @s with @mac, or NULL; with @with_vmm of a VM that has a vmm. */
struct port *port_with_mac(unsigned switch_index, const struct mac_address *mac,
                           const struct port *but, bool with_vmm);

unsigned port_free_count(void);

/* Adds the NIC @settings to @vm; NULL: there is no room. */
struct port *port_add(struct vm *vm, unsigned switch_index, const struct nic_settings *settings);
void port_remove(struct port *p);

/* @vm is being deleted. */
void network_forget_vm(const struct vm *vm);

/* An address and an id for NIC @number of @vm, which no other NIC of the host has. */
struct mac_address nic_default_mac(const struct vm *vm, unsigned number);
struct guid nic_instance_id(const struct vm *vm, unsigned number, const struct mac_address *mac);

#define NIC_ID_TEXT_BYTES 39u /* in braces, lower case */
void nic_id_text(const struct guid *g, char out[NIC_ID_TEXT_BYTES]);

bool nic_settings_are_good(const struct nic_settings *s);

/* ---- save and restore ---- */
unsigned network_save_nics(const struct vm *vm, struct nic_settings out[VMM_NICS_MAX]);

/* ---- port_sync.c: telling switch and vmms ---- */

/* Does what can be done now; returns when to come again. */
uint64_t network_pump(uint64_t now);

/* The NICs of @vm as its vmm's configuration has them; they count as told. */
void network_fill_config(const struct vm *vm, struct vmm_config *c);

/* What @vm's vmm says of a NIC. False: it cannot be. */
bool network_take_nic_state(struct vm *vm, const struct vmm_nic_state *state);

/* The queue of handles to @vm's vmm is in the middle of a NIC's. */
bool network_is_sending(const struct vm *vm);

/* After host set time=: captures take their times from it. */
void network_send_time(void);

/* The program has ended, or begins anew: all is to be told again. */
void network_program_ended(void);
