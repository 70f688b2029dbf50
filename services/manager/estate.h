/* Everything that the manager knows, in one region that outlives it. A part is used only after its
 * owner has found it good; what is not is emptied and named in an event. */
#pragma once
#include "services/manager/config.h"
#include "services/manager/console.h"
#include "services/manager/control.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/manager/network.h"
#include "services/manager/request.h"
#include "services/manager/saves.h"
#include "services/manager/vm.h"

#define ESTATE_MAGIC   0x6574617473652162ull
#define ESTATE_VERSION 2u

struct estate {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; /* sizeof(struct estate): another layout is another version */
    handle_t signal;
    uint32_t reserved;
    struct host_state host;
    struct config_state config;
    struct vm_table vms;
    struct save_table saves;
    struct network network;
    struct request_table requests;
    struct control_state control;
    struct console_state console;
    struct event_ring events;
};
static_assert(sizeof(struct estate) <= MIB(4), "the estate region is 4 MiB");

/* The mapped estate; an empty one when there was none or it is not ours. */
enum err estate_open(handle_t region, struct estate **out, bool *is_first) MUST_CHECK;

/* Closes every handle that neither the kernel handed out at the start nor the estate knows. */
unsigned estate_sweep_handles(const struct estate *e);
