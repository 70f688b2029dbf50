#include "services/manager/event_catalogue.h"

const struct event_kind event_catalogue[EVENT_ID_COUNT] = {
    [EVENT_HOST_READY] = { "host-ready", SEVERITY_INFO,
                           "The last line of bulkhead.conf has been run (or there is none).",
                           "None needed; `config_errors` counts the lines that were skipped." },
    [EVENT_HOST_STOPPING] = { "host-stopping", SEVERITY_INFO,
                              "`host shutdown` was asked for; all VMs are being stopped.",
                              "None needed." },
    [EVENT_HOST_STOPPED] = { "host-stopped", SEVERITY_WARNING,
                             "All VMs have stopped, but this machine cannot power itself off.",
                             "Power may be cut." },
    [EVENT_CONFIG_ERROR] = { "config-error", SEVERITY_WARNING,
                             "A line of bulkhead.conf could not be read or its command failed; it "
                             "was skipped.",
                             "`file`, `line` and `column` say where, `accepted` what is accepted "
                             "there; or give the command by hand." },
    [EVENT_VM_CREATED] = { "vm-created", SEVERITY_INFO, "`vm create` is done.", "None needed." },
    [EVENT_VM_STARTED] = { "vm-started", SEVERITY_INFO, "The VM's guest runs.", "None needed." },
    [EVENT_VM_PAUSED] = { "vm-paused", SEVERITY_INFO, "`vm pause` is done.",
                          "`vm resume` lets it go on." },
    [EVENT_VM_RESUMED] = { "vm-resumed", SEVERITY_INFO, "`vm resume` is done.", "None needed." },
    [EVENT_VM_SAVED] = { "vm-saved", SEVERITY_INFO, "`vm save` is done; the VM is paused.",
                         "`vm resume` lets it go on; `vm forget` gives the save's memory back." },
    [EVENT_VM_RESTORED] = { "vm-restored", SEVERITY_INFO,
                            "`vm restore` is done; the new VM's guest runs.", "None needed." },
    [EVENT_VM_STOPPED] = { "vm-stopped", SEVERITY_INFO,
                           "The guest switched itself off, or `vm poweroff` did.",
                           "`vm start` starts it again; `exit_code` is what the guest wrote to "
                           "port 0xF4, if it did." },
    [EVENT_VM_RESET] = { "vm-reset", SEVERITY_INFO,
                         "The VM starts from the beginning: by its guest's reset, by `vm reset`, "
                         "or after a crash because of `on-crash=restart`.",
                         "None needed." },
    [EVENT_VM_CRASHED] = { "vm-crashed", SEVERITY_ERROR,
                           "The guest cannot go on (triple fault, refused state), or its vmm "
                           "ended. `text` says which, `fields` has the registers.",
                           "`vm show` has the crash with the last exits, `vm log` what the guest "
                           "printed; `vm start` or `vm reset` starts it again." },
    [EVENT_VM_PANIC] = { "vm-panic", SEVERITY_ERROR,
                         "The guest's kernel reported a panic through the crash MSRs.",
                         "`vm log` has what the guest printed." },
    [EVENT_VM_DELETED] = { "vm-deleted", SEVERITY_INFO,
                           "The VM is gone and its memory has been given back.", "None needed." },
    [EVENT_VM_RESTART_GIVEN_UP] = { "vm-restart-given-up", SEVERITY_ERROR,
                                    "The VM has on-crash=restart and crashed more than 5 times in "
                                    "60 s; it stays crashed.",
                                    "Find out why (`vm show`, `vm log`), then `vm start`." },
    [EVENT_VM_THAWED_BY_LIMIT] = { "vm-thawed-by-limit", SEVERITY_WARNING,
                                   "Nobody gave `vm thaw` within the limit of `vm freeze`, so the "
                                   "guest's file systems go on.",
                                   "What was copied meanwhile is no good: freeze again, with a "
                                   "longer `limit=`, and thaw when the copy is done." },
    [EVENT_SERVICES_OUTDATED] = { "services-outdated", SEVERITY_WARNING,
                                  "The guest speaks only older versions of the services in `fields`, "
                                  "and something is lost by that; the reason says what.",
                                  "Update the guest's kernel or its integration services; "
                                  "`services list --explain`, services.md." },
    [EVENT_SERVICES_MISSING] = { "services-missing", SEVERITY_WARNING,
                                 "The guest uses VMBus, but the services in `fields` have not worked "
                                 "for 30 s; the reason says why.",
                                 "Load hv_utils or start hyperv-daemons in the guest, as the reason "
                                 "says; a service that is not wanted: `services disable`." },
    [EVENT_SERVICE_LOST] = { "service-lost", SEVERITY_WARNING,
                             "Services in `fields` worked and do no longer. Without heartbeat: three "
                             "beats were missed, the guest hangs or has crashed.",
                             "See `vm log` and `vm console`; `vm reset` starts a guest that hangs "
                             "again." },
    [EVENT_SERVICE_BACK] = { "service-back", SEVERITY_INFO,
                             "Services that were reported as lost or missing work.",
                             "None needed." },
    [EVENT_NIC_ADDED] = { "nic-added", SEVERITY_INFO,
                          "`nic add` is done, or `vm restore` made the NICs of a save.",
                          "None needed." },
    [EVENT_NIC_REMOVED] = { "nic-removed", SEVERITY_INFO, "`nic remove` is done.", "None needed." },
    [EVENT_NIC_NOT_LINKED] = { "nic-not-linked", SEVERITY_WARNING,
                               "A NIC could not be joined to its switch, mostly for want of memory: its VM runs without it.",
                               "Make room (`vm delete`, `vm forget`, `capture delete`); it is tried "
                               "again every second." },
    [EVENT_PORT_CONNECTED] = { "port-connected", SEVERITY_INFO,
                               "The guest's driver has lent its buffers: frames can go.",
                               "None needed." },
    [EVENT_PORT_DISCONNECTED] = { "port-disconnected", SEVERITY_INFO,
                                  "The guest has closed its NIC: its interface was set down, its MTU "
                                  "is being changed, or it broke the protocol.",
                                  "`port explain` says which; none needed when it was meant." },
    [EVENT_PORT_DROPS] = { "port-drops", SEVERITY_WARNING,
                           "Frames are dropped at a port by misbehaviour of its guest or for want of "
                           "room; told once for each reason until 60 s have passed without.",
                           "`port show` counts them by reason; `port set` changes the policy. "
                           "no-buffer and ring-full: the guest is slower than those who send to it." },
    [EVENT_VMM_DIED] = { "vmm-died", SEVERITY_ERROR,
                         "The vmm of this VM ended by itself; only this VM is affected.",
                         "This is a bug in Bulkhead: keep `log show`. `vm start` starts the VM "
                         "again." },
    [EVENT_VMM_MISBEHAVED] = { "vmm-misbehaved", SEVERITY_ERROR,
                               "The vmm broke the protocol between it and the manager, and was "
                               "stopped.",
                               "This is a bug in Bulkhead: keep `log show`. `vm start` starts the "
                               "VM again." },
    [EVENT_VMM_SLOW] = { "vmm-slow", SEVERITY_WARNING,
                         "A vmm did not answer in time, or the kernel did not give back in "
                         "time what it held; `text` says which.",
                         "Try again, or `vm poweroff`, which needs no answer." },
    [EVENT_PROGRAM_ENDED] = { "program-ended", SEVERITY_ERROR,
                              "A program of Bulkhead ended by a fault; the rest goes on.",
                              "This is a bug in Bulkhead: keep `log show`." },
    [EVENT_PROGRAM_STARTED] = { "program-started", SEVERITY_INFO,
                                "A program that had ended runs again.", "None needed." },
    [EVENT_ADOPTION_FAILED] = { "adoption-failed", SEVERITY_WARNING,
                                "The manager was started again and could not take over a part of "
                                "what its predecessor left; `text` says which part.",
                                "This is a bug in Bulkhead: keep `log show`." },
};

