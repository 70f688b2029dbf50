/* The one table of all commands. Parser, help, completion, `help --json` and docs/commands.md are
 * made from it; a command is added by adding its row, an id, and its case in commands.c. */
#pragma once
#include "lib/types.h"

enum command_id {
    COMMAND_HELP,
    COMMAND_HOST_SHOW,
    COMMAND_HOST_SET,
    COMMAND_HOST_CHECK,
    COMMAND_HOST_SHUTDOWN,
    COMMAND_VM_CREATE,
    COMMAND_VM_LIST,
    COMMAND_VM_SHOW,
    COMMAND_VM_VCPUS,
    COMMAND_VM_SET,
    COMMAND_VM_START,
    COMMAND_VM_POWEROFF,
    COMMAND_VM_RESET,
    COMMAND_VM_PAUSE,
    COMMAND_VM_RESUME,
    COMMAND_VM_DELETE,
    COMMAND_VM_SAVE,
    COMMAND_VM_RESTORE,
    COMMAND_VM_FORGET,
    COMMAND_VM_SAVES,
    COMMAND_VM_LOG,
    COMMAND_VM_TYPE,
    COMMAND_VM_CONSOLE,
    COMMAND_VM_SHUTDOWN,
    COMMAND_VM_KVP,
    COMMAND_VM_IP,
    COMMAND_VM_FREEZE,
    COMMAND_VM_THAW,
    COMMAND_VM_COPY,
    COMMAND_SERVICES_LIST,
    COMMAND_SERVICES_ENABLE,
    COMMAND_SERVICES_DISABLE,
    COMMAND_CHANNEL_LIST,
    COMMAND_TOOLS_STATUS,
    COMMAND_SWITCH_CREATE,
    COMMAND_SWITCH_DELETE,
    COMMAND_SWITCH_SET,
    COMMAND_SWITCH_LIST,
    COMMAND_SWITCH_SHOW,
    COMMAND_NIC_ADD,
    COMMAND_NIC_REMOVE,
    COMMAND_NIC_SET,
    COMMAND_NIC_LIST,
    COMMAND_PORT_LIST,
    COMMAND_PORT_SHOW,
    COMMAND_PORT_SET,
    COMMAND_PORT_EXPLAIN,
    COMMAND_CAPTURE_START,
    COMMAND_CAPTURE_STOP,
    COMMAND_CAPTURE_LIST,
    COMMAND_CAPTURE_SAVE,
    COMMAND_CAPTURE_DELETE,
    COMMAND_EVENT_LIST,
    COMMAND_LOG_SHOW,
    COMMAND_DEBUG_FAULT,
    COMMAND_DEBUG_ROOTS,
    COMMAND_DEBUG_FAIL_ALLOC,
    COMMAND_ID_COUNT,
};

enum value_kind {
    VALUE_NONE,     /* ends a list of arguments */
    VALUE_NUMBER,   /* digits, K M G */
    VALUE_BYTES,    /* the same, an amount of memory */
    VALUE_CPUS,     /* how many vCPUs: 1 to 64 */
    VALUE_PIN,      /* any, or numbers of CPUs with commas between them */
    VALUE_WEIGHT,   /* of the scheduler: 1 to 10,000 */
    VALUE_CAP,      /* percent of one CPU: 0 to 6,400 */
    VALUE_NEW_NAME, /* [a-z0-9][a-z0-9-]{0,30} */
    VALUE_VM,       /* the name of a VM */
    VALUE_SAVE,     /* the name of a save */
    VALUE_PROGRAM,  /* a VM or a program */
    VALUE_NOUN,     /* for help */
    VALUE_MODULE,   /* the file name of a boot module */
    VALUE_MODULES,  /* several with commas between them */
    VALUE_STRING,   /* any bytes but NUL */
    VALUE_TYPED,    /* what is typed: any bytes, \n is the Enter key, escapes also without quotes */
    VALUE_CHOICE,   /* one of argument.choices */
    VALUE_ECHO,     /* how many channels of the echo service: 0 to 2,047, off, on */
    VALUE_SWITCH,   /* the name of a switch */
    VALUE_PORT,     /* the name of a port: VM/nicN */
    VALUE_TARGET,   /* of a switch or a port */
    VALUE_MAC,      /* six bytes in hex with colons between them */
    VALUE_VLAN,     /* none, a number, trunk, trunk:1,5-9 */
    VALUE_SPEED,    /* bits a second: decimal K, M, G */
    VALUE_TIME,     /* YYYY-MM-DDThh:mm:ssZ */
    VALUE_KIND_COUNT,
};

#define ARGUMENT_OBJECT   1u /* stands by its place, without a key */
#define ARGUMENT_REQUIRED 2u

struct argument {
    const char *key;
    enum value_kind kind;
    unsigned flags;      /* ARGUMENT_* */
    const char *choices; /* VALUE_CHOICE: words with | between them */
    const char *help;
};

#define COMMAND_ARGUMENTS_MAX 16u
#define COMMAND_CONSOLE_ONLY  1u /* and bulkhead.conf */
#define COMMAND_DEBUG_ONLY    2u
#define COMMAND_HAS_JSON_FLAG 4u /* takes --json */
#define COMMAND_HAS_EXPLAIN   8u /* takes --explain */

struct command {
    enum command_id id;
    const char *noun;
    const char *verb;                                 /* NULL: the noun alone */
    unsigned flags;                                   /* COMMAND_* */
    const char *help;                                 /* one sentence */
    const char *result;                               /* what the answer holds */
    struct argument arguments[COMMAND_ARGUMENTS_MAX]; /* objects first; ends with VALUE_NONE */
};

extern const struct command command_table[];
extern const unsigned command_count;

/* What a person may write for a value of @a: "256M", "auto|linux|pvh", ... */
const char *argument_accepts(const struct argument *a);
