# monogen's build. `make help` lists the targets.
#
# One set of rules serves four trees, told apart by TREE: build/ (optimised), build/sanitised/ (what
# `make test` runs), build/clang/ (the second compiler of `make lint`) and build/fuzz/ (what `make fuzz`
# runs). Sources are found, not listed.

CC ?= cc
CXX ?= c++
AR ?= ar
TREE ?= build
SANITISE ?=
# make V=1 shows every command.
Q := $(if $(V),,@)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
CFLAGS ?= -O2 -g
ifeq ($(SANITISE),fuzz)
FUZZ_CHECKS := address,undefined,float-cast-overflow
OPTIMISATION := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$(FUZZ_CHECKS) \
                -fno-sanitize-recover=all
else ifneq ($(SANITISE),)
OPTIMISATION := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else
OPTIMISATION := $(CFLAGS)
endif
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE $(OPTIMISATION) $(WARNINGS) -I. -MMD -MP

# ---- sources -------------------------------------------------------------------------------------
find = $(sort $(shell find $(1) -name '$(2)' 2>/dev/null))
GENERATOR_SOURCES := $(filter-out generator/main.c generator/compile/worker/%,$(call find,generator,*.c))
RUNTIME_SOURCES := $(call find,runtime,*.c)
TEST_SUPPORT_SOURCES := $(call find,tests/support,*.c)
FUZZ_SOURCES := $(call find,tests/fuzz,fuzz_*.c) # a program each in build/fuzz, all in one test
FUZZ_SHARED_SOURCES := tests/fuzz/input.c
FUZZ_MUTATOR_SOURCES := tests/fuzz/mutate.c      # needs libFuzzer
TIMING_TEST_SOURCES := $(call find,tests,test_*_timing.c)
TEST_SOURCES := $(filter-out $(TIMING_TEST_SOURCES),$(call find,tests,test_*.c))
FAKE_SOURCES := $(call find,tests,fake_*.c)       # shared objects that tests open
EXAMPLE_SOURCES := $(call find,tests,example_*.c) # programs of a user: the runtime alone
TEMPLATES := $(call find,templates,*.hip) $(call find,templates,*.h)
C_FILES := $(foreach folder,generator runtime tests,$(call find,$(folder),*.[ch]))

# ---- libraries -----------------------------------------------------------------------------------
PACKAGES := lua5.4 jansson libpcre2-8 libutf8proc nettle
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PACKAGE_LIBS)
CMOCKA_CFLAGS = $(eval CMOCKA_CFLAGS := $$(shell pkg-config --cflags cmocka))$(CMOCKA_CFLAGS)
CMOCKA_LIBS = $(eval CMOCKA_LIBS := $$(shell pkg-config --libs cmocka))$(CMOCKA_LIBS)
LIBS = $(PACKAGE_LIBS) -ldl -lpthread -lm

# comgr: the system's, ROCm's, or the private root that generator/setup/prepare.sh makes.
COMGR := $(shell CC="$(CC)" generator/setup/find_comgr.sh)
COMGR_ROOT := build/comgr-root
ifeq ($(COMGR),system)
COMGR_LIBS := -lamd_comgr
else ifeq ($(COMGR),rocm)
COMGR_CFLAGS := -I/opt/rocm/include
COMGR_LIBS := -L/opt/rocm/lib -lamd_comgr -Wl,-rpath,/opt/rocm/lib
else ifeq ($(COMGR),private)
COMGR_CFLAGS := -I$(COMGR_ROOT)/usr/include
COMGR_LIBS := -L$(COMGR_ROOT)/usr/lib/x86_64-linux-gnu -lamd_comgr -Wl,--allow-shlib-undefined
endif
# The worker's comgr.c, or comgr_absent.c that says so.
WORKER_SOURCES := $(filter-out %/$(if $(filter none,$(COMGR)),comgr.c,comgr_absent.c),\
                    $(call find,generator/compile/worker,*.c))
WORKER_SHARED := generator/base/arena.c generator/base/process.c generator/base/text.c \
                 generator/compile/cuda_tool.c generator/compile/message.c \
                 generator/compile/ptxas.c runtime/clock.c runtime/error.c runtime/shared_library.c

