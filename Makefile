# One non-recursive Makefile. `make` builds build/agent-runtime; see README.md for the commands.
# FLAVOUR=release (default) | asan | tsan | kill (store kill points); each has its own build folder.
FLAVOUR ?= release
BUILD   := build$(if $(filter-out release,$(FLAVOUR)),-$(FLAVOUR))
PREFIX  ?= /usr/local
VERSION := 0.1.0
CC      ?= cc
Q       := $(if $(V),,@)
export PATH := $(CURDIR)/build/node/bin:$(PATH)

PKGS    := libevent libcurl libcjson yaml-0.1 libcrypto sqlite3
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef \
           -Wformat=2 -Wvla -Wimplicit-fallthrough -Wnull-dereference -Wcast-qual $(if $(WERROR),-Werror)
# The program is optimised across its files (LTO); tests link the same objects without.
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -flto=auto -ffat-lto-objects
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS_kill    := -O1 -g -DSTORE_KILL_POINTS
CFLAGS_cover   := -O0 -g --coverage
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -Iserver -I. $(WARN) -fPIE $(CFLAGS_$(FLAVOUR)) $(CFLAGS) \
             $(shell pkg-config --cflags $(PKGS))
ALL_LDFLAGS = -pie -fno-lto -Wl,-z,relro,-z,now $(filter -fsanitize=% --coverage,$(CFLAGS_$(FLAVOUR))) $(LDFLAGS)
LIBS     = $(shell pkg-config --libs $(PKGS)) -lpthread -lm

# Rooms, lowest first, and what each may link (ARCHITECTURE: arrows point one way only).
ROOMS       := base conf ipc store llm mcp agent http role
DIR_base    := server/base
DIR_conf    := server/conf
DIR_ipc     := server/ipc
DIR_store   := store
DIR_llm     := llm
DIR_mcp     := mcp
DIR_agent   := server/agent
DIR_http    := server/http
DIR_role    := server/role
USES_base   := base
USES_conf   := conf base
USES_ipc    := ipc base
USES_store  := store ipc base
USES_llm    := llm base
USES_mcp    := mcp ipc base
USES_agent  := agent mcp ipc llm store base
USES_http   := http mcp ipc store base
USES_role   := role http agent mcp llm store ipc conf base
libs_of      = $(patsubst %,$(BUILD)/lib/%.a,$(USES_$1))

.PHONY: all deps deps-run run check unit proc fault e2e conformance lint asan tsan fuzz bench soak cover install clean format
all: $(BUILD)/agent-runtime

deps:
	$(Q)deploy/deps.sh check

# --- the two commands of README ---
PROMPT ?= Read a file and summarize its contents
# Builds, serves on a free port with the filesystem server over etc/sample_data, runs PROMPT, stops. MODEL=name uses that model
# with OPENAI_API_KEY or OPENAI_BASE_URL; without them the offline rules answer.
run:
	$(Q)deploy/deps.sh run
	$(Q)$(MAKE) -s --no-print-directory all
	$(Q)$(BUILD)/agent-runtime run --yes -c etc/config.yaml --set log.level=warn \
		$(if $(MODEL),--set llm.model=$(MODEL)) "$$PROMPT_TEXT"
# As it was typed: a dollar sign in a prompt is no variable of make.
export PROMPT_TEXT := $(value PROMPT)

check:
	$(Q)deploy/deps.sh check
	$(Q)$(MAKE) --no-print-directory all lint unit proc fuzz-replay compare conformance e2e

