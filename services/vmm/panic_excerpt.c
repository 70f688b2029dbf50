#include "services/vmm/panic.h"
#include "lib/string.h"

static bool begins_with_panic(const char *s, uint64_t left)
{
    static const char lower[] = "panic";
    unsigned i = 0;

    while (i < sizeof(lower) - 1 && i < left && (s[i] | 0x20) == lower[i])
        i++;
    return i == sizeof(lower) - 1;
}

void panic_excerpt(const char *text, uint64_t bytes, char *out, uint64_t capacity)
{
    uint64_t room = capacity - 1, line = 0, from = bytes > room ? bytes - room : 0;

    for (uint64_t i = 0; i < bytes; i++) {
        if (text[i] == '\n')
            line = i + 1;
        if (!begins_with_panic(text + i, bytes - i))
            continue;
        from = line; /* the trace behind it names the function, too */
        break;
    }
    uint64_t n = min(bytes - from, room);

    memcpy(out, text + from, n);
    out[n] = 0;
}
