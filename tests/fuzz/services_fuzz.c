// SOURCES: services/vmm/vsp/*.c services/vmm/vmbus/server.c services/vmm/vmbus/gpadl.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c lib/utf16.c
// SOURCES: tests/unit/services/vmm/vmbus/fake_bus.c tests/unit/services/vmm/vsp/fake_guest.c
/* Any answers of a guest to any of the integration services, while they are asked for something: texts
 * stay in their room, each question is answered once. The first byte picks the service. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/vmm/vsp/fcopy.h"
#include "services/vmm/vsp/heartbeat.h"
#include "services/vmm/vsp/kvp.h"
#include "services/vmm/vsp/shutdown.h"
#include "services/vmm/vsp/timesync.h"
#include "services/vmm/vsp/vss.h"
#include "tests/unit/services/vmm/vsp/fake_guest.h"

static struct fake_guest g;
static union {
    struct heartbeat heartbeat;
    struct shutdown shutdown;
    struct timesync timesync;
    struct kvp kvp;
    struct vss vss;
    struct fcopy fcopy;
} u;
static unsigned questions, answers;

static void done(void *ctx, enum err err)
{
    assert(err < ERR_COUNT);
    answers += questions > answers; /* a late one is nobody's */
}

static void vss_done(void *ctx, enum err err)
{
    answers += err != ERR_TIMED_OUT; /* that one is nobody's */
}

static void item(void *ctx, const char *key, const char *value)
{
    assert(strlen(key) < KVP_KEY_BYTES && strlen(value) < KVP_VALUE_BYTES);
}

static struct ic *begin(unsigned service)
{
    static const struct kvp_asker asker = { item, done, NULL };

    switch (service) {
    case SERVICE_HEARTBEAT: heartbeat_init(&u.heartbeat, &g.host); return &u.heartbeat.ic;
    case SERVICE_SHUTDOWN: shutdown_init(&u.shutdown, &g.host, done, NULL); return &u.shutdown.ic;
    case SERVICE_TIMESYNC: timesync_init(&u.timesync, &g.host); return &u.timesync.ic;
    case SERVICE_KVP: kvp_init(&u.kvp, &g.host, &asker); return &u.kvp.ic;
    case SERVICE_VSS: vss_init(&u.vss, &g.host, vss_done, NULL); return &u.vss.ic;
    default: fcopy_init(&u.fcopy, &g.host, done, NULL); return &u.fcopy.ic;
    }
}

static enum err ask(unsigned service, uint8_t how)
{
    static const uint8_t file[7000];
    static struct kvp_request r;

    switch (service) {
    case SERVICE_SHUTDOWN: return shutdown_request(&u.shutdown, how % 3);
    case SERVICE_KVP:
        r = (struct kvp_request){ .operation = how % KVP_OPERATION_COUNT,
                                  .pool = how / 8 % 6,
                                  .key = "key" };
        return kvp_ask(&u.kvp, &r);
    case SERVICE_VSS: return how & 1 ? vss_thaw(&u.vss) : vss_freeze(&u.vss, how * NS_PER_SECOND);
    case SERVICE_FCOPY: return fcopy_start(&u.fcopy, "/a/b", file, how * 27u);
    default: return ERR_STATE;
    }
}

/* An answer of @n bytes at @data, put over the request where it says so. */
static void reply(uint8_t how, const uint8_t *data, size_t n)
{
    static uint8_t packet[sizeof(struct ic_header) + IC_BODY_MAX];
    struct ic_header h = g.head;
    size_t at = how & 4 ? 0 : sizeof(h), bytes;

    memset(packet, how & 8 ? 0xff : 0, sizeof(packet));
    memcpy(packet + sizeof(h), g.body, how & 16 ? g.body_bytes : 0);
    h.flags = IC_FLAG_RESPONSE;
    h.status = how & 32 ? IC_STATUS_NO_MORE : 0;
    memcpy(packet, &h, sizeof(h));
    memcpy(packet + at, data, n);
    bytes = how & 16 ? sizeof(h) + g.body_bytes : at + n;
    fake_guest_answer_raw(&g, packet, (uint32_t)bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    unsigned service = data[0] % SERVICE_COUNT;
    fake_guest_init(&g);
    questions = answers = 0;
    struct ic *ic = begin(service);
    fake_guest_open(&g, ic);
    if (data[1] & 1) {
        struct ic_version newest = ic_newest(ic->kind->versions, IC_VERSIONS_MAX);

        if (!fake_guest_negotiate(&g, 3, newest.major, newest.minor))
            abort();
    }
    for (size_t at = 2; at + 2 <= n && ic->device.channel;) {
        uint8_t how = data[at++];
        size_t bytes = data[at] < n - at - 1 ? data[at] : n - at - 1;

        (void)fake_guest_take(&g);
        if ((how & 3) == 0) {
            fake_guest_pass(&g, data[at] * NS_PER_SECOND / 16);
        } else if ((how & 3) == 1) {
            questions += ask(service, data[at]) == OK;
        } else {
            reply(how, data + at + 1, bytes);
            at += bytes;
        }
        at++;
        assert(answers <= questions && questions <= answers + 1);
    }
    fake_bus_close(&g.bus, 1);
    assert(answers >= questions || service == SERVICE_VSS);
    fake_guest_end(&g);
    return 0;
}
