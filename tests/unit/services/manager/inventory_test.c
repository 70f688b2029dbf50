// SOURCES: services/manager/inventory.c services/manager/inventory_rules.c
// SOURCES: lib/format.c lib/string.c services/rt/service_name.c
#include "services/manager/inventory.h"
#include "tests/unit/test.h"

#define LINUX_6_1  0x81000006015a0000ull
#define LINUX_6_12 0x810000060c050000ull
#define LATER      (INVENTORY_GRACE_NS + 1)

static struct guest_state guest;
static struct vmm_inventory inventory;
static uint64_t now;

static void set(enum vm_service service, enum service_state state, unsigned major, unsigned minor)
{
    inventory.services[service].state = state;
    inventory.services[service].version = (struct ic_version){ (uint16_t)major, (uint16_t)minor };
    inventory.services[service].framework = (struct ic_version){ major ? 3 : 0, 0 };
}

static struct inventory_news look(bool is_running)
{
    inventory_take(&guest, &inventory);
    inventory_watch(&guest, is_running, now);
    return inventory_news(&guest, is_running, now);
}

/* A guest to which nothing is lacking. */
static void complete(void)
{
    memset(&guest, 0, sizeof(guest));
    memset(&inventory, 0, sizeof(inventory));
    now = NS_PER_SECOND;
    guest.os_id = LINUX_6_1;
    inventory.vmbus_version = 5 << 16 | 3;
    set(SERVICE_HEARTBEAT, SERVICE_READY, 3, 0);
    set(SERVICE_SHUTDOWN, SERVICE_READY, 3, 2);
    set(SERVICE_TIMESYNC, SERVICE_READY, 4, 0);
    set(SERVICE_KVP, SERVICE_READY, 4, 0);
    set(SERVICE_VSS, SERVICE_READY, 5, 0);
    set(SERVICE_FCOPY, SERVICE_READY, 1, 1);
    memcpy(inventory.services_version, "3.1", 4);
}

static struct finding find(enum vm_service service)
{
    return inventory_find(&guest, service, true, now);
}

static bool is_quiet(struct inventory_news n)
{
    return !n.outdated && !n.missing && !n.lost && !n.back && !n.thaws;
}

TEST(complete_guest_is_current_at_once_and_silent)
{
    complete();
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(inventory_verdict(&guest, true, now), VERDICT_CURRENT);
    EXPECT_STR(inventory_heartbeat(&guest, true, now), "ok");
    EXPECT_EQ(guest.next_ns, DEADLINE_NEVER);
}

TEST(guest_without_vmbus_is_absent_and_never_warned_of)
{
    complete();
    memset(&inventory, 0, sizeof(inventory));
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        inventory.services[i].state = SERVICE_OFFERED;
    look(true);
    now += 100 * LATER;
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(inventory_verdict(&guest, true, now), VERDICT_ABSENT);
    EXPECT(!inventory_heartbeat(&guest, true, now));
}

TEST(vm_that_does_not_run_is_unknown)
{
    complete();
    look(true);
    EXPECT_EQ(inventory_verdict(&guest, false, now), VERDICT_UNKNOWN);
}

TEST(each_version_of_the_table_has_its_verdict)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        for (unsigned k = 0; k < SERVICE_VERSIONS_MAX; k++) {
            const struct version_rule *rule = &service_rules[i].versions[k];

            if (!rule->version.major)
                break;
            complete();
            set((enum vm_service)i, SERVICE_READY, rule->version.major, rule->version.minor);
            struct inventory_news news = look(true);
            EXPECT_EQ(find((enum vm_service)i).verdict, rule->verdict);
            EXPECT_EQ(news.outdated, rule->verdict == VERDICT_OUTDATED ? 1u << i : 0);
            if (rule->lost)
                EXPECT_STR(find((enum vm_service)i).reason, rule->lost);
        }
}

TEST(framework_1_0_and_versions_between_are_judged)
{
    complete();
    inventory.services[SERVICE_TIMESYNC].framework = (struct ic_version){ 1, 0 };
    set(SERVICE_SHUTDOWN, SERVICE_READY, 3, 9);
    set(SERVICE_KVP, SERVICE_READY, 0, 7);
    look(true);
    EXPECT_EQ(find(SERVICE_TIMESYNC).verdict, VERDICT_OLDER);
    EXPECT_EQ(find(SERVICE_SHUTDOWN).verdict, VERDICT_CURRENT);
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_OUTDATED);
    EXPECT_EQ(inventory_verdict(&guest, true, now), VERDICT_OUTDATED);
}

