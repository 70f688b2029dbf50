// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
#include "lib/format.h"
#include "services/manager/network.h"
#include "services/manager/switch_board.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "tests/unit/services/manager/fake_kernel.h"
#include "tests/unit/test.h"

#define CREATE    "vm create web kernel=vmlinuz initrd=guest.cpio memory=32M cpus=1"
#define OTHER     "vm create db kernel=vmlinuz memory=32M cpus=1"
#define EVENT(id) "{\"event\":\"" id "\""
#define OK_ANSWER "\"ok\":true"

static void good(const char *command)
{
    EXPECT_HAS(fake_ask(command), OK_ANSWER);
}

static void with_switch(void)
{
    fake_boot(NULL);
    EXPECT_OF(good("switch create lan"));
}

static void running(void)
{
    EXPECT_OF(with_switch());
    EXPECT_OF(good(CREATE));
    EXPECT_OF(good("nic add web switch=lan"));
    EXPECT_OF(good("vm start web"));
}

static void state_is(uint32_t state, uint32_t epoch)
{
    struct vmm_nic_state s = {
        .state = state, .nvsp_version = 6 << 16 | 1, .mtu = 1500, .channel_count = 2, .epoch = epoch
    };

    fake_vmm_nic_state("web", &s);
}

/* ---- words ---- */

TEST(vlans_are_read_and_written_alike)
{
    static const char *const texts[] = {
        "none", "1", "4094", "trunk", "trunk:5", "trunk:1,5-9,4094"
    };
    char text[VLAN_TEXT_BYTES];
    struct vlan_setting v;

    for (unsigned i = 0; i < array_count(texts); i++) {
        EXPECT(vlan_parse(texts[i], &v));
        EXPECT(vlan_is_good(&v));
        vlan_text(&v, text, sizeof(text));
        EXPECT_STR(text, texts[i]);
    }
}

TEST(what_is_no_vlan_is_refused)
{
    static const char *const texts[] = {
        "",
        "0",
        "4095",
        "1x",
        "trunk:",
        "trunk:0",
        "trunk:5,",
        "trunk:9-5",
        "trunk:5-",
        "trunks",
        "trunk:1-4095",
        "None",
        "trunk:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
    };
    struct vlan_setting v;

    for (unsigned i = 0; i < array_count(texts); i++)
        EXPECT(!vlan_parse(texts[i], &v));
}

TEST(a_trunk_is_told_as_bits)
{
    struct vlan_setting v;
    struct vlan_policy p;

    EXPECT(vlan_parse("trunk:5,8-9", &v));
    vlan_policy(&v, &p);
    EXPECT_EQ(p.mode, VLAN_TRUNK);
    EXPECT_EQ(p.allowed[0], 1 << 5);
    EXPECT_EQ(p.allowed[1], 3);
    EXPECT_EQ(p.allowed[2], 0);
}

TEST(addresses_and_speeds_are_read)
{
    struct mac_address mac;
    uint64_t speed;

    EXPECT(mac_parse("02:42:48:00:aB:Ff", &mac));
    EXPECT_EQ(mac.bytes[5], 0xff);
    EXPECT(!mac_parse("02:42:48:00:ab", &mac));
    EXPECT(!mac_parse("02:42:48:00:ab:ff:", &mac));
    EXPECT(!mac_parse("02-42-48-00-ab-ff", &mac));
    EXPECT(!mac_parse("", &mac));
    EXPECT(speed_parse("10G", 3, &speed) && speed == 10000000000);
    EXPECT(speed_parse("100M", 4, &speed) && speed == 100000000);
    EXPECT(!speed_parse("0", 1, &speed) && !speed_parse("G", 1, &speed));
    EXPECT(!speed_parse("500G", 4, &speed) && !speed_parse("1X", 2, &speed));
    EXPECT(!speed_parse("1GG", 3, &speed));
}

/* ---- switches ---- */

