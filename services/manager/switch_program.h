/* The life of the switch program: it is made when the first switch is, and again whenever it ends.
 * The board is the manager's and outlives it. */
#pragma once
#include "lib/abi/switch_control.h"
#include "lib/err.h"

enum switch_phase { SWITCH_NONE, SWITCH_STARTING, SWITCH_UP, SWITCH_BACK_OFF, SWITCH_PHASE_END };

struct switch_program {
    uint32_t phase; /* enum switch_phase */
    handle_t budget, board, channel, process;
    uint32_t start_count;  /* starts after the first */
    uint32_t quick_deaths; /* in a row */
    uint32_t reserved;
    uint64_t last_start_ns, retry_ns;
};

void switch_program_init(struct switch_program *p, handle_t root, handle_t signal);

/* Maps and binds again. ERR_*: it was killed and is to be started anew. */
enum err switch_program_adopt(void) MUST_CHECK;

/* Makes it unless there is one. On error nothing is left. */
enum err switch_program_start(void) MUST_CHECK;

bool switch_program_is_up(void); /* and takes messages */

/* Takes what it says, sees its end, starts it again. Returns when to come again. */
uint64_t switch_program_pump(uint64_t now);

/* Its next instruction faults. ERR_STATE: it does not run. */
enum err switch_program_fault(void) MUST_CHECK;

/* ERR_FULL: later; ERR_STATE: it is not up. */
enum err switch_send(enum switch_message_type type, const void *payload, size_t n) MUST_CHECK;

/* Whether a message of @n bytes would be sent now. */
bool switch_has_room(size_t n);
enum err switch_send_handle(handle_t h, uint32_t rights) MUST_CHECK;

/* The board as it is mapped; NULL: there was never a switch. Foreign. */
struct switch_board *switch_program_board(void);

#define SWITCH_SIGNAL_BIT 2u
