/* Each test leaves nothing behind: the budget must end as it began. */
#include "services/vmm/selftest.h"
#include "lib/format.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "services/rt/sys.h"

#define FUZZ_ROUNDS 20000u

static struct machine *machine;
static unsigned failed_line;

#define EXPECT(x)                   \
    do {                            \
        if (!(x)) {                 \
            failed_line = __LINE__; \
            return;                 \
        }                           \
    } while (0)

static void close_all(const handle_t *h, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sys_handle_close(h[i]);
}

static void signals_wait_and_time_out(void)
{
    handle_t s;
    uint64_t bits, begin = sys_clock();

    EXPECT(sys_signal_create(machine->budget, &s) == OK);
    EXPECT(sys_signal_wait(s, begin + NS_PER_MS, &bits) == ERR_TIMED_OUT && bits == 0);
    EXPECT(sys_clock() >= begin + NS_PER_MS);
    EXPECT(sys_signal_raise(s, 5) == OK && sys_signal_raise(s, 2) == OK);
    EXPECT(sys_signal_wait(s, DEADLINE_NEVER, &bits) == OK && bits == 7);
    EXPECT(sys_handle_close(s) == OK);
    EXPECT(sys_signal_raise(s, 1) == ERR_HANDLE);
}

static void timers_raise_what_is_bound(void)
{
    handle_t h[2];
    uint64_t bits;

    EXPECT(sys_signal_create(machine->budget, &h[0]) == OK);
    EXPECT(sys_timer_create(machine->budget, &h[1]) == OK);
    EXPECT(sys_bind(h[1], BIND_TIMER, h[0], 9) == OK);
    EXPECT(sys_timer_set(h[1], sys_clock() + NS_PER_MS) == OK);
    EXPECT(sys_signal_wait(h[0], sys_clock() + NS_PER_SECOND, &bits) == OK && bits == 1ul << 9);
    EXPECT(sys_bind(h[1], BIND_CHANNEL, h[0], 9) == ERR_ARGUMENT);
    EXPECT(sys_bind(h[1], BIND_TIMER, h[0], 64) == ERR_ARGUMENT);
    close_all(h, 2);
}

static void rights_can_only_be_given_away(void)
{
    handle_t s, weak, again;
    uint64_t bits;

    EXPECT(sys_signal_create(machine->budget, &s) == OK);
    EXPECT(sys_handle_copy(s, RIGHT_READ | RIGHT_TRANSFER, &weak) == OK);
    EXPECT(sys_signal_raise(weak, 1) == ERR_RIGHTS);
    EXPECT(sys_handle_copy(weak, RIGHT_ALL, &again) == OK);
    EXPECT(sys_signal_raise(again, 1) == ERR_RIGHTS);
    EXPECT(sys_signal_raise(s, 1) == OK && sys_signal_wait(again, 0, &bits) == OK);
    EXPECT(sys_timer_set(s, 0) == ERR_HANDLE); /* of another kind */
    close_all((handle_t[]){ s, weak, again }, 3);
}

static void regions_are_zero_and_shared(void)
{
    handle_t r;
    void *one, *two;

    EXPECT(sys_region_create(machine->budget, 3 * PAGE_BYTES, &r) == OK);
    EXPECT(sys_region_map(r, 0, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, &one) == OK);
    EXPECT(sys_region_map(r, PAGE_BYTES, PAGE_BYTES, PROT_READ, &two) == OK);
    EXPECT(((uint64_t *)one)[700] == 0);
    ((uint64_t *)one)[512] = 77;
    EXPECT(*(volatile uint64_t *)two == 77);
    EXPECT(sys_region_map(r, 0, 4 * PAGE_BYTES, PROT_READ, &two) == ERR_ARGUMENT);
    EXPECT(sys_region_map(r, 1, PAGE_BYTES, PROT_READ, &two) == ERR_ARGUMENT);
    EXPECT(sys_handle_close(r) == OK); /* the mappings hold it */
    EXPECT(((uint64_t *)one)[512] == 77);
    EXPECT(sys_unmap(one) == OK && sys_unmap(one) == ERR_NOT_FOUND && sys_unmap(two) == OK);
}

