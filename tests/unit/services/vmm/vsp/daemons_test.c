// SOURCES: services/vmm/vsp/*.c services/vmm/vmbus/server.c services/vmm/vmbus/gpadl.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c lib/utf16.c
// SOURCES: tests/unit/services/vmm/vmbus/fake_bus.c tests/unit/services/vmm/vsp/fake_guest.c
/* Data exchange, backup and file copy: the services with a daemon in the guest. */
#include "lib/utf16.h"
#include "services/vmm/vsp/fcopy.h"
#include "services/vmm/vsp/kvp.h"
#include "services/vmm/vsp/vss.h"
#include "tests/unit/services/vmm/vsp/fake_guest.h"
#include "tests/unit/test.h"

static struct fake_guest g;
static struct kvp kvp;
static struct vss vss;
static struct fcopy fcopy;
static enum err told;
static unsigned told_count, item_count;
static char keys[16][KVP_KEY_BYTES], values[16][KVP_VALUE_BYTES];

static void done(void *ctx, enum err err)
{
    told = err;
    told_count++;
}

static void item(void *ctx, const char *key, const char *value)
{
    strcpy(keys[item_count % 16], key);
    strcpy(values[item_count++ % 16], value);
}

/* ---- data exchange ---- */

static void talk(void)
{
    struct kvp_asker asker = { item, done, NULL };

    fake_guest_init(&g);
    told_count = item_count = 0;
    kvp_init(&kvp, &g.host, &asker);
    fake_guest_open(&g, &kvp.ic);
}

/* Answers the enumeration under way with @count items. */
static void list(unsigned count)
{
    static const char *const names[] = { "OSName", "OSBuildNumber", "FullyQualifiedDomainName" };

    for (unsigned i = 0; i <= count; i++) {
        uint32_t index;

        if (!fake_guest_take(&g) || g.body[0] != 3)
            return;
        memcpy(&index, g.body + 4, sizeof(index));
        if (index != i)
            abort();
        if (i == count) {
            fake_guest_answer(&g, IC_STATUS_NO_MORE, g.body, g.body_bytes);
            return;
        }
        utf8_to_utf16(names[i % 3], g.body + 20, 256);
        utf8_to_utf16("Grüße", g.body + 20 + 512, 1024);
        fake_guest_answer(&g, 0, g.body, g.body_bytes);
    }
}

TEST(the_guests_own_words_are_remembered)
{
    talk();
    EXPECT(fake_guest_negotiate(&g, 3, 4, 0));
    fake_guest_pass(&g, 1);
    list(3);
    EXPECT_STR(kvp.facts[KVP_FACT_OS], "Grüße");
    EXPECT_STR(kvp.facts[KVP_FACT_NAME], "Grüße");
    EXPECT_EQ(item_count, 0); /* nobody asked */
    fake_guest_pass(&g, 29 * NS_PER_SECOND);
    EXPECT(!fake_guest_take(&g));
    fake_guest_pass(&g, 2 * NS_PER_SECOND);
    EXPECT(fake_guest_take(&g)); /* and again, since addresses change */
    fake_guest_end(&g);
}

static struct kvp_request request(enum kvp_operation operation, const char *key, const char *value)
{
    struct kvp_request r = { .operation = operation };

    strcpy(r.key, key);
    strcpy(r.value, value);
    return r;
}

static void ready(void)
{
    talk();
    if (!fake_guest_negotiate(&g, 3, 4, 0))
        abort();
    fake_guest_pass(&g, 1);
    list(0);
    told_count = item_count = 0;
}