TEST(missing_daemon_is_named_after_the_grace_once)
{
    complete();
    set(SERVICE_KVP, SERVICE_NEGOTIATING, 0, 0);
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_UNKNOWN);
    EXPECT_EQ(guest.next_ns, now + INVENTORY_GRACE_NS);
    now = guest.next_ns;
    struct inventory_news news = look(true);
    EXPECT_EQ(news.missing, 1u << SERVICE_KVP);
    EXPECT_STR(find(SERVICE_KVP).reason, "daemon not running: start hyperv-daemons");
    EXPECT_EQ(inventory_verdict(&guest, true, now), VERDICT_MISSING);
    now += LATER;
    EXPECT(is_quiet(look(true)));
    set(SERVICE_KVP, SERVICE_READY, 4, 0);
    news = look(true);
    EXPECT_EQ(news.back, 1u << SERVICE_KVP);
    EXPECT(is_quiet(look(true)));
}

TEST(daemon_that_was_killed_is_missing_though_the_channel_stays_open)
{
    complete();
    look(true);
    inventory.services[SERVICE_KVP].flags = SERVICE_IS_SILENT;
    inventory.services[SERVICE_VSS].flags = SERVICE_WAS_REFUSED;
    EXPECT(is_quiet(look(true)));
    now += LATER;
    struct inventory_news news = look(true);
    EXPECT_EQ(news.missing, 1u << SERVICE_KVP | 1u << SERVICE_VSS);
    EXPECT_EQ(news.lost, 0);
}

TEST(frozen_file_systems_are_no_missing_daemon)
{
    complete();
    inventory.services[SERVICE_VSS].flags = SERVICE_IS_FROZEN;
    inventory.services[SERVICE_KVP].flags = SERVICE_IS_SILENT;
    look(true);
    now += LATER;
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_CURRENT);
}

TEST(a_guest_that_refuses_to_thaw_has_no_daemon)
{
    complete();
    inventory.services[SERVICE_VSS].flags = SERVICE_IS_FROZEN | SERVICE_WAS_REFUSED;
    look(true);
    now += LATER;
    EXPECT_EQ(look(true).missing, 1u << SERVICE_VSS);
    EXPECT_EQ(find(SERVICE_VSS).verdict, VERDICT_MISSING);
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_CURRENT);
}

TEST(services_that_come_one_after_the_other_are_told_of_together)
{
    complete();
    set(SERVICE_KVP, SERVICE_NEGOTIATING, 0, 0);
    set(SERVICE_FCOPY, SERVICE_NEGOTIATING, 0, 0);
    look(true);
    now += INVENTORY_GRACE_NS / 2;
    set(SERVICE_FCOPY, SERVICE_OFFERED, 0, 0);
    look(true);
    now += INVENTORY_GRACE_NS / 2;
    EXPECT(is_quiet(look(true)));
    now += INVENTORY_GRACE_NS / 2;
    EXPECT_EQ(look(true).missing, 1u << SERVICE_KVP | 1u << SERVICE_FCOPY);
}

TEST(payload_with_an_old_heartbeat_only)
{
    complete();
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        set((enum vm_service)i, SERVICE_OFFERED, 0, 0);
    set(SERVICE_HEARTBEAT, SERVICE_READY, 1, 0);
    inventory.services[SERVICE_HEARTBEAT].framework = (struct ic_version){ 1, 0 };
    look(true);
    now += LATER;
    struct inventory_news news = look(true);
    EXPECT_EQ(find(SERVICE_HEARTBEAT).verdict, VERDICT_OLDER);
    EXPECT_EQ(news.missing, SERVICES_ALL & ~(1u << SERVICE_HEARTBEAT));
    EXPECT_STR(find(SERVICE_KVP).reason, "driver not loaded: load hv_utils");
}

TEST(fcopy_that_is_not_opened_lacks_its_daemon_from_linux_6_10_on)
{
    complete();
    set(SERVICE_FCOPY, SERVICE_OFFERED, 0, 0);
    guest.os_id = LINUX_6_12;
    look(true);
    now += LATER;
    look(true);
    EXPECT_STR(find(SERVICE_FCOPY).reason, "daemon not running: start hyperv-daemons");
    guest.os_id = LINUX_6_1;
    look(true);
    EXPECT_STR(find(SERVICE_FCOPY).reason, "driver not loaded: load hv_utils");
}

TEST(lost_heartbeat_is_told_at_once_and_alone)
{
    complete();
    look(true);
    inventory.services[SERVICE_HEARTBEAT].flags = SERVICE_IS_LATE;
    EXPECT(is_quiet(look(true)));
    EXPECT_STR(inventory_heartbeat(&guest, true, now), "late");
    inventory.services[SERVICE_HEARTBEAT].flags = SERVICE_IS_LOST;
    inventory.services[SERVICE_KVP].flags = SERVICE_IS_SILENT;
    EXPECT_EQ(look(true).lost, 1u << SERVICE_HEARTBEAT);
    EXPECT_STR(inventory_heartbeat(&guest, true, now), "lost");
    now += 10 * LATER;
    EXPECT(is_quiet(look(true)));
    inventory.services[SERVICE_HEARTBEAT].flags = 0;
    inventory.services[SERVICE_KVP].flags = 0;
    EXPECT_EQ(look(true).back, 1u << SERVICE_HEARTBEAT);
}