define ROOM_RULES
SRC_$1 := $$(filter-out $$(DIR_$1)/main.c,$$(wildcard $$(DIR_$1)/*.c))
OBJ_$1 := $$(patsubst %.c,$$(BUILD)/obj/%.o,$$(SRC_$1)) $$(patsubst $$(DIR_$1)/asset/%,$$(BUILD)/obj/$$(DIR_$1)/asset/%.o,$$(wildcard $$(DIR_$1)/asset/*))
$$(BUILD)/lib/$1.a: $$(OBJ_$1)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
# A unit test links its room and the rooms below it, nothing else: an upward call does not link.
TESTS_$1 := $$(patsubst tests/unit/$1/%.c,$$(BUILD)/tests/unit/$1/%,$$(wildcard tests/unit/$1/test_*.c))
$$(TESTS_$1): $$(BUILD)/tests/unit/$1/%: $$(BUILD)/obj/tests/unit/$1/%.o $$(call libs_of,$1)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS) -lcmocka
.PHONY: unit-$1
unit-$1: $$(TESTS_$1)
	@set -e; for t in $$^; do echo "== $$$$t"; $$$$t; done
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM_RULES,$r)))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DAGENT_RUNTIME_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

# Files served as they are (pages, scripts) become symbols _binary_<name>_start/_end.
$(BUILD)/obj/%.o: %
	@mkdir -p $(@D)
	$(Q)cd $(<D) && ld -r -z noexecstack -b binary -o $(CURDIR)/$@ $(<F)

$(BUILD)/agent-runtime: $(BUILD)/obj/server/role/main.o $(call libs_of,role)
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter -O% -flto%,$(CFLAGS_$(FLAVOUR))) -o $@ $^ $(LIBS)

unit: $(foreach r,$(ROOMS),unit-$r)

# --- process tests: several processes, kills at named points ---
# They need the kill-point flavour, in a build folder of their own.
PROC_TESTS := $(patsubst tests/proc/%.c,$(BUILD)/tests/proc/%,$(wildcard tests/proc/test_*.c))
$(PROC_TESTS): $(BUILD)/tests/proc/%: $(BUILD)/obj/tests/proc/%.o $(call libs_of,store)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
.PHONY: proc-run
proc-run: $(PROC_TESTS)
	@set -e; for t in $^; do echo "== $$t"; $$t; done
proc: all fakes fault
	$(Q)$(MAKE) --no-print-directory FLAVOUR=kill proc-run

# --- faults of the disk: a preloaded library that records, fails and kills; states after power loss ---
# FAULT_SEED repeats a run; FAULT_LONG=1 leaves nothing out.
FAULT_SO    := $(BUILD)/tests/fault/io_fault.so
FAULT_TESTS := $(patsubst tests/fault/%.c,$(BUILD)/tests/fault/%,$(wildcard tests/fault/test_*.c))
FAULT_KIT   := $(patsubst %,$(BUILD)/obj/tests/fault/%.o,rig keeper_child script look life disk disk_state)
$(FAULT_SO): $(patsubst %,tests/fault/%.c,io_fault io_plan sql_mutant) $(patsubst %,tests/fault/%.h,io_plan io_log)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -I. $(WARN) -O2 -g -fPIC -shared -o $@ $(filter %.c,$^) -ldl
$(FAULT_TESTS): $(BUILD)/tests/fault/%: $(BUILD)/obj/tests/fault/%.o $(FAULT_KIT) $(call libs_of,store)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
fault: $(FAULT_SO) $(FAULT_TESTS)
	@set -e; for t in $(FAULT_TESTS); do echo "== $$t"; $$t; done

# --- scripted peers ---
$(BUILD)/tests/fake/%: $(BUILD)/obj/tests/fake/%.o $(call libs_of,base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
fakes: $(patsubst tests/fake/%.c,$(BUILD)/tests/fake/%,$(wildcard tests/fake/*.c))
unit-mcp unit-agent: | fakes

# --- the official conformance suite of MCP against a client made of our own mcp room ---
$(BUILD)/tests/conformance/client: $(BUILD)/obj/tests/conformance/client.o $(call libs_of,mcp)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
conformance: $(BUILD)/tests/conformance/client
	$(Q)tests/conformance/run.sh $(CURDIR)/$<

# --- end to end: Node's test runner against the real binary, real MCP servers, real Chromium ---
E2E ?= tests/e2e/*.test.mjs
e2e: all fakes $(BUILD)/tests/bench/llm_turn
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake \
		LLM_TURN=$(CURDIR)/$(BUILD)/tests/bench/llm_turn \
		node --test --test-concurrency=2 $(E2E)

lint: all
	$(Q)tests/lint/run.sh
	$(Q)tests/lint/deploy.sh

# --- flavours of the tests ---
asan:
	$(Q)deploy/deps.sh check
	$(Q)$(MAKE) --no-print-directory FLAVOUR=asan all unit fuzz-replay e2e
tsan:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=tsan unit-store
cover:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=cover unit
	$(Q)cd build-cover && gcov -r -s $(CURDIR) $$(find obj -name '*.gcda' | grep -v tests) 2>/dev/null | \
		awk '/^File/ {f=$$2} /^Lines/ {print $$2, f}' | sort -t: -k2 -n

# --- fuzzing: libFuzzer where clang is, replay of the corpora everywhere ---
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_ROOM_parse := http
FUZZ_ROOM_chat  := llm
FUZZ_ROOM_responses := llm
FUZZ_ROOM_messages := llm
FUZZ_ROOM_cassette := llm
FUZZ_ROOM_mcp   := mcp
FUZZ_ROOM_reply := base
define FUZZ_RULES
$$(BUILD)/tests/fuzz/replay_$1: $$(BUILD)/obj/tests/fuzz/fuzz_$1.o $$(BUILD)/obj/tests/fuzz/replay_main.o $$(call libs_of,$$(FUZZ_ROOM_$1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach f,$(FUZZERS),$(eval $(call FUZZ_RULES,$f)))
fuzz-replay: $(FUZZERS:%=$(BUILD)/tests/fuzz/replay_%)
	@set -e; for f in $(FUZZERS); do $(BUILD)/tests/fuzz/replay_$$f tests/fuzz/corpus_$$f; done
# Our request parser and Node's, on the same inputs: every difference must be explained.
$(BUILD)/tests/fuzz/parse_driver: $(BUILD)/obj/tests/fuzz/parse_driver.o $(call libs_of,http)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
compare: $(BUILD)/tests/fuzz/parse_driver
	$(Q)node tests/fuzz/compare_node.mjs $<
fuzz:
	$(Q)tests/fuzz/fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# Our decoders of model APIs as a program: for the bench, and for the tests that hold them beside the official SDKs.
$(BUILD)/tests/bench/llm_turn: $(BUILD)/obj/tests/bench/llm_turn.o $(call libs_of,llm)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/tools_find: $(BUILD)/obj/tests/bench/tools_find.o $(call libs_of,agent)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/calls: $(BUILD)/obj/tests/bench/calls.o $(call libs_of,mcp)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
bench: all fakes $(BUILD)/tests/bench/calls $(BUILD)/tests/bench/llm_turn $(BUILD)/tests/bench/tools_find
	$(Q)deploy/deps.sh bench
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake CALLS=$(CURDIR)/$(BUILD)/tests/bench/calls \
		LLM_TURN=$(CURDIR)/$(BUILD)/tests/bench/llm_turn node tests/bench/bench.mjs
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime node tests/bench/bench_durable.mjs
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake \
		TOOLS_FIND=$(CURDIR)/$(BUILD)/tests/bench/tools_find node tests/bench/bench_agent.mjs

# SOAK_MINUTES, SOAK_KILLS, SOAK_CALLS and SOAK_SEED may be given.
soak: all fakes
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake node tests/bench/soak.mjs
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake node tests/bench/soak_kills.mjs
	$(Q)AGENT_RUNTIME=$(CURDIR)/$(BUILD)/agent-runtime FAKES=$(CURDIR)/$(BUILD)/tests/fake node tests/bench/soak_calls.mjs
	$(Q)$(MAKE) --no-print-directory FLAVOUR=kill build-kill/tests/proc/test_budget_rounds
	$(Q)BUDGET_ROUNDS=1000 build-kill/tests/proc/test_budget_rounds

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/agent-runtime $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(BUILD)/agent-runtime $(DESTDIR)$(PREFIX)/bin/agent-runtime
	install -m 644 etc/config.yaml $(DESTDIR)$(PREFIX)/share/agent-runtime/
	# The servers it names are not installed with it: none may be on until somebody has said where they are.
	sed 's/enabled: true/enabled: false/' etc/tool_registry.yaml >$(DESTDIR)$(PREFIX)/share/agent-runtime/tool_registry.yaml
	sed 's|/usr/local|$(PREFIX)|g' deploy/agent-runtime.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/agent-runtime.service

clean:
	rm -rf build build-*

format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
