/* What the manager and a vmm say to each other over their channel, and the console region that
 * they share. Both sides treat the other's bytes as foreign.
 *
 * A vmm is created with the grants named below. It first reads its configuration from the config
 * region, builds its VM, and sends VMM_READY or VMM_FAILED. It runs until it sends VMM_ENDED and
 * is then killed by the manager (or at any time before). `vm reset` and `vm start` of a stopped VM
 * are a new vmm. */
#pragma once
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

struct vmm_config {
    uint32_t version; /* 1 */
    uint32_t type;    /* enum vmm_guest_type */
    uint64_t memory_bytes;
    uint64_t kernel_bytes; /* length of the module's file */
    uint64_t initrd_bytes; /* 0: none */
    uint64_t utc_base_ns;  /* UTC in ns since 1970 at boot of the host (ns clock 0) */
    uint32_t cpu_count;    /* 1 to VMM_VCPUS_MAX */
    uint32_t module_count;
    uint32_t has_ioapic; /* and its serial port interrupts */
    uint32_t reserved;
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
    /* manager -> vmm; each is answered by VMM_ANSWER with the same sequence number */
    VMM_START = 1,
    VMM_PAUSE,
    VMM_RESUME,
    VMM_SAVE, /* of a paused VM into the region whose handle was sent before: VMM_SAVED */
    /* vmm -> manager */
    VMM_READY = 0x100,
    VMM_FAILED, /* instead of VMM_READY: struct vmm_failure follows */
    VMM_ANSWER, /* struct vmm_answer follows */
    VMM_ENDED,  /* struct vmm_end follows; sent once */
    VMM_SAVED,  /* the answer to a VMM_SAVE that worked: struct vmm_saved follows */
    VMM_PANIC,  /* struct vmm_panic follows: the guest reports a crash and goes on */
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

#define VMM_RECORD_TYPES_MAX 16u

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