# ---- what is built -------------------------------------------------------------------------------
objects = $(patsubst %.c,$(TREE)/objects/%.o,$(1))
programs = $(patsubst %.c,$(TREE)/%,$(1))
ALL_OBJECTS := $(call objects,generator/main.c $(GENERATOR_SOURCES) $(RUNTIME_SOURCES) \
                 $(WORKER_SOURCES) $(TEST_SUPPORT_SOURCES) $(TIMING_TEST_SOURCES) \
                 $(TEST_SOURCES) $(FAKE_SOURCES) $(EXAMPLE_SOURCES) \
                 $(FUZZ_SOURCES) $(FUZZ_SHARED_SOURCES) $(FUZZ_MUTATOR_SOURCES))
TEST_PROGRAMS := $(call programs,$(TEST_SOURCES))
TIMING_TEST_PROGRAMS := $(call programs,$(TIMING_TEST_SOURCES))
FAKE_LIBRARIES := $(patsubst %.c,$(TREE)/%.so,$(FAKE_SOURCES))
EXAMPLE_PROGRAMS := $(call programs,$(EXAMPLE_SOURCES))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(TREE)/%,$(FUZZ_SOURCES))

# ---- what people call ----------------------------------------------------------------------------
JOBS := $(shell nproc 2>/dev/null || echo 2)
# As many jobs as processors, unless the caller chose.
SUBMAKE = +$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
SANITISED := TREE=build/sanitised SANITISE=1

.PHONY: all test test-all demo fuzz setup lint clean distclean help
all: ## build the optimised programs: build/monogen, build/monogen-worker
	@generator/setup/prepare.sh check
	$(SUBMAKE) tree

test: ## set up, build the sanitised tree, run every test
	@generator/setup/prepare.sh install test
	$(SUBMAKE) tree timing-tests
	$(SUBMAKE) $(SANITISED) tree tests
	@tests/run.sh $(patsubst %.c,build/sanitised/%,$(TEST_SOURCES)) \
	    -- $(patsubst %.c,build/%,$(TIMING_TEST_SOURCES))

test-all: export MONOGEN_TEST_ALL := 1
test-all: test ## test, with the long matrix

demo: setup ## set up, generate austen-3m for MI300X, inspect it, run it on the CPU
	$(SUBMAKE) tree
	@generator/setup/demo.sh

# FUZZ_SECONDS: how long each; FUZZ: which, all where it is not given.
fuzz: FUZZ_SECONDS ?= 60
fuzz: FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SOURCES))
fuzz: ## run the readers of hostile files on made-up ones, FUZZ_SECONDS (60) each
	@generator/setup/prepare.sh install fuzz
	$(SUBMAKE) CC=clang TREE=build/fuzz SANITISE=fuzz fuzzers
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ)

setup: ## install what is missing (as root or with sudo)
	@generator/setup/prepare.sh install

lint: ## format check, the second compiler, static analysis
	@generator/setup/lint.sh format $(C_FILES) $(filter %.h,$(TEMPLATES))
	@generator/setup/lint.sh templates $(filter %.hip,$(TEMPLATES))
	$(SUBMAKE) CC=clang CXX=clang++ TREE=build/clang objects
	@generator/setup/lint.sh analyse $(filter %.c,$(C_FILES))

