/* The system calls of the kernel: numbers, rights, and the structures that cross the boundary.
 *
 * Calling convention: SYSCALL with the number in RAX and up to six arguments in RDI, RSI, RDX,
 * R10, R8, R9. RAX returns an enum err, RDX a value (0 when there is none). RCX and R11 are lost.
 * Every pointer is to the caller's own memory; lengths are in bytes; times are nanoseconds since
 * boot. A handle is an index into the caller's own table and means nothing elsewhere. */
#pragma once
#include "lib/types.h"

typedef uint32_t handle_t;
#define HANDLE_NONE 0u

enum syscall {
    SYS_EXIT,           /* (code): ends the process */
    SYS_THREAD_EXIT,    /* (): ends the calling thread */
    SYS_YIELD,          /* () */
    SYS_CLOCK,          /* () -> ns since boot */
    SYS_LOG_WRITE,      /* (text, bytes) */
    SYS_LOG_READ,       /* (struct log_read *): RIGHT_COUNT on the host handle is not needed */
    SYS_HANDLE_CLOSE,   /* (h) */
    SYS_HANDLE_COPY,    /* (h, rights) -> h: same or fewer rights */
    SYS_BIND,           /* (h, enum bind_event, signal h, bit): signal bit 0..63 is raised on it */
    SYS_BUDGET_CREATE,  /* (parent h, bytes) -> h: takes @bytes from the parent */
    SYS_BUDGET_INFO,    /* (h, struct budget_info *) */
    SYS_REGION_CREATE,  /* (budget h, bytes, REGION_IMAGE or 0) -> h: zeroed memory */
    SYS_REGION_MAP,     /* (h, offset, bytes, PROT_*) -> address in the caller */
    SYS_UNMAP,          /* (address): what a MAP call returned */
    SYS_PROCESS_CREATE, /* (struct process_create *) -> h */
    SYS_PROCESS_KILL,   /* (h): never fails once the handle is good */
    SYS_PROCESS_INFO,   /* (h, struct process_info *) */
    SYS_PROCESS_SCHEDULE,    /* (h, weight 1 to 10,000, cap in percent of one CPU or 0 for none) */
    SYS_PROCESS_FAULT,       /* (h): debug build only: its next instruction faults */
    SYS_THREAD_CREATE,       /* (entry, stack top, argument) -> h, in the caller's process */
    SYS_SIGNAL_CREATE,       /* (budget h) -> h */
    SYS_SIGNAL_RAISE,        /* (h, bits) */
    SYS_SIGNAL_WAIT,         /* (h, deadline ns or DEADLINE_NEVER, 0) -> the bits, now cleared; or
                                (h, ns from now, SIGNAL_WAIT_HALT): while it waits, the first vCPU of
                                the caller's partition that halts raises BIND_HALT */
    SYS_TIMER_CREATE,        /* (budget h) -> h: bind BIND_TIMER to hear it */
    SYS_TIMER_SET,           /* (h, deadline ns or DEADLINE_NEVER) */
    SYS_CHANNEL_CREATE,      /* (budget h, data bytes each way, handle_t out[2]) */
    SYS_CHANNEL_MAP,         /* (h) -> address: see below */
    SYS_CHANNEL_SIGNAL,      /* (h): raises what the peer bound to BIND_CHANNEL */
    SYS_CHANNEL_SEND_HANDLE, /* (h, handle, rights): ERR_FULL when 8 wait; ERR_ARGUMENT: a
                                channel that has carried one, or over one that was sent */
    SYS_CHANNEL_TAKE_HANDLE, /* (h) -> handle, or ERR_EMPTY */
    SYS_PARTITION_CREATE,    /* (budget h, memory bytes) -> h */
    SYS_PARTITION_POPULATE, /* (h): gives the next large page of memory; RDX = bytes still to come */
    SYS_PARTITION_INFO,     /* (h, struct partition_info *) */
    SYS_VCPU_INFO,          /* (partition h, index, struct vcpu_info *) */
    SYS_VIEW_CREATE,        /* (partition h, gpa, bytes, PROT_*) -> h */
    SYS_VIEW_CREATE_LIST,   /* (partition h, uint64_t page numbers[], count, PROT_*) -> h: the pages
                               one behind the other, as often as they are named */
    SYS_VIEW_MAP,    /* (h, bytes or 0, PROT_*) -> address in the caller; ERR_ARGUMENT: the view is
                        not of so many bytes, or PROT_WRITE was wanted of one that is read only */
    SYS_VIEW_REVOKE, /* (h): borrowers read junk from now on */
    SYS_VIEW_EPOCH,  /* (h) -> 0 live, 1 revoked */
    SYS_VCPU_CREATE, /* (partition h, index, VCPU_XAPIC or 0) -> h */
    SYS_VCPU_RUN,    /* (h, struct vcpu_exit *): in: the answer, out: the next exit */
    SYS_VCPU_KICK,   /* (h): its vcpu_run returns VCPU_EXIT_KICK */
    SYS_VCPU_GET,    /* (h, struct vcpu_state *) */
    SYS_VCPU_SET,    /* (h, struct vcpu_state *) */
    SYS_PARTITION_SAVE,    /* (partition h, buffer, capacity) -> bytes: records, lib/abi/record.h */
    SYS_PARTITION_RESTORE, /* (partition h, buffer, bytes): ERR_FORMAT */
    SYS_VCPU_PIN,          /* (partition h, index, CPU or UINT64_MAX for any): ERR_ARGUMENT */
    SYS_IOAPIC_CREATE,     /* (partition h): it has an IOAPIC; before its vCPUs run */
    SYS_IOAPIC_SET,        /* (partition h, pin, level 0 or 1) */
    SYS_SYNIC_POST,        /* (partition h, vp << 8 | SINT, struct synic_message *): ERR_FULL: the
                               slot is taken, BIND_SLOT_FREE tells when to try again */
    SYS_SYNIC_SIGNAL,      /* (partition h, vp << 8 | SINT, event flag) */
    SYS_PORT_CREATE,   /* (partition h, connection id, count of event flags or 0: messages) -> h;
                           count | PORT_SPANS: so many connections from that id on, whose event
                           flag 0 is the port's flag 0, 1, ...; count | PORT_DIRECT: flag n raises
                           the bit bound to BIND_PORT + n, and there is nothing to take */
    SYS_PORT_TAKE,     /* (h, struct hv_post_message *) -> flags: ERR_EMPTY */
    SYS_GUEST_CRASH,   /* (partition h, struct guest_crash *): what the guest reported */
    SYS_IOPORT_READ,   /* (h, port, width bytes) -> value */
    SYS_IOPORT_WRITE,  /* (h, port, width bytes, value) */
    SYS_INTERRUPT_ACK, /* (h): may be raised again */
    SYS_HOST_INFO,     /* (struct host_info *) */
    SYS_HOST_POWEROFF, /* (): does not return where the machine can; else ERR_UNSUPPORTED */
    SYS_DEBUG,         /* (enum debug_op, argument, pointer, bytes): debug build only */
    SYS_COUNT,
};

