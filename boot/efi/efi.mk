# The UEFI application: a loader built with GNU-EFI around the kernel's ELF file. GNU-EFI brings
# memcpy and memset of its own.

EFI_LIB    := $(dir $(firstword $(wildcard /usr/lib/crt0-efi-x86_64.o /usr/lib64/gnuefi/crt0-efi-x86_64.o)))
EFI_CFLAGS := -std=gnu11 -ffreestanding -fpic -fshort-wchar -fno-stack-protector -mno-red-zone \
              -mgeneral-regs-only -maccumulate-outgoing-args -O2 -Wall -Wextra -Werror \
              -Wno-unused-parameter -I. -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 \
              -DGNU_EFI_USE_MS_ABI -MMD -MP

define efi_rules
$(BUILD)/$(1)/efi/%.o: boot/efi/%.c
	@mkdir -p $$(@D)
	$$(Q)gcc $(EFI_CFLAGS) -c $$< -o $$@
$(BUILD)/$(1)/efi/format.o: lib/format.c
	@mkdir -p $$(@D)
	$$(Q)gcc $(EFI_CFLAGS) -c $$< -o $$@
$(BUILD)/$(1)/efi/string.o: lib/string.c
	@mkdir -p $$(@D)
	$$(Q)gcc $(EFI_CFLAGS) -Dmemcpy=lib_memcpy -Dmemset=lib_memset -c $$< -o $$@
$(BUILD)/$(1)/bulkhead.stripped: $(BUILD)/$(1)/bulkhead.elf
	$$(Q)strip -o $$@ $$<
$(BUILD)/$(1)/efi/image.o: boot/efi/image.S.in $(BUILD)/$(1)/bulkhead.stripped
	@mkdir -p $$(@D)
	$$(Q)gcc -x assembler-with-cpp -Wa,-I,$(BUILD)/$(1) -c $$< -o $$@
$(BUILD)/$(1)/efi/bulkhead.so: $(addprefix $(BUILD)/$(1)/efi/,main.o files.o load.o memory.o say.o format.o string.o image.o)
	$$(Q)ld -nostdlib -shared -Bsymbolic -znocombreloc --no-undefined -T $(EFI_LIB)elf_x86_64_efi.lds \
	    $(EFI_LIB)crt0-efi-x86_64.o $$^ -L $(EFI_LIB) -L /usr/lib -lgnuefi -lefi -o $$@
$(BUILD)/$(1)/bulkhead.efi: $(BUILD)/$(1)/efi/bulkhead.so
	@echo link $$@
	$$(Q)objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j .reloc \
	    -j .rodata --target efi-app-x86_64 --subsystem=10 $$< $$@
endef
$(foreach b,$(BUILDS),$(eval $(call efi_rules,$(b))))
