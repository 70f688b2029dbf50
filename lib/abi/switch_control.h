/* What the manager and the switch program say to each other, and the board that both map.
 *
 * The manager owns what is wanted (switches, ports and their policies) and tells all of it to each
 * new switch program; the program owns what it has learned. What is counted stands on the board, a
 * region of the manager's that outlives the program, so that counting goes on over its death. */
#pragma once
#include "lib/abi/network.h"

#define SWITCH_GRANT_BUDGET  "budget"
#define SWITCH_GRANT_CONTROL "control" /* channel */
#define SWITCH_GRANT_BOARD   "board"   /* region: struct switch_board */

#define SWITCH_CONTROL_DATA_BYTES KIB(16) /* each way */

enum switch_type { SWITCH_PRIVATE, SWITCH_INTERNAL };

enum switch_message_type {
    /* manager -> switch; obeyed in their order, without an answer unless it says so */
    SWITCH_SET = 1, /* struct switch_config: makes it, or changes it */
    SWITCH_REMOVE,  /* struct switch_index; its ports were removed before */
    PORT_SET,       /* struct port_config: makes it, or changes it (also to another switch) */
    PORT_REMOVE,    /* struct switch_index: frames on their way are dropped */
    PORT_LINK,     /* struct switch_index; the channel's handle was sent before: the NIC's vmm is at
                       its other end; an older channel of the port is closed */
    CAPTURE_START, /* struct capture_start; the region's handle was sent before */
    CAPTURE_STOP,  /* struct switch_index: the capture's */
    /* switch -> manager */
    SWITCH_READY = 0x100, /* it runs and may be told */
    SWITCH_TAKEN, /* struct switch_index: the PORT_LINK of that port was obeyed; room for another */
};

struct switch_message {
    uint32_t type; /* enum switch_message_type */
    uint32_t sequence;
};

struct switch_index {
    uint32_t index, reserved;
};

struct switch_config {
    uint32_t index; /* below SWITCHES_MAX */
    uint32_t type;  /* enum switch_type */
    uint64_t ageing_ns;
    uint64_t utc_base_ns; /* UTC at clock 0, for captures */
    char name[PROGRAM_NAME_BYTES];
};

struct port_config {
    uint32_t index; /* below PORTS_MAX */
    uint32_t switch_index;
    uint32_t flags;                   /* PORT_IS_*, PORT_MAY_* */
    uint32_t learned_max;             /* addresses that it may teach the switch */
    uint32_t flood_copies_per_second; /* of frames that go to several or to nobody known */
    uint32_t flood_burst;
    struct mac_address mac;
    uint16_t reserved;
    struct vlan_policy vlan;
    char name[PORT_NAME_BYTES];
};

#define CAPTURES_MAX         4u
#define CAPTURE_ALL_PORTS    UINT32_MAX
#define CAPTURE_BYTES_OFFSET 4096u

struct capture_start {
    uint32_t index; /* below CAPTURES_MAX */
    uint32_t switch_index;
    uint32_t port_index; /* or CAPTURE_ALL_PORTS of that switch */
    uint32_t snap_bytes; /* of each frame at most */
    uint64_t region_bytes;
};

/* The begin of a capture's region; from CAPTURE_BYTES_OFFSET on @used bytes of a pcapng file, whole
 * blocks. When it is full, the capture goes on counting only. */
struct capture_head {
    uint64_t used; /* stored with release */
    uint64_t frame_count, lost_count;
};

/* ---- the board ---- */

struct port_counters {
    uint64_t in_frames, in_bytes; /* from the guest: each once, before it is copied or cut */
    uint64_t paths[PATH_COUNT];   /* of them, those that were not dropped on entry */
    uint64_t in_drops[DROP_REASON_COUNT];
    uint64_t out_frames, out_bytes; /* to the guest: each copy, each segment */
    uint64_t out_drops[DROP_REASON_COUNT];
    uint64_t replicas;            /* copies beyond the first, of frames from this guest */
    uint64_t lso_sends, segments; /* copies to this guest that were cut, and into how many */
    uint64_t lso_whole;           /* handed up in one piece */
    uint64_t broadcasts, multicasts,
        floods;              /* of in_frames that went on; floods: unknown unicast */
    uint64_t rounds, cycles; /* turns that it was served in, and their cost in TSC ticks */
    uint64_t signals;        /* to its vmm */
};

struct port_row {
    uint32_t is_used, is_connected;
    uint32_t switch_index, generation;
    uint32_t takes; /* PORT_TAKES_* */
    uint32_t mtu;
    uint32_t slot_count, free_slot_count;
    uint32_t learned_count, reserved;
    struct port_counters counters; /* kept until the manager clears them */
};

#define MAC_IS_STATIC 1u /* a port's own */

struct mac_row {
    struct mac_address mac;
    uint16_t vlan;
    uint16_t port;   /* index */
    uint16_t flags;  /* MAC_IS_* ; MAC_IS_USED */
    uint32_t seen_s; /* of the host's clock, when it last sent */
};
#define MAC_IS_USED 2u
static_assert(sizeof(struct mac_row) == 16, "mac_row is ABI");

#define MAC_ROWS 8192u /* of a switch */

struct switch_row {
    uint32_t is_used, learned_count;
    uint64_t learned_total, moved_total, aged_total;
    uint64_t refused_total; /* not learned: the port's bound, or no room in the probe */
};

struct switch_board {
    uint32_t version;  /* SWITCH_BOARD_VERSION */
    uint32_t sequence; /* odd while it changes */
    uint64_t start_count;
    uint64_t unknown_count; /* messages that were refused */
    struct switch_row switches[SWITCHES_MAX];
    struct port_row ports[PORTS_MAX];
    struct mac_row macs[SWITCHES_MAX][MAC_ROWS];
};
#define SWITCH_BOARD_VERSION 1u
