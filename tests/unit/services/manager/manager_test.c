// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
#include "services/manager/control.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "tests/unit/services/manager/fake_kernel.h"
#include "tests/unit/test.h"

#define CREATE    "vm create web kernel=vmlinuz initrd=guest.cpio memory=64M cpus=1"
#define EVENT(id) "{\"event\":\"" id "\""

static void running(void)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE), "\"state\":\"created\"");
    EXPECT_HAS(fake_ask("vm start web"), "\"state\":\"running\"");
}

TEST(host_is_ready_without_a_configuration)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_control_output(), EVENT("host-ready"));
    EXPECT_HAS(fake_console_output(), "Bulkhead 0.1.0");
    EXPECT_HAS(fake_console_output(), "bulkhead> ");
}

TEST(host_show_has_the_promised_fields)
{
    static const char *const fields[] = {
        "\"name\":\"bulkhead\"",
        "\"version\":\"0.1.0\"",
        "\"build\":\"debug\"",
        "\"cpus\":[{\"id\":0,",
        "\"halted_ns\":0",
        "\"uptime_ns\":1000000000",
        "\"memory_bytes\":1073741824",
        "\"memory_free_bytes\":",
        "\"handle_count\":",
        "\"virt\":\"svm\"",
        "\"boot\":\"pvh\"",
        "\"time\":\"2026-11-22T12:34:56Z\"",
    };

    fake_boot(NULL);
    const char *answer = fake_ask("host show");
    for (unsigned i = 0; i < array_count(fields); i++)
        EXPECT_HAS(answer, fields[i]);
    EXPECT_HAS(answer, "\"ok\":true,\"result\":{");
}

TEST(host_set_changes_name_and_time)
{
    fake_boot(NULL);
    const char *answer = fake_ask("host set name=a time=2030-01-02T03:04:05Z");
    EXPECT_HAS(answer, "\"name\":\"a\"");
    EXPECT_HAS(answer, "2030-01-02T03:04:05Z");
    EXPECT_HAS(fake_ask("host set"), "\"code\":\"usage\"");
}

TEST(host_check_names_state_and_remedy)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("host check"),
               "{\"feature\":\"iommu\",\"need\":\"should\",\"state\":\"missing\",\"remedy\":\"Swi");
}

TEST(vm_goes_through_its_life_and_leaves_nothing)
{
    fake_boot(NULL);
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    EXPECT_HAS(fake_ask(CREATE), "\"state\":\"created\"");
    EXPECT_HAS(fake_ask("vm start web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm pause web"), "\"state\":\"paused\"");
    EXPECT_HAS(fake_ask("vm resume web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm reset web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_ask("vm start web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm list"), "\"result\":[]");
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
    const char *out = fake_control_output();
    EXPECT_HAS(out, EVENT("vm-created"));
    EXPECT_HAS(out, EVENT("vm-started"));
    EXPECT_HAS(out, EVENT("vm-paused"));
    EXPECT_HAS(out, EVENT("vm-resumed"));
    EXPECT_HAS(out, EVENT("vm-reset"));
    EXPECT_HAS(out, EVENT("vm-stopped"));
    EXPECT_HAS(out, EVENT("vm-deleted"));
}

TEST(vmm_is_told_what_it_needs)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE " cmdline=\"a b\\\"c\" type=pvh ioapic=on"), "\"ioapic\":\"on\"");
    const struct vmm_config *c = fake_vmm_config("web");
    EXPECT_EQ(c->version, 1);
    EXPECT_EQ(c->type, GUEST_PVH);
    EXPECT_EQ(c->memory_bytes, MIB(64));
    EXPECT_EQ(c->kernel_bytes, MIB(8));
    EXPECT_EQ(c->initrd_bytes, KIB(100));
    EXPECT_EQ(c->cpu_count, 1);
    EXPECT_EQ(c->has_ioapic, 1);
    EXPECT_STR(c->name, "web");
    EXPECT_STR(c->kernel_name, "vmlinuz");
    EXPECT_STR(c->cmdline, "a b\"c");
    EXPECT(c->utc_base_ns > 0);
}

TEST(modules_of_a_multiboot_guest_are_passed_in_order)
{
    fake_boot(NULL);
    const char *answer = fake_ask("vm create web kernel=vmlinuz memory=64M cpus=1 type=multiboot "
                                  "modules=guest.cpio,vmlinuz,guest.cpio");
    EXPECT_HAS(answer,
               "\"type\":\"multiboot\",\"modules\":[\"guest.cpio\",\"vmlinuz\",\"guest.cpio\"]");
    const struct vmm_config *c = fake_vmm_config("web");
    EXPECT_EQ(c->type, GUEST_MULTIBOOT);
    EXPECT_EQ(c->module_count, 3);
    EXPECT_STR(c->modules[0].name, "guest.cpio");
    EXPECT_EQ(c->modules[0].bytes, KIB(100));
    EXPECT_STR(c->modules[1].name, "vmlinuz");
    EXPECT_EQ(c->modules[1].bytes, MIB(8));
    EXPECT_STR(c->modules[2].name, "guest.cpio");
    fake_type("vm show web\r");
    EXPECT_HAS(fake_console_output(), "guest.cpio, vmlinuz, guest.cpio");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
}

TEST(commands_in_the_wrong_state_say_so)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm start web"), "\"code\":\"wrong-state\",\"message\":\"web is running\"");
    EXPECT_HAS(fake_ask("vm resume web"), "wrong-state");
    EXPECT_HAS(fake_ask("vm delete web"), "wrong-state");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm poweroff web"), "wrong-state");
    EXPECT_HAS(fake_ask("vm pause web"), "wrong-state");
    EXPECT_HAS(fake_ask("vm reset web"), "wrong-state");
    EXPECT_HAS(fake_ask("vm type web x"), "wrong-state");
}