static void channels_carry_packets_and_handles(void)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct ring_part part = { "hello", 6 };
    struct ring writer, reader;
    handle_t end[2], s, taken;
    void *at[2];
    uint64_t bits;
    bool wants_signal;
    char text[6];

    EXPECT(sys_channel_create(machine->budget, PAGE_BYTES, end) == OK);
    EXPECT(sys_channel_map(end[0], &at[0]) == OK && sys_channel_map(end[1], &at[1]) == OK);
    EXPECT(ring_attach_writer(&writer, at[0], PAGE_BYTES) == OK);
    EXPECT(ring_attach_reader(&reader, (uint8_t *)at[1] + 2 * PAGE_BYTES, PAGE_BYTES) == OK);
    EXPECT(ring_write(&writer, &packet, &part, 1, &wants_signal) == OK);
    EXPECT(ring_peek(&reader, &packet) == OK);
    EXPECT(ring_read(&reader, &packet, ring_payload_offset(&packet), text, 6) == OK);
    EXPECT(strcmp(text, "hello") == 0);
    EXPECT(sys_signal_create(machine->budget, &s) == OK);
    EXPECT(sys_bind(end[1], BIND_CHANNEL, s, 0) == OK);
    EXPECT(sys_bind(end[1], BIND_CHANNEL_DEAD, s, 1) == OK);
    EXPECT(sys_channel_signal(end[0]) == OK);
    EXPECT(sys_signal_wait(s, DEADLINE_NEVER, &bits) == OK && bits == 1);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(sys_channel_send_handle(end[0], s, RIGHT_WRITE) == OK);
    EXPECT(sys_channel_send_handle(end[0], s, RIGHT_WRITE) == ERR_FULL);
    EXPECT(sys_channel_send_handle(end[0], end[0], RIGHT_ALL) == ERR_ARGUMENT);
    EXPECT(sys_channel_take_handle(end[0], &taken) == ERR_EMPTY);
    EXPECT(sys_channel_take_handle(end[1], &taken) == OK);
    EXPECT(sys_signal_raise(taken, 4) == OK);
    EXPECT(sys_signal_wait(s, DEADLINE_NEVER, &bits) == OK && bits == 4);
    EXPECT(sys_signal_wait(taken, 0, &bits) == ERR_RIGHTS);
    EXPECT(sys_handle_close(end[0]) == OK);
    EXPECT(sys_signal_wait(s, DEADLINE_NEVER, &bits) == OK && bits == 2);
    EXPECT(sys_channel_send_handle(end[1], s, RIGHT_ALL) == ERR_GONE);
    EXPECT(sys_unmap(at[0]) == OK && sys_unmap(at[1]) == OK);
    close_all((handle_t[]){ s, taken, end[1] }, 3);
}

/* @bytes of guest memory at 4 MiB, seen through two views, one of which is revoked. */
static void lend_and_revoke(uint64_t bytes)
{
    gpa_t gpa = { MIB(4) };
    handle_t own, lent;
    void *here, *there;
    uint64_t epoch;

    EXPECT(sys_view_create(machine->partition, gpa, bytes, PROT_READ | PROT_WRITE, &own) == OK);
    EXPECT(sys_view_create(machine->partition, gpa, bytes, PROT_READ | PROT_WRITE, &lent) == OK);
    EXPECT(sys_view_map(own, &here) == OK && sys_view_map(lent, &there) == OK);
    volatile uint64_t *mine = here, *theirs = there;
    uint64_t last = bytes / 8 - 1;

    mine[0] = 1;
    theirs[last] = 2;
    EXPECT(theirs[0] == 1 && mine[last] == 2);
    EXPECT(*(volatile uint64_t *)(machine->memory.low + gpa.v) == 1);
    EXPECT(sys_view_epoch(lent, &epoch) == OK && epoch == 0);
    EXPECT(sys_view_revoke(lent) == OK);
    EXPECT(sys_view_epoch(lent, &epoch) == OK && epoch == 1);
    EXPECT(theirs[last] == 0); /* the scrap page */
    theirs[0] = 99;
    EXPECT(mine[0] == 1 && mine[last] == 2);
    EXPECT(sys_view_map(lent, &there) == ERR_GONE);
    EXPECT(sys_unmap((void *)(uintptr_t)theirs) == OK && sys_unmap(here) == OK);
    close_all((handle_t[]){ own, lent }, 2);
}

