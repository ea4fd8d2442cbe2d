#include "generator/target/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    struct target target;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->script = script_open(script_default_limits(), &f->diagnostics);
    assert_non_null(f->script);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    script_close(f->script);
    diagnostics_close(&f->diagnostics);
    arena_close(&f->arena);
    free(f);
    return 0;
}

static bool load(struct fixture *f, const char *name, struct override_list *overrides) {
    return target_load(f->script, "specs", name, overrides, &f->arena, &f->target, &f->diagnostics);
}

static void load_good(struct fixture *f, const char *name, struct override_list *overrides) {
    if (!load(f, name, overrides)) {
        diagnostics_print(&f->diagnostics, stderr);
        fail_msg("the target %s does not load", name);
    }
}

static void test_mi300x(void **state) {
    struct fixture *f = *state;
    const struct target *t = &f->target;
    load_good(f, "mi300x", NULL);
    assert_string_equal(t->isa, "gfx942");
    assert_string_equal(t->backend, "hip");
    assert_string_equal(t->compiler, "comgr");
    assert_string_equal(t->engine, "rows_vgpr");
    assert_string_equal(t->compiler_options[0], "-O3");
    assert_string_equal(t->compiler_options[3], "-mllvm=-disable-machine-licm");
    assert_null(t->compiler_options[4]);
    assert_int_equal(t->xcd_count, 8);
    assert_int_equal(t->iod_count, 4);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(t->xcds[i].xcd, i);
        assert_int_equal(t->xcds[i].iod, i / 2);
    }
    assert_int_equal(t->xcd_count * t->cus_per_xcd, t->default_cus);
    assert_int_equal(t->wave_lanes, 64);
    assert_int_equal(t->lds_bytes, 65536);
    assert_true(t->lds_minimum_bytes > t->lds_bytes / 2); // no CU gets two workgroups
    assert_int_equal(t->instruction_cache_bytes, 65536);
    assert_int_equal(t->instruction_cache_shared_by, 2);
    assert_int_equal(t->memory_bytes, 192000000000);
    assert_true(t->sweep_gbps[0] == 4100 && t->sweep_gbps[1] == 4850);
    assert_true(t->handoff_ns_across == 740);
}

static void test_host(void **state) {
    struct fixture *f = *state;
    const struct target *t = &f->target;
    load_good(f, "host", NULL);
    assert_string_equal(t->backend, "host");
    assert_int_equal(t->xcd_count, 1);
    assert_true(t->cus_per_xcd >= 64);
    assert_int_equal(t->wave_lanes, 1);
    assert_int_equal(t->handoff_waves, 0);
    assert_int_equal(t->instruction_cache_bytes, 32 * 1024);
    assert_int_equal(t->registers_per_lane, 0);
    assert_int_equal(t->memory_bytes, 0);
}

static void test_overrides(void **state) {
    struct fixture *f = *state;
    struct override items[] = {{"streaming_waves", "4", false},
                               {"handoff_ns.across", "800.5", false},
                               {"memory.sweep_gbps", "1,2", false},
                               {"layers", "2", false},
                               {"name", "other", false}};
    struct override_list overrides = {items, 5};
    load_good(f, "mi300x", &overrides);
    assert_int_equal(f->target.streaming_waves, 4);
    assert_true(f->target.handoff_ns_across == 800.5);
    assert_true(f->target.sweep_gbps[1] == 2);
    assert_string_equal(f->target.name, "mi300x");
    for (int i = 0; i < 5; i++)
        if (items[i].used != (i < 3))
            fail_msg("--set %s: used is %d", items[i].key, items[i].used);
}

// Each key that is said to be overridable is, and is checked: no field takes a word for a number.
static void test_every_key(void **state) {
    struct fixture *f = *state;
    for (int i = 0; target_keys[i]; i++) {
        struct override item = {target_keys[i], "word", false};
        struct override_list overrides = {&item, 1};
        struct diagnostics diagnostics = {0};
        bool good = target_load(f->script, "specs", "mi300x", &overrides, &f->arena, &f->target,
                                &diagnostics);
        const char *file = arena_format(&f->arena, "--set %s=word", target_keys[i]);
        if (good || diagnostics.count != 1 || strcmp(diagnostics.items[0].at.file, file) != 0)
            fail_msg("%s: loaded %d, %zu diagnostics", file, good, diagnostics.count);
        diagnostics_close(&diagnostics);
    }
}

static void test_unknown_name(void **state) {
    struct fixture *f = *state;
    assert_false(load(f, "mi300", NULL));
    assert_string_equal(f->diagnostics.items[0].message,
                        "there is no target \"mi300\": did you mean \"mi300x\"?");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_mi300x),    TEST(test_host),         TEST(test_overrides),
        TEST(test_every_key), TEST(test_unknown_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