TEST(unknown_vms_are_not_found)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("vm start nope"), "{\"code\":\"not-found\",\"message\":\"no VM named "
                                          "nope\",\"hint\":\"vm list\"}");
    EXPECT_HAS(fake_ask("vm log nope"), "not-found");
}

TEST(vm_create_refuses_what_cannot_be_and_leaves_nothing)
{
    static const char *const lines[][2] = {
        { "vm create a kernel=nope memory=64M cpus=1", "not-found" },
        { "vm create a kernel=vmlinuz initrd=nope memory=64M cpus=1", "not-found" },
        { "vm create a kernel=empty memory=64M cpus=1", "bad-image" },
        { "vm create a kernel=vmlinuz initrd=empty memory=64M cpus=1", "bad-image" },
        { "vm create a kernel=vmlinuz memory=512M cpus=1", "no-memory" },
        { "vm create a kernel=vmlinuz memory=100000G cpus=1", "no-memory" },
        { "vm create a kernel=vmlinuz memory=512K cpus=1", "usage" },
        { "vm create a kernel=vmlinuz memory=1048577 cpus=1", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=65", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=0", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 type=multiboot initrd=vmlinuz", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 type=linux modules=vmlinuz", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 type=pvh modules=vmlinuz", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 modules=vmlinuz,nope", "not-found" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 modules=vmlinuz,empty", "bad-image" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 modules=vmlinuz,", "usage" },
        { "vm create a kernel=vmlinuz memory=64M cpus=1 modules=", "usage" },
        { "vm create a kernel=vmlinuz memory=64M", "usage" },
        { "vm create a memory=64M cpus=1", "usage" },
        { "vm create kernel=vmlinuz memory=64M cpus=1", "usage" },
        { "vm create A kernel=vmlinuz memory=64M cpus=1", "usage" },
        { "vm create estate kernel=estate memory=64M cpus=1", "not-found" },
    };
    fake_boot(NULL);
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    for (unsigned i = 0; i < array_count(lines); i++) {
        char code[40];

        snprintf(code, sizeof(code), "\"code\":\"%s\"", lines[i][1]);
        EXPECT_HAS(fake_ask(lines[i][0]), code);
        EXPECT_EQ(fake_budget_used(), used);
        EXPECT_EQ(fake_handle_count(), handles);
    }
    EXPECT_HAS(fake_ask("vm list"), "\"result\":[]");
}

TEST(name_that_is_taken_is_refused)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask(CREATE), "\"code\":\"exists\"");
}

TEST(vmm_that_fails_to_boot_is_undone_and_explained)
{
    static const struct {
        enum fake_vmm_behaviour behaviour;
        const char *answer;
    } cases[] = {
        { VMM_BAD_IMAGE,
          "\"code\":\"bad-image\",\"message\":\"vmlinuz is no kernel\",\"hint\":\"use" },
        { VMM_DIES, "\"code\":\"failed\",\"message\":\"its vmm ended by exception 14" },
        { VMM_GARBAGE, "\"code\":\"failed\",\"message\":\"the vmm sent a message of unknown" },
        { VMM_BREAKS_RING, "\"code\":\"failed\",\"message\":\"the vmm broke the ring" },
    };

    for (unsigned i = 0; i < array_count(cases); i++) {
        fake_boot(NULL);
        uint64_t used = fake_budget_used();
        unsigned handles = fake_handle_count();

        fake.behaviour = cases[i].behaviour;
        EXPECT_HAS(fake_ask(CREATE), cases[i].answer);
        EXPECT_EQ(fake_budget_used(), used);
        EXPECT_EQ(fake_handle_count(), handles);
        fake.behaviour = VMM_GOOD;
        EXPECT_HAS(fake_ask(CREATE), "\"state\":\"created\"");
    }
}

TEST(silent_vmm_times_out_and_is_undone)
{
    fake_boot(NULL);
    uint64_t used = fake_budget_used();

    fake.behaviour = VMM_SILENT;
    fake_control("@5 " CREATE "\n");
    EXPECT(!fake_answer(5));
    fake_advance(20 * NS_PER_SECOND);
    EXPECT_HAS(fake_answer(5), "\"code\":\"timed-out\"");
    EXPECT_EQ(fake_budget_used(), used);
}

TEST(hung_vmm_can_be_powered_off)
{
    fake.behaviour = VMM_GOOD;
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"ok\":true");
    fake.behaviour = VMM_DEAF;
    fake_control("@6 vm start web\n");
    fake_advance(20 * NS_PER_SECOND);
    EXPECT_HAS(fake_answer(6), "\"code\":\"timed-out\"");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"crashed\"");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
}

TEST(pause_that_is_not_answered_gives_way_to_poweroff)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm reset web"), "\"ok\":true");
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    fake.kills_hang = true; /* the reset waits for the end of the old vmm */
    fake_control("@7 vm reset web\n@8 vm pause web\n@9 vm poweroff web\n");
    EXPECT(!fake_answer(8));
    EXPECT_HAS(fake_answer(7), "\"code\":\"failed\",\"message\":\"web was powered off meanwhile\"");
    fake.kills_hang = false;
    fake_run();
    EXPECT_HAS(fake_answer(9), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_answer(8), "wrong-state");
}

