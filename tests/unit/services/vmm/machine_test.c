// SOURCES: services/vmm/*.c services/vmm/loader/*.c services/vmm/devices/*.c services/rt/mutex.c services/rt/service_name.c
// SOURCES: -services/vmm/nics.c -services/vmm/main.c -services/vmm/control.c -services/vmm/selftest.c lib/*.c
// SOURCES: -services/vmm/save.c -services/vmm/services.c -services/vmm/service_answers.c
/* A machine over a kernel that is played with threads: a vCPU is in its guest until it is kicked or
 * the test lets it leave with an exit. */
#include <pthread.h>

#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "services/vmm/loader/loader.h"
#include "services/vmm/machine.h"
#include "services/vmm/save.h"
#include "services/vmm/selftest.h"
#include "tests/unit/services/vmm/images.h"
#include "tests/unit/test.h"

#define ROUNDS 2000u

/* ---- the kernel ---- */

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned machine_number;
static _Thread_local unsigned my_machine; /* threads of another machine end */

static struct {
    bool was_kicked, has_exit;
    struct vcpu_exit exit;
    unsigned run_count;
} fake_vcpus[VMM_VCPUS_MAX];
static uint64_t signals[4096];
static handle_t last_signal;
static unsigned guests;     /* vCPUs in their guest */
static bool must_be_quiet;  /* no vCPU may enter its guest */
static unsigned intrusions; /* those that did */
static unsigned state_set;  /* bit for each vCPU whose registers were set */
static bool has_ioapic;
static unsigned lines;    /* of the IOAPIC: a bit for each pin */
static unsigned fails_at; /* the vCPU that there is no memory for */

static struct vmm_config config = {
    .version = 1, .memory_bytes = IMAGE_MEMORY_BYTES, .kernel_bytes = 8192, .kernel_name = "kernel"
};
static uint8_t kernel[8192];
static struct vmm_console console;

const struct startup_grant *startup_grant(const char *name)
{
    static struct startup_grant grants[] = { { .handle = 1, .name = VMM_GRANT_CONFIG },
                                             { .handle = 2, .name = VMM_GRANT_CONSOLE },
                                             { .handle = 3, .name = VMM_GRANT_KERNEL } };

    for (unsigned i = 0; i < array_count(grants); i++)
        if (strcmp(grants[i].name, name) == 0)
            return &grants[i];
    return NULL;
}

enum err sys_region_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    *out = 4;
    return OK;
}

enum err sys_region_map(handle_t h, uint64_t offset, uint64_t bytes, unsigned prot, void **out)
{
    void *at[] = { NULL, &config, &console, kernel };

    *out = h < array_count(at) ? at[h] : malloc(bytes);
    return OK;
}

enum err sys_handle_close(handle_t h)
{
    return OK;
}

enum err sys_unmap(void *address)
{
    return OK;
}

enum err sys_partition_save(handle_t h, void *buffer, uint64_t capacity, uint64_t *bytes)
{
    return ERR_UNSUPPORTED;
}

enum err sys_partition_restore(handle_t h, const void *buffer, uint64_t bytes)
{
    return ERR_UNSUPPORTED;
}

enum err sys_partition_populate(handle_t h, uint64_t *left)
{
    *left = 0;
    return OK;
}

enum err sys_view_create(handle_t partition, gpa_t gpa, uint64_t bytes, unsigned prot,
                         handle_t *out)
{
    *out = 5;
    return OK;
}

enum err sys_view_map(handle_t h, void **out)
{
    *out = image_memory().low;
    return OK;
}

uint64_t sys_clock(void)
{
    return 0;
}

enum err sys_channel_signal(handle_t h)
{
    return OK;
}

enum err sys_ioapic_create(handle_t partition)
{
    has_ioapic = true;
    return OK;
}

enum err sys_ioapic_set(handle_t partition, unsigned pin, bool is_asserted)
{
    lines = is_asserted ? lines | 1u << pin : lines & ~(1u << pin);
    return OK;
}

