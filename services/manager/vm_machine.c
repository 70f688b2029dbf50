/* One function for each input, so that a row of the table in the reader's head is a few lines.
 * Inputs that make no sense in a phase (a late answer, a second end) change nothing. */
#include "services/manager/vm_machine.h"

static bool is_live(const struct vm_machine *m)
{
    return m->state == VM_RUNNING || m->state == VM_PAUSED;
}

static bool has_vmm(const struct vm_machine *m)
{
    return m->phase == VMM_BOOTING || m->phase == VMM_UP;
}

static uint32_t kill(struct vm_machine *m, enum vm_follow follow)
{
    m->phase = VMM_ENDING;
    m->follow = follow;
    return ACT_KILL;
}

static uint32_t drain(struct vm_machine *m, enum vm_follow follow)
{
    m->phase = VMM_DRAINING;
    m->follow = follow;
    return ACT_DRAIN;
}

static uint32_t crash(struct vm_machine *m)
{
    m->state = VM_CRASHED;
    return ACT_EVENT_CRASHED;
}

static uint32_t stop(struct vm_machine *m)
{
    m->state = VM_STOPPED;
    return ACT_EVENT_STOPPED;
}

/* Ends the operation with @answer, if somebody may wait for one. */
static uint32_t answer(struct vm_machine *m, uint32_t answer_action)
{
    bool is_waited_for = m->operation != OPERATION_NONE && m->operation != OPERATION_RESTART;

    m->operation = OPERATION_NONE;
    m->has_failed = 0;
    return is_waited_for ? answer_action : 0;
}

/* Operations whose failure changes nothing. */
static bool leaves_it_be(const struct vm_machine *m)
{
    return m->operation == OPERATION_PAUSE || m->operation == OPERATION_RESUME ||
           m->operation == OPERATION_SAVE;
}

/* Operations whose failure leaves no VM. */
static bool makes_it(const struct vm_machine *m)
{
    return m->operation == OPERATION_CREATE || m->operation == OPERATION_RESTORE;
}

/* The guest has ended: a start had worked before it did, a pause or resume comes to nothing. */
static uint32_t settle(struct vm_machine *m)
{
    return answer(m, leaves_it_be(m) ? ACT_ANSWER_FAILED : ACT_ANSWER_OK);
}

static uint32_t restart(struct vm_machine *m)
{
    m->state = VM_RUNNING;
    m->operation = OPERATION_RESTART;
    return 0;
}

/* ---- commands ---- */

static uint32_t create(struct vm_machine *m, enum vm_operation operation)
{
    *m = (struct vm_machine){
        .state = VM_CREATED, .phase = VMM_BOOTING, .operation = operation, .follow = FOLLOW_NOTHING
    };
    return ACT_LAUNCH;
}

static uint32_t launch_again(struct vm_machine *m, enum vm_operation operation)
{
    m->operation = operation;
    if (has_vmm(m))
        return kill(m, FOLLOW_LAUNCH);
    m->follow = FOLLOW_LAUNCH;
    return m->phase == VMM_NONE ? drain(m, FOLLOW_LAUNCH) : 0;
}

static uint32_t start(struct vm_machine *m)
{
    if (m->state != VM_CREATED || m->phase != VMM_UP)
        return launch_again(m, OPERATION_START);
    m->operation = OPERATION_START;
    return ACT_SEND_START;
}

static uint32_t poweroff(struct vm_machine *m)
{
    uint32_t actions = answer(m, ACT_ANSWER_OLD_FAILED);

    m->operation = OPERATION_POWEROFF;
    if (has_vmm(m))
        return actions | kill(m, FOLLOW_NOTHING);
    m->follow = FOLLOW_NOTHING;
    if (m->phase == VMM_ENDING)
        return actions;
    m->phase = VMM_NONE;
    return actions | stop(m) | answer(m, ACT_ANSWER_OK);
}

static uint32_t pause(struct vm_machine *m)
{
    m->operation = OPERATION_PAUSE;
    return ACT_SEND_PAUSE;
}

static uint32_t resume(struct vm_machine *m)
{
    m->operation = OPERATION_RESUME;
    return ACT_SEND_RESUME;
}

static uint32_t save(struct vm_machine *m)
{
    m->operation = OPERATION_SAVE;
    return m->state == VM_RUNNING ? ACT_SEND_PAUSE : ACT_SEND_SAVE;
}

static uint32_t delete_vm(struct vm_machine *m)
{
    m->operation = OPERATION_DELETE;
    if (has_vmm(m))
        return kill(m, FOLLOW_DELETE);
    m->follow = FOLLOW_DELETE;
    return m->phase == VMM_ENDING ? 0 : drain(m, FOLLOW_DELETE);
}

/* ---- what comes of a launch ---- */

static uint32_t launch_failed(struct vm_machine *m)
{
    if (m->phase != VMM_BOOTING)
        return 0;
    m->phase = VMM_NONE;
    if (makes_it(m)) {
        m->has_failed = 1;
        return drain(m, FOLLOW_DELETE);
    }
    uint32_t actions = m->operation == OPERATION_START ? 0 : crash(m);
    return actions | answer(m, ACT_ANSWER_FAILED);
}