TEST(exit_port_stops_the_vm_with_its_code)
{
    EXPECT_OF(running());
    fake_vmm_end("web", VMM_END_EXIT_PORT, 0x142);
    fake_run();
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_ask("vm list"), "\"exit_code\":66}");
    EXPECT_HAS(fake_control_output(),
               "\"text\":\"stopped with exit code 66\",\"fields\":{\"exit_code\":66}");
    EXPECT_HAS(fake_ask("vm start web"), "\"exit_code\":null");
}

TEST(triple_fault_is_a_crash_with_registers_and_exits)
{
    EXPECT_OF(running());
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    EXPECT_HAS(fake_control_output(), EVENT("vm-crashed"));
    EXPECT_HAS(fake_control_output(),
               "\"severity\":\"error\",\"vm\":\"web\",\"text\":\"triple fault at rip=0x1234\"");
    const char *show = fake_ask("vm show web");
    EXPECT_HAS(show, "\"state\":\"crashed\"");
    EXPECT_HAS(show, "\"exits\":{\"cpuid\":3,");
    EXPECT_HAS(
        show,
        "\"crash\":{\"cause\":\"triple fault at rip=0x1234\",\"vcpu\":0,\"registers\":{\"rax\":\"0x");
    EXPECT_HAS(show, "\"cr2\":\"0x0000000000000077\"");
    EXPECT_HAS(show, "\"code\":\"0f0b\"");
    EXPECT_HAS(show, "\"exits\":[{\"t_ns\":8,\"rip\":\"0x");
    EXPECT_HAS(fake_ask("vm start web"), "\"state\":\"running\"");
    EXPECT_HAS_NOT(fake_ask("vm show web"), "\"crash\"");
}

TEST(vcpus_are_listed_each_and_their_exits_added_up)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("vm create web kernel=vmlinuz memory=64M cpus=3"), "\"cpus\":3");
    EXPECT_EQ(fake_vmm_config("web")->cpu_count, 3);
    EXPECT_HAS(
        fake_ask("vm vcpus web"),
        "[{\"index\":0,\"state\":\"created\",\"apic\":\"x2apic\",\"host_cpu\":0,\"pinned_cpu\":null,\"guest_ns\":0,\"exit_count\":40,");
    EXPECT_HAS(fake_ask("vm start web"), "\"vcpus\":[{\"id\":0,\"is_halted\":false},"
                                         "{\"id\":1,\"is_halted\":true},"
                                         "{\"id\":2,\"is_halted\":false}]");
    EXPECT_HAS(fake_ask("vm show web"), "\"exits\":{\"cpuid\":9,");
    EXPECT_HAS(fake_ask("vm show web"), "\"io\":123,");
    const char *list = fake_ask("vm vcpus web");
    EXPECT_HAS(
        list,
        "[{\"index\":0,\"state\":\"running\",\"apic\":\"x2apic\",\"host_cpu\":0,\"pinned_cpu\":null,\"guest_ns\":0,\"exit_count\":40,\"exits\":{\"cpuid\":3,");
    EXPECT_HAS(
        list,
        "{\"index\":1,\"state\":\"halted\",\"apic\":\"x2apic\",\"host_cpu\":0,\"pinned_cpu\":null,\"guest_ns\":0,\"exit_count\":41,");
    EXPECT_HAS(list, "{\"index\":2,\"state\":\"running\",");
    EXPECT_HAS(fake_ask("vm pause web"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm vcpus web"), "{\"index\":1,\"state\":\"paused\",");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"ok\":true");
    EXPECT_HAS(
        fake_ask("vm vcpus web"),
        "{\"index\":2,\"state\":\"off\",\"apic\":\"x2apic\",\"host_cpu\":0,\"pinned_cpu\":null,\"guest_ns\":0,\"exit_count\":0,");
    EXPECT_HAS(fake_ask("vm show web"), "\"io\":123,");
    EXPECT_HAS(fake_ask("vm vcpus nope"), "not-found");
}

TEST(a_vm_is_pinned_weighted_and_capped_over_all_starts)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm show web"), "\"pin\":null,\"weight\":100,\"cap\":0,");
    EXPECT_HAS(fake_ask("vm set web pin=1 weight=300 cap=50"),
               "\"pin\":[1],\"weight\":300,\"cap\":50,");
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_HAS(fake_ask("vm vcpus web"), "\"pinned_cpu\":1,");
        EXPECT_EQ(fake_vmm_weight("web"), 300);
        EXPECT_EQ(fake_vmm_cap("web"), 50);
        if (i == 0)
            EXPECT_HAS(fake_ask("vm reset web"), "\"weight\":300");
        if (i == 1)
            fake_restart_manager();
    }
    EXPECT_HAS(fake_ask("vm set web cap=0"), "\"pin\":[1],\"weight\":300,\"cap\":0,");
    EXPECT_HAS(fake_ask("vm set web pin=any"), "\"pin\":null,");
    EXPECT_HAS(fake_ask("vm vcpus web"), "\"pinned_cpu\":null,");
}

TEST(vcpus_take_the_cpus_of_pin_in_turn)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("vm create web kernel=vmlinuz memory=64M cpus=3 pin=1,0 weight=7"),
               "\"pin\":[1,0],\"weight\":7,");
    const char *list = fake_ask("vm vcpus web");
    EXPECT_HAS(list, "{\"index\":0,\"state\":\"created\",\"apic\":\"x2apic\",\"host_cpu\":0,"
                     "\"pinned_cpu\":1,");
    EXPECT_HAS(list, "{\"index\":1,\"state\":\"created\",\"apic\":\"x2apic\",\"host_cpu\":0,"
                     "\"pinned_cpu\":0,");
    EXPECT_HAS(list, "{\"index\":2,\"state\":\"created\",\"apic\":\"x2apic\",\"host_cpu\":0,"
                     "\"pinned_cpu\":1,");
}

