/* Every event id and every error code, each with its cause and what to do about it. Errors and
 * events of the code and docs/events.md come from these two tables. */
#pragma once
#include "lib/types.h"

enum event_id {
    EVENT_HOST_READY,
    EVENT_HOST_STOPPING,
    EVENT_HOST_STOPPED,
    EVENT_CONFIG_ERROR,
    EVENT_VM_CREATED,
    EVENT_VM_STARTED,
    EVENT_VM_PAUSED,
    EVENT_VM_RESUMED,
    EVENT_VM_SAVED,
    EVENT_VM_RESTORED,
    EVENT_VM_STOPPED,
    EVENT_VM_RESET,
    EVENT_VM_CRASHED,
    EVENT_VM_PANIC,
    EVENT_VM_DELETED,
    EVENT_VM_RESTART_GIVEN_UP,
    EVENT_VM_THAWED_BY_LIMIT,
    EVENT_SERVICES_OUTDATED,
    EVENT_SERVICES_MISSING,
    EVENT_SERVICE_LOST,
    EVENT_SERVICE_BACK,
    EVENT_NIC_ADDED,
    EVENT_NIC_REMOVED,
    EVENT_NIC_NOT_LINKED,
    EVENT_PORT_CONNECTED,
    EVENT_PORT_DISCONNECTED,
    EVENT_PORT_DROPS,
    EVENT_VMM_DIED,
    EVENT_VMM_MISBEHAVED,
    EVENT_VMM_SLOW,
    EVENT_PROGRAM_ENDED,
    EVENT_PROGRAM_STARTED,
    EVENT_ADOPTION_FAILED,
    EVENT_ID_COUNT,
};

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR };

struct event_kind {
    const char *name;
    enum severity severity;
    const char *cause;
    const char *remedy;
};

enum error_code {
    ERROR_USAGE,
    ERROR_NOT_FOUND,
    ERROR_EXISTS,
    ERROR_WRONG_STATE,
    ERROR_UNSUPPORTED,
    ERROR_NO_MEMORY,
    ERROR_BAD_IMAGE,
    ERROR_TIMED_OUT,
    ERROR_IO,
    ERROR_FAILED,
    ERROR_CODE_COUNT,
};

struct error_kind {
    const char *name;
    const char *cause;
    const char *remedy;
};

extern const struct event_kind event_catalogue[EVENT_ID_COUNT];
extern const struct error_kind error_catalogue[ERROR_CODE_COUNT];

const char *severity_name(enum severity s);