static void a_revoked_page_reads_junk_and_the_owner_keeps_his(void)
{
    lend_and_revoke(PAGE_BYTES);
}

static void a_revoked_large_page_does_so_too(void)
{
    lend_and_revoke(2 * LARGE_BYTES + PAGE_BYTES);
}

/* What is written to a revoked view must not be read from another one: a switch that copies from a
 * sender's to a receiver's buffer would carry it from guest to guest. */
static void revoked_views_that_are_only_read_stay_zero(void)
{
    gpa_t gpa = { MIB(4) };
    handle_t views[2];
    void *at[2];

    EXPECT(sys_view_create(machine->partition, gpa, PAGE_BYTES, PROT_READ, &views[0]) == OK);
    EXPECT(sys_view_create(machine->partition, gpa, PAGE_BYTES, PROT_READ | PROT_WRITE,
                           &views[1]) == OK);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT(sys_view_map(views[i], &at[i]) == OK);
        EXPECT(sys_view_revoke(views[i]) == OK);
    }
    *(volatile uint64_t *)at[1] = 99;
    EXPECT(*(volatile uint64_t *)at[0] == 0);
    for (unsigned i = 0; i < 2; i++)
        EXPECT(sys_unmap(at[i]) == OK);
    close_all(views, 2);
}

static void views_end_where_memory_ends(void)
{
    uint64_t bytes = machine->config->memory_bytes;
    handle_t h;

    EXPECT(sys_view_create(machine->partition, (gpa_t){ bytes }, PAGE_BYTES, PROT_READ, &h) ==
           ERR_ARGUMENT);
    EXPECT(sys_view_create(machine->partition, (gpa_t){ bytes - PAGE_BYTES }, 2 * PAGE_BYTES,
                           PROT_READ, &h) == ERR_ARGUMENT);
    EXPECT(sys_view_create(machine->partition, (gpa_t){ 0 }, UINT64_MAX & ~PAGE_MASK, PROT_READ,
                           &h) == ERR_ARGUMENT);
    EXPECT(sys_view_create(machine->partition, (gpa_t){ 8 }, PAGE_BYTES, PROT_READ, &h) ==
           ERR_ARGUMENT);
}

static void a_budget_is_a_limit(void)
{
    handle_t b, r, s;
    uint64_t bits;
    struct budget_info info;

    EXPECT(sys_budget_create(machine->budget, 10 * PAGE_BYTES, &b) == OK);
    EXPECT(sys_region_create(b, 16 * PAGE_BYTES, &r) == ERR_MEMORY);
    EXPECT(sys_region_create(b, 4 * PAGE_BYTES, &r) == OK);
    EXPECT(sys_signal_create(machine->budget, &s) == OK);
    EXPECT(sys_bind(b, BIND_BUDGET_EMPTY, s, 0) == OK);
    EXPECT(sys_signal_wait(s, 0, &bits) == ERR_TIMED_OUT);
    EXPECT(sys_handle_close(r) == OK);
    EXPECT(sys_signal_wait(s, 0, &bits) == OK);
    EXPECT(sys_budget_info(b, &info) == OK && info.used_bytes == 0);
    EXPECT(sys_budget_create(machine->budget, UINT64_MAX, &r) == ERR_MEMORY);
    close_all((handle_t[]){ b, s }, 2);
}

static void what_is_not_ours_is_refused(void)
{
    struct process_create p = { .program = "manager", .name = "second", .weight = 100 };
    struct host_info info;
    handle_t h;
    uint32_t v;

    p.budget = machine->budget;
    EXPECT(sys_process_create(&p, &h) == ERR_ARGUMENT);
    EXPECT(sys_ioport_read(machine->budget, 0x3f8, 1, &v) == ERR_HANDLE);
    EXPECT(sys_host_poweroff() == ERR_RIGHTS);
    EXPECT(sys_host_info((struct host_info *)0xffffffff80200000) == ERR_ARGUMENT);
    EXPECT(sys_host_info((struct host_info *)0x10) == ERR_ARGUMENT);
    EXPECT(sys_host_info(&info) == OK && info.cpu_count > 0);
}

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return seed >> 16;
}

