/* The harness of the host tests: TEST(name_by_what_must_hold) { EXPECT_...; }. A binary prints a
 * line for each test and ends with "N passed, N failed". A failed expectation ends its test. */
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

static struct test *test_first, **test_end = &test_first;
static char test_reason[1024];

/* What is printed is escaped by nobody: keep it to one line. */
#define TEST_FAIL(...)                                                                      \
    do {                                                                                    \
        int n_ = snprintf(test_reason, sizeof(test_reason), "%s:%d: ", __FILE__, __LINE__); \
        snprintf(test_reason + n_, sizeof(test_reason) - (size_t)n_, __VA_ARGS__);          \
        return;                                                                             \
    } while (0)

#define TEST(test_name)                                                 \
    static void test_##test_name(void);                                 \
    __attribute__((constructor)) static void register_##test_name(void) \
    {                                                                   \
        static struct test t = { #test_name, test_##test_name, NULL };  \
        *test_end = &t;                                                 \
        test_end = &t.next;                                             \
    }                                                                   \
    static void test_##test_name(void)

#define EXPECT(condition)                              \
    do {                                               \
        if (!(condition))                              \
            TEST_FAIL("%s does not hold", #condition); \
    } while (0)

#define EXPECT_EQ(a, b)                                                                         \
    do {                                                                                        \
        int64_t a_ = (int64_t)(a), b_ = (int64_t)(b);                                           \
        if (a_ != b_)                                                                           \
            TEST_FAIL("%s is %" PRId64 " (0x%" PRIx64 "), not %" PRId64 " (0x%" PRIx64 ")", #a, \
                      a_, (uint64_t)a_, b_, (uint64_t)b_);                                      \
    } while (0)

#define EXPECT_STR(a, b)                                               \
    do {                                                               \
        const char *a_ = (a), *b_ = (b);                               \
        if (strcmp(a_, b_) != 0)                                       \
            TEST_FAIL("%s is \"%.300s\", not \"%.300s\"", #a, a_, b_); \
    } while (0)

/* @part stands somewhere in @text. */
#define EXPECT_HAS(text, part)                                \
    do {                                                      \
        const char *a_ = (text), *b_ = (part);                \
        if (!strstr(a_, b_))                                  \
            TEST_FAIL("\"%s\" is not in \"%.600s\"", b_, a_); \
    } while (0)

#define EXPECT_HAS_NOT(text, part)                        \
    do {                                                  \
        const char *a_ = (text), *b_ = (part);            \
        if (strstr(a_, b_))                               \
            TEST_FAIL("\"%s\" is in \"%.600s\"", b_, a_); \
    } while (0)

/* For helpers that expect: ends the test that called them when they failed. */
#define EXPECT_OF(call)     \
    do {                    \
        call;               \
        if (test_reason[0]) \
            return;         \
    } while (0)

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;

    for (struct test *t = test_first; t; t = t->next) {
        if (argc > 1 && !strstr(t->name, argv[1]))
            continue;
        test_reason[0] = 0;
        t->run();
        if (test_reason[0]) {
            printf("not ok %s: %s\n", t->name, test_reason);
            failed++;
        } else {
            printf("ok %s\n", t->name);
            passed++;
        }
        fflush(stdout);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
