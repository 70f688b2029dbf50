// SOURCES: lib/cpio.c lib/string.c
#include "lib/cpio.h"
#include "tests/unit/test.h"

static char archive[4096];
static size_t used;

static void add(const char *name, const char *data, unsigned mode)
{
    size_t n = strlen(name) + 1, bytes = strlen(data);

    used += (size_t)sprintf(archive + used,
                            "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0, mode,
                            0, 0, 1, 0, (unsigned)bytes, 0, 0, 0, 0, (unsigned)n, 0);
    memcpy(archive + used, name, n);
    used = (used + n + 3) & ~3ul;
    memcpy(archive + used, data, bytes);
    used = (used + bytes + 3) & ~3ul;
}

static void begin(void)
{
    memset(archive, 0, sizeof(archive));
    used = 0;
}

TEST(regular_files_are_found_with_their_bytes)
{
    struct cpio_reader r;
    struct cpio_file f;

    begin();
    add("folder", "", 0040755);
    add("./conf", "hello", 0100644);
    add("empty", "", 0100644);
    add("TRAILER!!!", "", 0);
    cpio_open(&r, archive, used);
    EXPECT_EQ(cpio_next(&r, &f), OK);
    EXPECT_STR(f.name, "conf");
    EXPECT_EQ(f.bytes, 5);
    EXPECT(memcmp(f.data, "hello", 5) == 0);
    EXPECT_EQ(cpio_next(&r, &f), OK);
    EXPECT_STR(f.name, "empty");
    EXPECT_EQ(f.bytes, 0);
    EXPECT_EQ(cpio_next(&r, &f), ERR_EMPTY);
}

TEST(an_archive_cut_off_anywhere_is_refused_not_read_beyond)
{
    begin();
    add("conf", "hello", 0100644);
    for (size_t length = 0; length < used; length++) {
        struct cpio_reader r;
        struct cpio_file f;
        char *copy = malloc(length ? length : 1); /* ASan watches its end */

        memcpy(copy, archive, length);
        cpio_open(&r, copy, length);
        while (cpio_next(&r, &f) == OK)
            EXPECT((const char *)f.data + f.bytes <= copy + length);
        free(copy);
    }
}