TEST(what_cannot_be_set_is_refused_and_changes_nothing)
{
    static const char *const lines[][2] = {
        { "vm set web pin=2", "numbers below 2 with commas" },
        { "vm set web pin=0,2 weight=5", "numbers below 2 with commas" },
        { "vm set web pin=64", "numbers of CPUs below 64" },
        { "vm set web pin=", "any, or numbers" },
        { "vm set web pin=0,", "any, or numbers" },
        { "vm set web weight=0", "1 to 10000" },
        { "vm set web weight=10001", "1 to 10000" },
        { "vm set web cap=6401", "0 to 6400" },
        { "vm set web", "pin=, weight=, cap=" },
        { "vm create b kernel=vmlinuz memory=8M cpus=1 pin=7", "numbers below 2 with commas" },
    };

    EXPECT_OF(running());
    for (unsigned i = 0; i < array_count(lines); i++) {
        EXPECT_HAS(fake_ask(lines[i][0]), "\"code\":\"usage\"");
        EXPECT_HAS(fake_ask(lines[i][0]), lines[i][1]);
    }
    EXPECT_HAS(fake_ask("vm set nope cap=1"), "not-found");
    EXPECT_HAS(fake_ask("vm show web"), "\"pin\":null,\"weight\":100,\"cap\":0,");
}

TEST(a_vm_is_saved_and_restored_and_leaves_nothing)
{
    fake_boot(NULL);
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    EXPECT_HAS(fake_ask(CREATE " cmdline=hello pin=1"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    const char *saved = fake_ask("vm save web as=s");
    EXPECT_HAS(saved,
               "\"result\":{\"name\":\"s\",\"vm\":\"web\",\"cpus\":1,\"memory_bytes\":67108864,");
    EXPECT_HAS(saved,
               "\"records\":[{\"type\":\"partition\",\"count\":1,\"bytes\":0,\"checksum\":77},"
               "{\"type\":\"cpu\",\"count\":2,");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"paused\"");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
    fake_restart_manager();
    fake_run();
    EXPECT_HAS(fake_ask("vm saves"), "[{\"name\":\"s\",\"vm\":\"web\",");
    EXPECT_HAS(fake_ask("vm restore s name=a"), "\"name\":\"a\",\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm restore s name=a"), "\"code\":\"exists\"");
    EXPECT_HAS(fake_ask("vm restore s name=b"), "\"cmdline\":\"hello\",");
    EXPECT(fake_vmm_has_image("b"));
    EXPECT_HAS(fake_ask("vm vcpus b"), "\"pinned_cpu\":1,");
    EXPECT_HAS(fake_ask("vm forget s"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm reset b"), "\"ok\":true");
    EXPECT(!fake_vmm_has_image("b"));
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_HAS(fake_ask(i ? "vm poweroff a" : "vm poweroff b"), "\"ok\":true");
        EXPECT_HAS(fake_ask(i ? "vm delete a" : "vm delete b"), "\"ok\":true");
    }
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
    EXPECT_HAS(fake_control_output(), EVENT("vm-saved"));
    EXPECT_HAS(fake_control_output(), EVENT("vm-restored"));
}

TEST(saves_and_restores_that_cannot_be_say_why_and_change_nothing)
{
    EXPECT_OF(running());
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    EXPECT_HAS(fake_ask("vm create c kernel=vmlinuz memory=8M cpus=1"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm save c as=s"), "\"code\":\"wrong-state\"");
    EXPECT_HAS(fake_ask("vm delete c"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm save nope as=s"), "not-found");
    EXPECT_HAS(fake_ask("vm restore s name=b"),
               "\"code\":\"not-found\",\"message\":\"no save named s");
    EXPECT_HAS(fake_ask("vm forget s"), "not-found");
    EXPECT_HAS(fake_ask("vm save web"), "usage");
    EXPECT_HAS(fake_ask("vm create big kernel=vmlinuz memory=150M cpus=1"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm save web as=s"), "\"code\":\"no-memory\"");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm delete big"), "\"ok\":true");
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
    EXPECT_HAS(fake_ask("vm save web as=s"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm save web as=s"), "\"code\":\"exists\"");
    fake.behaviour = VMM_BAD_IMAGE;
    EXPECT_HAS(fake_ask("vm restore s name=b"), "\"code\":\"bad-image\"");
    fake.behaviour = VMM_DIES;
    EXPECT_HAS(fake_ask("vm restore s name=b"), "\"code\":\"failed\"");
    fake.behaviour = VMM_REFUSES;
    EXPECT_HAS(fake_ask("vm restore s name=b"), "\"code\":\"failed\"");
    fake.behaviour = VMM_GOOD;
    EXPECT_HAS(fake_ask("vm show b"), "not-found");
    EXPECT_HAS(fake_ask("vm forget s"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm forget s"), "not-found");
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
}

TEST(a_vm_that_ends_while_it_is_saved_leaves_no_save)
{
    EXPECT_OF(running());
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    fake.behaviour = VMM_DEAF;
    EXPECT_HAS(fake_ask("vm reset web"), "");
    fake_advance(60 * NS_PER_SECOND);
    fake.behaviour = VMM_GOOD;
    EXPECT_HAS(fake_ask("vm reset web"), "\"ok\":true");
    for (unsigned i = 0; i < 20; i++) { /* the manager dies at each call of it, once */
        fake.crash_at = fake.calls + 1 + i;
        fake_ask("vm save web as=s");
        fake.crash_at = 0;
        fake_advance(10 * NS_PER_SECOND);
        fake_ask("vm forget s");
        fake_ask("vm resume web");
    }
    EXPECT_HAS(fake_ask("vm saves"), "\"result\":[]");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
    EXPECT_EQ(fake_budget_used(), used);
    EXPECT_EQ(fake_handle_count(), handles);
}

TEST(a_vm_with_64_vcpus_can_be_shown)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("vm create web kernel=vmlinuz memory=64M cpus=64"), "\"cpus\":64");
    EXPECT_HAS(fake_ask("vm vcpus web"), "{\"index\":63,");
    EXPECT_HAS(fake_ask("vm show web"), "{\"id\":63,");
    fake_type("vm vcpus web\r");
    EXPECT_HAS(fake_console_output(),
               "index  state    apic    host cpu  pinned cpu  guest  exit count");
}

TEST(a_crash_shows_the_last_exits_of_the_vcpu_that_crashed)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("vm create web kernel=vmlinuz memory=64M cpus=2"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    fake_vmm_end_on("web", 1, VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    EXPECT_HAS(fake_ask("vm show web"), "\"vcpu\":1,");
    EXPECT_HAS(fake_ask("vm show web"), "\"exits\":[{\"t_ns\":9,");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    fake_vmm_end_on("web", 4000000000, VMM_END_TRIPLE_FAULT, 0); /* one that there is not */
    fake_run();
    EXPECT_HAS(fake_ask("vm show web"), "\"exits\":[{\"t_ns\":8,");
}

TEST(guest_reset_starts_again)
{
    EXPECT_OF(running());
    fake_vmm_end("web", VMM_END_RESET, 0);
    fake_run();
    EXPECT_HAS(fake_control_output(), EVENT("vm-reset"));
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
    EXPECT(fake_vmm_exists("web"));
}

TEST(on_crash_restart_is_bounded)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE " on-crash=restart"), "\"on_crash\":\"restart\"");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    for (unsigned i = 0; i < 5; i++) {
        fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
        fake_run();
        EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"running\"");
    }
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"crashed\"");
    EXPECT_HAS(fake_control_output(), EVENT("vm-restart-given-up"));
}

