// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
#include "services/manager/inventory.h"
#include "tests/unit/services/manager/fake_kernel.h"
#include "tests/unit/test.h"

#define CREATE    "vm create web kernel=vmlinuz initrd=guest.cpio memory=64M cpus=1"
#define EVENT(id) "{\"event\":\"" id "\""
#define SECOND    NS_PER_SECOND

static struct vmm_inventory inventory;

static void running(void)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE), "\"state\":\"created\"");
    EXPECT_HAS(fake_ask("vm start web"), "\"state\":\"running\"");
}

static void set(enum vm_service service, enum service_state state)
{
    inventory.services[service].state = state;
    if (state == SERVICE_READY) {
        inventory.services[service].framework = (struct ic_version){ 3, 0 };
        inventory.services[service].version = service_rules[service].versions[0].version;
    }
}

/* A running VM whose guest lacks nothing. */
static void complete(void)
{
    EXPECT_OF(running());
    memset(&inventory, 0, sizeof(inventory));
    inventory.vmbus_version = 5 << 16 | 3;
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        set((enum vm_service)i, SERVICE_READY);
    memcpy(inventory.os, "Debian GNU/Linux", 17);
    memcpy(inventory.os_version, "6.1.0", 6);
    fake_vmm_inventory("web", &inventory);
}

static void reply_ok(const char *name)
{
    struct vmm_reply r = { .err = OK };

    fake_vmm_reply(name, &r, NULL, 0);
}

static void reply_error(const char *name, enum err err, const char *message)
{
    struct vmm_reply r = { .err = err };

    snprintf(r.message, sizeof(r.message), "%s", message);
    fake_vmm_reply(name, &r, NULL, 0);
}

static size_t put_item(uint8_t *at, const char *key, const char *value)
{
    struct vmm_item head = { (uint32_t)strlen(key), (uint32_t)strlen(value) };

    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), key, head.key_bytes);
    memcpy(at + sizeof(head) + head.key_bytes, value, head.value_bytes);
    return sizeof(head) + head.key_bytes + head.value_bytes;
}

static void reply_item(const char *name, const char *key, const char *value)
{
    uint8_t region[4096];
    struct vmm_reply r = { .count = 1, .bytes = put_item(region, key, value) };

    fake_vmm_reply(name, &r, region, r.bytes);
}

/* ---- inventory and events ---- */

TEST(tools_status_tells_a_guests_claims_and_the_verdict)
{
    EXPECT_OF(complete());
    const char *answer = fake_ask("tools status");
    EXPECT_HAS(answer,
               "\"result\":[{\"name\":\"web\",\"state\":\"running\",\"verdict\":\"current\","
               "\"os\":\"Debian GNU/Linux 6.1.0\",\"os_source\":\"kvp\"");
    EXPECT_HAS(answer,
               "\"vmbus\":\"5.3\",\"reason\":\"\",\"services\":[{\"service\":\"heartbeat\"");
    EXPECT_HAS_NOT(answer, "\"attention\"");
    EXPECT_HAS_NOT(fake_control_output(), EVENT("services-missing"));
}

TEST(os_comes_from_the_guest_os_id_without_kvp)
{
    EXPECT_OF(running());
    fake.guest_os_id = 0x81000006015a0000;
    memset(&inventory, 0, sizeof(inventory));
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_ask("tools status"), "\"os\":\"Linux 6.1.90\",\"os_source\":\"os-id\"");
}

TEST(hostile_078_claims_are_shown_and_obeyed_by_nobody)
{
    EXPECT_OF(complete());
    memcpy(inventory.os, "\x1b[2J\xc2\x9b\xff", 8);
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_ask("tools status"), "\"os\":\"\\u001b[2J\\u009b\xef\xbf\xbd 6.1.0\"");
    fake_forget_output();
    fake_type("tools status\r");
    EXPECT_HAS(fake_console_output(), "\\u001b[2J\\u009b");
    EXPECT_HAS_NOT(fake_console_output(), "\x1b[2J");
}

