/* What the manager and a vmm say to each other over their channel, and the console region that
 * they share. Both sides treat the other's bytes as foreign.
 *
 * A vmm is created with the grants named below. It first reads its configuration from the config
 * region, builds its VM, and sends VMM_READY or VMM_FAILED. It runs until it sends VMM_ENDED and
 * is then killed by the manager (or at any time before). `vm reset` and `vm start` of a stopped VM
 * are a new vmm. */
#pragma once
#include "lib/abi/guid.h"
#include "lib/abi/network.h"
#include "lib/abi/services.h"
#include "lib/abi/syscall.h"

#define VMM_GRANT_BUDGET    "budget"
#define VMM_GRANT_CONTROL   "control"   /* channel */
#define VMM_GRANT_CONFIG    "config"    /* region: struct vmm_config, read-only */
#define VMM_GRANT_CONSOLE   "console"   /* region: struct vmm_console */
#define VMM_GRANT_PARTITION "partition" /* created by the manager, not populated */
#define VMM_GRANT_KERNEL    "kernel"    /* module */
#define VMM_GRANT_INITRD    "initrd"    /* module, optional */
#define VMM_GRANT_IMAGE     "image"     /* region: a saved VM to restore in place of a kernel */
#define VMM_GRANT_MODULE    "module%u"  /* modules, as many as vmm_config.module_count */

enum vmm_guest_type { GUEST_AUTO, GUEST_LINUX, GUEST_PVH, GUEST_MULTIBOOT };

#define VMM_CMDLINE_BYTES 4096u
#define VMM_VCPUS_MAX     64u
#define VMM_MODULES_MAX   32u
#define VMM_ECHO_MAX      2047u /* channels of the echo service */
#define VMM_NICS_MAX      8u
#define NIC_CHANNELS_MAX  16u

#define NIC_IS_PRESENT     1u
#define NIC_LINK_IS_UP     2u
#define NIC_MAY_CHANGE_MAC 4u /* the guest may; else it is refused */

/* One synthetic NIC, as the manager wants it. */
struct vmm_nic {
    uint32_t number;     /* below VMM_NICS_MAX */
    uint32_t flags;      /* NIC_* */
    uint64_t speed_bits; /* a second, as the guest is told */
    struct mac_address mac;
    uint16_t reserved;
    uint32_t reserved2;
    struct guid instance_id;    /* of its VMBus device */
    char name[PORT_NAME_BYTES]; /* of its port */
};

struct vmm_config {
    uint32_t version; /* 1 */
    uint32_t type;    /* enum vmm_guest_type */
    uint64_t memory_bytes;
    uint64_t kernel_bytes; /* length of the module's file */
    uint64_t initrd_bytes; /* 0: none */
    uint64_t utc_base_ns;  /* UTC in ns since 1970 at boot of the host (ns clock 0) */
    uint32_t cpu_count;    /* 1 to VMM_VCPUS_MAX */
    uint32_t module_count;
    uint32_t has_ioapic;               /* and its serial port interrupts */
    uint32_t services;                 /* bit n: enum vm_service n is offered */
    uint32_t echo_count;               /* channels of the echo service; 0: it is not offered */
    uint32_t nic_count;                /* of nics, those with NIC_IS_PRESENT */
    struct vmm_nic nics[VMM_NICS_MAX]; /* each at its number */
    char name[PROGRAM_NAME_BYTES];
    char kernel_name[GRANT_NAME_BYTES];
    char cmdline[VMM_CMDLINE_BYTES]; /* NUL-terminated */
    struct {
        uint64_t bytes; /* length of the file */
        char name[GRANT_NAME_BYTES];
    } modules[VMM_MODULES_MAX]; /* of a multiboot guest */
};

/* Shared by manager (owner) and vmm. Totals count bytes since the VM was created, over all its
 * starts; byte n is at n % capacity. The writer stores bytes, then the total (release). */
#define VMM_CONSOLE_OUT_BYTES (512u * 1024u)
#define VMM_CONSOLE_IN_BYTES  (16u * 1024u)

struct vmm_console {
    uint64_t out_total;  /* written by the vmm: the guest's UART output */
    uint64_t in_total;   /* written by the manager: typed bytes */
    uint64_t in_taken;   /* written by the vmm */
    uint32_t wants_wake; /* manager: signal the channel on new output */
    uint32_t reserved[1];
    uint8_t pad[4096 - 32];
    uint8_t in[VMM_CONSOLE_IN_BYTES];
    uint8_t out[VMM_CONSOLE_OUT_BYTES];
};
static_assert(offsetof(struct vmm_console, in) == 4096, "console layout is ABI");

