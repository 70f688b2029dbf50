// SOURCES: services/manager/vm_machine.c
#include "services/manager/vm_machine.h"
#include "tests/unit/test.h"

static struct vm_machine m;

static uint32_t step(enum vm_input input)
{
    return vm_machine_step(&m, input);
}

static void created(void)
{
    EXPECT_EQ(step(INPUT_CREATE), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_READY), ACT_EVENT_CREATED | ACT_ANSWER_OK);
    EXPECT_EQ(m.state, VM_CREATED);
}

static void running(void)
{
    EXPECT_OF(created());
    EXPECT_EQ(step(INPUT_START), ACT_SEND_START);
    EXPECT_EQ(step(INPUT_STARTED), ACT_EVENT_STARTED | ACT_ANSWER_OK);
    EXPECT_EQ(m.state, VM_RUNNING);
}

TEST(poweroff_is_answered_when_the_vmm_has_ended)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_POWEROFF), ACT_KILL);
    EXPECT_EQ(m.state, VM_RUNNING);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_EVENT_STOPPED | ACT_ANSWER_OK);
    EXPECT_EQ(m.state, VM_STOPPED);
}

TEST(start_of_a_stopped_vm_waits_for_its_memory)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_GUEST_OFF), ACT_KILL | ACT_EVENT_STOPPED);
    EXPECT_EQ(step(INPUT_START), 0);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_READY), ACT_SEND_START);
    EXPECT_EQ(step(INPUT_STARTED), ACT_EVENT_STARTED | ACT_ANSWER_OK);
}

TEST(delete_forgets_when_all_is_back)
{
    EXPECT_OF(created());
    EXPECT_EQ(step(INPUT_DELETE), ACT_KILL);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_EVENT_DELETED | ACT_ANSWER_OK | ACT_FORGET);
}

TEST(failed_boot_is_undone_before_it_is_answered)
{
    EXPECT_EQ(step(INPUT_CREATE), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_FAILED), ACT_KILL);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_ANSWER_FAILED | ACT_FORGET);
}

TEST(refused_launch_is_undone)
{
    EXPECT_EQ(step(INPUT_CREATE), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_LAUNCH_FAILED), ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_ANSWER_FAILED | ACT_FORGET);
}

TEST(poweroff_during_a_reset_wins)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_RESET), ACT_KILL);
    EXPECT(!vm_machine_is_busy(&m, INPUT_POWEROFF));
    EXPECT(vm_machine_is_busy(&m, INPUT_PAUSE));
    EXPECT_EQ(step(INPUT_POWEROFF), ACT_ANSWER_OLD_FAILED);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_EVENT_STOPPED | ACT_ANSWER_OK);
}

TEST(poweroff_while_memory_comes_back_is_done_at_once)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_GUEST_RESET), ACT_KILL);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_POWEROFF), ACT_EVENT_STOPPED | ACT_ANSWER_OK);
    EXPECT_EQ(step(INPUT_DRAINED), 0);
    EXPECT_EQ(m.state, VM_STOPPED);
}

TEST(guest_reset_is_answered_by_nobody)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_GUEST_RESET), ACT_KILL);
    EXPECT_EQ(m.state, VM_RUNNING);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_READY), ACT_SEND_START);
    EXPECT_EQ(step(INPUT_STARTED), ACT_EVENT_RESET);
    EXPECT_EQ(m.operation, OPERATION_NONE);
}

TEST(crash_ends_a_pending_pause)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_PAUSE), ACT_SEND_PAUSE);
    EXPECT_EQ(step(INPUT_GUEST_CRASHED), ACT_KILL | ACT_EVENT_CRASHED | ACT_ANSWER_FAILED);
    EXPECT_EQ(m.state, VM_CRASHED);
    EXPECT_EQ(step(INPUT_PAUSED), 0);
}

TEST(late_answer_to_a_pause_still_counts)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_PAUSE), ACT_SEND_PAUSE);
    EXPECT_EQ(step(INPUT_DEADLINE), ACT_ANSWER_FAILED);
    EXPECT_EQ(step(INPUT_PAUSED), ACT_EVENT_PAUSED);
    EXPECT_EQ(m.state, VM_PAUSED);
}