TEST(the_switch_program_starts_with_the_first_switch)
{
    fake_boot(NULL);
    EXPECT_STR(fake_switch()->order, "");
    EXPECT_HAS(fake_ask("switch create lan type=internal ageing=60"),
               "\"name\":\"lan\",\"type\":\"internal\",\"ageing_s\":60");
    EXPECT_STR(fake_switch()->order, "s0 ");
    EXPECT_HAS(fake_ask("switch list"), "\"running\":true,\"port_count\":0");
    EXPECT_HAS(fake_ask("switch show lan"), "\"balance\":0");
    EXPECT_HAS(fake_ask("switch set lan ageing=10"), "\"ageing_s\":10");
    EXPECT_HAS(fake_ask("switch delete lan"), OK_ANSWER);
    EXPECT_STR(fake_switch()->order, "s0 s0 -s0 ");
    EXPECT_HAS(fake_ask("switch list"), "\"result\":[]");
}

TEST(without_its_program_no_switch_is_made)
{
    fake_boot(NULL);
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    fake.has_no_switch = true;
    EXPECT_HAS(fake_ask("switch create lan"), "the switch program cannot be started: argument");
    EXPECT_HAS(fake_ask("switch list"), "\"result\":[]");
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
}

TEST(commands_that_cannot_be_say_why)
{
    static const char *const lines[][2] = {
        { "switch create lan", "there is a switch named lan" },
        { "switch create b ageing=0", "ageing=0 cannot be" },
        { "switch show nope", "no switch named nope" },
        { "switch set lan", "nothing to set" },
        { "switch delete lan", "lan has ports: web/nic0" },
        { "nic add nope switch=lan", "no VM named nope" },
        { "nic add web switch=nope", "no switch named nope" },
        { "nic add web switch=lan mac=00:00:00:00:00:00", "is no address of a NIC" },
        { "nic add web switch=lan mac=03:00:00:00:00:01", "is an address of a group" },
        { "nic add web switch=lan mac=02:00:00:00:00:01", "web/nic0 has 02:00:00:00:00:01" },
        { "nic add web switch=lan mac=02:00", "is no value for mac" },
        { "nic add web switch=lan vlan=5000", "is no value for vlan" },
        { "nic add web switch=lan native=5", "native= is for a trunk only" },
        { "nic add web switch=lan vlan=trunk native=5000", "native=5000 cannot be" },
        { "nic remove web/nic1", "no port named web/nic1" },
        { "nic remove web/nic9", "is no value for PORT" },
        { "nic set web/nic0", "nothing to set" },
        { "nic set web/nic0 speed=0", "is no value for speed" },
        { "nic list nope", "no VM named nope" },
        { "port show db/nic0", "no port named db/nic0" },
        { "port set web/nic0", "nothing to set" },
        { "port set web/nic0 learned=5000", "learned=5000 cannot be" },
        { "port list switch=nope", "no switch named nope" },
        { "capture start nope", "no port or switch named nope" },
        { "capture start lan bytes=1", "bytes=1 cannot be" },
        { "capture start lan snap=1", "snap=1 cannot be" },
        { "capture stop lan", "no capture of lan" },
    };

    EXPECT_OF(with_switch());
    EXPECT_OF(good(CREATE));
    EXPECT_OF(good("nic add web switch=lan mac=02:00:00:00:00:01"));
    for (unsigned i = 0; i < array_count(lines); i++)
        EXPECT_HAS(fake_ask(lines[i][0]), lines[i][1]);
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("debug fault switch"), "the switch does not run");
}

TEST(there_are_at_most_8_switches_and_8_nics_of_a_vm)
{
    char line[64];

    fake_boot(NULL);
    EXPECT_OF(good(CREATE));
    for (unsigned i = 0; i < SWITCHES_MAX; i++) {
        snprintf(line, sizeof(line), "switch create s%u", i);
        EXPECT_OF(good(line));
        EXPECT_OF(good("nic add web switch=s0"));
    }
    EXPECT_HAS(fake_ask("switch create more"), "there are 8 switches already");
    EXPECT_HAS(fake_ask("nic add web switch=s0"), "web has 8 NICs already");
}

/* ---- NICs ---- */

