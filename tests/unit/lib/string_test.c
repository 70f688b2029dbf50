// SOURCES: lib/string.c
/* On the host the functions of the C library keep their names; those of lib/string.c are built
 * under others (tests/unit.mk). */
#include "tests/unit/test.h"

void *lib_memcpy(void *restrict to, const void *restrict from, size_t n);
void *lib_memmove(void *to, const void *from, size_t n);
void *lib_memset(void *to, int byte, size_t n);
int lib_memcmp(const void *a, const void *b, size_t n);
size_t lib_strlen(const char *s);
int lib_strcmp(const char *a, const char *b);
int lib_strncmp(const char *a, const char *b, size_t n);
bool string_copy(char *to, size_t capacity, const char *from);

static uint8_t from[64], to[64], want[64];

TEST(copies_of_any_length_and_place_are_exact)
{
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7 + 1);
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n < 40; n++) {
            memset(to, 0xee, sizeof(to));
            memset(want, 0xee, sizeof(want));
            memcpy(want + at, from + 3, n);
            lib_memcpy(to + at, from + 3, n);
            EXPECT(memcmp(to, want, sizeof(to)) == 0);
        }
}

TEST(moves_may_overlap)
{
    for (size_t a = 0; a < 20; a++)
        for (size_t b = 0; b < 20; b++)
            for (size_t n = 0; n < 40; n++) {
                for (unsigned i = 0; i < sizeof(to); i++)
                    to[i] = want[i] = (uint8_t)i;
                memmove(want + a, want + b, n);
                lib_memmove(to + a, to + b, n);
                EXPECT(memcmp(to, want, sizeof(to)) == 0);
            }
}

TEST(fills_are_exact)
{
    for (size_t n = 0; n < 40; n++) {
        memset(to, 1, sizeof(to));
        memset(want, 1, sizeof(want));
        memset(want + 5, 0xab, n);
        lib_memset(to + 5, 0xab, n);
        EXPECT(memcmp(to, want, sizeof(to)) == 0);
    }
}

TEST(comparisons_have_the_sign_of_the_first_difference)
{
    EXPECT(lib_memcmp("a\x80", "a\x7f", 2) > 0);
    EXPECT(lib_memcmp("ab", "ac", 1) == 0);
    EXPECT(lib_strcmp("ab", "abc") < 0);
    EXPECT(lib_strcmp("abc", "abc") == 0);
    EXPECT(lib_strcmp("\xff", "a") > 0);
    EXPECT(lib_strncmp("abc", "abd", 2) == 0);
    EXPECT(lib_strncmp("abc", "abd", 3) < 0);
    EXPECT(lib_strncmp("ab", "ab\0x", 4) == 0);
    EXPECT_EQ(lib_strlen(""), 0);
    EXPECT_EQ(lib_strlen("12345"), 5);
}

TEST(string_copy_says_whether_all_of_it_fitted)
{
    char small[4];

    EXPECT(string_copy(small, sizeof(small), "abc"));
    EXPECT_STR(small, "abc");
    EXPECT(!string_copy(small, sizeof(small), "abcd"));
    EXPECT_STR(small, "abc");
}
