# One non-recursive Makefile. `make` builds build/agent-runtime; see README.md for the commands.
# FLAVOUR=release (default) | asan | tsan | kill (store kill points); each has its own build folder.
FLAVOUR ?= release
BUILD   := build$(if $(filter-out release,$(FLAVOUR)),-$(FLAVOUR))
PREFIX  ?= /usr/local
VERSION := 0.1.0
CC      ?= cc
Q       := $(if $(V),,@)

PKGS    := libevent libcurl libcjson yaml-0.1 libcrypto
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef \
           -Wformat=2 -Wvla -Wimplicit-fallthrough -Wnull-dereference -Wcast-qual $(if $(WERROR),-Werror)
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS_kill    := -O1 -g -DSTORE_KILL_POINTS
CFLAGS_cover   := -O0 -g --coverage
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -Iserver -I. $(WARN) -fPIE $(CFLAGS_$(FLAVOUR)) $(CFLAGS) \
             $(shell pkg-config --cflags $(PKGS))
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(filter -fsanitize=% --coverage,$(CFLAGS_$(FLAVOUR))) $(LDFLAGS)
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
USES_store  := store base
USES_llm    := llm base
USES_mcp    := mcp ipc base
USES_agent  := agent mcp ipc llm store base
USES_http   := http mcp ipc store base
USES_role   := role http agent mcp llm store ipc conf base
libs_of      = $(patsubst %,$(BUILD)/lib/%.a,$(USES_$1))

.PHONY: all deps run check unit proc e2e lint asan tsan fuzz bench cover install clean format
all: $(BUILD)/agent-runtime

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
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

unit: $(foreach r,$(ROOMS),unit-$r)

clean:
	rm -rf build build-*

format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