enum vmm_message_type {
    /* manager -> vmm; answered by VMM_ANSWER with the same sequence number, but where it says so */
    VMM_START = 1,
    VMM_PAUSE,
    VMM_RESUME,
    VMM_SAVE,     /* of a paused VM into the region whose handle was sent before: VMM_SAVED */
    VMM_SERVICES, /* struct vmm_services follows: offers and takes back services; no answer */
    VMM_TIME,     /* struct vmm_time follows: the host's clock was set; no answer */
    VMM_QUERY,    /* struct vmm_query follows; answered by VMM_REPLY, when the guest has answered */
    VMM_NIC_SET,  /* struct vmm_nic follows: adds the NIC or changes it; no answer */
    VMM_NIC_REMOVE, /* struct vmm_nic follows (its number counts); no answer */
    VMM_NIC_LINK, /* struct vmm_nic_link follows; before it two handles were sent: the channel to the
                       switch (lib/abi/port_link.h), and the budget that pays for the NIC; no answer */
    /* vmm -> manager */
    VMM_READY = 0x100,
    VMM_FAILED,    /* instead of VMM_READY: struct vmm_failure follows */
    VMM_ANSWER,    /* struct vmm_answer follows */
    VMM_ENDED,     /* struct vmm_end follows; sent once */
    VMM_SAVED,     /* the answer to a VMM_SAVE that worked: struct vmm_saved follows */
    VMM_PANIC,     /* struct vmm_panic follows: the guest reports a crash and goes on */
    VMM_INVENTORY, /* struct vmm_inventory follows: sent when anything in it has changed */
    VMM_REPLY,     /* struct vmm_reply follows */
    VMM_NIC_STATE, /* struct vmm_nic_state follows: sent when anything in it has changed */
};

/* Each message is one ring packet of type RING_DATA_INBAND whose payload starts with this. */
struct vmm_message {
    uint32_t type; /* enum vmm_message_type */
    uint32_t sequence;
};

struct vmm_answer {
    uint32_t err; /* enum err */
    uint32_t reserved;
};

struct vmm_services {
    uint32_t enabled; /* as vmm_config.services */
    uint32_t reserved;
};

struct vmm_time {
    uint64_t utc_base_ns; /* as vmm_config.utc_base_ns */
};

struct vmm_nic_link {
    uint32_t number;
    uint32_t epoch; /* one more with each channel of this NIC */
};

/* What the guest has made of its NIC. */
enum nic_state {
    NIC_OFFERED, /* the guest has not opened it */
    NIC_OPENED,  /* it has, and negotiates */
    NIC_READY,   /* buffers are lent, frames can go */
    NIC_BROKEN,  /* it broke the protocol; the NIC is closed until it connects again */
    NIC_STATE_END,
};

struct vmm_nic_state {
    uint32_t number;
    uint32_t state; /* enum nic_state */
    uint32_t nvsp_version, mtu;
    uint32_t channel_count; /* open ones */
    uint32_t takes;         /* PORT_TAKES_* */
    uint32_t epoch;         /* of the channel to the switch; 0: none */
    uint32_t slot_count;
    uint64_t dropped_sends; /* in flight when the switch or the buffers went */
    struct mac_address mac; /* the guest may have changed it */
    uint16_t reserved;
    uint32_t reserved2;
};

/* ---- what runs in the guest ---- */

enum service_state {
    SERVICE_OFF,         /* not offered */
    SERVICE_OFFERED,     /* the guest has not opened it */
    SERVICE_NEGOTIATING, /* it has not said which version it speaks */
    SERVICE_READY,
    SERVICE_UNUSABLE, /* it speaks none of ours */
    SERVICE_BROKEN,   /* it broke the channel, which was closed */
    SERVICE_STATE_END,
};

#define SERVICE_IS_SILENT   1u  /* an answer is overdue */
#define SERVICE_WAS_REFUSED 2u  /* the guest's driver answers, the daemon behind it does not */
#define SERVICE_IS_LATE     4u  /* heartbeat: missed one or two */
#define SERVICE_IS_LOST     8u  /* heartbeat: missed three */
#define SERVICE_IS_FROZEN   16u /* VSS: the guest's file systems stand still */

#define INVENTORY_TEXT_BYTES 128u