TEST(a_key_is_set_read_and_deleted)
{
    struct kvp_request r = request(KVP_SET, "clé", "value");
    char text[64];

    ready();
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 1);
    utf16_to_utf8(g.body + 16, 256, text, sizeof(text));
    EXPECT_STR(text, "clé");
    EXPECT_EQ(g.body[8], 8); /* bytes with the NUL */
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(told_count, 1);
    EXPECT_EQ(told, OK);

    r = request(KVP_GET, "clé", "");
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    list(1); /* another key's */
    EXPECT_EQ(told, ERR_NOT_FOUND);
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 3); /* read in the list: Linux answers a GET with an empty value */
    utf8_to_utf16("clé", g.body + 20, 256);
    utf8_to_utf16("there", g.body + 20 + 512, 1024);
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(told, OK);
    EXPECT_EQ(told_count, 3);
    EXPECT_EQ(item_count, 1);
    EXPECT_STR(values[0], "there");
    EXPECT(!fake_guest_take(&g)); /* the rest of the list is of no use */

    r = request(KVP_DELETE, "clé", "");
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 2);
    utf16_to_utf8(g.body + 8, 256, text, sizeof(text));
    EXPECT_STR(text, "clé");
    fake_guest_answer(&g, IC_STATUS_NO_MORE, g.body, g.body_bytes);
    EXPECT_EQ(told, ERR_NOT_FOUND);
    fake_guest_end(&g);
}

TEST(a_list_ends_where_the_guest_says_or_where_it_must)
{
    struct kvp_request r = request(KVP_LIST, "", "");

    ready();
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    list(5);
    EXPECT_EQ(item_count, 5);
    EXPECT_EQ(told, OK);
    EXPECT_EQ(told_count, 1);
    item_count = 0;
    EXPECT_EQ(kvp_ask(&kvp, &r), OK); /* hostile_076: one that never ends */
    list(5000);
    EXPECT_EQ(item_count, 1024);
    EXPECT_EQ(told, ERR_IO);
    fake_guest_end(&g);
}

TEST(hostile_076_text_without_an_end_stays_in_its_room)
{
    struct kvp_request r = request(KVP_LIST, "", "");

    ready();
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    memset(g.body + 4, 0xd8, g.body_bytes - 4); /* lone surrogates to the end, huge lengths */
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(item_count, 1);
    EXPECT_EQ(strlen(values[0]), 3 * 1023);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, IC_STATUS_NO_MORE, g.body, g.body_bytes);
    for (uint32_t n = 0; n < 100; n++) { /* answers that are cut short */
        told_count = 0;
        EXPECT_EQ(kvp_ask(&kvp, &r), OK);
        EXPECT(fake_guest_take(&g));
        fake_guest_answer(&g, 0, g.body, n);
        EXPECT_EQ(told_count, 1);
        EXPECT_EQ(told, ERR_IO);
    }
    fake_guest_end(&g);
}

TEST(without_its_daemon_the_service_is_silent_and_says_so)
{
    struct kvp_request r = request(KVP_GET, "k", "");

    talk();
    fake_guest_pass(&g, 6 * NS_PER_SECOND);
    EXPECT(kvp.ic.is_silent);
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_TIMED_OUT);
    EXPECT(fake_guest_negotiate(&g, 3, 4, 0)); /* it comes late */
    EXPECT(!kvp.ic.is_silent);
    fake_guest_pass(&g, 1);
    list(0);
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_STATE);
    fake_guest_pass(&g, 6 * NS_PER_SECOND); /* it dies */
    EXPECT_EQ(told, ERR_TIMED_OUT);
    EXPECT_EQ(told_count, 1);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes); /* nobody waits for it any more */
    EXPECT_EQ(told_count, 1);
    EXPECT_EQ(item_count, 0);
    EXPECT(!kvp.ic.is_silent);
    fake_guest_end(&g);
}

