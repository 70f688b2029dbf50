#include "arch/x86/symbols.h"
#include "lib/abi/boot_info.h"

struct symbol {
    uint32_t address, name;
};
extern const uint64_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern const uint8_t kernel_text_start[], kernel_text_end[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    uint64_t low = 0, high = symbol_count;
    uint64_t key = address - KERNEL_BASE;

    if (address < (uint64_t)kernel_text_start || address >= (uint64_t)kernel_text_end || !high)
        return NULL;
    while (high - low > 1) {
        uint64_t mid = (low + high) / 2;

        if (symbol_table[mid].address <= key)
            low = mid;
        else
            high = mid;
    }
    *offset = key - symbol_table[low].address;
    return symbol_names + symbol_table[low].name;
}
