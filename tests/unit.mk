# Host tests, fuzz targets and generated documents. A test or target is added by adding its file;
# a line "// SOURCES: a.c b/*.c -b/c.c" at its top names what it is linked with (- leaves one out),
# a line "// LIBS: -lx" the libraries of a host test.
UNIT_DIR   := build/unit
FUZZ_DIR   := build/fuzz
HOST_CC    ?= gcc
FUZZ_CC    ?= clang
HOST_WARN  := -Wall -Wextra -Wno-unused-parameter -Werror -Wconversion -Wshadow -Wvla -Wno-sign-conversion
HOST_FLAGS := -std=gnu11 -g -O1 -I. -DDEBUG $(HOST_WARN) -MMD -MP
UNIT_SAN   := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_SAN   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

UNIT_TESTS := $(sort $(shell find tests/unit -name '*_test.c'))
UNIT_BINS  := $(UNIT_TESTS:%.c=$(UNIT_DIR)/%)
FUZZ_TESTS := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(FUZZ_TESTS))
FUZZ_BINS  := $(FUZZ_NAMES:%=$(FUZZ_DIR)/%)
T          ?=
SECONDS    ?= 60

# $(call sources_of,FILE): what its SOURCES lines name.
named_in = $(shell sed -n 's|^// SOURCES:||p' $(1))
sources_of = $(filter-out $(patsubst -%,%,$(filter -%,$(call named_in,$(1)))),\
             $(sort $(wildcard $(filter-out -%,$(call named_in,$(1))))))
libs_of = $(shell sed -n 's|^// LIBS:||p' $(1))

# The C library's own memcpy serves on the host, where the sanitizers watch it; of lib/string.c only
# what the C library lacks is taken.
HOST_RENAME := $(foreach f,memcpy memmove memset memcmp strlen strcmp strncmp,-D$(f)=lib_$(f))
$(UNIT_DIR)/obj/lib/string.o: HOST_EXTRA := $(HOST_RENAME)
$(FUZZ_DIR)/obj/lib/string.o: HOST_EXTRA := $(HOST_RENAME)

$(UNIT_DIR)/obj/%.o: %.c tests/unit.mk
	@mkdir -p $(@D)
	@$(HOST_CC) $(HOST_FLAGS) $(UNIT_SAN) $(HOST_EXTRA) -c $< -o $@

$(FUZZ_DIR)/obj/%.o: %.c tests/unit.mk
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(HOST_FLAGS) $(FUZZ_SAN) $(HOST_EXTRA) -c $< -o $@

define unit_rule
$(UNIT_DIR)/$(1:%.c=%): $(patsubst %.c,$(UNIT_DIR)/obj/%.o,$(1) $(call sources_of,$(1)))
	@mkdir -p $$(@D)
	@$$(HOST_CC) $$(UNIT_SAN) $$^ $(call libs_of,$(1)) -o $$@
endef
define fuzz_rule
$(FUZZ_DIR)/$(1): $(patsubst %.c,$(FUZZ_DIR)/obj/%.o,tests/fuzz/$(1)_fuzz.c $(call sources_of,tests/fuzz/$(1)_fuzz.c))
	@mkdir -p $$(@D)
	@$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $$^ -o $$@
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(n))))

.PHONY: unit fuzz fuzz-build fuzz-replay docs

# Without T= all tests; T=ring those whose path has it.
unit: $(UNIT_BINS) ## run the host tests (T=part of a path)
	@passed=0; failed=0; \
	for b in $(if $(T),$(filter %,$(foreach b,$(UNIT_BINS),$(if $(findstring $(T),$(b)),$(b)))),$(UNIT_BINS)); do \
	    ASAN_OPTIONS=detect_leaks=0 timeout 300 $$b >$$b.log 2>&1; rc=$$?; \
	    p=$$(grep -c '^ok ' $$b.log); f=$$(grep -c '^not ok ' $$b.log); \
	    if [ $$rc -ne 0 ]; then \
	        echo "$${b#$(UNIT_DIR)/}:"; grep -v '^ok ' $$b.log | head -60; \
	        [ $$f -gt 0 ] || { f=1; echo "not ok $${b#$(UNIT_DIR)/}: ended with $$rc"; }; \
	    fi; \
	    passed=$$((passed + p)); failed=$$((failed + f)); \
	done; \
	echo "$$passed passed, $$failed failed"; [ $$failed -eq 0 ]

fuzz-build: $(FUZZ_BINS)

# Finds are kept in build/fuzz/NAME.corpus, crashes in build/fuzz/NAME.crash-*.
fuzz: $(if $(T),$(FUZZ_DIR)/$(T),$(FUZZ_BINS)) ## search with the fuzz targets (T=name SECONDS=n)
	@rc=0; for n in $(if $(T),$(T),$(FUZZ_NAMES)); do \
	    mkdir -p $(FUZZ_DIR)/$$n.corpus tests/fuzz/corpus/$$n; \
	    echo "fuzz $$n for $(SECONDS) s"; \
	    $(FUZZ_DIR)/$$n -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=0 \
	        -verbosity=0 -artifact_prefix=$(FUZZ_DIR)/$$n. $(FUZZ_DIR)/$$n.corpus tests/fuzz/corpus/$$n \
	        || rc=1; \
	done; exit $$rc

fuzz-replay: $(FUZZ_BINS) ## replay the corpora and 10,000 runs of each fuzz target
	@passed=0; failed=0; for n in $(FUZZ_NAMES); do \
	    mkdir -p $(FUZZ_DIR)/$$n.replay tests/fuzz/corpus/$$n; \
	    if $(FUZZ_DIR)/$$n -runs=10000 -seed=1 -timeout=10 -rss_limit_mb=1024 -verbosity=0 \
	        -artifact_prefix=$(FUZZ_DIR)/$$n. $(FUZZ_DIR)/$$n.replay tests/fuzz/corpus/$$n \
	        >$(FUZZ_DIR)/$$n.log 2>&1; \
	    then echo "ok fuzz $$n"; passed=$$((passed + 1)); \
	    else echo "not ok fuzz $$n: see below"; tail -40 $(FUZZ_DIR)/$$n.log; failed=$$((failed + 1)); fi; \
	done; echo "$$passed passed, $$failed failed"; [ $$failed -eq 0 ]

DOCS_SRCS := $(addprefix services/manager/,docs_tool.c docs.c help.c command_table.c argument_accepts.c \
               event_catalogue.c inventory_rules.c json.c) lib/format.c services/rt/service_name.c lib/string.c
$(UNIT_DIR)/docs_tool: $(DOCS_SRCS:%.c=$(UNIT_DIR)/obj/%.o)
	@mkdir -p $(@D)
	@$(HOST_CC) $(UNIT_SAN) $^ -o $@

docs: $(UNIT_DIR)/docs_tool ## write docs/commands.md, events.md and services.md from the tables
	@mkdir -p docs
	@$< commands >docs/commands.md && $< events >docs/events.md && $< services >docs/services.md

-include $(shell find $(UNIT_DIR) $(FUZZ_DIR) -type f -name '*.d' 2>/dev/null)
