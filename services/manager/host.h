/* The host's own state: name, clock, shutdown. */
#pragma once
#include "services/manager/request.h"

struct host_state {
    char name[PROGRAM_NAME_BYTES];
    uint64_t utc_base_ns;    /* UTC at ns clock 0; 0: unknown */
    uint32_t shutdown;       /* enum shutdown_phase */
    uint32_t is_powered_off; /* power-off was tried and the machine still runs */
    uint64_t shutdown_deadline_ns;
};

/* Uses @state; reads the CMOS clock when @is_first. */
void host_init(struct host_state *state, handle_t rtc_ports, bool is_first);
const char *host_name(void);
uint64_t host_utc_base_ns(void);

/* NULL: stays as it is. @utc_ns: the time of day now. */
void host_set(const char *name, const uint64_t *utc_ns);

bool host_is_shutting_down(void);
void host_shutdown_begin(void);

/* Goes on with a shutdown. Returns when it wants to be called again at the latest. */
uint64_t host_pump(uint64_t now);

/* The result of host show. */
void host_show(struct json *j);

/* Memory that a new VM could have. */
uint64_t host_free_bytes(void);
void host_set_root(handle_t root);