TEST(a_nic_has_an_address_and_an_id_of_its_own)
{
    EXPECT_OF(with_switch());
    EXPECT_OF(good(CREATE));
    EXPECT_HAS(fake_ask("nic add web switch=lan vlan=trunk:5,7-9 native=7 isolated=on"),
               "\"name\":\"web/nic0\",\"vm\":\"web\",\"switch\":\"lan\",\"state\":\"offline\","
               "\"connected\":false,\"link\":\"up\",\"mac\":\"02:42:48:");
    EXPECT_HAS(fake_ask("nic add web switch=lan"), "\"name\":\"web/nic1\"");
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"vlan\":\"trunk:5,7-9\",\"native_vlan\":7");
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"isolated\":\"on\",\"spoofing\":\"off\"");
    EXPECT(!mac_is_equal(&network()->ports[0].settings.mac, &network()->ports[1].settings.mac));
    EXPECT(!guid_is_equal(&network()->ports[0].settings.instance_id,
                          &network()->ports[1].settings.instance_id));
    EXPECT_HAS(fake_ask("nic list web"), "\"id\":\"{");
    EXPECT_HAS(fake_ask("vm show web"), "\"nics\":[{\"name\":\"web/nic0\"");
    EXPECT_HAS(fake_control_output(), EVENT("nic-added"));
}

TEST(nics_are_configured_and_linked_when_the_vm_starts)
{
    EXPECT_OF(running());
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 ");
    EXPECT_STR(fake_vmm_nic("web", 0)->nic.name, "web/nic0"); /* it was added to a vmm */
    EXPECT_OF(good("vm reset web"));
    const struct vmm_config *c = fake_vmm_config("web");
    EXPECT_EQ(c->nic_count, 1);
    EXPECT_EQ(c->nics[0].flags, NIC_IS_PRESENT | NIC_LINK_IS_UP);
    EXPECT_STR(c->nics[0].name, "web/nic0");
    EXPECT_EQ(c->nics[0].speed_bits, SPEED_BITS_USUAL);
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 -p0 p0 l0 ");
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 2);
    EXPECT_EQ(network()->ports[0].link.is_taken, 1);
    EXPECT_EQ(network()->ports[0].link.switch_end, HANDLE_NONE);
    EXPECT_EQ(network()->ports[0].link.vmm_end, HANDLE_NONE);
    EXPECT_STR(fake_switch()->ports[0].name, "web/nic0");
    EXPECT_EQ(fake_switch()->ports[0].flags, PORT_IS_UP);
}

TEST(the_switch_gives_up_the_port_of_a_vm_that_ends)
{
    EXPECT_OF(running());
    EXPECT_OF(good("vm poweroff web"));
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 -p0 ");
    EXPECT_EQ(network()->ports[0].link.budget, HANDLE_NONE);
    EXPECT_OF(good("vm start web"));
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 -p0 p0 l0 ");
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 2);
    fake_vmm_fault("web");
    fake_run();
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 -p0 p0 l0 -p0 ");
}

TEST(nics_come_and_go_while_the_vm_runs)
{
    EXPECT_OF(running());
    EXPECT_OF(good("nic add web switch=lan"));
    EXPECT_STR(fake_vmm_nic("web", 1)->nic.name, "web/nic1");
    EXPECT_EQ(fake_vmm_nic("web", 1)->epoch, 1);
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 p1 l1 ");
    EXPECT_OF(good("nic remove web/nic0"));
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 p1 l1 -p0 ");
    EXPECT_HAS(fake_control_output(), EVENT("nic-removed"));
    EXPECT_OF(good("vm pause web"));
    EXPECT_HAS(fake_ask("nic add web switch=lan"), "web/nic0");
    EXPECT_OF(good("vm resume web"));
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 1);
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 p1 l1 -p0 p0 l0 ");
}

TEST(changes_are_told_to_switch_and_vmm)
{
    EXPECT_OF(running());
    EXPECT_OF(good("port set web/nic0 vlan=7 isolated=on spoofing=on learned=3 "
                   "mac=02:00:00:00:00:07"));
    EXPECT_EQ(fake_switch()->ports[0].vlan.id, 7);
    EXPECT_EQ(fake_switch()->ports[0].flags, PORT_IS_UP | PORT_IS_ISOLATED | PORT_MAY_SPOOF);
    EXPECT_EQ(fake_switch()->ports[0].learned_max, 3);
    EXPECT_EQ(fake_vmm_nic("web", 0)->nic.mac.bytes[5], 7);
    EXPECT_OF(good("nic set web/nic0 link=down speed=1G"));
    EXPECT_EQ(fake_vmm_nic("web", 0)->nic.flags, NIC_IS_PRESENT | NIC_MAY_CHANGE_MAC);
    EXPECT_EQ(fake_vmm_nic("web", 0)->nic.speed_bits, 1000000000);
    EXPECT_EQ(fake_switch()->ports[0].flags, PORT_IS_ISOLATED | PORT_MAY_SPOOF);
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 1);
}