TEST(addresses_are_read_and_set_by_adapter)
{
    struct kvp_request r = request(KVP_GET_IP, "{b1d0}", "");
    char text[64];

    ready();
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 4);
    EXPECT_EQ(g.body_bytes, (2 + 256 + 2 + 2048 + 2048 + 1024 + 2048 + 7) / 8 * 8 - 4 + 0);
    utf16_to_utf8(g.body + 2, 128, text, sizeof(text));
    EXPECT_STR(text, "{b1d0}");
    utf8_to_utf16("10.0.0.2;fe80::1", g.body + 2 + 258, 1024);
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(item_count, 5);
    EXPECT_STR(keys[0], "address");
    EXPECT_STR(values[0], "10.0.0.2;fe80::1");
    EXPECT_STR(values[4], "off");
    r = request(KVP_SET_IP, "{b1d0}", "");
    memcpy(r.value,
           "fe80::2\0"
           "64\0"
           "fe80::1\0"
           "\0"
           "dhcp\0",
           26);
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 5);
    EXPECT_EQ(g.body[258], 2); /* IPv6 */
    EXPECT_EQ(g.body[259], 1);
    utf16_to_utf8(g.body + 260, 1024, text, sizeof(text));
    EXPECT_STR(text, "fe80::2");
    utf16_to_utf8(g.body + 260 + 2048, 1024, text, sizeof(text));
    EXPECT_STR(text, "64");
    fake_guest_answer(&g, IC_STATUS_NO_DEVICE, g.body, g.body_bytes);
    EXPECT_EQ(told, ERR_NOT_FOUND);
    fake_guest_end(&g);
}

TEST(requests_that_cannot_be_sent_are_refused)
{
    struct kvp_request r = request(KVP_SET, "k", "v");

    ready();
    r.pool = 5;
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_ARGUMENT);
    r.pool = 0;
    memset(r.key, 'k', 256); /* 257 units with the NUL */
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_ARGUMENT);
    r = request(KVP_SET, "k", "");
    memset(r.value, 'v', 1023);
    EXPECT_EQ(kvp_ask(&kvp, &r), OK);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    memset(r.value, 'v', 1024);
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_ARGUMENT);
    memset(r.value, 'v', sizeof(r.value));
    EXPECT_EQ(kvp_ask(&kvp, &r), ERR_ARGUMENT);
    EXPECT_EQ(told_count, 1);
    fake_guest_end(&g);
}

/* ---- backup ---- */

static void back_up(bool has_daemon)
{
    fake_guest_init(&g);
    told_count = 0;
    vss_init(&vss, &g.host, done, NULL);
    fake_guest_open(&g, &vss.ic);
    if (!fake_guest_negotiate(&g, 3, 5, 0))
        abort();
    fake_guest_pass(&g, 1);
    if (!fake_guest_take(&g) || g.body[0] != 2)
        abort();
    fake_guest_answer(&g, has_daemon ? 0 : IC_STATUS_FAILED, g.body, g.body_bytes);
}

static bool obey(uint8_t operation, uint32_t status)
{
    if (!fake_guest_take(&g) || g.body[0] != operation || g.body_bytes < 12)
        return false;
    fake_guest_answer(&g, status, g.body, g.body_bytes);
    return true;
}

TEST(a_guest_is_frozen_and_thawed)
{
    back_up(true);
    EXPECT_EQ(vss_thaw(&vss), ERR_STATE);
    EXPECT_EQ(vss_freeze(&vss, 60 * NS_PER_SECOND), OK);
    EXPECT_EQ(vss_freeze(&vss, 60 * NS_PER_SECOND), ERR_STATE);
    EXPECT(obey(2, 0));
    EXPECT(obey(5, 0));
    EXPECT_EQ(told, OK);
    EXPECT_EQ(vss.state, VSS_FROZEN);
    EXPECT_EQ(vss_thaw(&vss), OK);
    EXPECT_EQ(vss_thaw(&vss), ERR_STATE);
    EXPECT(obey(6, 0));
    EXPECT_EQ(told_count, 2);
    EXPECT_EQ(told, OK);
    EXPECT(obey(4, 0));
    EXPECT_EQ(vss.state, VSS_THAWED);
    fake_guest_end(&g);
}