TEST(missing_daemon_is_told_once_and_needs_attention)
{
    EXPECT_OF(complete());
    set(SERVICE_KVP, SERVICE_NEGOTIATING);
    set(SERVICE_VSS, SERVICE_OFFERED);
    inventory.services[SERVICE_FCOPY].flags = SERVICE_WAS_REFUSED;
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_ask("tools status"), "\"verdict\":\"unknown-yet\"");
    fake_advance(29 * SECOND);
    EXPECT_HAS_NOT(fake_control_output(), EVENT("services-missing"));
    fake_advance(2 * SECOND);
    EXPECT_HAS(fake_control_output(), EVENT("services-missing"));
    const char *events = fake_ask("event list severity=warning");
    EXPECT_HAS(events, "\"text\":\"kvp, fcopy: daemon not running: start hyperv-daemons\"");
    EXPECT_HAS(events,
               "{\"service\":\"kvp\",\"reason\":\"daemon not running: start hyperv-daemons\"}");
    EXPECT_HAS(fake_ask("tools status"), ",\"attention\":true}");
    fake_forget_output();
    fake_advance(100 * SECOND);
    EXPECT_HAS_NOT(fake_control_output(), EVENT("services-missing"));
    EXPECT_HAS(fake_ask("services list web --explain"), "\"loses\":\"the guest's OS and addresses");
}

TEST(lost_heartbeat_and_its_return_are_events)
{
    EXPECT_OF(complete());
    inventory.services[SERVICE_HEARTBEAT].flags = SERVICE_IS_LOST;
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_control_output(), EVENT("service-lost"));
    EXPECT_HAS(fake_ask("services list web"), "\"heartbeat\":\"lost\",\"verdict\":\"missing\"");
    inventory.services[SERVICE_HEARTBEAT].flags = 0;
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_control_output(), EVENT("service-back"));
}

TEST(old_versions_and_thaws_by_the_limit_are_events)
{
    EXPECT_OF(complete());
    inventory.services[SERVICE_SHUTDOWN].version = (struct ic_version){ 3, 1 };
    inventory.thaw_count = 1;
    fake_vmm_inventory("web", &inventory);
    EXPECT_HAS(fake_ask("event list severity=warning"), "\"text\":\"shutdown: no hibernate\"");
    EXPECT_HAS(fake_control_output(), EVENT("vm-thawed-by-limit"));
}

TEST(inventory_begins_anew_with_each_start)
{
    EXPECT_OF(complete());
    EXPECT_HAS(fake_ask("vm reset web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("tools status"), "\"verdict\":\"unknown-yet\",\"os\":null");
}

TEST(services_are_switched_while_the_vm_runs_and_for_later)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("services disable web kvp"), "\"service\":\"kvp\",\"enabled\":false");
    EXPECT_EQ(fake_vmm_services("web"), SERVICES_ALL & ~(1u << SERVICE_KVP));
    EXPECT_HAS(fake_ask("vm reset web"), "\"ok\":true");
    EXPECT_EQ(fake_vmm_config("web")->services, SERVICES_ALL & ~(1u << SERVICE_KVP));
    EXPECT_HAS(fake_ask("services enable web kvp"), "\"enabled\":true");
    EXPECT_EQ(fake_vmm_services("web"), SERVICES_ALL);
    EXPECT_HAS(fake_ask("services enable web nope"), "\"code\":\"usage\"");
    EXPECT_HAS(fake_ask("services enable nope kvp"), "\"code\":\"not-found\"");
}

TEST(new_time_of_the_host_reaches_every_vmm)
{
    EXPECT_OF(running());
    fake_ask("host set time=2030-01-02T03:04:05Z");
    EXPECT_EQ(fake_vmm_utc_base("web"), 1893553445 * SECOND - fake.now);
}

TEST(echo_channels_are_asked_for_at_creation)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE " echo=2047"), "\"echo\":2047");
    EXPECT_EQ(fake_vmm_config("web")->echo_count, 2047);
    fake_ask("vm delete web");
    EXPECT_HAS(fake_ask(CREATE " echo=on"), "\"echo\":1");
    fake_ask("vm delete web");
    EXPECT_HAS(fake_ask(CREATE " echo=2048"), "\"code\":\"usage\"");
}

/* ---- questions ---- */