const struct error_kind error_catalogue[ERROR_CODE_COUNT] = {
    [ERROR_USAGE] = { "usage", "The line could not be read.",
                      "The message names the column, the hint what is accepted there; `help NOUN` "
                      "shows the commands." },
    [ERROR_NOT_FOUND] = { "not-found", "There is no such VM, switch, port, module or program.",
                          "`vm list` lists the VMs; modules are the files that were booted with "
                          "Bulkhead." },
    [ERROR_EXISTS] = { "exists", "The name is taken.", "Take another, or delete that VM or save." },
    [ERROR_WRONG_STATE] = { "wrong-state", "The VM is in a state in which this cannot be done.",
                            "The message names the state; the hint says what leads out of it." },
    [ERROR_UNSUPPORTED] = { "unsupported", "This build or this machine cannot do it.",
                            "The hint says what works instead." },
    [ERROR_NO_MEMORY] = { "no-memory", "There is not enough free memory.",
                          "The message says how much is free; take less, or delete a VM." },
    [ERROR_BAD_IMAGE] = { "bad-image",
                          "The kernel file is none that can be started, or the save none that can be "
                          "restored.",
                          "Use a bzImage, an ELF with a PVH note, or see `type=`." },
    [ERROR_TIMED_OUT] = { "timed-out", "What was asked for did not happen in time.",
                          "Try again; `vm poweroff` always works." },
    [ERROR_IO] = { "io", "Hardware did not answer as it should.", "See `log show`." },
    [ERROR_FAILED] = { "failed", "It was tried and went wrong; the message says how.",
                       "See the message and `event list`." },
};

const char *severity_name(enum severity s)
{
    static const char *const names[] = { "info", "warning", "error" };

    return names[s <= SEVERITY_ERROR ? s : SEVERITY_ERROR];
}