/* Numbers that are often nearly right. */
static uint64_t next_argument(void)
{
    static uint8_t scratch[2 * PAGE_BYTES];

    switch (next_random() % 8) {
    case 0: return next_random() % 24; /* a handle */
    case 1: return (uint64_t)scratch + next_random() % PAGE_BYTES;
    case 2: return next_random() % 16 * PAGE_BYTES;
    case 3: return UINT64_MAX - next_random() % 16;
    case 4: return 0xffff800000000000ul + next_random() % MIB(64);
    case 5: return 0;
    default: return next_random() << 20 ^ next_random();
    }
}

static bool is_fuzzable(uint64_t number)
{
    return number != SYS_EXIT && number != SYS_THREAD_EXIT && number != SYS_SIGNAL_WAIT &&
           number != SYS_UNMAP && number != SYS_THREAD_CREATE && number != SYS_LOG_WRITE &&
           number != SYS_HANDLE_CLOSE && number != SYS_VIEW_REVOKE;
}

/* Nothing to expect but that kernel and program are still there. Handles that come out are closed,
 * but for the first ones, which are the VM's own. */
static void random_calls_harm_nobody(void)
{
    for (unsigned i = 0; i < FUZZ_ROUNDS; i++) {
        uint64_t number = next_random() % (SYS_COUNT + 2);

        if (!is_fuzzable(number))
            continue;
        sys_raw(number, next_argument(), next_argument(), next_argument(), next_argument());
        for (handle_t h = 24; i % 64 == 0 && h < 200; h++)
            sys_handle_close(h);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "signals_wait_and_time_out", signals_wait_and_time_out },
    { "timers_raise_what_is_bound", timers_raise_what_is_bound },
    { "rights_can_only_be_given_away", rights_can_only_be_given_away },
    { "regions_are_zero_and_shared", regions_are_zero_and_shared },
    { "channels_carry_packets_and_handles", channels_carry_packets_and_handles },
    { "a_revoked_page_reads_junk_and_the_owner_keeps_his",
      a_revoked_page_reads_junk_and_the_owner_keeps_his },
    { "a_revoked_large_page_does_so_too", a_revoked_large_page_does_so_too },
    { "revoked_views_that_are_only_read_stay_zero", revoked_views_that_are_only_read_stay_zero },
    { "views_end_where_memory_ends", views_end_where_memory_ends },
    { "a_budget_is_a_limit", a_budget_is_a_limit },
    { "what_is_not_ours_is_refused", what_is_not_ours_is_refused },
    { "random_calls_harm_nobody", random_calls_harm_nobody },
};

bool selftest_is_wanted(const struct machine *m)
{
    return strncmp(m->config->cmdline, SELFTEST_WORD, sizeof(SELFTEST_WORD) - 1) == 0;
}

static void say(const char *text)
{
    struct vuart_line *line = &machine->console.line;

    for (; *text; text++)
        line->send(line, (uint8_t)*text);
}

/* The last test leaves handles and mappings behind on purpose. */
static uint64_t used_bytes(void)
{
    struct budget_info info = { 0 };

    return sys_budget_info(machine->budget, &info) ? 0 : info.used_bytes;
}

/* The scrap page for views that are only read is set aside once, with the first of them. */
static void view_something(void)
{
    handle_t view;
    void *at;

    if (sys_view_create(machine->partition, (gpa_t){ 0 }, PAGE_BYTES, PROT_READ, &view) == OK) {
        if (sys_view_map(view, &at) == OK)
            sys_unmap(at);
        sys_handle_close(view);
    }
}

unsigned selftest_run(struct machine *m)
{
    unsigned failures = 0;
    char line[120];

    machine = m;
    view_something();
    for (unsigned i = 0; i < array_count(tests); i++) {
        uint64_t used = used_bytes();
        bool is_last = i == array_count(tests) - 1;

        failed_line = 0;
        tests[i].run();
        if (!failed_line && !is_last && used_bytes() != used)
            failed_line = 1; /* something was left behind */
        failures += failed_line != 0;
        if (failed_line)
            format(line, sizeof(line), "not ok %s: line %u\n", tests[i].name, failed_line);
        else
            format(line, sizeof(line), "ok %s\n", tests[i].name);
        say(line);
    }
    return failures;
}