TEST(vmm_that_dies_takes_only_its_vm)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm create db kernel=vmlinuz memory=32M cpus=1"), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start db"), "\"ok\":true");
    fake_vmm_fault("web");
    fake_run();
    EXPECT_HAS(fake_control_output(), EVENT("program-ended"));
    EXPECT_HAS(fake_control_output(), EVENT("vmm-died"));
    EXPECT_HAS(fake_control_output(), EVENT("vm-crashed"));
    const char *list = fake_ask("vm list");
    EXPECT_HAS(list, "\"name\":\"web\",\"state\":\"crashed\"");
    EXPECT_HAS(list, "\"name\":\"db\",\"state\":\"running\"");
    EXPECT_HAS(fake_ask("vm show web"), "\"crash\":{\"cause\":\"its vmm ended by exception 13");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
}

TEST(debug_fault_of_a_vm_answers_when_its_vmm_has_ended)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("debug fault web"), "\"result\":{\"ended\":\"vmm:web\"}");
    EXPECT_HAS(fake_ask("vm show web"), "\"state\":\"crashed\"");
    EXPECT_HAS(fake_ask("debug fault web"), "wrong-state");
    EXPECT_HAS(fake_ask("debug fault nope"), "not-found");
}

TEST(debug_fault_of_the_manager_is_answered_by_its_successor)
{
    EXPECT_OF(running());
    fake_control("@90 debug fault manager\n@91 vm list\n");
    EXPECT_EQ(fake_starts(), 1);
    EXPECT_HAS(fake_answer(90), "\"result\":{\"ended\":\"manager\"}");
    EXPECT_HAS(fake_answer(91), "\"name\":\"web\",\"state\":\"running\"");
    EXPECT_HAS(fake_control_output(), EVENT("program-started"));
    EXPECT_HAS(fake_ask("vm pause web"), "\"state\":\"paused\"");
    EXPECT_HAS(fake_ask("vm poweroff web"), "\"state\":\"stopped\"");
    EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
}

TEST(half_a_line_survives_a_restart)
{
    fake_boot(NULL);
    fake_control("@12 host ");
    fake_restart_manager();
    fake_control("show\n");
    EXPECT_HAS(fake_answer(12), "\"ok\":true");
}

TEST(waiting_request_survives_a_restart)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask(CREATE), "\"ok\":true");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    fake.kills_hang = true;
    fake_control("@13 vm poweroff web\n");
    EXPECT(!fake_answer(13));
    fake_restart_manager();
    fake.kills_hang = false;
    fake_run();
    EXPECT_HAS(fake_answer(13), "\"state\":\"stopped\"");
}

/* The manager dies at each of its system calls in turn; its successor must be able to give every
 * byte and every handle back. */
TEST(death_at_any_call_leaks_nothing)
{
    for (unsigned n = 1;; n++) {
        fake_boot(NULL);
        uint64_t used = fake_budget_used();
        unsigned handles = fake_handle_count();

        fake.calls = 0;
        fake.crash_at = n;
        fake_control("@1 " CREATE "\n@2 vm start web\n@3 vm poweroff web\n@4 vm delete web\n");
        bool has_died = !fake.crash_at;
        fake.crash_at = 0;
        fake_advance(30 * NS_PER_SECOND);
        for (unsigned id = 1; id <= 4; id++)
            if (!fake_answer(id))
                TEST_FAIL("request %u has no answer after a death at call %u: %.700s", id, n,
                          fake_control_output());
        fake_ask("vm poweroff web");
        fake_ask("vm delete web");
        fake_advance(30 * NS_PER_SECOND);
        if (strcmp(strstr(fake_ask("vm list"), "\"result\""), "\"result\":[]}") != 0)
            TEST_FAIL("the VM cannot be deleted after a death at call %u: %s", n,
                      fake_ask("vm list"));
        if (fake_budget_used() != used || fake_handle_count() != handles)
            TEST_FAIL("after a death at call %u %lu bytes and %d handles are lost", n,
                      fake_budget_used() - used, (int)fake_handle_count() - (int)handles);
        if (!has_died)
            break;
    }
}