TEST(a_freeze_ends_by_its_limit)
{
    back_up(true);
    EXPECT_EQ(vss_freeze(&vss, 10 * NS_PER_SECOND), OK);
    EXPECT(obey(2, 0));
    EXPECT(obey(5, 0));
    fake_guest_pass(&g, 9 * NS_PER_SECOND);
    EXPECT(!fake_guest_take(&g));
    fake_guest_pass(&g, 2 * NS_PER_SECOND);
    EXPECT(obey(6, 0));
    EXPECT_EQ(told, ERR_TIMED_OUT);
    EXPECT_EQ(vss.state, VSS_THAWED);
    fake_guest_end(&g);
}

TEST(a_thaw_that_fails_is_tried_again)
{
    back_up(true);
    EXPECT_EQ(vss_freeze(&vss, 10 * NS_PER_SECOND), OK);
    EXPECT(obey(2, 0));
    EXPECT(obey(5, 0));
    EXPECT_EQ(vss_thaw(&vss), OK);
    EXPECT(obey(6, IC_STATUS_FAILED)); /* the daemon died */
    EXPECT_EQ(told, ERR_UNSUPPORTED);
    EXPECT_EQ(told_count, 2);
    EXPECT(vss.ic.was_refused);
    EXPECT_EQ(vss_thaw(&vss), ERR_UNSUPPORTED);
    fake_guest_pass(&g, NS_PER_SECOND);
    EXPECT(obey(6, IC_STATUS_FAILED));
    EXPECT_EQ(told_count, 2);
    fake_guest_pass(&g, NS_PER_SECOND);
    EXPECT(obey(6, 0));
    EXPECT_EQ(told_count, 2); /* it has been answered */
    EXPECT_EQ(vss.state, VSS_THAWED);
    EXPECT(!vss.ic.was_refused);
    EXPECT_EQ(vss_thaw(&vss), ERR_STATE);
    fake_guest_end(&g);
}

TEST(a_freeze_without_a_daemon_or_that_fails_is_told)
{
    back_up(false);
    EXPECT(vss.ic.was_refused);
    EXPECT_EQ(vss_freeze(&vss, NS_PER_SECOND), OK);
    EXPECT(obey(2, IC_STATUS_FAILED));
    EXPECT_EQ(told, ERR_UNSUPPORTED);
    EXPECT_EQ(vss_freeze(&vss, NS_PER_SECOND), OK);
    EXPECT(obey(2, 0));
    EXPECT(!vss.ic.was_refused);
    EXPECT(obey(5, IC_STATUS_FAILED));
    EXPECT_EQ(told, ERR_IO);
    EXPECT_EQ(vss.state, VSS_THAWED);
    EXPECT_EQ(vss_freeze(&vss, NS_PER_SECOND), OK);
    fake_bus_close(&g.bus, 1);
    EXPECT_EQ(told, ERR_GONE);
    fake_guest_end(&g);
}

TEST(a_frozen_guest_is_saved_as_frozen)
{
    struct record_ic a, b;
    struct vss other;

    back_up(true);
    EXPECT_EQ(vss_freeze(&vss, 10 * NS_PER_SECOND), OK);
    EXPECT(obey(2, 0));
    EXPECT(obey(5, 0));
    fake_guest_pass(&g, 4 * NS_PER_SECOND);
    ic_save(&vss.ic, &a);
    vss_init(&other, &g.host, done, NULL);
    other.ic.device.channel = vss.ic.device.channel;
    EXPECT_EQ(ic_restore(&other.ic, &a), OK);
    ic_save(&other.ic, &b);
    EXPECT_EQ(memcmp(&a, &b, sizeof(a)), 0);
    EXPECT_EQ(other.state, VSS_FROZEN);
    EXPECT_EQ(other.thaw_ns, vss.thaw_ns);
    fake_guest_end(&g);
}

/* ---- file copy ---- */

static uint8_t file[20000];

static void copying(uint32_t probe)
{
    fake_guest_init(&g);
    told_count = 0;
    fcopy_init(&fcopy, &g.host, done, NULL);
    fake_guest_open(&g, &fcopy.ic);
    if (!fake_guest_negotiate(&g, 3, 1, 1))
        abort();
    fake_guest_pass(&g, 1);
    if (!fake_guest_take(&g) || g.body[0] != 0)
        abort();
    fake_guest_answer(&g, probe, g.body, g.body_bytes);
}