struct vmm_inventory {
    uint32_t vmbus_version; /* major << 16 | minor; 0: the guest is not connected */
    uint32_t channel_count; /* open ones */
    uint32_t thaw_count;    /* freezes that ended by their limit */
    uint32_t reserved;
    struct {
        uint32_t state;                                     /* enum service_state */
        uint32_t flags;                                     /* SERVICE_* */
        uint64_t since_ns;                                  /* of the state, on the host's clock */
        struct ic_version framework, version;               /* in SERVICE_READY */
        struct ic_version newest_framework, newest_version; /* that we speak */
    } services[SERVICE_COUNT];
    char name[INVENTORY_TEXT_BYTES]; /* the guest's own words by KVP; UTF-8, ended by NUL */
    char os[INVENTORY_TEXT_BYTES];
    char os_version[INVENTORY_TEXT_BYTES];
    char os_build[INVENTORY_TEXT_BYTES];
    char services_version[INVENTORY_TEXT_BYTES];
};

enum vmm_query_kind {
    QUERY_KVP_GET, /* pool in argument, key */
    QUERY_KVP_SET, /* and value */
    QUERY_KVP_DELETE,
    QUERY_KVP_LIST, /* pool in argument: items */
    QUERY_IP_GET,   /* key: the adapter's GUID in braces, lower case: items */
    QUERY_IP_SET,   /* value: address, netmask, gateway, name server, "dhcp" or "", each with NUL */
    QUERY_SHUTDOWN, /* argument: 0 off, 1 restart, 2 hibernate; answered when the guest has it */
    QUERY_FREEZE,   /* number: the limit in ns */
    QUERY_THAW,
    QUERY_COPY, /* the region whose handle was sent before; number: its bytes; value: the path */
    QUERY_CHANNELS, /* struct vmm_channel[] */
    QUERY_KIND_COUNT,
};

#define QUERY_KEY_BYTES   768u
#define QUERY_VALUE_BYTES 3072u

struct vmm_query {
    uint32_t kind; /* enum vmm_query_kind */
    uint32_t argument;
    uint64_t number;
    char key[QUERY_KEY_BYTES];
    char value[QUERY_VALUE_BYTES];
};

/* With bytes != 0 the handle of a region with the answer was sent before: items are struct vmm_item,
 * each followed by its key and its value. */
struct vmm_reply {
    uint32_t err;   /* enum err */
    uint32_t count; /* of items or channels */
    uint64_t bytes;
    char message[200]; /* after an error: what is wrong, and */
    char hint[120];    /* what to do */
};

struct vmm_item {
    uint32_t key_bytes, value_bytes; /* UTF-8, without NUL */
};
#define VMM_ITEMS_BYTES_MAX KIB(64) /* a list that is longer is refused */

struct vmm_channel {
    struct guid class_id, instance_id;
    uint32_t id, subchannel;
    uint32_t state;   /* enum channel_state of services/vmm/vmbus/channel.h: 1 waiting, 2 offered,
                         3 open, 4 revoked */
    uint32_t service; /* enum vm_service, or SERVICE_COUNT: another one */
    uint32_t target_vp;
    struct ic_version version; /* 0.0: none */
    uint64_t signals_in, signals_out, packets_in, packets_out, bytes_in, bytes_out;
};

#define VMM_RECORD_TYPES_MAX 24u

struct vmm_saved {
    uint32_t type_count;
    uint32_t reserved;
    struct {
        uint32_t type; /* enum record_type */
        uint32_t count;
        uint64_t bytes;    /* of the payloads */
        uint32_t checksum; /* of the payloads' checksums, in their order */
        uint32_t reserved;
    } types[VMM_RECORD_TYPES_MAX];
};

struct vmm_failure {
    uint32_t err;      /* ERR_FORMAT: bad image; ERR_MEMORY; ERR_UNSUPPORTED; ERR_ARGUMENT */
    char message[200]; /* NUL-terminated: what is wrong */
    char hint[200];    /* what to do */
};

struct vmm_panic {
    uint64_t p[5];  /* the crash MSRs P0 to P4 */
    char text[704]; /* NUL-terminated: of the guest's message, if it gave one */
};

enum vmm_end_cause {
    VMM_END_EXIT_PORT = 1, /* port 0xF4; exit_code */
    VMM_END_SLEEP,         /* ACPI S5 */
    VMM_END_RESET,         /* ACPI reset register, keyboard controller, CF9 */
    VMM_END_TRIPLE_FAULT,
    VMM_END_CRASH, /* anything else that the guest cannot go on from; text says what */
};

struct vmm_end {
    uint32_t cause; /* enum vmm_end_cause */
    uint32_t exit_code;
    uint32_t vcpu_index;
    uint32_t code_bytes; /* valid bytes in code */
    char text[120];      /* "triple fault at rip=0x..." */
    uint64_t error_code;
    struct vcpu_state state;
    uint8_t code[32]; /* from RIP on */
};