TEST(hostile_091_each_refused_allocation_is_undone)
{
    for (unsigned n = 1; n < 40; n++) {
        fake_boot(NULL);
        uint64_t used = fake_budget_used();
        unsigned handles = fake_handle_count();

        fake.fail_at = n;
        const char *answer = fake_ask(CREATE);
        bool was_made = strstr(answer, "\"ok\":true");
        if (was_made)
            EXPECT_HAS(fake_ask("vm delete web"), "\"ok\":true");
        else
            EXPECT_HAS(answer, "\"code\":\"no-memory\"");
        EXPECT_EQ(fake_budget_used(), used);
        EXPECT_EQ(fake_handle_count(), handles);
        if (was_made)
            return;
    }
    TEST_FAIL("the VM is never made");
}

/* ---- log and typing ---- */

TEST(vm_log_is_whole_and_counts_from_creation)
{
    EXPECT_OF(running());
    fake_vmm_print("web", "hello \"w\xff\xc3\xa9\"\n", 14);
    EXPECT_HAS(fake_ask("vm log web"),
               "\"result\":{\"text\":\"hello \\\"w\xef\xbf\xbd\xc3\xa9\\\"\\n");
    EXPECT_HAS(fake_ask("vm log web"), "\",\"next\":14,\"lost_bytes\":0}");
    EXPECT_HAS(fake_ask("vm log web from=6"), "{\"text\":\"\\\"w");
    EXPECT_HAS(fake_ask("vm log web from=14"), "{\"text\":\"\",\"next\":14,\"lost_bytes\":0}");
    EXPECT_HAS(fake_ask("vm log web from=99"), "{\"text\":\"\",\"next\":14,");
}

TEST(long_log_keeps_at_least_256_kib_and_counts_the_rest)
{
    EXPECT_OF(running());
    char *text = malloc(1000001);
    memset(text, 1, 1000000);
    text[1000000] = 0;
    fake_vmm_print("web", text, 1000000);
    free(text);
    const char *answer = fake_ask("vm log web");
    EXPECT_HAS(answer, ",\"next\":1000000,\"lost_bytes\":");
    unsigned long lost = strtoul(strstr(answer, "lost_bytes\":") + 12, NULL, 10);
    EXPECT(lost <= 1000000 - 256 * 1024);
    EXPECT(strlen(answer) > 6 * 256 * 1024);
    EXPECT_HAS(answer, "\\u0001\\u0001");
}

TEST(events_never_split_a_long_answer)
{
    EXPECT_OF(running());
    char *text = malloc(400000);
    memset(text, 'x', 400000);
    fake_vmm_print("web", text, 400000);
    free(text);
    fake.uart_stuck = true;
    fake_control("@20 vm log web\n");
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    fake.uart_stuck = false;
    fake_advance(NS_PER_SECOND);
    EXPECT_EQ(strlen(strstr(fake_answer(20), "\"text\"")), 9 + 400000 + 31);
    const char *out = fake_control_output();
    for (const char *at = out; *at; at = strchr(at, '\n') + 1)
        EXPECT(*at == '{' || at == out);
    EXPECT_HAS(out, "\n" EVENT("vm-crashed"));
}

TEST(log_outlives_a_crash_of_the_vmm)
{
    EXPECT_OF(running());
    fake_vmm_print("web", "last words", 10);
    fake_vmm_fault("web");
    fake_run();
    EXPECT_HAS(fake_ask("vm log web"), "last words");
    EXPECT_HAS(fake_ask("vm start web"), "\"ok\":true");
    fake_vmm_print("web", "!", 1);
    EXPECT_HAS(fake_ask("vm log web"), "\"text\":\"last words!\"");
}

TEST(totals_that_a_vmm_makes_up_do_no_harm)
{
    EXPECT_OF(running());
    fake_vmm_console("web")->out_total = UINT64_MAX;
    EXPECT_HAS(fake_ask("vm log web"), "\"next\":18446744073709551615");
    fake_vmm_console("web")->out_total = 0;
    EXPECT_HAS(fake_ask("vm log web from=5"), "\"next\":0");
    fake_vmm_console("web")->in_taken = 12345678;
    EXPECT_HAS(fake_ask("vm type web x"), "\"code\":\"failed\"");
}

TEST(typed_text_is_queued_whole_or_refused)
{
    EXPECT_OF(running());
    EXPECT_HAS(fake_ask("vm type web \"uname -a\\n\\x03\""), "\"queued_bytes\":10");
    EXPECT(memcmp(fake_vmm_console("web")->in, "uname -a\r\x03", 10) == 0);
    EXPECT_EQ(fake_vmm_console("web")->in_total, 10);
    EXPECT_HAS(fake_ask("vm type web a=--b\\n"), "\"queued_bytes\":6");
    char line[4200];
    snprintf(line, sizeof(line), "vm type web %04000d", 1);
    for (unsigned i = 0; i < 4; i++)
        EXPECT_HAS(fake_ask(line), "\"ok\":true");
    EXPECT_HAS(fake_ask(line), "\"message\":\"4000 bytes to type, room for 368\"");
    fake_vmm_console("web")->in_taken = 16;
    EXPECT_HAS(fake_ask("vm type web x"), "\"ok\":true");
}

