#include "services/vmm/bench_port.h"
#include "lib/string.h"
#include "lib/x86/asm.h"
#include "services/rt/sys.h"

static bool is_wanted(const char *cmdline)
{
    static const char word[] = "bench-port=1";

    for (const char *p = cmdline; *p; p++)
        if (memcmp(p, word, min(sizeof(word) - 1, strlen(p))) == 0 && strlen(p) >= sizeof(word) - 1)
            return true;
    return false;
}

enum err bench_port_open(struct machine *m)
{
    enum err err;

    if (!is_wanted(m->config->cmdline))
        return OK;
    err = sys_port_create(m->partition, BENCH_CONNECTION, 1, &m->bench_port);
    return err ? err : sys_bind(m->bench_port, BIND_PORT, m->wake, WAKE_BENCH);
}

void bench_port_woken(struct machine *m, uint64_t bits)
{
    uint64_t now = rdtsc(), flags;
    struct partition_info info;

    if (!(bits & 1ull << WAKE_BENCH) || sys_partition_info(m->partition, &info))
        return;
    __atomic_store_n(&m->bench_tsc, now + info.tsc_offset, __ATOMIC_RELAXED);
    (void)!sys_port_take(m->bench_port, NULL, &flags); /* its content is that it came */
}

uint8_t bench_port_read(const struct machine *m, unsigned index)
{
    if (!m->bench_port)
        return 0xff;
    return (uint8_t)(__atomic_load_n(&m->bench_tsc, __ATOMIC_RELAXED) >> 8 * index);
}
