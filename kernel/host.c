#include "kernel/host.h"
#include "arch/x86/acpi.h"
#include "arch/x86/tsc.h"
#include "kernel/handle.h"
#include "kernel/kernel_cpu.h"
#include "kernel/memory.h"
#include "lib/string.h"

char host_boot_kind;

static uint64_t halted_ns(const struct kernel_cpu *k)
{
    uint64_t start = __atomic_load_n(&k->halt_start_tsc, __ATOMIC_RELAXED);
    uint64_t ticks = k->halted_ticks + (start ? rdtsc() - start : 0);

    return multiply_shift32(ticks, host_clock.ns_per_tick_32);
}

static void set_feature(struct host_info *out, enum host_feature f, bool is_there)
{
    out->features[f] = is_there ? HOST_FEATURE_OK : HOST_FEATURE_MISSING;
}

static void fill_features(struct host_info *out)
{
    const struct cpu_features *c = &cpu_features;

    set_feature(out, HOST_FEATURE_VIRTUALISATION, c->has_svm);
    set_feature(out, HOST_FEATURE_NESTED_PAGING, c->has_npt);
    set_feature(out, HOST_FEATURE_NRIP_SAVE, c->has_nrip_save);
    set_feature(out, HOST_FEATURE_DECODE_ASSISTS, c->has_decode_assists);
    set_feature(out, HOST_FEATURE_FLUSH_BY_ASID, c->has_flush_by_asid);
    set_feature(out, HOST_FEATURE_INVARIANT_TSC, c->has_invariant_tsc);
    set_feature(out, HOST_FEATURE_X2APIC, c->has_x2apic);
    set_feature(out, HOST_FEATURE_SMEP, c->has_smep);
    set_feature(out, HOST_FEATURE_SMAP, c->has_smap);
    set_feature(out, HOST_FEATURE_NX, c->has_nx);
    set_feature(out, HOST_FEATURE_XSAVE, c->has_xsave);
    set_feature(out, HOST_FEATURE_IOMMU, acpi_info.has_dmar);
    set_feature(out, HOST_FEATURE_INTERRUPT_REMAPPING, acpi_info.has_interrupt_remapping);
}

void host_get_info(struct host_info *out)
{
    memset(out, 0, sizeof(*out));
    out->uptime_ns = clock_ns();
    out->tsc_hz = host_clock.tsc_hz;
    out->memory_bytes = memory_total_bytes();
    out->memory_free_bytes = memory_free_bytes();
    out->handle_count = handle_count_total();
    out->cpu_count = kernel_cpu_count;
    out->boot = (uint8_t)host_boot_kind;
    out->virt = 's';
    out->is_debug = IS_DEBUG;
    for (unsigned i = 0; i < kernel_cpu_count; i++)
        out->cpus[i] = (struct host_cpu){ .apic_id = kernel_cpus[i].arch.apic_id,
                                          .halted_ns = halted_ns(&kernel_cpus[i]) };
    fill_features(out);
}
