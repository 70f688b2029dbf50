/* Rows stand in the order in which help shows them. */
#include "services/manager/command_table.h"

#define OBJECT (ARGUMENT_OBJECT | ARGUMENT_REQUIRED)
#define EXISTING_VM                              \
    {                                            \
        "NAME", VALUE_VM, OBJECT, NULL, "the VM" \
    }

#define VM_OBJECT "the `vm show` object"

const struct command command_table[] = {
    { COMMAND_HELP,
      "help",
      NULL,
      COMMAND_HAS_JSON_FLAG,
      "Explains the commands, or those of one noun.",
      "`{text}`; with `--json` a list with an object for each command",
      { { "NOUN", VALUE_NOUN, ARGUMENT_OBJECT, NULL, "host, vm, event, log, ..." } } },

    { COMMAND_HOST_SHOW,
      "host",
      "show",
      0,
      "Shows the machine: CPUs, memory, time.",
      "`{name, version, build, cpus:[{id, halted_ns}], uptime_ns, memory_bytes, "
      "memory_free_bytes, handle_count, virt, boot, time}`",
      { { 0 } } },
    { COMMAND_HOST_SET,
      "host",
      "set",
      0,
      "Sets the host's name and its clock.",
      "the `host show` object",
      { { "name", VALUE_NEW_NAME, 0, NULL, "the host's name" },
        { "time", VALUE_TIME, 0, NULL, "the time of day, UTC" } } },
    { COMMAND_HOST_CHECK,
      "host",
      "check",
      0,
      "Says what this machine has of what Bulkhead needs, and what to do about the rest.",
      "list of `{feature, need, state, remedy}`; need is `must`, `should` or `sriov`, state "
      "`ok`, `missing` or `unknown`",
      { { 0 } } },
    { COMMAND_HOST_SHUTDOWN,
      "host",
      "shutdown",
      0,
      "Stops all VMs and powers the machine off.",
      "the `host show` object, once all VMs have stopped",
      { { 0 } } },

    { COMMAND_VM_CREATE,
      "vm",
      "create",
      0,
      "Makes a VM and reserves its memory.",
      VM_OBJECT,
      { { "NAME", VALUE_NEW_NAME, OBJECT, NULL, "its name" },
        { "kernel", VALUE_MODULE, ARGUMENT_REQUIRED, NULL, "the boot module to start" },
        { "initrd", VALUE_MODULE, 0, NULL, "its initial RAM disk" },
        { "cmdline", VALUE_STRING, 0, NULL, "the guest kernel's command line" },
        { "memory", VALUE_BYTES, ARGUMENT_REQUIRED, NULL,
          "how much memory: at least 1M, a multiple of 4K" },
        { "cpus", VALUE_CPUS, ARGUMENT_REQUIRED, NULL, "how many virtual CPUs" },
        { "type", VALUE_CHOICE, 0, "auto|linux|pvh|multiboot", "how the kernel is started" },
        { "modules", VALUE_MODULES, 0, NULL, "what a multiboot kernel finds beside it" },
        { "ioapic", VALUE_CHOICE, 0, "off|on", "an I/O APIC, by which the serial port interrupts" },
        { "on-crash", VALUE_CHOICE, 0, "stop|restart", "what follows a crash of the guest" },
        { "pin", VALUE_PIN, 0, NULL, "the CPUs for its vCPUs, one after the other; or any" },
        { "weight", VALUE_WEIGHT, 0, NULL, "its part where CPUs are short; 100 is usual" },
        { "cap", VALUE_CAP, 0, NULL, "at most so many percent of one CPU; 0: all it gets" } } },
    { COMMAND_VM_LIST,
      "vm",
      "list",
      0,
      "Lists the VMs.",
      "list of `{name, state, cpus, memory_bytes, uptime_ns, exit_code}`; state is `created`, "
      "`running`, `paused`, `stopped` or `crashed`",
      { { 0 } } },
    { COMMAND_VM_SHOW,
      "vm",
      "show",
      0,
      "Shows one VM: state, exits by reason, and after a crash what happened.",
      "as in `vm list`, and `kernel`, `initrd`, `cmdline`, `type`, `modules`, `ioapic`, "
      "`on_crash`, `pin` (list, null: any CPU), `weight`, `cap`, `exits` (count by reason), `vcpus`, `channels`, after a crash `crash` (`cause`, "
      "`vcpu`, `registers`, `cr2`, `cr3`, `error_code`, `code`, `exits`: the last 32)",
      { EXISTING_VM } },
    { COMMAND_VM_VCPUS,
      "vm",
      "vcpus",
      0,
      "Lists the virtual CPUs of a VM and what each does.",
      "list of `{index, state, apic, host_cpu, pinned_cpu, exit_count, exits}`; state is `running`, "
      "`halted`, `idle`, `waiting-for-sipi`, that of a VM that is not running, or `off` when there "
      "is no vCPU; `pinned_cpu` is null when it may run on any; `exits` counts by reason",
      { EXISTING_VM } },
    { COMMAND_VM_SET,
      "vm",
      "set",
      0,
      "Says on which CPUs and how much a VM runs, now and after each start.",
      VM_OBJECT,
      { EXISTING_VM,
        { "pin", VALUE_PIN, 0, NULL, "the CPUs for its vCPUs, one after the other; or any" },
        { "weight", VALUE_WEIGHT, 0, NULL, "its part where CPUs are short; 100 is usual" },
        { "cap", VALUE_CAP, 0, NULL, "at most so many percent of one CPU; 0: all it gets" } } },
    { COMMAND_VM_START,
      "vm",
      "start",
      0,
      "Starts a VM that is created, stopped or crashed.",
      VM_OBJECT,
      { EXISTING_VM } },
    { COMMAND_VM_POWEROFF,
      "vm",
      "poweroff",
      0,
      "Stops a VM that is running or paused at once, without asking its guest.",
      VM_OBJECT,
      { EXISTING_VM } },
    { COMMAND_VM_RESET,
      "vm",
      "reset",
      0,
      "Starts a VM that is running, paused or crashed from the beginning.",
      VM_OBJECT,
      { EXISTING_VM } },
    { COMMAND_VM_PAUSE, "vm", "pause", 0, "Holds a running VM.", VM_OBJECT, { EXISTING_VM } },
    { COMMAND_VM_RESUME, "vm", "resume", 0, "Lets a paused VM go on.", VM_OBJECT, { EXISTING_VM } },
    { COMMAND_VM_DELETE,
      "vm",
      "delete",
      0,
      "Deletes a VM that is created, stopped or crashed and gives its memory back.",
      VM_OBJECT ", as it was",
      { EXISTING_VM } },
    { COMMAND_VM_SAVE,
      "vm",
      "save",
      0,
      "Saves a VM that is running or paused, and leaves it paused.",
      "`{name, vm, cpus, memory_bytes, bytes, age_ns, records:[{type, count, bytes, checksum}]}`",
      { EXISTING_VM, { "as", VALUE_NEW_NAME, ARGUMENT_REQUIRED, NULL, "the name of the save" } } },
    { COMMAND_VM_RESTORE,
      "vm",
      "restore",
      0,
      "Makes a VM from a save and lets it go on from there; its log begins empty.",
      VM_OBJECT,
      { { "SAVE", VALUE_SAVE, OBJECT, NULL, "the save, which stays" },
        { "name", VALUE_NEW_NAME, ARGUMENT_REQUIRED, NULL, "the new VM's name" } } },
    { COMMAND_VM_FORGET,
      "vm",
      "forget",
      0,
      "Deletes a save and gives its memory back.",
      "as of `vm save`",
      { { "SAVE", VALUE_SAVE, OBJECT, NULL, "the save" } } },
    { COMMAND_VM_SAVES,
      "vm",
      "saves",
      0,
      "Lists the saves.",
      "list of `{name, vm, cpus, memory_bytes, bytes, age_ns}`",
      { { 0 } } },
    { COMMAND_VM_LOG,
      "vm",
      "log",
      0,
      "Prints what the guest wrote to its serial port.",
      "`{text, next, lost_bytes}`: from byte `from` (counted from creation) to now; `lost_bytes` "
      "after `from` are no longer kept (at least the last 256 KiB are)",
      { EXISTING_VM, { "from", VALUE_NUMBER, 0, NULL, "byte to begin with, 0 without" } } },
    { COMMAND_VM_TYPE,
      "vm",
      "type",
      0,
      "Types on the guest's serial port; \\n is the Enter key.",
      "`{queued_bytes, waiting_bytes}`, when all of it is queued",
      { EXISTING_VM, { "TEXT", VALUE_TYPED, OBJECT, NULL, "what to type" } } },
    { COMMAND_VM_CONSOLE,
      "vm",
      "console",
      COMMAND_CONSOLE_ONLY,
      "Joins this console to the guest's serial port; Ctrl-] leaves.",
      "nothing",
      { EXISTING_VM } },

    { COMMAND_EVENT_LIST,
      "event",
      "list",
      0,
      "Lists what has happened.",
      "list of events: `{event, seq, t_ns, severity, vm, text, fields}`",
      { { "severity", VALUE_CHOICE, 0, "info|warning|error", "at least this severe" },
        { "vm", VALUE_NEW_NAME, 0, NULL, "of this VM, which may be gone" },
        { "since", VALUE_NUMBER, 0, NULL, "after this seq" } } },
    { COMMAND_LOG_SHOW,
      "log",
      "show",
      0,
      "Prints the log of kernel and programs.",
      "`{text, next}`",
      { { "from", VALUE_NUMBER, 0, NULL, "byte to begin with, 0 without" } } },

    { COMMAND_DEBUG_FAULT,
      "debug",
      "fault",
      COMMAND_DEBUG_ONLY,
      "Makes a program fault: manager, or the vmm of a VM.",
      "`{ended}`, when it has ended",
      { { "PROGRAM", VALUE_PROGRAM, OBJECT, NULL, "manager, or the name of a VM" } } },
    { COMMAND_DEBUG_ROOTS,
      "debug",
      "roots",
      COMMAND_DEBUG_ONLY,
      "Lists the roots of all page tables.",
      "list of `{name, cr3}`",
      { { 0 } } },
    { COMMAND_DEBUG_FAIL_ALLOC,
      "debug",
      "fail-alloc",
      COMMAND_DEBUG_ONLY,
      "Makes one allocation in the kernel fail.",
      "`{allocation_count}`: allocations since boot",
      { { "n", VALUE_NUMBER, 0, NULL, "the n-th from now on; 0: none; without: only count" } } },
};