TEST(shutdown_answers_when_the_vm_has_ended)
{
    EXPECT_OF(complete());
    fake_control("@7 vm shutdown web\n");
    EXPECT_EQ(fake_vmm_query("web")->query.kind, QUERY_SHUTDOWN);
    EXPECT_EQ(fake_vmm_query("web")->query.argument, 0);
    reply_ok("web");
    EXPECT(!fake_answer(7));
    fake_vmm_end("web", VMM_END_SLEEP, 0);
    fake_run();
    EXPECT_HAS(fake_answer(7), "\"state\":\"stopped\"");
}

TEST(restart_answers_when_the_vm_runs_again)
{
    EXPECT_OF(complete());
    fake_control("@7 vm shutdown web mode=restart\n");
    EXPECT_EQ(fake_vmm_query("web")->query.argument, 1);
    fake_vmm_end("web", VMM_END_RESET, 0); /* before the vmm says that the guest agreed */
    fake_run();
    EXPECT_HAS(fake_answer(7), "\"state\":\"running\"");
    fake_control("@8 vm shutdown web mode=restart\n");
    reply_ok("web");
    fake_vmm_end("web", VMM_END_SLEEP, 0);
    fake_run();
    EXPECT_HAS(fake_answer(8), "\"code\":\"failed\",\"message\":\"web was stopped instead\"");
}

TEST(guest_that_ignores_a_shutdown_still_runs)
{
    EXPECT_OF(complete());
    fake_control("@7 vm shutdown web wait=5\n");
    reply_ok("web");
    fake_advance(4 * SECOND);
    EXPECT(!fake_answer(7));
    fake_advance(2 * SECOND);
    EXPECT_HAS(fake_answer(7), "\"code\":\"timed-out\"");
    EXPECT_HAS(fake_answer(7), "\"hint\":\"vm poweroff web\"");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
}

TEST(errors_of_a_guest_have_their_codes)
{
    static const struct {
        enum err err;
        const char *code;
    } cases[] = { { ERR_TIMED_OUT, "timed-out" }, { ERR_UNSUPPORTED, "unsupported" },
                  { ERR_NOT_FOUND, "not-found" }, { ERR_STATE, "wrong-state" },
                  { ERR_ARGUMENT, "usage" },      { ERR_IO, "failed" },
                  { (enum err)4711, "failed" } };
    char code[64], line[64];

    EXPECT_OF(complete());
    for (unsigned i = 0; i < array_count(cases); i++) {
        snprintf(line, sizeof(line), "@%u vm freeze web\n", 20 + i);
        fake_control(line);
        reply_error("web", cases[i].err, "so it is");
        snprintf(code, sizeof(code), "\"code\":\"%s\",\"message\":\"so it is\"", cases[i].code);
        EXPECT_HAS(fake_answer(20 + i), code);
    }
}

TEST(kvp_passes_keys_values_and_pools)
{
    EXPECT_OF(complete());
    fake_control("@1 vm kvp set web key=a value=\"b c\"\n");
    const struct fake_query *q = fake_vmm_query("web");
    EXPECT_EQ(q->query.kind, QUERY_KVP_SET);
    EXPECT_EQ(q->query.argument, 0);
    EXPECT_STR(q->query.key, "a");
    EXPECT_STR(q->query.value, "b c");
    reply_ok("web");
    EXPECT_HAS(fake_answer(1), "{\"key\":\"a\",\"value\":\"b c\",\"pool\":\"external\"}");
    fake_control("@2 vm kvp list web\n");
    EXPECT_EQ(fake_vmm_query("web")->query.argument, 2);
    reply_item("web", "OSName", "Debian \"x\"\x1b");
    EXPECT_HAS(fake_answer(2), "[{\"key\":\"OSName\",\"value\":\"Debian \\\"x\\\"\\u001b\"}]");
    fake_control("@3 vm kvp get web key=a pool=guest\n");
    EXPECT_EQ(fake_vmm_query("web")->query.argument, 1);
    reply_item("web", "a", "1");
    EXPECT_HAS(fake_answer(3), "{\"key\":\"a\",\"value\":\"1\",\"pool\":\"guest\"}");
    EXPECT_HAS(fake_ask("vm kvp get web"), "key= is missing");
    EXPECT_HAS(fake_ask("vm kvp steal web"), "list|get|set|delete");
    EXPECT_HAS(fake_ask("help vm"), "vm kvp list|get|set|delete NAME");
}