TEST(nothing_is_left_of_nics_and_vms)
{
    EXPECT_OF(with_switch());
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    EXPECT_OF(good(CREATE));
    for (unsigned i = 0; i < VMM_NICS_MAX; i++)
        EXPECT_OF(good("nic add web switch=lan"));
    EXPECT_OF(good("vm start web"));
    EXPECT_EQ(fake_vmm_nic("web", 7)->epoch, 1);
    EXPECT_OF(good("nic remove web/nic3"));
    EXPECT_OF(good("vm poweroff web"));
    EXPECT_OF(good("vm delete web"));
    EXPECT_HAS(fake_ask("port list"), "\"result\":[]");
    fake_advance(NS_PER_SECOND);
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
    EXPECT_OF(good("switch delete lan"));
}

/* More handles than a queue holds, and a switch and vmms that read late. */
TEST(full_queues_are_filled_again_in_order)
{
    EXPECT_OF(with_switch());
    EXPECT_OF(good(CREATE));
    EXPECT_OF(good(OTHER));
    for (unsigned i = 0; i < VMM_NICS_MAX; i++) {
        EXPECT_OF(good("nic add web switch=lan"));
        EXPECT_OF(good("nic add db switch=lan"));
    }
    fake.switch_hangs = true;
    EXPECT_OF(good("vm start web"));
    EXPECT_OF(good("vm start db"));
    fake.vmms_hang = true;
    fake.switch_hangs = false;
    fake_advance(50 * NS_PER_MS);
    fake.vmms_hang = false;
    fake_advance(50 * NS_PER_MS);
    for (unsigned i = 0; i < VMM_NICS_MAX; i++) {
        EXPECT_EQ(fake_vmm_nic("web", i)->epoch, 1);
        EXPECT_EQ(fake_vmm_nic("db", i)->epoch, 1);
        EXPECT_EQ(fake_switch()->link_count[i], 1);
        EXPECT_EQ(fake_switch()->link_count[VMM_NICS_MAX + i], 1);
    }
}

TEST(a_nic_without_memory_is_refused)
{
    char line[80];

    EXPECT_OF(with_switch());
    EXPECT_OF(good(CREATE));
    EXPECT_OF(good("vm start web"));
    snprintf(line, sizeof(line), "vm create big kernel=vmlinuz memory=%luM cpus=1",
             (((MIB(256) - fake_budget_used()) >> 20) - 3) & ~1ul);
    EXPECT_OF(good(line));
    EXPECT_HAS(fake_ask("nic add web switch=lan"), "4 MiB are needed for a NIC");
    EXPECT_OF(good("vm delete big"));
    EXPECT_OF(good("nic add web switch=lan"));
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 1);
}

/* ---- what vmms say ---- */

TEST(the_state_of_a_nic_is_shown_and_told)
{
    EXPECT_OF(running());
    state_is(NIC_READY, 1);
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"state\":\"ready\"");
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"nvsp_version\":\"6.1\",\"channels\":2");
    EXPECT_HAS(fake_control_output(), EVENT("port-connected"));
    state_is(NIC_OFFERED, 1);
    EXPECT_HAS(fake_control_output(), EVENT("port-disconnected"));
    EXPECT_HAS(fake_ask("port explain web/nic0"), "\"path\":\"none\"");
    EXPECT_HAS(fake_ask("port explain web/nic0"), "\"step\":\"vmq\",\"state\":\"unavailable\"");
}

TEST(a_state_that_cannot_be_ends_the_vmm)
{
    struct vmm_nic_state s = { .number = VMM_NICS_MAX };

    EXPECT_OF(running());
    fake_vmm_nic_state("web", &s);
    EXPECT_HAS(fake_control_output(), EVENT("vmm-misbehaved"));
}

/* ---- counters ---- */