TEST(guest_that_leaves_vmbus_has_lost_its_heartbeat_after_three_beats)
{
    complete();
    look(true);
    inventory.vmbus_version = 0;
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        set((enum vm_service)i, SERVICE_OFFERED, 0, 0);
    EXPECT(is_quiet(look(true)));
    EXPECT_STR(inventory_heartbeat(&guest, true, now), "late");
    EXPECT_EQ(guest.next_ns, now + HEARTBEAT_GONE_NS);
    now = guest.next_ns;
    EXPECT_EQ(look(true).lost, 1u << SERVICE_HEARTBEAT);
    EXPECT_STR(inventory_heartbeat(&guest, true, now), "lost");
}

TEST(driver_that_is_loaded_again_in_time_is_not_told_of)
{
    complete();
    for (unsigned round = 0; round < 100; round++) {
        complete();
        EXPECT(is_quiet(look(true)));
        for (unsigned i = 0; i < SERVICE_COUNT; i++)
            set((enum vm_service)i, SERVICE_OFFERED, 0, 0);
        now += NS_PER_SECOND;
        EXPECT(is_quiet(look(true)));
        now += NS_PER_SECOND;
    }
}

TEST(time_in_which_the_guest_stands_still_does_not_count)
{
    complete();
    set(SERVICE_KVP, SERVICE_NEGOTIATING, 0, 0);
    look(true);
    now += 10 * LATER;
    EXPECT(is_quiet(look(false)));
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_UNKNOWN);
    now += LATER;
    EXPECT_EQ(look(true).missing, 1u << SERVICE_KVP);
}

TEST(service_that_is_switched_off_is_absent)
{
    complete();
    look(true);
    set(SERVICE_KVP, SERVICE_OFF, 0, 0);
    set(SERVICE_HEARTBEAT, SERVICE_OFF, 0, 0);
    now += LATER;
    EXPECT(is_quiet(look(true)));
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_ABSENT);
    EXPECT_EQ(inventory_verdict(&guest, true, now), VERDICT_CURRENT);
}

TEST(service_that_flaps_does_not_hide_the_others)
{
    unsigned told = 0;

    complete();
    set(SERVICE_VSS, SERVICE_OFFERED, 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        set(SERVICE_KVP, i % 2 ? SERVICE_OFFERED : SERVICE_NEGOTIATING, 0, 0);
        struct inventory_news news = look(true);
        told += news.missing == 1u << SERVICE_VSS;
        now += INVENTORY_GRACE_NS / 4;
    }
    EXPECT_EQ(told, 1);
}

TEST(thaw_by_the_limit_is_told_once)
{
    complete();
    look(true);
    inventory.thaw_count = 1;
    EXPECT_EQ(look(true).thaws, 1);
    EXPECT(is_quiet(look(true)));
}

TEST(what_a_vmm_makes_up_does_no_harm)
{
    complete();
    memset(&inventory, 0xff, sizeof(inventory));
    look(true);
    EXPECT(inventory_is_good(&guest));
    EXPECT_EQ(strlen(guest.inventory.os), INVENTORY_TEXT_BYTES - 1);
    EXPECT_EQ(find(SERVICE_KVP).verdict, VERDICT_MISSING);
}

TEST(guest_os_ids_are_read_as_the_tlfs_says)
{
    static const struct {
        uint64_t id;
        const char *text;
    } cases[] = { { 0, "" },
                  { LINUX_6_1, "Linux 6.1.90" },
                  { LINUX_6_12, "Linux 6.12.5" },
                  { 0x8200000000000000, "FreeBSD 0.0.0" },
                  { 0xff00000000000000, "OS of type 127" },
                  { 0x0001040a00004f7c, "Windows 10.0 build 20348" },
                  { 0x0007040a00004f7c, "OS of vendor 7" } };
    char text[64];

    for (unsigned i = 0; i < array_count(cases); i++) {
        inventory_os_of_id(cases[i].id, text, sizeof(text));
        EXPECT_STR(text, cases[i].text);
    }
}

TEST(every_rule_says_what_is_lost_and_what_to_do)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        EXPECT(service_name(i) && service_rules[i].function && service_rules[i].loses);
        for (unsigned k = 0; k < SERVICE_VERSIONS_MAX; k++)
            EXPECT_EQ(service_rules[i].versions[k].verdict == VERDICT_OUTDATED,
                      service_rules[i].versions[k].lost != NULL);
    }
    for (unsigned i = CONDITION_NOT_OPENED; i < CONDITION_COUNT; i++)
        EXPECT(condition_rules[i].reason[0] && condition_rules[i].remedy[0]);
}