TEST(addresses_are_split_and_have_their_family)
{
    EXPECT_OF(complete());
    fake_control("@1 vm ip web\n");
    reply_item("web", "NetworkAddressIPv4", "10.0.0.1;10.0.0.2;");
    EXPECT_HAS(fake_answer(1), "\"result\":[{\"address\":\"10.0.0.1\",\"family\":\"ipv4\"},"
                               "{\"address\":\"10.0.0.2\",\"family\":\"ipv4\"}]");
}

TEST(adapters_are_named_by_guid_and_set)
{
    EXPECT_OF(complete());
    fake_control("@1 vm ip web adapter=B1D00001-6b68-4c1e-9a01-62756c6b6864 address=10.0.0.9 "
                 "netmask=255.0.0.0 dhcp=off\n");
    const struct vmm_query *q = &fake_vmm_query("web")->query;
    EXPECT_EQ(q->kind, QUERY_IP_SET);
    EXPECT_STR(q->key, "{b1d00001-6b68-4c1e-9a01-62756c6b6864}");
    EXPECT(memcmp(q->value,
                  "10.0.0.9\0"
                  "255.0.0.0\0\0\0",
                  22) == 0);
    reply_ok("web");
    EXPECT_HAS(fake_answer(1), "\"address\":\"10.0.0.9\"");
    fake_control("@2 vm ip web adapter={b1d00001-6b68-4c1e-9a01-62756c6b6864}\n");
    reply_item("web", "name-server", "9.9.9.9");
    EXPECT_HAS(fake_answer(2), "\"dns\":\"9.9.9.9\"");
    EXPECT_HAS(fake_ask("vm ip web adapter=nic0"), "\"code\":\"usage\"");
    EXPECT_HAS(fake_ask("vm ip web address=10.0.0.9"), "adapter= is missing");
}

TEST(copy_hands_the_module_over)
{
    EXPECT_OF(complete());
    fake_control("@1 vm copy web source=guest.cpio to=/root/x\n");
    const struct fake_query *q = fake_vmm_query("web");
    EXPECT_EQ(q->query.kind, QUERY_COPY);
    EXPECT_EQ(q->query.number, KIB(100));
    EXPECT_STR(q->query.value, "/root/x");
    EXPECT(q->has_region);
    reply_ok("web");
    EXPECT_HAS(fake_answer(1), "\"to\":\"/root/x\"");
    EXPECT_HAS(fake_ask("vm copy web source=nope to=/x"), "\"code\":\"not-found\"");
    EXPECT_HAS(fake_ask("vm copy web source=vmlinuz to=x"), "\"code\":\"usage\"");
}

TEST(channels_are_listed)
{
    struct vmm_channel c = { .id = 4, .service = SERVICE_KVP, .state = 3, .signals_in = 9 };
    struct vmm_reply r = { .count = 1, .bytes = sizeof(c) };

    EXPECT_OF(complete());
    c.instance_id = (struct guid){ 0xb1d00001, 0x6b68, 0x4c1e, { 0x9a, 1, 2, 3, 4, 5, 6, 7 } };
    fake_control("@1 channel list web\n");
    fake_vmm_reply("web", &r, &c, sizeof(c));
    EXPECT_HAS(fake_answer(1), "\"service\":\"kvp\",\"subchannel\":0,\"state\":\"open\"");
    EXPECT_HAS(fake_answer(1), "\"instance\":\"b1d00001-6b68-4c1e-9a01-020304050607\"");
}