static uint32_t ready(struct vm_machine *m)
{
    if (m->phase != VMM_BOOTING)
        return 0;
    m->phase = VMM_UP;
    if (m->operation != OPERATION_CREATE)
        return ACT_SEND_START;
    m->is_born = 1;
    return ACT_EVENT_CREATED | answer(m, ACT_ANSWER_OK);
}

static uint32_t failed(struct vm_machine *m)
{
    bool was_booting = m->phase == VMM_BOOTING;

    if (!has_vmm(m))
        return 0;
    m->has_failed = 1;
    if (makes_it(m))
        return kill(m, FOLLOW_DELETE);
    uint32_t actions = kill(m, FOLLOW_NOTHING);
    if (was_booting && m->operation == OPERATION_START)
        return actions; /* the VM is as stopped or crashed as it was */
    return actions | crash(m);
}

/* ---- answers of the vmm ---- */

static uint32_t started(struct vm_machine *m)
{
    bool is_reset = m->operation == OPERATION_RESET || m->operation == OPERATION_RESTART;

    if (m->phase == VMM_UP && m->operation == OPERATION_RESTORE) {
        m->is_born = 1;
        m->state = VM_RUNNING;
        return ACT_EVENT_CREATED | ACT_EVENT_RESTORED | answer(m, ACT_ANSWER_OK);
    }
    if (m->phase != VMM_UP || (m->operation != OPERATION_START && !is_reset))
        return 0;
    m->state = VM_RUNNING;
    return (is_reset ? ACT_EVENT_RESET : ACT_EVENT_STARTED) | answer(m, ACT_ANSWER_OK);
}

/* Also when it comes too late for the one who asked: the VM is paused all the same. */
static uint32_t paused(struct vm_machine *m)
{
    if (m->phase != VMM_UP || m->state != VM_RUNNING)
        return 0;
    m->state = VM_PAUSED;
    if (m->operation == OPERATION_SAVE)
        return ACT_EVENT_PAUSED | ACT_SEND_SAVE;
    return ACT_EVENT_PAUSED | (m->operation == OPERATION_PAUSE ? answer(m, ACT_ANSWER_OK) : 0);
}

static uint32_t resumed(struct vm_machine *m)
{
    if (m->phase != VMM_UP || m->state != VM_PAUSED)
        return 0;
    m->state = VM_RUNNING;
    return ACT_EVENT_RESUMED | (m->operation == OPERATION_RESUME ? answer(m, ACT_ANSWER_OK) : 0);
}

static uint32_t saved(struct vm_machine *m)
{
    if (m->phase != VMM_UP || m->operation != OPERATION_SAVE)
        return 0;
    return ACT_EVENT_SAVED | answer(m, ACT_ANSWER_OK);
}

static uint32_t refused(struct vm_machine *m)
{
    if (m->phase != VMM_UP || m->operation == OPERATION_NONE)
        return 0;
    if (leaves_it_be(m))
        return answer(m, ACT_ANSWER_FAILED);
    return failed(m);
}

/* ---- ends ---- */

static uint32_t guest_off(struct vm_machine *m)
{
    if (m->phase != VMM_UP)
        return 0;
    if (makes_it(m))
        return failed(m);
    uint32_t actions = settle(m);
    return actions | kill(m, FOLLOW_NOTHING) | stop(m);
}

static uint32_t guest_reset(struct vm_machine *m)
{
    if (m->phase != VMM_UP)
        return 0;
    if (makes_it(m))
        return failed(m);
    uint32_t actions = settle(m);
    return actions | kill(m, FOLLOW_LAUNCH) | restart(m);
}

static uint32_t guest_crashed(struct vm_machine *m, bool restarts)
{
    if (m->phase != VMM_UP)
        return 0;
    if (makes_it(m))
        return failed(m);
    uint32_t actions = settle(m) | ACT_EVENT_CRASHED;
    if (restarts)
        return actions | kill(m, FOLLOW_LAUNCH) | restart(m);
    return actions | kill(m, FOLLOW_NOTHING) | crash(m);
}

static uint32_t vmm_died(struct vm_machine *m, bool restarts)
{
    uint32_t actions = ACT_RELEASE | ACT_EVENT_DIED;

    if (makes_it(m)) {
        m->has_failed = 1;
        return actions | drain(m, FOLLOW_DELETE);
    }
    restarts = restarts && is_live(m) && m->phase == VMM_UP;
    actions |= answer(m, ACT_ANSWER_FAILED) | ACT_EVENT_CRASHED;
    if (restarts)
        return actions | drain(m, FOLLOW_LAUNCH) | restart(m);
    m->phase = VMM_NONE;
    return actions | crash(m);
}

