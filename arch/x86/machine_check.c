#include "arch/x86/machine_check.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "lib/x86/regs.h"

#define MSR_MC_CONTROL(bank) (0x400u + 4u * (bank))
#define MSR_MC_STATUS(bank)  (0x401u + 4u * (bank))
#define MSR_MC_ADDRESS(bank) (0x402u + 4u * (bank))
#define STATUS_VALID         (1ull << 63)
#define STATUS_UNCORRECTED   (1ull << 61)
#define STATUS_HAS_ADDRESS   (1ull << 58)

static unsigned bank_count(void)
{
    return cpu_features.has_mca ? (unsigned)rdmsr(MSR_MCG_CAP) & 0xff : 0;
}

bool machine_check_enable(void)
{
    if (!bank_count())
        return false;
    if (rdmsr(MSR_MCG_CAP) & MCG_CAP_HAS_CONTROL)
        wrmsr(MSR_MCG_CONTROL, UINT64_MAX);
    for (unsigned bank = 0; bank < bank_count(); bank++)
        wrmsr(MSR_MC_CONTROL(bank), UINT64_MAX);
    return true;
}

bool machine_check_take(struct machine_check *out)
{
    unsigned count = bank_count();
    bool is_uncorrected = false;

    *out = (struct machine_check){ 0 };
    for (unsigned bank = 0; bank < count; bank++) {
        uint64_t status = rdmsr(MSR_MC_STATUS(bank));

        if (!(status & STATUS_VALID))
            continue;
        if (!out->status || (status & STATUS_UNCORRECTED))
            *out = (struct machine_check){
                status, status & STATUS_HAS_ADDRESS ? rdmsr(MSR_MC_ADDRESS(bank)) : 0, bank
            };
        is_uncorrected |= (status & STATUS_UNCORRECTED) != 0;
        wrmsr(MSR_MC_STATUS(bank), 0);
    }
    if (count)
        wrmsr(MSR_MCG_STATUS, 0);
    return is_uncorrected;
}