enum err sys_signal_create(handle_t budget, handle_t *out)
{
    *out = ++last_signal;
    return OK;
}

static void end_if_old_locked(void)
{
    if (my_machine == machine_number)
        return;
    pthread_mutex_unlock(&big_lock);
    pthread_exit(NULL);
}

static void sleep_locked(void)
{
    end_if_old_locked();
    pthread_cond_wait(&changed, &big_lock);
    end_if_old_locked();
}

enum err sys_signal_raise(handle_t h, uint64_t bits)
{
    pthread_mutex_lock(&big_lock);
    signals[h] |= bits;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big_lock);
    return OK;
}

enum err sys_signal_wait(handle_t h, uint64_t deadline_ns, uint64_t *bits)
{
    pthread_mutex_lock(&big_lock);
    while (!signals[h])
        sleep_locked();
    *bits = signals[h];
    signals[h] = 0;
    pthread_mutex_unlock(&big_lock);
    return OK;
}

struct start {
    void (*entry)(void *);
    void *argument;
    unsigned machine;
};

static void *start(void *s)
{
    struct start how = *(struct start *)s;

    free(s);
    my_machine = how.machine;
    how.entry(how.argument);
    return NULL;
}

enum err sys_thread_create(void (*entry)(void *), void *stack_top, void *argument, handle_t *out)
{
    struct start *s = malloc(sizeof(*s));
    pthread_t thread;

    *s = (struct start){ entry, argument, machine_number };
    *out = 6;
    return pthread_create(&thread, NULL, start, s) ? ERR_MEMORY : OK;
}

#define VCPU_HANDLE 100u

enum err sys_port_create(handle_t partition, uint32_t connection, unsigned flag_count,
                         handle_t *out)
{
    *out = 99;
    return OK;
}

enum err sys_port_take(handle_t h, struct hv_post_message *m, uint64_t *flags)
{
    return ERR_EMPTY;
}

enum err sys_partition_info(handle_t h, struct partition_info *out)
{
    *out = (struct partition_info){ 0 };
    return OK;
}

enum err sys_bind(handle_t h, enum bind_event event, handle_t signal, unsigned bit)
{
    return OK;
}

enum err sys_guest_crash(handle_t partition, struct guest_crash *out)
{
    *out = (struct guest_crash){ .p = { 1, 2, 3, 4, 5 } };
    return OK;
}

enum err sys_vcpu_create(handle_t partition, unsigned index, uint64_t flags, handle_t *out)
{
    *out = VCPU_HANDLE + index;
    return fails_at && index == fails_at ? ERR_MEMORY : OK;
}

enum err sys_vcpu_run(handle_t h, struct vcpu_exit *exit)
{
    unsigned i = h - VCPU_HANDLE;

    pthread_mutex_lock(&big_lock);
    end_if_old_locked();
    guests++;
    fake_vcpus[i].run_count++;
    intrusions += must_be_quiet;
    pthread_cond_broadcast(&changed);
    while (!fake_vcpus[i].was_kicked && !fake_vcpus[i].has_exit)
        sleep_locked();
    *exit = (struct vcpu_exit){ .reason = VCPU_EXIT_KICK };
    if (fake_vcpus[i].has_exit)
        *exit = fake_vcpus[i].exit;
    fake_vcpus[i].was_kicked = fake_vcpus[i].has_exit = false;
    guests--;
    pthread_mutex_unlock(&big_lock);
    return OK;
}

enum err sys_vcpu_kick(handle_t h)
{
    pthread_mutex_lock(&big_lock);
    fake_vcpus[h - VCPU_HANDLE].was_kicked = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big_lock);
    return OK;
}

enum err sys_vcpu_get(handle_t h, struct vcpu_state *out)
{
    *out = (struct vcpu_state){ .rip = h };
    return OK;
}