TEST(a_file_arrives_whole_under_its_name)
{
    static uint8_t arrived[sizeof(file)];
    char name[64], folder[64];
    uint64_t offset, total = 0;
    uint32_t n;

    for (unsigned i = 0; i < sizeof(file); i++)
        file[i] = (uint8_t)(i * 7);
    copying(0x80070050);
    EXPECT(!fcopy.ic.was_refused);
    EXPECT_EQ(fcopy_start(&fcopy, "/var/tmp/datei", file, sizeof(file)), OK);
    EXPECT_EQ(fcopy_start(&fcopy, "/b", file, 1), ERR_STATE);
    EXPECT(fake_guest_take(&g));
    utf16_to_utf8(g.body + 36, 260, name, sizeof(name));
    utf16_to_utf8(g.body + 36 + 520, 260, folder, sizeof(folder));
    EXPECT_STR(name, "datei");
    EXPECT_STR(folder, "/var/tmp/"); /* else Linux does not make tmp */
    EXPECT_EQ(g.body[36 + 1040], 3);
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    while (fake_guest_take(&g) && g.body[0] == 1) {
        memcpy(&offset, g.body + 40, sizeof(offset));
        memcpy(&n, g.body + 48, sizeof(n));
        EXPECT(n <= 6144 && offset + n <= sizeof(file));
        EXPECT_EQ(g.body_bytes, 52 + 6144);
        memcpy(arrived + offset, g.body + 52, n);
        total += n;
        fake_guest_answer(&g, 0, g.body, g.body_bytes);
    }
    EXPECT_EQ(total, sizeof(file));
    EXPECT_EQ(memcmp(arrived, file, sizeof(file)), 0);
    EXPECT_EQ(g.body[0], 2);
    EXPECT_EQ(told_count, 0);
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(told_count, 1);
    EXPECT_EQ(told, OK);
    fake_guest_end(&g);
}

TEST(paths_that_name_no_file_are_refused)
{
    static const char *const bad[] = { "", "/", "name", "/folder/", "a/b" };
    char large[600];

    copying(0x80070050);
    for (unsigned i = 0; i < array_count(bad); i++)
        EXPECT_EQ(fcopy_start(&fcopy, bad[i], file, 1), ERR_ARGUMENT);
    memset(large, 'x', sizeof(large));
    large[0] = '/';
    large[599] = 0;
    EXPECT_EQ(fcopy_start(&fcopy, large, file, 1), ERR_ARGUMENT);
    EXPECT_EQ(fcopy_start(&fcopy, "/x", file, 0), OK); /* an empty file */
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 2);
    fake_guest_end(&g);
}

TEST(a_copy_that_fails_is_cancelled_and_told)
{
    copying(0x80070050);
    EXPECT_EQ(fcopy_start(&fcopy, "/x", file, sizeof(file)), OK);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0x80070070, g.body, g.body_bytes);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.body[0], 3);
    EXPECT_EQ(told_count, 0);
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(told, ERR_FULL);
    EXPECT_EQ(fcopy_start(&fcopy, "/x", file, sizeof(file)), OK);
    fake_guest_pass(&g, 41 * NS_PER_SECOND);
    EXPECT_EQ(told, ERR_TIMED_OUT);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    EXPECT_EQ(told_count, 2);
    fake_guest_end(&g);
}

TEST(without_its_daemon_a_copy_is_refused)
{
    copying(IC_STATUS_FAILED);
    EXPECT(fcopy.ic.was_refused);
    EXPECT_EQ(fcopy_start(&fcopy, "/x", file, 1), OK);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, IC_STATUS_FAILED, g.body, g.body_bytes);
    EXPECT_EQ(told, ERR_UNSUPPORTED);
    fake_guest_end(&g);
}