#define DEADLINE_NEVER   UINT64_MAX
#define SIGNAL_WAIT_HALT 1u
#define PORT_SPANS       0x100u
#define PORT_DIRECT      0x200u

/* Rights of a handle. */
#define RIGHT_READ     0x01u /* map for reading */
#define RIGHT_WRITE    0x02u /* map for writing; raise; write to ports */
#define RIGHT_MANAGE   0x04u /* kill, bind, create beneath */
#define RIGHT_TRANSFER 0x08u /* copy, send, grant */
#define RIGHT_MEMORY   0x10u /* partition: its memory, its vCPUs */
#define RIGHT_COUNT    0x20u /* read counters and states */
#define RIGHT_ALL      0x3fu

#define REGION_IMAGE 1ull /* holds a saved guest: the manager cannot map it */

#define PROT_READ  1u
#define PROT_WRITE 2u

enum bind_event {
    BIND_CHANNEL,      /* channel: the peer signalled */
    BIND_CHANNEL_DEAD, /* channel: the peer's last handle was closed */
    BIND_PROCESS_END,  /* process: has ended and gave everything back */
    BIND_BUDGET_EMPTY, /* budget: nothing is charged to it any more */
    BIND_TIMER,        /* timer: expired */
    BIND_INTERRUPT,    /* interrupt: raised; SYS_INTERRUPT_ACK to hear the next */
    BIND_PORT,         /* port: a message or an event has come */
    BIND_SLOT_FREE,    /* partition: a message slot that was taken is free */
    BIND_HALT,         /* partition: a vCPU has halted; only when a SIGNAL_WAIT_HALT asked for it */
};

/* ---- what a program finds when it starts, mapped read-only at STARTUP_VA ---- */

#define STARTUP_VA         0x200000ull
#define STARTUP_GRANTS_MAX 120u
#define PROGRAM_NAME_BYTES 32u
#define GRANT_NAME_BYTES   104u

enum grant_kind {
    GRANT_BUDGET = 1,
    GRANT_CHANNEL,
    GRANT_MODULE, /* a region holding a boot module; bytes = the file's length */
    GRANT_REGION, /* another region */
    GRANT_ESTATE, /* a region that survives the program (the manager's) */
    GRANT_IOPORTS,
    GRANT_INTERRUPT,
    GRANT_PARTITION,
    GRANT_SIGNAL,
};

struct startup_grant {
    uint32_t handle; /* equal to its position in the list + 1 */
    uint32_t kind;   /* enum grant_kind */
    uint64_t bytes;  /* of a region or module */
    uint64_t value;  /* first port, GSI, ... */
    char name[GRANT_NAME_BYTES];
};