enum err sys_vcpu_set(handle_t h, const struct vcpu_state *in)
{
    state_set |= 1u << (h - VCPU_HANDLE);
    return OK;
}

enum err machine_restore(struct machine *machine, struct services *s, handle_t image,
                         uint64_t bytes, struct loader_failure *failure)
{
    return ERR_UNSUPPORTED;
}

bool selftest_is_wanted(const struct machine *m)
{
    return false;
}

unsigned selftest_run(struct machine *m)
{
    return 0;
}

/* ---- the tests ---- */

static struct machine *m;
static struct loader_failure why;

/* The threads of the machine before end at their next sleep. */
static enum err build(unsigned cpu_count)
{
    m = calloc(1, sizeof(*m));
    pthread_mutex_lock(&big_lock);
    my_machine = ++machine_number;
    memset(fake_vcpus, 0, sizeof(fake_vcpus));
    memset(&why, 0, sizeof(why));
    guests = intrusions = state_set = 0;
    lines = 0;
    must_be_quiet = has_ioapic = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big_lock);
    config.cpu_count = cpu_count;
    image_elf(kernel);
    enum err err = sys_signal_create(1, &m->wake);
    if (!err)
        err = machine_open(m, &why);
    return err ? err : machine_build(m, NULL, &why);
}

static void wait_for_guests(unsigned count)
{
    pthread_mutex_lock(&big_lock);
    while (guests != count)
        pthread_cond_wait(&changed, &big_lock);
    pthread_mutex_unlock(&big_lock);
}

static void pause_and_wait(void)
{
    uint64_t bits;

    machine_pause(m);
    while (!machine_is_paused(m))
        sys_signal_wait(m->wake, DEADLINE_NEVER, &bits);
}

static void leave(unsigned vcpu, struct vcpu_exit exit)
{
    pthread_mutex_lock(&big_lock);
    fake_vcpus[vcpu].exit = exit;
    fake_vcpus[vcpu].has_exit = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big_lock);
}

static void wait_for_end(void)
{
    uint64_t bits;

    while (__atomic_load_n(&m->state, __ATOMIC_ACQUIRE) != MACHINE_ENDED)
        sys_signal_wait(m->wake, DEADLINE_NEVER, &bits);
}

TEST(only_the_first_vcpu_is_given_registers_and_all_run)
{
    EXPECT_EQ(build(64), OK);
    EXPECT_EQ(state_set, 1);
    EXPECT_EQ(guests, 0);
    machine_run(m);
    wait_for_guests(64);
    pause_and_wait();
}

TEST(a_count_of_vcpus_that_cannot_be_is_refused)
{
    EXPECT_EQ(build(0), ERR_ARGUMENT);
    EXPECT_EQ(build(65), ERR_ARGUMENT);
}

TEST(vcpus_that_there_is_no_memory_for_are_refused_in_words)
{
    fails_at = 3;
    EXPECT_EQ(build(4), ERR_MEMORY);
    fails_at = 0;
    EXPECT_HAS(why.message, "4 vCPUs");
    EXPECT(why.hint[0]);
}

TEST(no_vcpu_enters_its_guest_while_the_machine_is_paused)
{
    EXPECT_EQ(build(4), OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        machine_run(m);
        if (round % 3 == 0)
            wait_for_guests(4);
        if (round % 3 == 1) /* a second wake-up finds nothing to do */
            sys_signal_raise(m->vcpus[round % 4].go, 1);
        pause_and_wait();
        must_be_quiet = true;
        EXPECT_EQ(guests, 0);
        sched_yield();
        must_be_quiet = false;
        EXPECT_EQ(intrusions, 0);
    }
}

TEST(a_pause_that_is_taken_back_leaves_all_vcpus_running)
{
    EXPECT_EQ(build(4), OK);
    machine_run(m);
    for (unsigned round = 0; round < ROUNDS; round++) {
        machine_pause(m);
        machine_run(m);
    }
    wait_for_guests(4);
    pause_and_wait();
}

