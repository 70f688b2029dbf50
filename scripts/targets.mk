# Targets that run things. Included by the top Makefile.

.PHONY: setup run debug test system bench check
setup: ## install what is missing and fetch the guest kernels
	@scripts/setup
run: ## run LAB=name (default demo) in QEMU; BOOT=uefi, KERNEL=file INITRD=file
	@scripts/setup
	@scripts/run $(if $(LAB),--lab $(LAB)) $(if $(BOOT),--boot $(BOOT)) \
	    $(if $(KERNEL),--kernel $(KERNEL)) $(if $(INITRD),--initrd $(INITRD))
debug: ## the same, stopped at the first instruction, with gdb
	@scripts/setup
	@scripts/run --debug $(if $(LAB),--lab $(LAB)) $(if $(BOOT),--boot $(BOOT)) \
	    $(if $(KERNEL),--kernel $(KERNEL)) $(if $(INITRD),--initrd $(INITRD))
test: ## all tests
	@scripts/setup
	@scripts/test
system: ## the tests on whole machines; T=name picks some
	@scripts/setup
	@$(MAKE) -s debug-build release
	@scripts/test-system $(T)
bench: ## measure the release build; fails when a ceiling is passed
	@scripts/setup
	@$(MAKE) -s release
	@tests/bench/bench
check: ## format, layering, static analysis
	@scripts/setup --tools
	@scripts/check
