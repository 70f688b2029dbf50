#include "services/manager/cpu_list.h"
#include "lib/string.h"

/* Takes the digits at *@at. False: there is none, or the number is none of a CPU. */
static bool take_cpu(const char **at, uint8_t *out)
{
    const char *begin = *at;
    unsigned n = 0;

    for (; **at >= '0' && **at <= '9' && n < HOST_CPUS_MAX; ++*at)
        n = 10 * n + (unsigned)(**at - '0');
    *out = (uint8_t)n;
    return *at != begin && n < HOST_CPUS_MAX;
}

bool cpu_list_parse(const char *text, struct cpu_list *out)
{
    *out = (struct cpu_list){ 0 };
    if (strcmp(text, "any") == 0)
        return true;
    while (out->count < VMM_VCPUS_MAX && take_cpu(&text, &out->cpus[out->count])) {
        out->count++;
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

bool cpu_list_is_good(const struct cpu_list *l)
{
    bool is_good = l->count <= VMM_VCPUS_MAX;

    for (unsigned i = 0; is_good && i < l->count; i++)
        is_good = l->cpus[i] < HOST_CPUS_MAX;
    return is_good;
}

uint64_t cpu_list_at(const struct cpu_list *l, unsigned index)
{
    return l->count ? l->cpus[index % l->count] : UINT64_MAX;
}