TEST(the_end_is_told_with_the_vcpu_that_came_to_it)
{
    struct vcpu_exit exit = {
        .reason = VCPU_EXIT_IO, .is_write = 1, .width = 1, .port = 0xf4, .value = 42
    };

    EXPECT_EQ(build(4), OK);
    machine_run(m);
    wait_for_guests(4);
    leave(2, exit);
    wait_for_end();
    wait_for_guests(0);
    EXPECT_EQ(m->end.cause, VMM_END_EXIT_PORT);
    EXPECT_EQ(m->end.exit_code, 42);
    EXPECT_EQ(m->end.vcpu_index, 2);
    machine_run(m);
    machine_pause(m);
    EXPECT_EQ(m->state, MACHINE_ENDED);
}

TEST(of_several_ends_the_first_counts_and_is_told_whole)
{
    for (unsigned round = 0; round < ROUNDS / 10; round++) {
        EXPECT_EQ(build(4), OK);
        machine_run(m);
        wait_for_guests(4);
        for (unsigned i = 0; i < 4; i++)
            leave(i, (struct vcpu_exit){ .reason = VCPU_EXIT_SHUTDOWN });
        if (round % 2)
            machine_pause(m);
        wait_for_end();
        struct vmm_end first = m->end;
        wait_for_guests(0);
        EXPECT(memcmp(&first, &m->end, sizeof(first)) == 0);
        EXPECT_EQ(m->end.state.rip, VCPU_HANDLE + m->end.vcpu_index);
        EXPECT_STR(m->end.text, "triple fault");
    }
}

TEST(vcpus_that_print_at_once_lose_no_letter)
{
    struct vcpu_exit exit = { .reason = VCPU_EXIT_IO, .is_write = 1, .width = 1, .port = 0x3f8 };

    EXPECT_EQ(build(4), OK);
    console.out_total = 0;
    machine_run(m);
    for (unsigned round = 0; round < ROUNDS; round++) {
        exit.value = 'a' + round % 26;
        for (unsigned i = 0; i < 4; i++)
            leave(i, exit);
        pthread_mutex_lock(&big_lock);
        for (unsigned i = 0; i < 4; i++)
            while (fake_vcpus[i].has_exit)
                pthread_cond_wait(&changed, &big_lock);
        pthread_mutex_unlock(&big_lock);
    }
    pause_and_wait();
    EXPECT_EQ(console.out_total, 4 * ROUNDS);
}

static void write_port(uint16_t port, uint8_t value)
{
    leave(0, (struct vcpu_exit){
                 .reason = VCPU_EXIT_IO, .is_write = 1, .width = 1, .port = port, .value = value });
    pthread_mutex_lock(&big_lock);
    while (fake_vcpus[0].has_exit)
        pthread_cond_wait(&changed, &big_lock);
    pthread_mutex_unlock(&big_lock);
    pause_and_wait(); /* it has been served */
    machine_run(m);
}

TEST(what_is_typed_raises_the_uarts_line_where_there_is_an_ioapic)
{
    for (unsigned is_on = 0; is_on < 2; is_on++) {
        config.has_ioapic = is_on;
        console.in_total = console.in_taken = 0;
        EXPECT_EQ(build(1), OK);
        machine_input(m); /* not before it runs */
        EXPECT_EQ(has_ioapic, is_on);
        machine_run(m);
        wait_for_guests(1);
        write_port(0x3fc, UART_MCR_OUT2);
        write_port(0x3f9, UART_IER_RX);
        EXPECT_EQ(lines, 0);
        console.in[0] = 'x';
        console.in_total = 1;
        machine_input(m);
        EXPECT_EQ(lines, is_on << 4);
        write_port(0x3f9, 0);
        EXPECT_EQ(lines, 0);
        pause_and_wait();
    }
    config.has_ioapic = 0;
}