TEST(counters_outlive_port_and_program_and_stay_in_balance)
{
    EXPECT_OF(running());
    struct port_counters *c = &fake_switch_board()->ports[0].counters;
    c->in_frames = 10;
    c->paths[PATH_SWITCH] = 8;
    c->in_drops[DROP_SPOOFED] = 2;
    c->out_frames = 7;
    c->out_drops[DROP_NO_BUFFER] = 1;
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"in_drops\":{\"total\":2,\"spoofed\":2}");
    EXPECT_HAS(fake_ask("switch show lan"), "\"balance\":0");
    EXPECT_OF(good("vm poweroff web"));
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"in_frames\":10");
    EXPECT_OF(good("vm start web"));
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"in_frames\":10");
    fake_switch_board()->ports[0].counters.in_frames = 1;
    EXPECT_HAS(fake_ask("switch show lan"), "\"balance\":1");
    fake_switch_fault();
    fake_run();
    EXPECT_HAS(fake_ask("port show web/nic0"), "\"in_frames\":11");
    EXPECT_OF(good("nic remove web/nic0"));
    EXPECT_HAS(fake_ask("switch show lan"), "\"totals\":{\"in_frames\":11");
    fake_switch_board()->ports[0].counters.in_frames = 0;
}

TEST(drops_are_told_once_until_it_is_quiet)
{
    EXPECT_OF(running());
    struct port_counters *c = &fake_switch_board()->ports[0].counters;
    c->in_drops[DROP_SPOOFED] = 1;
    c->in_drops[DROP_NO_RECEIVER] = 5;
    fake_advance(3 * NS_PER_SECOND);
    EXPECT_HAS(fake_control_output(), EVENT("port-drops"));
    EXPECT_HAS(fake_control_output(), "\"reason\":\"spoofed\"");
    EXPECT(!strstr(fake_control_output(), "\"reason\":\"no-receiver\""));
    fake_forget_output();
    c->in_drops[DROP_SPOOFED] = 9;
    fake_advance(3 * NS_PER_SECOND);
    EXPECT(!strstr(fake_control_output(), EVENT("port-drops")));
    fake_advance(70 * NS_PER_SECOND);
    c->in_drops[DROP_SPOOFED] = 10;
    fake_advance(3 * NS_PER_SECOND);
    EXPECT_HAS(fake_control_output(), EVENT("port-drops"));
}

TEST(learned_addresses_are_listed)
{
    EXPECT_OF(running());
    fake_switch_board()->macs[0][77] =
        (struct mac_row){ .mac = { { 2, 0, 0, 0, 0, 9 } }, .vlan = 5, .flags = MAC_IS_USED };
    fake_switch_board()->sequence = 3; /* a change that never ends */
    EXPECT_HAS(fake_ask("switch show lan"),
               "{\"mac\":\"02:00:00:00:00:09\",\"vlan\":5,\"port\":\"web/nic0\",\"static\":false");
}

/* ---- the program's and the manager's deaths ---- */

TEST(a_new_switch_is_told_everything_and_epochs_grow)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("debug fault switch"), "\"ended\":\"switch\"");
    EXPECT_HAS(fake_control_output(), EVENT("program-ended"));
    EXPECT_HAS(fake_control_output(), EVENT("program-started"));
    EXPECT_HAS(fake_control_output(), "\"program\":\"switch\",\"start_count\":1");
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 ");
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 2);
    EXPECT_EQ(fake_switch()->link_count[0], 2);
}

TEST(a_switch_that_dies_at_once_is_started_slowly)
{
    EXPECT_OF(running());
    for (unsigned i = 0; i < 5; i++) {
        fake_switch_fault();
        fake_run();
    }
    EXPECT_STR(fake_switch()->order, "");
    EXPECT_HAS(fake_ask("switch list"), "\"running\":false");
    fake_advance(2 * NS_PER_SECOND);
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 ");
    EXPECT_EQ(fake_vmm_nic("web", 0)->link_count, 6);
}