TEST(vmm_that_dies_crashes_its_vm)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_EVENT_DIED | ACT_EVENT_CRASHED);
    EXPECT_EQ(m.state, VM_CRASHED);
    EXPECT_EQ(m.phase, VMM_NONE);
}

TEST(commands_are_allowed_as_promised)
{
    static const struct {
        enum vm_input input;
        const char *states; /* created running paused stopped crashed */
    } promise[] = {
        { INPUT_START, "y--yy" }, { INPUT_POWEROFF, "-yy--" }, { INPUT_RESET, "-yy-y" },
        { INPUT_PAUSE, "-y---" }, { INPUT_RESUME, "--y--" },   { INPUT_DELETE, "y--yy" },
        { INPUT_SAVE, "-yy--" },
    };

    for (unsigned i = 0; i < array_count(promise); i++)
        for (uint32_t s = VM_CREATED; s < VM_STATE_END; s++) {
            m.state = s;
            EXPECT_EQ(vm_machine_allows(&m, promise[i].input),
                      promise[i].states[s - VM_CREATED] == 'y');
        }
}

TEST(a_save_of_a_running_vm_pauses_it_first)
{
    EXPECT_OF(running());
    EXPECT_EQ(step(INPUT_SAVE), ACT_SEND_PAUSE);
    EXPECT_EQ(step(INPUT_PAUSED), ACT_EVENT_PAUSED | ACT_SEND_SAVE);
    EXPECT_EQ(step(INPUT_SAVED), ACT_EVENT_SAVED | ACT_ANSWER_OK);
    EXPECT_EQ(m.state, VM_PAUSED);
    EXPECT_EQ(step(INPUT_SAVE), ACT_SEND_SAVE);
    EXPECT_EQ(step(INPUT_REFUSED), ACT_ANSWER_FAILED);
    EXPECT_EQ(m.state, VM_PAUSED);
}

TEST(a_restored_vm_runs_at_once_or_is_not_there)
{
    EXPECT_EQ(step(INPUT_RESTORE), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_READY), ACT_SEND_START);
    EXPECT_EQ(step(INPUT_STARTED), ACT_EVENT_CREATED | ACT_EVENT_RESTORED | ACT_ANSWER_OK);
    EXPECT_EQ(m.state, VM_RUNNING);
    EXPECT_EQ(step(INPUT_RESTORE), ACT_LAUNCH);
    EXPECT_EQ(step(INPUT_READY), ACT_SEND_START);
    EXPECT_EQ(step(INPUT_GUEST_OFF), ACT_KILL);
    EXPECT_EQ(step(INPUT_VMM_GONE), ACT_RELEASE | ACT_DRAIN);
    EXPECT_EQ(step(INPUT_DRAINED), ACT_ANSWER_FAILED | ACT_FORGET);
}

/* Random inputs: the machine stays within its values, and whoever waits is answered exactly once. */
TEST(any_inputs_keep_the_machine_good_and_answer_once)
{
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        bool is_waiting = true;

        EXPECT_EQ(step(round % 2 ? INPUT_RESTORE : INPUT_CREATE), ACT_LAUNCH);
        for (unsigned i = 0; i < 200; i++) {
            enum vm_input input = (enum vm_input)(1 + (unsigned)rand() % INPUT_DEADLINE);
            bool is_command = input <= INPUT_RESTORE;

            if (is_command && (vm_machine_is_busy(&m, input) || !vm_machine_allows(&m, input)))
                continue;
            bool had_waiter = is_waiting;
            uint32_t actions = step(input);
            unsigned answers = !!(actions & ACT_ANSWER_OK) + !!(actions & ACT_ANSWER_FAILED);
            EXPECT(vm_machine_is_good(&m));
            if (actions & ACT_ANSWER_OLD_FAILED)
                EXPECT(is_command && had_waiter);
            else if (is_command && had_waiter)
                TEST_FAIL("a waiter was forgotten");
            is_waiting = (is_command || had_waiter) && !answers;
            EXPECT(answers <= 1);
            if (answers)
                EXPECT(is_command || had_waiter);
            EXPECT_EQ(is_waiting,
                      m.operation != OPERATION_NONE && m.operation != OPERATION_RESTART);
            if (actions & ACT_FORGET)
                break;
        }
    }
}
