/* host, event, log. */
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/guest.h"
#include "services/manager/host.h"
#include "services/manager/stream.h"
#include "services/rt/sys.h"

static const struct {
    const char *name;
    const char *need;
    const char *remedy;
} features[HOST_FEATURE_COUNT] = {
    [HOST_FEATURE_VIRTUALISATION] = { "virtualisation", "must",
                                      "Switch on SVM (AMD-V) in the firmware's CPU settings, or "
                                      "use a CPU that has it." },
    [HOST_FEATURE_NESTED_PAGING] = { "nested-paging", "must",
                                     "Use a CPU with nested paging (AMD since 2008)." },
    [HOST_FEATURE_NRIP_SAVE] = { "nrip-save", "should",
                                 "Nothing to switch on: exits take longer without it." },
    [HOST_FEATURE_DECODE_ASSISTS] = { "decode-assists", "should",
                                      "Nothing to switch on: exits take longer without them." },
    [HOST_FEATURE_FLUSH_BY_ASID] = { "flush-by-asid", "should",
                                     "Nothing to switch on: TLB flushes take longer without it." },
    [HOST_FEATURE_INVARIANT_TSC] = { "invariant-tsc", "should",
                                     "Switch off overclocking and deep sleep states in the "
                                     "firmware, or expect clocks that drift." },
    [HOST_FEATURE_X2APIC] = { "x2apic", "should", "Switch on x2APIC in the firmware." },
    [HOST_FEATURE_SMEP] = { "smep", "should", "Use a newer CPU: a defence is missing." },
    [HOST_FEATURE_SMAP] = { "smap", "should", "Use a newer CPU: a defence is missing." },
    [HOST_FEATURE_NX] = { "nx", "must", "Switch on No-Execute (XD) in the firmware." },
    [HOST_FEATURE_XSAVE] = { "xsave", "should",
                             "Nothing to switch on: guests have no AVX without it." },
    [HOST_FEATURE_IOMMU] = { "iommu", "should",
                             "Switch on the IOMMU (AMD-Vi, VT-d) in the firmware: without it a "
                             "device can write to all memory." },
    [HOST_FEATURE_INTERRUPT_REMAPPING] = { "interrupt-remapping", "sriov",
                                           "Switch on interrupt remapping with the IOMMU in the "
                                           "firmware." },
};

static void check(struct json *j)
{
    static const char *const states[] = { "unknown", "ok", "missing", "unknown" };
    static struct host_info info;

    if (sys_host_info(&info))
        memset(&info, 0, sizeof(info));
    json_list_begin(j);
    for (unsigned i = 0; i < HOST_FEATURE_COUNT; i++) {
        unsigned state = min((unsigned)info.features[i], (unsigned)HOST_FEATURE_UNKNOWN);

        json_object_begin(j);
        json_field_string(j, "feature", features[i].name);
        json_field_string(j, "need", features[i].need);
        json_field_string(j, "state", states[state]);
        json_field_string(j, "remedy", state == HOST_FEATURE_OK ? "" : features[i].remedy);
        json_object_end(j);
    }
    json_list_end(j);
}

static void answer_host(struct request *r)
{
    host_show(answer_begin(r));
    answer_end(r);
}

static void set(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "name"), *time = command_value(c, "time");

    if (!name->is_set && !time->is_set) {
        answer_error(r, ERROR_USAGE, NULL, "name= time=", "nothing to set");
        return;
    }
    host_set(name->is_set ? name->text : NULL, time->is_set ? &time->number : NULL);
    if (time->is_set)
        guests_send_time();
    answer_host(r);
}

static void list_events(struct request *r, const struct command_line *c)
{
    const struct value *severity = command_value(c, "severity"), *since = command_value(c, "since");

    stream_events(r, (enum severity)severity->number, command_value(c, "vm")->text, since->number);
}

void host_command(struct request *r, const struct command_line *c)
{
    switch (c->command->id) {
    case COMMAND_HOST_SHOW: answer_host(r); break;
    case COMMAND_HOST_SET: set(r, c); break;
    case COMMAND_HOST_CHECK:
        check(answer_begin(r));
        answer_end(r);
        break;
    case COMMAND_HOST_SHUTDOWN:
        request_wait_shutdown(r);
        if (!host_is_shutting_down())
            host_shutdown_begin();
        break;
    case COMMAND_EVENT_LIST: list_events(r, c); break;
    default: stream_kernel_log(r, command_value(c, "from")->number);
    }
}