TEST(second_question_to_a_service_waits_for_the_first)
{
    EXPECT_OF(complete());
    fake_control("@1 vm kvp get web key=a\n@2 vm kvp get web key=b\n@3 vm freeze web\n");
    EXPECT_EQ(fake_vmm_query("web")->count, 2);
    EXPECT_EQ(fake_vmm_query("web")->query.kind, QUERY_FREEZE);
    reply_ok("web");
    EXPECT_HAS(fake_answer(3), "\"frozen\":true");
    EXPECT_HAS(fake_ask("vm pause web"), "\"state\":\"paused\"");
    fake_ask("vm resume web");
    fake_advance(46 * SECOND); /* the first is given up */
    EXPECT_HAS(fake_answer(1), "\"code\":\"timed-out\"");
    EXPECT_STR(fake_vmm_query("web")->query.key, "b");
    reply_item("web", "b", "2");
    EXPECT_HAS(fake_answer(2), "\"value\":\"2\"");
}

TEST(question_ends_with_its_vm_and_survives_the_manager)
{
    EXPECT_OF(complete());
    fake_control("@1 vm kvp get web key=a\n");
    fake_restart_manager();
    fake_run();
    reply_item("web", "a", "1");
    EXPECT_HAS(fake_answer(1), "\"value\":\"1\"");
    fake_control("@2 vm freeze web\n");
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    EXPECT_HAS(fake_answer(2), "web has ended meanwhile");
    EXPECT_HAS(fake_ask("vm freeze web"), "\"code\":\"wrong-state\"");
}

TEST(guests_that_do_not_answer_leave_room_for_other_requests)
{
    char line[64];

    EXPECT_OF(complete());
    for (unsigned i = 0; i < 30; i++) {
        snprintf(line, sizeof(line), "@%u vm kvp list web\n", i);
        fake_control(line);
    }
    EXPECT_HAS(fake_answer(29), "12 requests wait for guests already");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"state\":\"stopped\"");
    for (unsigned i = 0; i < 12; i++)
        EXPECT(fake_answer(i));
}

TEST(manager_may_die_at_any_call_over_a_question)
{
    EXPECT_OF(complete());
    unsigned handles = fake_handle_count();

    for (unsigned i = 1; i < 40; i++) {
        char line[96];

        fake.crash_at = fake.calls + i;
        snprintf(line, sizeof(line), "@%u vm copy web source=guest.cpio to=/x\n", 2 * i);
        fake_control(line);
        reply_ok("web");
        snprintf(line, sizeof(line), "@%u vm kvp list web\n", 2 * i + 1);
        fake_control(line);
        reply_item("web", "a", "1");
        fake.crash_at = 0;
        fake_advance(301 * SECOND);
        EXPECT(fake_answer(2 * i) && fake_answer(2 * i + 1));
        EXPECT_EQ(fake_handle_count(), handles);
    }
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
}

TEST(answers_that_lie_about_their_region_leave_nothing_behind)
{
    struct vmm_reply lies[] = { { .count = 2, .bytes = 8 },
                                { .count = 0xffffffff, .bytes = 16 },
                                { .count = 1, .bytes = UINT64_MAX },
                                { .count = 1, .bytes = KIB(128) } };
    uint8_t region[64] = { 0 };
    char line[64];

    EXPECT_OF(complete());
    unsigned handles = fake_handle_count();
    for (unsigned i = 0; i < array_count(lies); i++) {
        snprintf(line, sizeof(line), "@%u vm kvp list web\n", i);
        fake_control(line);
        fake_vmm_reply("web", &lies[i], region, sizeof(region));
        EXPECT_HAS(fake_answer(i), "\"code\":\"failed\"");
        fake_vmm_reply("web", &lies[i], region, sizeof(region)); /* nobody waits */
        EXPECT_EQ(fake_handle_count(), handles);
    }
    fake_control("@9 vm kvp list web\n");
    fake_vmm_reply("web", &lies[0], NULL, 0); /* no region at all */
    EXPECT_HAS(fake_answer(9), "\"code\":\"failed\"");
}

TEST(vm_that_does_not_run_cannot_be_asked)
{
    fake_boot(NULL);
    fake_ask(CREATE);
    EXPECT_HAS(fake_ask("vm shutdown web"), "\"code\":\"wrong-state\"");
    EXPECT_HAS(fake_ask("channel list web"), "\"code\":\"wrong-state\"");
    EXPECT_HAS(fake_ask("vm kvp list nope"), "\"code\":\"not-found\"");
    EXPECT_HAS(fake_ask("services list web"), "\"state\":null");
}
