#include "services/manager/module_list.h"
#include "lib/string.h"

bool module_list_next(const char **at, char name[GRANT_NAME_BYTES])
{
    size_t n = 0;

    if (!**at)
        return false;
    for (; **at && **at != ','; ++*at)
        if (n + 1 < GRANT_NAME_BYTES)
            name[n++] = **at;
    name[n] = 0;
    if (**at)
        ++*at;
    return true;
}

unsigned module_list_count(const char *list)
{
    char name[GRANT_NAME_BYTES];
    unsigned count = 0;

    while (module_list_next(&list, name))
        count++;
    return count;
}

bool module_list_is_good(const char *list)
{
    size_t n = strlen(list), name = 0;
    unsigned count = 1;

    for (size_t i = 0; i < n; i++) {
        if (list[i] != ',') {
            if (++name >= GRANT_NAME_BYTES)
                return false;
            continue;
        }
        if (name == 0)
            return false;
        name = 0;
        count++;
    }
    return name > 0 && n < MODULE_LIST_BYTES && count <= VMM_MODULES_MAX;
}