struct startup_info {
    uint32_t grant_count;
    uint32_t start_count; /* 0 at the first start, then one more at each restart */
    char name[PROGRAM_NAME_BYTES];
    uint64_t tsc_hz;
    uint64_t reserved[10];
    struct startup_grant grants[STARTUP_GRANTS_MAX];
};
static_assert(sizeof(struct startup_grant) == 128, "startup_grant is ABI");
static_assert(sizeof(struct startup_info) <= 4 * PAGE_BYTES, "startup_info fits its pages");

struct process_grant {
    handle_t handle; /* of the creator */
    uint32_t rights;
    uint32_t kind;
    uint32_t reserved;
    uint64_t bytes;
    char name[GRANT_NAME_BYTES];
};

struct process_create {
    char program[PROGRAM_NAME_BYTES]; /* an embedded ELF: "vmm", "switch" */
    char name[PROGRAM_NAME_BYTES];    /* for reports: "vmm:web" */
    handle_t budget;
    uint32_t weight; /* scheduling weight, 100 is usual */
    uint32_t grant_count;
    uint32_t reserved;
    const struct process_grant *grants;
};

enum process_state { PROCESS_RUNNING = 1, PROCESS_ENDING, PROCESS_ENDED };
enum process_end { PROCESS_END_NONE, PROCESS_END_EXIT, PROCESS_END_KILLED, PROCESS_END_FAULT };

struct process_info {
    uint32_t state;                                               /* enum process_state */
    uint32_t end;                                                 /* enum process_end */
    uint64_t exit_code;                                           /* of PROCESS_END_EXIT */
    uint64_t fault_vector, fault_rip, fault_address, fault_error; /* of PROCESS_END_FAULT */
    uint64_t cpu_ns;                                              /* of all its threads */
};

struct budget_info {
    uint64_t limit_bytes;
    uint64_t used_bytes; /* includes what was given to child budgets */
    uint64_t handle_count;
};

struct log_read {
    uint64_t from; /* in: bytes since boot; out: where reading went on (older may be lost) */
    char *text;
    uint64_t capacity; /* in */
    uint64_t bytes;    /* out */
    uint64_t next;     /* out: pass as from */
};

/* A channel maps as: control page and data of the ring that the caller writes, then control page
 * and data of the ring that it reads. The layout of a ring is that of VMBus (lib/ring.h). */

/* ---- partitions and vCPUs ---- */

enum exit_kind {
    EXIT_CPUID,
    EXIT_MSR_READ,
    EXIT_MSR_WRITE,
    EXIT_IO,
    EXIT_HLT,
    EXIT_HYPERCALL,
    EXIT_INTERRUPT, /* the machine's, not the guest's */
    EXIT_INTERRUPT_WINDOW,
    EXIT_NESTED_PAGE_FAULT,
    EXIT_EXCEPTION,
    EXIT_CONTROL_REGISTER,
    EXIT_XSETBV,
    EXIT_INSTRUCTION, /* other intercepted instructions: VMRUN, MONITOR, INVLPGA, ... */
    EXIT_SHUTDOWN,    /* triple fault */
    EXIT_INVALID,     /* the CPU refused the guest's state */
    EXIT_IRET,        /* after an NMI */
    EXIT_OTHER,
    EXIT_KIND_COUNT,
};

struct partition_info {
    uint64_t memory_bytes;
    uint64_t populated_bytes;
    uint32_t vcpu_count;
    uint32_t reserved;
    uint64_t tsc_offset;               /* guest TSC = TSC + this */
    uint64_t guest_ns;                 /* time spent in guest mode and in the kernel for it */
    uint64_t guest_os_id;              /* what the guest wrote to HV_X64_MSR_GUEST_OS_ID */
    uint64_t reference_time, clock_ns; /* the guest's, in 100 ns, and the host's, at one instant */
};

#define VCPU_TRACE_COUNT 32u

struct vcpu_trace {
    uint64_t t_ns;
    uint64_t rip;
    uint32_t kind;   /* enum exit_kind */
    uint32_t code;   /* the CPU's own exit code */
    uint64_t detail; /* EXITINFO1 or its like */
};

struct vcpu_info {
    uint64_t exits[EXIT_KIND_COUNT];
    uint64_t trace_total;                      /* exits since creation */
    uint64_t guest_ns;                         /* in guest mode */
    struct vcpu_trace trace[VCPU_TRACE_COUNT]; /* entry n of the exits is at n % VCPU_TRACE_COUNT */
    uint32_t activity;                         /* enum vcpu_activity */
    uint32_t is_xapic;                         /* its local APIC is in xAPIC mode */
    uint32_t host_cpu;                         /* where it runs or ran last */
    uint32_t is_running;
    uint32_t pinned_cpu; /* or VCPU_NOT_PINNED */
    uint32_t reserved;
};