/* ---- the control port ---- */

TEST(line_without_id_is_refused_with_a_null_id)
{
    fake_boot(NULL);
    fake_forget_output();
    fake_control("hello\n\n  \r\n");
    EXPECT_HAS(fake_control_output(), "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"usage\"");
    EXPECT_STR(strchr(fake_control_output(), '\n'), "\n");
}

TEST(ids_must_be_numbers_below_2_to_31)
{
    static const char *const bad[] = { "@ host show\n",           "@x host show\n",
                                       "@2147483648 host show\n", "@-1 host show\n",
                                       "@1host show\n",           "@99999999999999999999 x\n" };

    fake_boot(NULL);
    for (unsigned i = 0; i < array_count(bad); i++) {
        fake_forget_output();
        fake_control(bad[i]);
        EXPECT_HAS(fake_control_output(), "{\"id\":null,");
    }
    fake_control("@2147483647 host show\r\n");
    EXPECT_HAS(fake_answer(2147483647), "\"ok\":true");
    fake_control("@0 nonsense\n");
    EXPECT_HAS(fake_answer(0), "\"code\":\"usage\"");
    fake_control("@5\n");
    EXPECT_HAS(fake_answer(5), "\"code\":\"usage\"");
}

TEST(line_that_is_too_long_is_refused_and_the_next_is_read)
{
    fake_boot(NULL);
    char *line = malloc(100000);
    memset(line, 'x', 99999);
    memcpy(line, "@3 ", 3);
    strcpy(line + 50000, "\n@4 host show\n");
    fake_control(line);
    EXPECT_HAS(fake_answer(3), "the line is too long");
    EXPECT_HAS(fake_answer(4), "\"ok\":true");
    free(line);
}

TEST(many_requests_at_once_are_all_answered)
{
    fake_boot(NULL);
    char *all = calloc(1, 200 * 32);
    for (unsigned i = 0; i < 200; i++)
        sprintf(all + strlen(all), "@%u host show\n", i);
    fake_control(all);
    free(all);
    fake_advance(NS_PER_SECOND);
    for (unsigned i = 0; i < 200; i++)
        if (!fake_answer(i))
            TEST_FAIL("request %u has no answer", i);
}

TEST(client_that_does_not_read_slows_itself_only)
{
    fake_boot(NULL);
    fake.uart_stuck = true;
    char *all = calloc(1, 2000 * 32);
    for (unsigned i = 0; i < 2000; i++)
        sprintf(all + strlen(all), "@%u help --json\n", i);
    fake_control(all);
    free(all);
    fake_advance(NS_PER_SECOND);
    fake.uart_stuck = false;
    fake_advance(10 * NS_PER_SECOND);
    EXPECT(fake_answer(1999) != NULL);
}

TEST(commands_for_a_busy_vm_wait_their_turn)
{
    fake_boot(NULL);
    fake_control("@1 " CREATE "\n@2 vm start web\n@3 vm show web\n@4 vm poweroff web\n"
                 "@5 vm delete web\n@6 vm show web\n@7 " CREATE "\n");
    EXPECT_HAS(fake_answer(1), "\"state\":\"created\"");
    EXPECT_HAS(fake_answer(2), "\"state\":\"running\"");
    EXPECT_HAS(fake_answer(3), "\"name\":\"web\"");
    EXPECT_HAS(fake_answer(5), "\"ok\":true");
    EXPECT_HAS(fake_answer(7), "\"state\":\"created\"");
}

TEST(event_list_filters)
{
    EXPECT_OF(running());
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    const char *all = fake_ask("event list");
    EXPECT_HAS(all, "\"result\":[{\"event\":\"host-ready\",\"seq\":1,");
    EXPECT_HAS(all, "},{\"event\":\"vm-created\"");
    const char *errors = fake_ask("event list severity=error vm=web");
    EXPECT_HAS(errors, "\"result\":[{\"event\":\"vm-crashed\"");
    EXPECT_HAS_NOT(errors, "vm-created");
    EXPECT_HAS(fake_ask("event list since=1000"), "\"result\":[]}");
    EXPECT_HAS_NOT(fake_ask("event list since=1"), "host-ready");
}

TEST(log_show_yields_text_and_next)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("log show"),
               "{\"text\":\"first line\\nsecond \xef\xbf\xbd line\\n\",\"next\":25}");
    EXPECT_HAS(fake_ask("log show from=11"), "{\"text\":\"second ");
}

TEST(help_is_everywhere)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("help"), "\"text\":\"help [NOUN]");
    EXPECT_HAS(fake_ask("help vm"), "vm create NAME kernel=");
    EXPECT_HAS(fake_ask("help nope"), "not-found");
    EXPECT_HAS(fake_ask("help --json"), "\"result\":[{\"noun\":\"help\"");
    EXPECT_HAS(fake_ask("vm console web"), "not-found");
}

TEST(debug_roots_lists_page_tables)
{
    fake_boot(NULL);
    EXPECT_HAS(fake_ask("debug roots"), "[{\"name\":\"kernel\",\"cr3\":\"0x0000000000001000\"}]");
}

/* ---- bulkhead.conf ---- */