TEST(a_new_manager_takes_the_network_over)
{
    EXPECT_OF(running());
    unsigned handles = fake_handle_count();
    fake_restart_manager();
    fake_run();
    EXPECT_EQ(fake_handle_count(), handles);
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 ");
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 1);
    EXPECT(!strstr(fake_control_output(), EVENT("adoption-failed")));
    EXPECT_OF(good("nic add web switch=lan"));
    EXPECT_STR(fake_switch()->order, "s0 p0 l0 p1 l1 ");
    EXPECT_HAS(fake_ask("debug fault switch"), "\"ended\":\"switch\"");
    EXPECT_EQ(fake_vmm_nic("web", 1)->epoch, 2);
}

TEST(what_is_damaged_is_dropped_and_the_rest_goes_on)
{
    EXPECT_OF(running());
    EXPECT_OF(good("nic add web switch=lan"));
    network()->ports[1].settings.vlan.mode = 99;
    fake_restart_manager();
    fake_run();
    fake_advance(2 * NS_PER_SECOND);
    EXPECT_HAS(fake_control_output(), "part of the network was damaged");
    EXPECT_HAS(fake_ask("port list"), "web/nic0");
    EXPECT(!strstr(fake_ask("port list"), "web/nic1"));
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 2);
}

TEST(death_of_the_manager_at_any_call_leaks_nothing_of_the_network)
{
    for (unsigned n = 1;; n++) {
        EXPECT_OF(with_switch());
        uint64_t used = fake_budget_used();
        unsigned handles = fake_handle_count();

        fake.calls = 0;
        fake.crash_at = n;
        fake_control("@1 " CREATE "\n@2 nic add web switch=lan\n@3 vm start web\n"
                     "@4 nic add web switch=lan\n@5 vm poweroff web\n");
        bool has_died = !fake.crash_at;
        fake.crash_at = 0;
        fake_advance(20 * NS_PER_SECOND);
        fake_ask("vm poweroff web");
        fake_ask("vm delete web");
        fake_advance(20 * NS_PER_SECOND);
        if (fake_budget_used() != used || fake_handle_count() != handles)
            TEST_FAIL("after a death at call %u %lu bytes and %d handles are lost: %s", n,
                      fake_budget_used() - used, (int)fake_handle_count() - (int)handles,
                      fake_ask("port list"));
        if (!has_died)
            break;
    }
}

TEST(each_refused_allocation_of_a_switch_is_undone)
{
    for (unsigned n = 1; n < 20; n++) {
        fake_boot(NULL);
        uint64_t used = fake_budget_used();
        unsigned handles = fake_handle_count();

        fake.fail_at = n;
        if (strstr(fake_ask("switch create lan"), OK_ANSWER))
            return;
        EXPECT_EQ(fake_budget_used(), used);
        EXPECT_EQ(fake_handle_count(), handles);
    }
    TEST_FAIL("the switch is never made");
}

/* ---- save ---- */

TEST(a_save_keeps_the_nics)
{
    EXPECT_OF(running());
    EXPECT_OF(good("port set web/nic0 vlan=5 mac=02:00:00:00:00:05"));
    EXPECT_OF(good("vm save web as=one"));
    EXPECT_HAS(fake_ask("vm restore one name=copy"), "web/nic0 has the address of its NIC 0");
    EXPECT_OF(good("vm poweroff web"));
    EXPECT_HAS(fake_ask("vm restore one name=copy"), "\"name\":\"copy/nic0\"");
    EXPECT_HAS(fake_ask("port show copy/nic0"), "\"mac\":\"02:00:00:00:00:05\",\"vlan\":\"5\"");
    EXPECT(guid_is_equal(&network()->ports[0].settings.instance_id,
                         &network()->ports[1].settings.instance_id));
    EXPECT_EQ(fake_vmm_config("copy")->nic_count, 1);
    EXPECT_EQ(fake_vmm_nic("copy", 0)->epoch, 1);
    EXPECT_HAS(fake_ask("vm start web"), "web/nic0 has the address of copy/nic0");
    EXPECT_OF(good("vm poweroff copy"));
    EXPECT_OF(good("vm delete copy"));
    EXPECT_OF(good("vm delete web"));
    EXPECT_OF(good("switch delete lan"));
    EXPECT_HAS(fake_ask("vm restore one name=copy"), "there is no switch named lan");
    EXPECT_HAS(fake_ask("vm list"), "\"result\":[]");
}

/* ---- capture ---- */