const unsigned command_count = array_count(command_table);

const char *argument_accepts(const struct argument *a)
{
    switch (a->kind) {
    case VALUE_NUMBER: return "a number, with K, M or G if wanted";
    case VALUE_BYTES: return "an amount of memory such as 256M (K, M, G)";
    case VALUE_CPUS: return "a number from 1 to 64";
    case VALUE_PIN: return "any, or numbers of CPUs below 64 with commas between them";
    case VALUE_WEIGHT: return "a number from 1 to 10000";
    case VALUE_CAP: return "a number from 0 to 6400";
    case VALUE_NEW_NAME:
        return "a name of 1 to 31 letters a-z, digits and '-', not beginning with '-'";
    case VALUE_VM: return "the name of a VM (see vm list)";
    case VALUE_SAVE: return "the name of a save (see vm saves)";
    case VALUE_PROGRAM: return "manager, or the name of a VM";
    case VALUE_NOUN: return "a noun: host, vm, event, log, debug";
    case VALUE_MODULE: return "the file name of a boot module";
    case VALUE_MODULES: return "1 to 32 file names of boot modules with commas between them";
    case VALUE_STRING: return "text, in quotes when it holds blanks";
    case VALUE_TYPED: return "text, in quotes when it holds blanks; \\n is the Enter key";
    case VALUE_CHOICE: return a->choices;
    case VALUE_TIME: return "a time in UTC such as 2026-01-31T12:00:00Z";
    default: return "";
    }
}