#define VCPU_NOT_PINNED UINT32_MAX
#define VCPU_XAPIC      1ull /* of SYS_VCPU_CREATE: its APIC starts in xAPIC mode, else x2APIC */

enum vcpu_activity {
    VCPU_ACTIVE,
    VCPU_HALTED,
    VCPU_IDLE, /* the guest idle MSR: wakes for interrupts that it cannot take, too */
    VCPU_WAITS_FOR_SIPI,
};

/* What the crash MSRs hold; with GUEST_CRASH_HAS_TEXT p[3] is the text's guest-physical address and
 * p[4] its length. */
struct guest_crash {
    uint64_t p[5];
    uint64_t control;
};
#define GUEST_CRASH_HAS_TEXT (1ull << 62)

/* Why vcpu_run returned. */
enum vcpu_exit_reason {
    VCPU_EXIT_KICK = 1,      /* somebody kicked it; nothing to answer */
    VCPU_EXIT_IO,            /* answer a read by value */
    VCPU_EXIT_MEMORY,        /* an access outside RAM that the kernel does not serve */
    VCPU_EXIT_SHUTDOWN,      /* triple fault */
    VCPU_EXIT_INVALID,       /* the CPU refused the state */
    VCPU_EXIT_UNSUPPORTED,   /* an exit that nothing serves: code in detail, or port */
    VCPU_EXIT_MACHINE_CHECK, /* the machine reported an error while the guest ran */
    VCPU_EXIT_CRASH,         /* the guest reports that it crashed; it goes on */
};

struct vcpu_exit {
    uint32_t reason;
    uint8_t is_write;
    uint8_t width; /* bytes: 1, 2, 4 (port), 8 (memory) */
    uint16_t port;
    uint64_t value;  /* written by the guest, or, on the next vcpu_run, the answer to its read */
    uint64_t detail; /* VCPU_EXIT_MEMORY: guest-physical address */
};
static_assert(sizeof(struct vcpu_exit) == 24, "copied at every exit to the vmm");

struct vcpu_segment {
    uint16_t selector;
    uint16_t attributes; /* AMD VMCB format: descriptor bits 40-47 and 52-55 */
    uint32_t limit;
    uint64_t base;
};

/* The registers that a loader sets and a crash report shows. */
struct vcpu_state {
    uint64_t gpr[16]; /* RAX RCX RDX RBX RSP RBP RSI RDI R8-R15: the encoding's order */
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer;
    struct vcpu_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
};

/* ---- the host ---- */

#define HOST_CPUS_MAX 64u

struct host_cpu {
    uint32_t apic_id;
    uint32_t reserved;
    uint64_t halted_ns;
};

/* What `host check` reports; states are enum host_feature_state. */
enum host_feature {
    HOST_FEATURE_VIRTUALISATION,
    HOST_FEATURE_NESTED_PAGING,
    HOST_FEATURE_NRIP_SAVE,
    HOST_FEATURE_DECODE_ASSISTS,
    HOST_FEATURE_FLUSH_BY_ASID,
    HOST_FEATURE_INVARIANT_TSC,
    HOST_FEATURE_X2APIC,
    HOST_FEATURE_SMEP,
    HOST_FEATURE_SMAP,
    HOST_FEATURE_NX,
    HOST_FEATURE_XSAVE,
    HOST_FEATURE_IOMMU,
    HOST_FEATURE_INTERRUPT_REMAPPING,
    HOST_FEATURE_COUNT,
};
enum host_feature_state { HOST_FEATURE_OK = 1, HOST_FEATURE_MISSING, HOST_FEATURE_UNKNOWN };

struct host_info {
    uint64_t uptime_ns;
    uint64_t tsc_hz;
    uint64_t memory_bytes;
    uint64_t memory_free_bytes;
    uint64_t handle_count; /* in all processes */
    uint32_t cpu_count;
    uint8_t boot; /* 'p' PVH, 'u' UEFI */
    uint8_t virt; /* 's' SVM, 'v' VMX */
    uint8_t is_debug;
    uint8_t reserved;
    uint8_t features[HOST_FEATURE_COUNT]; /* enum host_feature_state */
    uint8_t reserved2[3];
    struct host_cpu cpus[HOST_CPUS_MAX];
};

enum debug_op {
    DEBUG_ROOTS,       /* (unused, struct debug_root[], bytes) -> count: page-table roots */
    DEBUG_FAIL_ALLOC,  /* (n): the n-th kernel allocation from now on fails once; 0 switches off */
    DEBUG_ALLOC_COUNT, /* () -> kernel allocations since boot */
};

struct debug_root {
    char name[PROGRAM_NAME_BYTES];
    uint64_t cr3;
};