TEST(a_capture_is_read_piece_by_piece)
{
    static uint8_t file[50000];

    EXPECT_OF(running());
    memset(file, 'M', sizeof(file));
    EXPECT_HAS(fake_ask("capture start web/nic0 bytes=64K snap=100"), "\"state\":\"running\"");
    EXPECT_EQ(fake_switch()->capture.port_index, 0);
    EXPECT_EQ(fake_switch()->capture.region_bytes, KIB(68));
    fake_switch_capture(file, sizeof(file));
    EXPECT_HAS(fake_ask("capture start web/nic0"), "web/nic0 is being captured");
    EXPECT_HAS(fake_ask("capture save web/nic0"), "\"next\":49152,\"bytes\":50000,\"frames\":3");
    EXPECT_HAS(fake_ask("capture save web/nic0 from=49998"), "\"base64\":\"TU0=\",\"next\":50000");
    EXPECT_HAS(fake_ask("capture save web/nic0 from=99999"), "\"base64\":\"\",\"next\":50000");
    EXPECT_HAS(fake_ask("capture stop web/nic0"), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_ask("capture save web/nic0 from=49997"), "\"base64\":\"TU1N\"");
    EXPECT_HAS(fake_ask("capture list"), "\"lost\":1");
    EXPECT_OF(good("capture delete web/nic0"));
    EXPECT_HAS(fake_ask("capture list"), "\"result\":[]");
}

TEST(there_are_at_most_4_captures_and_a_death_ends_them)
{
    char line[64];

    EXPECT_OF(running());
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OF(good("nic add web switch=lan"));
    for (unsigned i = 0; i < 4; i++) {
        snprintf(line, sizeof(line), "capture start web/nic%u", i);
        EXPECT_OF(good(line));
    }
    EXPECT_HAS(fake_ask("capture start lan"), "there are 4 captures already");
    fake_switch_fault();
    fake_run();
    EXPECT(!strstr(fake_ask("capture list"), "running"));
    EXPECT_OF(good("capture start web/nic0"));
}

TEST(an_adapter_that_is_set_is_named_by_its_guid)
{
    char id[NIC_ID_TEXT_BYTES];

    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm ip web adapter=db/nic0 dhcp=on"), "is no adapter");
    fake_control("@1 vm ip web adapter=web/nic0 dhcp=on\n");
    nic_id_text(&network()->ports[0].settings.instance_id, id);
    EXPECT_EQ(fake_vmm_query("web")->query.kind, QUERY_IP_SET);
    EXPECT_STR(fake_vmm_query("web")->query.key, id);
}

TEST(an_adapter_that_is_asked_for_is_named_by_its_address)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm ip web adapter=db/nic0"), "is no adapter");
    EXPECT_OF(good("port set web/nic0 mac=02:42:48:00:00:ab"));
    fake_control("@1 vm ip web adapter=web/nic0\n");
    EXPECT_EQ(fake_vmm_query("web")->query.kind, QUERY_IP_GET);
    EXPECT_STR(fake_vmm_query("web")->query.key, "02:42:48:00:00:AB");
}

TEST(an_adapter_is_found_by_its_guid)
{
    char id[NIC_ID_TEXT_BYTES], line[128];

    EXPECT_OF(running());
    EXPECT_OF(good("port set web/nic0 mac=02:42:48:00:00:ab"));
    nic_id_text(&network()->ports[0].settings.instance_id, id);
    format(line, sizeof(line), "@1 vm ip web adapter=%s\n", id);
    fake_control(line);
    EXPECT_STR(fake_vmm_query("web")->query.key, "02:42:48:00:00:AB");
}

TEST(the_switch_learns_the_time)
{
    EXPECT_OF(with_switch());
    EXPECT_OF(good("host set time=2030-01-02T03:04:05Z"));
    EXPECT_STR(fake_switch()->order, "s0 s0 ");
}

TEST(the_configuration_makes_networks)
{
    fake_boot("switch create lan\n" CREATE "\nnic add web switch=lan vlan=7\nvm start web\n");
    EXPECT_HAS(fake_control_output(), EVENT("host-ready"));
    EXPECT(!strstr(fake_control_output(), EVENT("config-error")));
    EXPECT_EQ(fake_vmm_nic("web", 0)->epoch, 1);
}
