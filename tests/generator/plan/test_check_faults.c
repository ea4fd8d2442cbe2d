// Every number, text and list of a valid plan is changed, one at a time: the checker must reject
// the plan, unless a table here says why the change is harmless. Then many are changed at once, by
// chance: the checker must answer whatever it is given.
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static struct made_plan made; // of the test that runs

// ---- the places of a plan that hold something ---------------------------------------------------

enum place_kind { PLACE_INT, PLACE_INT64, PLACE_DOUBLE, PLACE_BOOL, PLACE_STRING, PLACE_COUNT };

struct place {
    const char *record, *field;
    enum place_kind kind;
    void *at;
};

struct places {
    struct arena arena;
    struct place *list;
    size_t count;
};

static void add(struct places *places, const char *record, const char *field, enum place_kind kind,
                void *at) {
    places->list = arena_grow(&places->arena, places->list, places->count, sizeof *places->list);
    places->list[places->count++] = (struct place){record, field, kind, at};
}

#define RECORD(name) static void places_of_##name(struct places *places, struct plan_##name *item) {
#define END(name) }
#define INT(record, field) add(places, #record, #field, PLACE_INT, &item->field);
#define INT64(record, field) add(places, #record, #field, PLACE_INT64, &item->field);
#define DOUBLE(record, field) add(places, #record, #field, PLACE_DOUBLE, &item->field);
#define BOOL(record, field) add(places, #record, #field, PLACE_BOOL, &item->field);
#define STRING(record, field) add(places, #record, #field, PLACE_STRING, &item->field);
#define EACH(record, field, what)                                                                  \
    add(places, #record, #field, PLACE_COUNT, &item->field##_count);                               \
    for (int i = 0; i < item->field##_count; i++)                                                  \
        what;
#define INT_LIST(record, field)                                                                    \
    EACH(record, field, add(places, #record, #field, PLACE_INT, &item->field[i]))
#define INT64_LIST(record, field)                                                                  \
    EACH(record, field, add(places, #record, #field, PLACE_INT64, &item->field[i]))
#define DOUBLE_LIST(record, field)                                                                 \
    EACH(record, field, add(places, #record, #field, PLACE_DOUBLE, &item->field[i]))
#define STRING_LIST(record, field)                                                                 \
    EACH(record, field, add(places, #record, #field, PLACE_STRING, &item->field[i]))
#define RECORD_FIELD(record, field, type) places_of_##type(places, &item->field);
#define RECORD_LIST(record, field, type)                                                           \
    EACH(record, field, places_of_##type(places, &item->field[i]))
#include "generator/plan/plan.def"

// ---- changes that harm nothing ------------------------------------------------------------------

enum change { ANY = 3, MORE = 1, LESS = 2 };

// A plan with the change is as good as before: the field is told to people only, or is a number of
// the model that only the checkpoint can prove, or may have room to spare.
static const struct {
    const char *record, *field;
    enum change change;
} harmless[] = {
    // told to people, or a label
    {"constant", "file", ANY},
    {"constant", "line", ANY},
    {"stage", "spec_file", ANY},
    {"stage", "spec_line", ANY},
    {"stage", "layer", ANY}, // the order is what counts
    {"shape", "parameters", ANY},
    {"shape", "bytes_per_token", ANY},
    {"stage", "predicted_us_low", ANY},
    {"stage", "predicted_us_high", ANY},
    {"mailbox", "holds", ANY},
    {"lds", "holds", ANY},
    {"body", "summary", ANY},
    {"choice", "name", ANY},
    {"choice", "value", ANY},
    {"choice", "reason", ANY},
    {"choice", "alternatives", ANY},
    {"plan", "choices", ANY},
    {"plan", "generator", ANY},
    {"plan", "model", ANY},
    {"plan", "spec_file", ANY},
    {"plan", "command", ANY},
    {"plan", "tuning", ANY},
    {"xcd", "iod", ANY},
    {"xcd", "xcd", ANY}, // as long as they are distinct
    {"cost", "memory_us_low", ANY},
    {"cost", "memory_us_high", ANY},
    {"cost", "handoff_us", ANY},
    {"cost", "total_us_low", ANY},
    {"cost", "total_us_high", ANY},
    // what the simulator executes the kernel on, which knows nothing of it
    {"chip", "cus_per_xcd", ANY},
    {"chip", "simds_per_cu", ANY},
    {"chip", "cache_line_bytes", ANY},
    {"chip", "l1_bytes", ANY},
    {"chip", "l1_ways", ANY},
    {"chip", "l2_bytes", ANY},
    {"chip", "l2_ways", ANY},
    {"chip", "clock_mhz", ANY},
    {"chip", "realtime_mhz", ANY},
    {"chip", "handoff_ns", ANY},
    {"chip", "iod_of_xcd", ANY},
    // the machine and the compiler's part
    {"machine", "name", ANY},
    {"machine", "isa", ANY},
    {"machine", "compiler_options", ANY},
    {"machine", "registers_per_lane", ANY},
    {"machine", "memory_bytes", ANY}, // what this plan needs is far below it
    {"machine", "register_granule", ANY},
    {"machine", "waves_per_simd_max", ANY},
    {"machine", "lds_capacity_bytes", ANY}, // the arrays of this plan are far below it
    {"machine", "lds_minimum_bytes", ANY},
    {"machine", "workgroups", MORE},
    {"engine", "handoff_batch", ANY},
    {"engine", "prefetch_units", ANY},
    {"engine", "tolerance", ANY},
    // the model's own numbers
    {"constant", "value", MORE}, // CONTEXT: that of the model, which no template uses
    {"plan", "constants", LESS}, // the last is CONTEXT
    {"shape", "norm_eps", ANY},
    {"stage", "norm_offset", ANY}, // of another norm of that size, where others use this one too
    {"stage", "window", ANY},
    {"stage", "rope", ANY}, // another table of these pairs
    {"edge", "node", ANY},  // of k and v
    {"body", "activation", ANY},
    {"shape", "bos", ANY},
    {"shape", "eos", ANY},
    {"body", "scale", ANY},
    {"part", "tensor", ANY},
    {"part", "tensor_rows", MORE},
    {"vector", "tensor_elements", MORE},
    {"rope", "name", ANY},
    {"region", "tensor", ANY},
    {"vector", "tensor", ANY},
    {"vector", "add", ANY},
    {"rope", "inverse_frequencies", ANY},
    {"rope", "amplitude", ANY},
    // room to spare
    {"plan", "epochs_per_step", MORE},
    {"shape", "context", LESS},     // splits hold whole blocks of positions
    {"stage", "keeps_node", LESS},  // of a part of a sum: the rest still comes after it
    {"plan", "mailbox_pairs", ANY}, // down to the end of the last mailbox
    {"plan", "weight_bytes", ANY},  // up to the end of the last region
    {"plan", "vector_bytes", MORE},
    {"mailbox", "first_pair", ANY}, // into the gaps
    {"mailbox", "pairs", MORE},
    {"lds", "elements", ANY}, // rounded up to 16 bytes
    {"lds", "shared", ANY},   // the arrays of this plan have room beside each other
    {"kv", "block", ANY},     // of splits, of which there is one
    {"region", "rows", ANY},  // of regions of tiles: not looked at
    {"region", "columns", ANY},
    {"body", "pass_tiles", LESS},
    {"region", "offset", ANY}, // into the gaps
    {"stage", "kv_offset", ANY},
};

// Whether `at` lies in the array of `count` items.
static bool lies_in(const void *at, const void *array, int count, size_t item_bytes) {
    const char *first = array, *place = at;
    return place >= first && place < first + (size_t)count * item_bytes;
}

// Bodies that differ in numbers of the model alone.
static bool add_alike(const char *one, const char *other) {
    const struct plan_body *a = plan_body_named(&made.plan, one);
    const struct plan_body *b = plan_body_named(&made.plan, other);
    return a && b && strcmp(a->op, "residual") == 0 && strcmp(b->op, "residual") == 0 &&
           strcmp(a->prologue, b->prologue) == 0;
}

// Heads and what merges them may be dealt in any way, for they have no weights; and what pads LDS
// may be anything.
static bool is_free(const struct place *place) {
    static const char *const weightless[] = {"kv_heads", "merge"};
    for (size_t i = 0; i < sizeof weightless / sizeof weightless[0]; i++) {
        const struct plan_partition *heads = plan_partition_named(&made.plan, weightless[i]);
        if (heads && lies_in(place->at, heads->first_tile, heads->first_tile_count, sizeof(int)))
            return true;
    }
    for (int i = 0; i < made.plan.lds_count; i++) {
        const struct plan_lds *array = &made.plan.lds[i];
        if (strcmp(array->holds, "unused: so much LDS that no CU receives two workgroups") == 0 &&
            lies_in(place->at, array, 1, sizeof *array))
            return true;
    }
    return false;
}

static bool is_harmless(const struct place *place, enum change change) {
    if (is_free(place))
        return true;
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strcmp(harmless[i].record, place->record) == 0 &&
            strcmp(harmless[i].field, place->field) == 0)
            return (harmless[i].change & change) != 0;
    return false;
}

// ---- one change ---------------------------------------------------------------------------------

static bool holds(void) {
    struct diagnostics diagnostics = {0};
    struct plan_proof proof;
    const bool good = plan_check(&made.plan, "plan.lua", &proof, &diagnostics);
    if (good != (diagnostics.count == 0))
        fail_msg("the checker says %d and adds %zu diagnostics", good, diagnostics.count);
    diagnostics_close(&diagnostics);
    return good;
}

static int accepted; // of changes that should not be

static void expect_rejected(const struct place *place, enum change change, const char *what) {
    if (holds() && !is_harmless(place, change)) {
        print_error("accepted: %s.%s %s\n", place->record, place->field, what);
        accepted++;
    }
}

static void change_integer(const struct place *place, int64_t value, int64_t least, int64_t most) {
    const int64_t values[] = {value + 1, value - 1, value * 2, value / 2, 0,
                              -1,        -value,    7,         most,      least};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i] == value || values[i] < least || values[i] > most)
            continue;
        if (place->kind == PLACE_INT)
            *(int *)place->at = (int)values[i];
        else
            *(int64_t *)place->at = values[i];
        char what[96];
        snprintf(what, sizeof what, "= %lld instead of %lld", (long long)values[i],
                 (long long)value);
        expect_rejected(place, values[i] > value ? MORE : LESS, what);
    }
    if (place->kind == PLACE_INT)
        *(int *)place->at = (int)value;
    else
        *(int64_t *)place->at = value;
}

static void change_number(const struct place *place) {
    double *at = place->at;
    const double before = *at;
    const double values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        *at = values[i];
        if (holds()) {
            print_error("accepted: %s.%s = %g\n", place->record, place->field, values[i]);
            accepted++;
        }
    }
    *at = before;
}

static void change_truth(const struct place *place) {
    bool *at = place->at;
    *at = !*at;
    expect_rejected(place, ANY, *at ? "= true" : "= false");
    *at = !*at;
}

// Whether these are partitions that give each CU the same tiles.
static bool deal_alike(const char *one, const char *other) {
    const struct plan_partition *a = plan_partition_named(&made.plan, one);
    const struct plan_partition *b = plan_partition_named(&made.plan, other);
    return a && b && a->first_tile_count == b->first_tile_count &&
           memcmp(a->first_tile, b->first_tile, (size_t)a->first_tile_count * sizeof(int)) == 0;
}

// Other texts of the same field, and texts that are nothing.
static void change_text(const struct places *places, const struct place *place) {
    const char **at = place->at;
    const char *before = *at;
    *at = "two\nlines";
    if (holds()) {
        print_error("accepted: a line feed in %s.%s\n", place->record, place->field);
        accepted++;
    }
    const char *const nothing[] = {NULL, "", "nothing_of_that_name", "-- */ \"' $(x) //@"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        *at = nothing[i];
        if (before != nothing[i])
            expect_rejected(place, ANY, *at ? *at : "missing");
    }
    for (size_t i = 0; i < places->count; i++) {
        const struct place *other = &places->list[i];
        if (other == place || strcmp(other->record, place->record) != 0 ||
            strcmp(other->field, place->field) != 0 || other->kind != PLACE_STRING)
            continue;
        const char *text = *(const char **)other->at;
        if (!text || !before || strcmp(text, before) == 0 || deal_alike(text, before) ||
            add_alike(text, before))
            continue;
        *at = text;
        expect_rejected(place, ANY, text);
    }
    *at = before;
}

static void change_count(const struct place *place) {
    int *at = place->at;
    const int before = *at;
    *at = -1;
    if (holds())
        fail_msg("accepted: %s.%s with -1 items", place->record, place->field);
    *at = before - 1;
    if (before > 0)
        expect_rejected(place, LESS, "one shorter");
    *at = before;
}

struct wanted {
    void (*build)(struct draft *draft); // NULL: tests/specs/tiny.lua
    const char *target, *set;
};

static int open_plan(void **state) {
    const struct wanted *wanted = *state;
    if (wanted->build)
        made_plan_of_open(&made, wanted->build, wanted->target, wanted->set);
    else
        made_plan_open(&made, "tests/specs/tiny.lua", wanted->target, wanted->set);
    return 0;
}

static int close_plan(void **state) {
    (void)state;
    made_plan_close(&made);
    return 0;
}

static void test_each_change_is_rejected(void **state) {
    (void)state;
    struct places places = {0};
    places_of_plan(&places, &made.plan);
    assert_true(holds());
    accepted = 0;
    for (size_t i = 0; i < places.count; i++) {
        const struct place *place = &places.list[i];
        if (place->kind == PLACE_INT)
            change_integer(place, *(int *)place->at, INT_MIN, INT_MAX);
        else if (place->kind == PLACE_INT64)
            change_integer(place, *(int64_t *)place->at, INT64_MIN / 2, INT64_MAX / 2);
        else if (place->kind == PLACE_DOUBLE)
            change_number(place);
        else if (place->kind == PLACE_BOOL)
            change_truth(place);
        else if (place->kind == PLACE_STRING)
            change_text(&places, place);
        else
            change_count(place);
    }
    assert_true(holds()); // everything is as it was
    arena_close(&places.arena);
    if (accepted > 0)
        fail_msg("%d changes were accepted", accepted);
}

static uint32_t chance(uint32_t *state, uint32_t below) {
    *state = *state * 1664525U + 1013904223U;
    return (*state >> 8) % below;
}

// Takes a value of some other place of the same kind, so that changes are plausible.
static void change_by_chance(const struct places *places, uint32_t *random) {
    const struct place *place = &places->list[chance(random, (uint32_t)places->count)];
    const struct place *other = &places->list[chance(random, (uint32_t)places->count)];
    if (place->kind == PLACE_COUNT) {
        int *count = place->at;
        *count -= *count > 0 && chance(random, 4) == 0;
    } else if (place->kind == PLACE_INT && other->kind == PLACE_INT) {
        *(int *)place->at = *(int *)other->at + (int)chance(random, 3) - 1;
    } else if (place->kind == PLACE_INT64 && other->kind == PLACE_INT64) {
        *(int64_t *)place->at = *(int64_t *)other->at;
    } else if (place->kind == PLACE_STRING && other->kind == PLACE_STRING) {
        *(const char **)place->at = *(const char **)other->at;
    }
}

static void test_it_answers_whatever_it_is_given(void **state) {
    enum { ROUNDS = 500, MOST_CHANGES = 8 };
    uint32_t random = 42;
    for (int round = 0; round < ROUNDS; round++) {
        if (round > 0) { // a list once shortened hides its places
            close_plan(state);
            open_plan(state);
        }
        struct places places = {0};
        places_of_plan(&places, &made.plan);
        for (uint32_t i = chance(&random, MOST_CHANGES) + 1; i > 0; i--)
            change_by_chance(&places, &random);
        arena_close(&places.arena);
        holds();
    }
}

int main(void) {
    static struct wanted host = {NULL, "host", "cus=3"};
    static struct wanted mi300x = {NULL, "mi300x", "cus=9 unroll=loop kv=fp32"};
    static struct wanted owned = {build_rich_owned, "host", "cus=3 kv_splits=2"};
    static struct wanted everywhere = {build_rich_everywhere, "host", "cus=3 buffers=unshared"};
#define TEST(test, wanted)                                                                         \
    cmocka_unit_test_prestate_setup_teardown(test, open_plan, close_plan, &wanted)
    const struct CMUnitTest tests[] = {
        TEST(test_each_change_is_rejected, host),
        TEST(test_each_change_is_rejected, mi300x),
        TEST(test_each_change_is_rejected, owned),
        TEST(test_each_change_is_rejected, everywhere),
        TEST(test_it_answers_whatever_it_is_given, host),
        TEST(test_it_answers_whatever_it_is_given, owned),
        TEST(test_it_answers_whatever_it_is_given, everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
