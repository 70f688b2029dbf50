/* What a person may write for each kind of value. */
#include "services/manager/command_table.h"

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
    case VALUE_PROGRAM: return "manager, switch, or the name of a VM";
    case VALUE_NOUN:
        return "a noun: host, vm, services, channel, tools, switch, nic, port, capture, event, log, debug";
    case VALUE_MODULE: return "the file name of a boot module";
    case VALUE_MODULES: return "1 to 32 file names of boot modules with commas between them";
    case VALUE_STRING: return "text, in quotes when it holds blanks";
    case VALUE_TYPED: return "text, in quotes when it holds blanks; \\n is the Enter key";
    case VALUE_CHOICE: return a->choices;
    case VALUE_ECHO: return "a number from 0 to 2047, off or on";
    case VALUE_SWITCH: return "the name of a switch (see switch list)";
    case VALUE_PORT: return "the name of a port such as web/nic0 (see port list)";
    case VALUE_TARGET: return "the name of a port or of a switch";
    case VALUE_MAC: return "an address such as 02:42:48:00:00:01";
    case VALUE_VLAN: return "none, a number from 1 to 4094, trunk, or a list such as trunk:5,7-9";
    case VALUE_SPEED: return "bits a second, at most 400G, such as 10G or 100M (in thousands)";
    case VALUE_TIME: return "a time in UTC such as 2026-01-31T12:00:00Z";
    default: return "";
    }
}
