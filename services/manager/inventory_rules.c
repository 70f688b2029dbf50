/* What each version of each service is worth. The verdict on a guest comes from here and from what
 * was negotiated; what a guest says of its own version (Linux: 3.1, for ever) is no part of it. */
#include "services/manager/inventory.h"

const struct service_rule service_rules[SERVICE_COUNT] = {
    [SERVICE_HEARTBEAT] = { "tells every 2 s that the guest's kernel runs",
                            "a guest that hangs is not noticed",
                            NULL,
                            { { { 3, 0 }, VERDICT_CURRENT, NULL },
                              { { 1, 0 }, VERDICT_OLDER, NULL } } },
    [SERVICE_SHUTDOWN] = { "asks the guest to switch itself off, to restart or to hibernate",
                           "the guest cannot be asked to shut down; vm poweroff cuts its power",
                           NULL,
                           { { { 3, 2 }, VERDICT_CURRENT, NULL },
                             { { 3, 1 }, VERDICT_OUTDATED, "no hibernate" },
                             { { 3, 0 }, VERDICT_OUTDATED, "no restart, no hibernate" },
                             { { 1, 0 }, VERDICT_OUTDATED, "no restart, no hibernate" } } },
    [SERVICE_TIMESYNC] = { "sets the guest's clock at its start and after a pause or restore",
                           "the guest's clock is wrong after a pause or restore",
                           NULL,
                           { { { 4, 0 }, VERDICT_CURRENT, NULL },
                             { { 3, 0 }, VERDICT_OUTDATED, "delivery delay is not corrected" },
                             { { 1, 0 }, VERDICT_OUTDATED, "delivery delay is not corrected" } } },
    [SERVICE_KVP] = { "exchanges named values with the guest: its name, OS, addresses",
                      "the guest's OS and addresses are not known, values cannot be exchanged",
                      "hv_kvp_daemon",
                      { { { 4, 0 }, VERDICT_CURRENT, NULL },
                        { { 3, 0 }, VERDICT_OUTDATED, "no IP addresses set from the host" },
                        { { 1, 0 }, VERDICT_OUTDATED, "no IP addresses set from the host" } } },
    [SERVICE_VSS] = { "makes the guest's file systems stand still for a backup",
                      "a save or backup of the running guest may hold files half written",
                      "hv_vss_daemon",
                      { { { 5, 0 }, VERDICT_CURRENT, NULL } } },
    [SERVICE_FCOPY] = { "copies a file into the guest",
                        "no files can be copied into the guest",
                        "hv_fcopy_daemon",
                        { { { 1, 1 }, VERDICT_CURRENT, NULL } } },
};

const struct verdict_rule verdict_rules[VERDICT_COUNT] = {
    [VERDICT_ABSENT] = { "absent", "The guest does not use VMBus, or the service is switched off "
                                   "for this VM. Nothing is wrong, no event." },
    [VERDICT_CURRENT] = { "current", "All that the service can do here works." },
    [VERDICT_OLDER] = { "older-but-complete",
                        "An older version (or framework 1.0) was negotiated, and nothing is lost "
                        "by that. No event." },
    [VERDICT_UNKNOWN] = { "unknown-yet", "The VM does not run, or something is not there yet and "
                                         "may still come: it has 30 s for that. No event." },
    [VERDICT_OUTDATED] = { "outdated", "There is a newer version, and something real is lost by "
                                       "not having it: the reason says what. Event "
                                       "`services-outdated`." },
    [VERDICT_MISSING] = { "missing", "The service does not work, for 30 s or more; reason and "
                                     "remedy say why. Event `services-missing`, or `service-lost` "
                                     "when it had worked since the VM's start." },
};

const struct condition_rule condition_rules[CONDITION_COUNT] = {
    [CONDITION_UNSEEN] = { "", "" },
    [CONDITION_OFF] = { "switched off for this VM", "services enable" },
    [CONDITION_NO_VMBUS] = { "the guest does not use VMBus", "" },
    [CONDITION_READY] = { "", "" },
    [CONDITION_NOT_OPENED] = { "driver not loaded: load hv_utils",
                               "Load the driver in the guest (modprobe hv_utils) and at its boot." },
    [CONDITION_NO_DAEMON] = { "daemon not running: start hyperv-daemons",
                              "Install and start hyperv-daemons in the guest." },
    [CONDITION_SILENT] = { "the guest's driver does not answer",
                           "Load hv_utils again in the guest; vm log shows what it printed." },
    [CONDITION_LOST] = { "no heartbeat: the guest does not run on",
                         "See vm log and vm console; vm reset starts it again." },
    [CONDITION_LEFT] = { "the guest left VMBus",
                         "See vm log: it may have crashed, or started another kernel." },
    [CONDITION_NO_VERSION] = { "the guest speaks no version that is known here",
                               "Update the guest's kernel; if it is the newest, update Bulkhead." },
    [CONDITION_BROKEN] = { "the guest broke the channel, which was closed",
                           "services disable and enable offer it anew; load hv_utils again." },
};