TEST(configuration_is_run_before_the_host_is_ready)
{
    fake_boot("# two VMs\r\n\r\nhost set name=a\n" CREATE
              " cmdline=\"console=ttyS0\" # all\nvm start web");
    const char *out = fake_control_output();
    EXPECT(strstr(out, EVENT("vm-started")) < strstr(out, EVENT("host-ready")));
    EXPECT_HAS(out, "host a is ready\",\"fields\":{\"config_errors\":0}");
    EXPECT_HAS(fake_ask("vm list"), "\"state\":\"running\"");
}

TEST(bad_configuration_lines_are_named_and_skipped)
{
    fake_boot("vm fly web\nhost set name=Bad\nvm create a kernel=nope memory=64M cpus=1\n"
              "vm create b kernel=vmlinuz memory=many cpus=1\n\"\nhost set name=good\n");
    const char *out = fake_control_output();
    EXPECT_HAS(out, "\"file\":\"bulkhead.conf\",\"line\":1,\"column\":4,\"code\":\"usage\"");
    EXPECT_HAS(out, "\"accepted\":\"create list show vcpus set start poweroff");
    EXPECT_HAS(out, "\"line\":2,\"column\":15,");
    EXPECT_HAS(out, "\"line\":3,\"column\":20,\"code\":\"not-found\"");
    EXPECT_HAS(out, "\"line\":4,\"column\":35,");
    EXPECT_HAS(out, "\"line\":5,\"column\":1,");
    EXPECT_HAS(out, "host good is ready\",\"fields\":{\"config_errors\":5}");
    EXPECT_HAS(fake_console_output(), "warning config-error: bulkhead.conf:1:4: unknown word");
}

TEST(configuration_goes_on_after_a_restart)
{
    fake_boot("host set name=a\ndebug fault manager\nhost set name=b\n");
    EXPECT_EQ(fake_starts(), 1);
    EXPECT_HAS(fake_control_output(), "host b is ready");
}

/* ---- console ---- */

TEST(console_shows_tables_and_takes_prefixes)
{
    EXPECT_OF(running());
    fake_forget_output();
    fake_type("vm li\r");
    EXPECT_HAS(fake_console_output(), "name  state    cpus  memory  uptime  exit code");
    EXPECT_HAS(fake_console_output(), "web   running  1     64M");
    fake_type("vm p web\r");
    EXPECT_HAS(fake_console_output(), "usage: unknown word \"p\" after vm");
    fake_type("h\r");
    EXPECT_HAS(fake_console_output(), "usage: unknown word \"h\" (help host");
}

TEST(console_completes)
{
    EXPECT_OF(running());
    fake_forget_output();
    fake_type("vm sho\tw\t\r");
    EXPECT_HAS(fake_console_output(), "state      running");
}

TEST(console_has_history_and_editing)
{
    fake_boot(NULL);
    fake_forget_output();
    fake_type("hostx\x7f show\r");
    fake_forget_output();
    fake_type("\x1b[A\r");
    EXPECT_HAS(fake_console_output(), "memory free");
}

TEST(console_joins_a_vm_and_leaves_it)
{
    EXPECT_OF(running());
    fake_vmm_print("web", "login: ", 7);
    fake_type("vm console web\r");
    EXPECT_HAS(fake_console_output(), "Ctrl-] leaves");
    EXPECT_HAS(fake_console_output(), "login: ");
    fake_type("root\r");
    EXPECT(memcmp(fake_vmm_console("web")->in, "root\r", 5) == 0);
    fake_vmm_print("web", "welcome", 7);
    fake_run();
    EXPECT_HAS(fake_console_output(), "welcome");
    fake_forget_output();
    fake_type("\x1dhost show\r");
    EXPECT_HAS(fake_console_output(), "web left; back on Bulkhead's console");
    EXPECT_HAS(fake_console_output(), "memory free");
}

TEST(console_leaves_a_vm_that_ends)
{
    EXPECT_OF(running());
    fake_type("vm console web\r");
    fake_vmm_print("web", "bye", 3);
    fake_vmm_end("web", VMM_END_SLEEP, 0);
    fake_run();
    EXPECT_HAS(fake_console_output(), "bye\r\n--- web has stopped");
    fake_type("host show\r");
    EXPECT_HAS(fake_console_output(), "memory free");
}

TEST(warnings_appear_on_the_console)
{
    EXPECT_OF(running());
    fake_vmm_end("web", VMM_END_TRIPLE_FAULT, 0);
    fake_run();
    EXPECT_HAS(fake_console_output(), "error vm-crashed web: triple fault at rip=0x1234\r\n");
}

/* ---- shutdown ---- */

TEST(shutdown_stops_vms_answers_and_says_that_power_may_be_cut)
{
    EXPECT_OF(running());
    fake_control("@40 host shutdown\n");
    fake_advance(NS_PER_SECOND);
    EXPECT_HAS(fake_answer(40), "\"ok\":true");
    EXPECT(fake.is_powered_off);
    EXPECT(!fake_vmm_exists("web"));
    EXPECT_HAS(fake_control_output(), EVENT("vm-stopped"));
    EXPECT_HAS(fake_control_output(), "power may be cut");
    EXPECT_HAS(fake_console_output(), "power may be cut");
}

/* ---- damage ---- */

TEST(damaged_estate_is_not_trusted)
{
    for (unsigned seed = 1; seed < 40; seed++) {
        void *at = NULL;

        EXPECT_OF(running());
        if (sys_region_map(startup_handle("estate"), 0, 4096, 3, &at))
            TEST_FAIL("no estate");
        srand(seed);
        for (unsigned i = 0; i < 3000; i++)
            ((uint8_t *)at)[64 + (unsigned)rand() % 2900000] ^= (uint8_t)(1 << rand() % 8);
        fake_restart_manager();
        fake_run();
        fake_advance(NS_PER_SECOND);
    }
}
