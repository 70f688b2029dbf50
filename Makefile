# Bulkhead. `make help` lists the targets; docs/tour.md explains what they build.
#
# Two builds of everything, release and debug, stand beside each other under build/. The programs
# are linked first and embedded in the kernel, so each build is one file (bulkhead.elf by PVH,
# bulkhead.efi by UEFI) that can be signed.

VERSION := 0.1.0
CC      := gcc
BUILD   := build
Q       := @
BUILDS  := release debug
PROGRAMS := manager vmm switch

.PHONY: all release debug-build clean help
all: release debug-build ## build release and debug
release: $(BUILD)/release/bulkhead.elf $(if $(wildcard boot/efi/main.c),$(BUILD)/release/bulkhead.efi) $(BUILD)/release/guests
debug-build: $(BUILD)/debug/bulkhead.elf $(if $(wildcard boot/efi/main.c),$(BUILD)/debug/bulkhead.efi) $(BUILD)/debug/guests

# ---- flags ----
WARN  := -Wall -Wextra -Werror -Wconversion -Wshadow -Wmissing-prototypes -Wvla \
         -Wno-unused-parameter -Wstrict-prototypes
FREE  := -std=gnu11 -ffreestanding -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables \
         -fno-strict-aliasing -fno-common -mgeneral-regs-only -mno-red-zone -g -MMD -MP -I. \
         -DBULKHEAD_VERSION='"$(VERSION)"'
OPT_release := -O2 -fomit-frame-pointer
OPT_debug   := -O2 -fno-omit-frame-pointer -fno-optimize-sibling-calls -DDEBUG
KERNEL_CFLAGS  := $(FREE) $(WARN) -mcmodel=kernel
PROGRAM_CFLAGS := $(FREE) $(WARN) -fdata-sections -ffunction-sections
LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
           -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,--fatal-warnings