static uint32_t vmm_gone(struct vm_machine *m, bool restarts)
{
    if (has_vmm(m))
        return vmm_died(m, restarts);
    if (m->phase != VMM_ENDING)
        return 0;
    if (m->follow != FOLLOW_NOTHING)
        return ACT_RELEASE | drain(m, (enum vm_follow)m->follow);
    m->phase = VMM_NONE;
    uint32_t actions = ACT_RELEASE | (is_live(m) ? stop(m) : 0);
    return actions | answer(m, m->has_failed ? ACT_ANSWER_FAILED : ACT_ANSWER_OK);
}

static uint32_t drained(struct vm_machine *m)
{
    if (m->phase != VMM_DRAINING)
        return 0;
    if (m->follow == FOLLOW_LAUNCH) {
        m->phase = VMM_BOOTING;
        m->follow = FOLLOW_NOTHING;
        return ACT_LAUNCH;
    }
    m->phase = VMM_NONE;
    if (m->has_failed || !m->is_born)
        return ACT_FORGET | answer(m, ACT_ANSWER_FAILED);
    return ACT_FORGET | ACT_EVENT_DELETED | answer(m, ACT_ANSWER_OK);
}

static uint32_t deadline(struct vm_machine *m)
{
    if (m->operation == OPERATION_NONE)
        return 0;
    if (leaves_it_be(m))
        return answer(m, ACT_ANSWER_FAILED);
    if (has_vmm(m))
        return failed(m);
    /* The kernel has not given back what the vmm held. Going on without would break the promise
     * of the budget: the VM stays ended, and what arrives later is still tidied up. */
    bool was_launch = m->follow == FOLLOW_LAUNCH;
    if (was_launch)
        m->follow = FOLLOW_NOTHING;
    if (was_launch && m->phase == VMM_DRAINING)
        m->phase = VMM_NONE;
    uint32_t actions = was_launch && is_live(m) ? crash(m) : 0;
    return actions | answer(m, ACT_ANSWER_FAILED);
}

uint32_t vm_machine_step(struct vm_machine *m, enum vm_input input)
{
    switch (input) {
    case INPUT_CREATE: return create(m, OPERATION_CREATE);
    case INPUT_RESTORE: return create(m, OPERATION_RESTORE);
    case INPUT_START: return start(m);
    case INPUT_POWEROFF: return poweroff(m);
    case INPUT_RESET: return launch_again(m, OPERATION_RESET);
    case INPUT_PAUSE: return pause(m);
    case INPUT_RESUME: return resume(m);
    case INPUT_DELETE: return delete_vm(m);
    case INPUT_SAVE: return save(m);
    case INPUT_LAUNCH_FAILED: return launch_failed(m);
    case INPUT_READY: return ready(m);
    case INPUT_FAILED: return failed(m);
    case INPUT_STARTED: return started(m);
    case INPUT_PAUSED: return paused(m);
    case INPUT_RESUMED: return resumed(m);
    case INPUT_SAVED: return saved(m);
    case INPUT_REFUSED: return refused(m);
    case INPUT_GUEST_OFF: return guest_off(m);
    case INPUT_GUEST_RESET: return guest_reset(m);
    case INPUT_GUEST_CRASHED: return guest_crashed(m, false);
    case INPUT_GUEST_CRASHED_RESTART: return guest_crashed(m, true);
    case INPUT_VMM_GONE: return vmm_gone(m, false);
    case INPUT_VMM_GONE_RESTART: return vmm_gone(m, true);
    case INPUT_DRAINED: return drained(m);
    case INPUT_DEADLINE: return deadline(m);
    }
    return 0;
}

bool vm_machine_allows(const struct vm_machine *m, enum vm_input input)
{
    unsigned bit = 1u << m->state;

    switch (input) {
    case INPUT_START:
    case INPUT_DELETE: return bit & (1u << VM_CREATED | 1u << VM_STOPPED | 1u << VM_CRASHED);
    case INPUT_SAVE:
    case INPUT_POWEROFF: return bit & (1u << VM_RUNNING | 1u << VM_PAUSED);
    case INPUT_RESET: return bit & (1u << VM_RUNNING | 1u << VM_PAUSED | 1u << VM_CRASHED);
    case INPUT_PAUSE: return bit & (1u << VM_RUNNING);
    case INPUT_RESUME: return bit & (1u << VM_PAUSED);
    default: return false;
    }
}

bool vm_machine_is_busy(const struct vm_machine *m, enum vm_input input)
{
    if (m->operation == OPERATION_NONE)
        return false;
    return input != INPUT_POWEROFF || !is_live(m) || m->operation == OPERATION_POWEROFF;
}

bool vm_machine_is_good(const struct vm_machine *m)
{
    return m->state >= VM_CREATED && m->state < VM_STATE_END && m->phase >= VMM_NONE &&
           m->phase < VMM_PHASE_END && m->operation >= OPERATION_NONE &&
           m->operation < OPERATION_END && m->follow >= FOLLOW_NOTHING && m->follow < FOLLOW_END &&
           m->is_born <= 1 && m->has_failed <= 1;
}

const char *vm_state_name(uint32_t state)
{
    static const char *const names[] = { "created", "running", "paused", "stopped", "crashed" };

    return state >= VM_CREATED && state < VM_STATE_END ? names[state - VM_CREATED] : "unknown";
}