clean: ## remove what was built (the private comgr root, a download, is kept)
	@for entry in build/* build/.[!.]*; do \
	    case $$entry in $(COMGR_ROOT)) ;; *) rm -rf "$$entry" ;; esac; done

distclean: ## remove build/ and the contents of out/
	rm -rf build out/*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 \t/p' Makefile | expand -t 12

# ---- one tree ------------------------------------------------------------------------------------
.PHONY: tree tests timing-tests fuzzers objects force
tree: $(TREE)/libgenerator.a $(TREE)/libruntime.a $(TREE)/monogen $(TREE)/monogen-worker
tests: $(TEST_PROGRAMS) $(FAKE_LIBRARIES) $(EXAMPLE_PROGRAMS)
timing-tests: $(TIMING_TEST_PROGRAMS) $(FAKE_LIBRARIES)
fuzzers: $(FUZZ_PROGRAMS)
objects: $(ALL_OBJECTS)

$(TREE)/objects/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	@echo "CC   $@"
	$(Q)$(COMPILE) $(PACKAGE_CFLAGS) $(CMOCKA_CFLAGS) -c $< -o $@

ifneq ($(SANITISE),fuzz)
# libFuzzer calls every target by one name; in one program each has its own.
$(TREE)/objects/tests/fuzz/fuzz_%.o: COMPILE += -DLLVMFuzzerTestOneInput=$(basename $(notdir $@))
endif

$(TREE)/objects/generator/compile/worker/%.o: generator/compile/worker/%.c build/comgr-used
	@mkdir -p $(@D)
	@echo "CC   $@"
	$(Q)$(COMPILE) $(COMGR_CFLAGS) -c $< -o $@

# The simulator is loops over lanes. Its vector instructions are compiled for any processor and, of
# x86, for one with AVX2; products and sums are fused only where an instruction fuses them.
$(call objects,$(filter runtime/simulator/%,$(RUNTIME_SOURCES))): COMPILE += \
    $(if $(SANITISE),,-O3)
VECTOR_AVX2 := $(if $(filter x86_64,$(shell uname -m)),-mavx2 -mfma)
$(call objects,$(filter runtime/simulator/vector%,$(RUNTIME_SOURCES))): COMPILE += \
    -ffp-contract=off -fno-math-errno -fno-trapping-math \
    $(if $(VECTOR_AVX2),-DVECTOR_HAS_AVX2)
$(TREE)/objects/runtime/simulator/vector_avx2.o: COMPILE += $(VECTOR_AVX2)

$(TREE)/objects/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC   $@"
	$(Q)$(COMPILE) $(PACKAGE_CFLAGS) -c $< -o $@

$(TREE)/libgenerator.a: $(call objects,$(GENERATOR_SOURCES))
$(TREE)/libruntime.a: $(call objects,$(RUNTIME_SOURCES))
$(TREE)/libtestsupport.a: $(call objects,$(TEST_SUPPORT_SOURCES) $(FUZZ_SOURCES) $(FUZZ_SHARED_SOURCES))
$(TREE)/%.a:
	@rm -f $@
	@echo "AR   $@"
	$(Q)$(AR) rcs $@ $^

$(TREE)/monogen: $(TREE)/objects/generator/main.o $(TREE)/libgenerator.a $(TREE)/libruntime.a
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) $^ $(LIBS) -o $@

$(TREE)/tests/%.so: $(TREE)/objects/tests/%.o
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) -shared $^ -o $@
$(TREE)/objects/tests/%.o: COMPILE += $(if $(findstring /fake_,$@),-fPIC)

$(EXAMPLE_PROGRAMS): $(TREE)/%: $(TREE)/objects/%.o $(TREE)/libruntime.a
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) $^ $(LIBS) -o $@

$(TEST_PROGRAMS) $(TIMING_TEST_PROGRAMS): $(TREE)/%: $(TREE)/objects/%.o $(TREE)/libtestsupport.a \
                                          $(TREE)/libgenerator.a $(TREE)/libruntime.a
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) $^ $(CMOCKA_LIBS) $(LIBS) -o $@

$(FUZZ_PROGRAMS): $(TREE)/%: $(TREE)/objects/tests/fuzz/%.o \
                  $(call objects,$(FUZZ_SHARED_SOURCES) $(FUZZ_MUTATOR_SOURCES)) \
                  $(TREE)/libgenerator.a $(TREE)/libruntime.a
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) -fsanitize=fuzzer $^ $(LIBS) -o $@

# ---- the compile worker: never sanitised, one for all trees ---------------------------------------
# Which comgr the worker was built with: a changed answer rebuilds it.
build/comgr-used: force
	@mkdir -p $(@D)
	@echo '$(COMGR)' | cmp -s - $@ || echo '$(COMGR)' > $@

WORKER_PARTS := $(call objects,$(WORKER_SOURCES) $(WORKER_SHARED))
ifeq ($(TREE),build)
ifeq ($(COMGR),private)
# Needs a newer C library than the system's: a launcher starts it with the private root's own.
build/monogen-worker: generator/setup/worker_launcher.sh build/worker/monogen-worker
	@rm -f $@
	@install -m 755 $< $@
build/worker/monogen-worker: $(WORKER_PARTS) build/comgr-used
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) $(WORKER_PARTS) $(COMGR_LIBS) -ldl -o $@
else
build/monogen-worker: $(WORKER_PARTS) build/comgr-used
	@rm -f $@
	@echo "LINK $@"
	$(Q)$(CC) $(OPTIMISATION) $(WORKER_PARTS) $(COMGR_LIBS) -ldl -o $@
endif
else
$(TREE)/monogen-worker:
	@mkdir -p $(@D)
	@ln -sf ../monogen-worker $@
endif

-include $(ALL_OBJECTS:.o=.d)