# ---- sources: every .c and .S of a folder, but for what says host-only in its first line ----
freestanding = $(foreach f,$(wildcard $(1)/*.c $(1)/*.S),$(if $(findstring host-only,$(shell head -n 1 $(f))),,$(f)))
KERNEL_DIRS := boot/pvh arch/x86 arch/x86/svm kernel kernel/hv kernel/syscall lib/x86
KERNEL_SRCS := $(foreach d,$(KERNEL_DIRS),$(call freestanding,$(d)))
LIB_SRCS    := $(call freestanding,lib)
RT_SRCS     := $(call freestanding,services/rt)
manager_SRCS := $(call freestanding,services/manager)
vmm_SRCS     := $(call freestanding,services/vmm) $(call freestanding,services/vmm/loader) \
                $(call freestanding,services/vmm/devices) $(call freestanding,services/vmm/vmbus) \
                $(call freestanding,services/vmm/vsp)
switch_SRCS  := $(call freestanding,services/switch)
BASE_manager := 0x400000
BASE_vmm     := 0x800000
BASE_switch  := 0xc00000
# of the multiboot payload: align modules, tell memory; and: the header has addresses
MULTIBOOT_FLAGS_elf := 0x00003
MULTIBOOT_FLAGS_bin := 0x10003
objects = $(addprefix $(1)/,$(addsuffix .o,$(basename $(2))))

define build_rules
O := $(BUILD)/$(1)
$(BUILD)/$(1)/kernel/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(KERNEL_CFLAGS) $(OPT_$(1)) -c $$< -o $$@
$(BUILD)/$(1)/kernel/%.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(KERNEL_CFLAGS) $(OPT_$(1)) -c $$< -o $$@
$(BUILD)/$(1)/program/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(PROGRAM_CFLAGS) $$(OPT_$(1)) -c $$< -o $$@
# The manager waits for people: small beats fast there.
$(BUILD)/$(1)/program/services/manager/%.o: OPT_release := -Os -fomit-frame-pointer
$(BUILD)/$(1)/program/%.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(PROGRAM_CFLAGS) $(OPT_$(1)) -c $$< -o $$@

$(foreach p,$(PROGRAMS),$(call program_rule,$(1),$(p)))

# The kernel is linked twice: the second time with the table of its own symbols.
$(1)_KERNEL_OBJS := $$(call objects,$(BUILD)/$(1)/kernel,$(KERNEL_SRCS) $(LIB_SRCS))
$(BUILD)/$(1)/programs.o: kernel/embed.S.in $(foreach p,$(PROGRAMS),$(BUILD)/$(1)/$(p).stripped)
	$$(Q)$$(CC) -x assembler-with-cpp -Wa,-I,$(BUILD)/$(1) -c $$< -o $$@
$(BUILD)/$(1)/%.stripped: $(BUILD)/$(1)/%.elf
	$$(Q)strip -o $$@ $$<
$(BUILD)/$(1)/symbols0.S: scripts/mksymbols
	@mkdir -p $$(@D)
	$$(Q)scripts/mksymbols > $$@ </dev/null
$(BUILD)/$(1)/symbols1.S: $(BUILD)/$(1)/stage0.elf scripts/mksymbols
	$$(Q)nm -n $$< | scripts/mksymbols > $$@
$(BUILD)/$(1)/symbols%.o: $(BUILD)/$(1)/symbols%.S
	$$(Q)$$(CC) -c $$< -o $$@
$(BUILD)/$(1)/stage0.elf: $$($(1)_KERNEL_OBJS) $(BUILD)/$(1)/programs.o $(BUILD)/$(1)/symbols0.o kernel/kernel.lds
	@echo link $$@
	$$(Q)$$(CC) $(LDFLAGS) -T kernel/kernel.lds -o $$@ $$(filter %.o,$$^)
$(BUILD)/$(1)/bulkhead.elf: $$($(1)_KERNEL_OBJS) $(BUILD)/$(1)/programs.o $(BUILD)/$(1)/symbols1.o kernel/kernel.lds
	@echo link $$@
	$$(Q)$$(CC) $(LDFLAGS) -T kernel/kernel.lds -o $$@ $$(filter %.o,$$^)

$(BUILD)/$(1)/guest/%.o: tests/guest/%.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(FREE) $(WARN) -O2 -c $$< -o $$@
$(BUILD)/$(1)/guest/%.o: tests/guest/%.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(FREE) -c $$< -o $$@
$(BUILD)/$(1)/guest/libsmp.a: $(BUILD)/$(1)/guest/smplib.o $(BUILD)/$(1)/guest/vmbuslib.o $(BUILD)/$(1)/guest/netvsclib.o $(BUILD)/$(1)/guest/trampoline.o
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$(BUILD)/$(1)/guest/%.elf: $(BUILD)/$(1)/guest/%.o $(BUILD)/$(1)/guest/start.o $(BUILD)/$(1)/guest/payload.o $(BUILD)/$(1)/guest/libsmp.a tests/guest/payload.lds
	@echo link $$@
	$$(Q)$$(CC) $(LDFLAGS) -T tests/guest/payload.lds -o $$@ $$(filter %.o %.a,$$^)
# The multiboot payload: an ELF file for the i386, and a flat file with addresses in its header.
$(foreach k,elf bin,$(BUILD)/$(1)/guest/start-multiboot-$(k).o): $(BUILD)/$(1)/guest/start-multiboot-%.o: tests/guest/start.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(FREE) -DMULTIBOOT_FLAGS=$$(MULTIBOOT_FLAGS_$$*) -c $$< -o $$@
$(BUILD)/$(1)/guest/multiboot-%.elf64: $(BUILD)/$(1)/guest/multiboot.o $(BUILD)/$(1)/guest/start-multiboot-%.o $(BUILD)/$(1)/guest/payload.o tests/guest/payload.lds
	$$(Q)$$(CC) $(LDFLAGS) -T tests/guest/payload.lds -o $$@ $$(filter %.o,$$^)
$(BUILD)/$(1)/guest/multiboot.elf: $(BUILD)/$(1)/guest/multiboot-elf.elf64
	$$(Q)objcopy -O elf32-i386 $$< $$@
$(BUILD)/$(1)/guest/multiboot.bin: $(BUILD)/$(1)/guest/multiboot-bin.elf64
	$$(Q)objcopy -O binary $$< $$@
$(BUILD)/$(1)/guests: $(BUILD)/$(1)/guest/multiboot.bin $(patsubst tests/guest/%.c,$(BUILD)/$(1)/guest/%.elf,$(filter-out tests/guest/payload.c tests/guest/smplib.c tests/guest/vmbuslib.c tests/guest/netvsclib.c,$(wildcard tests/guest/*.c)))
	@touch $$@
endef

define program_rule
$(BUILD)/$(1)/$(2).elf: $$(call objects,$(BUILD)/$(1)/program,$$($(2)_SRCS) $(RT_SRCS) $(LIB_SRCS)) services/rt/program.lds
	@echo link $$@
	$$(Q)$$(CC) $(LDFLAGS) -Wl,--gc-sections -Wl,--defsym=PROGRAM_BASE=$(BASE_$(2)) -T services/rt/program.lds -o $$@ $$(filter %.o,$$^)

endef
$(foreach b,$(BUILDS),$(eval $(call build_rules,$(b))))

include boot/efi/efi.mk
-include tests/unit.mk
-include scripts/targets.mk

clean: ## remove what was built (guest images stay)
	rm -rf $(addprefix $(BUILD)/,$(BUILDS))

help: ## a line for each target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | expand -t 16

.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
