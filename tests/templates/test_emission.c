// The emitted source: the same bytes each time, tied line by line to where it comes from.
#include "generator/base/file.h"
#include "tests/support/generated.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct generated made; // of the test that runs

static int prepare(void **state) {
    (void)state;
    made = (struct generated){0};
    return 0;
}

static int close_generated(void **state) {
    (void)state;
    generated_close(&made);
    return 0;
}

static void emit(const char *spec, const char *target, const char *set) {
    generated_open(&made, &(struct wanted_generation){.spec = spec, .target = target, .set = set});
}

// What most tests go through.
static const struct {
    const char *spec, *target, *set;
} kernels[] = {
    {"tests/specs/tiny.lua", "host", "cus=3"},
    {"tests/specs/tiny.lua", "host", "cus=3 unroll=loop tie_embeddings=true"},
    {"austen-3m", "mi300x", ""},
    {"austen-3m", "mi300x", "unroll=inline kv=fp32"},
    {"llama-3.2-1b", "mi300x", ""},
};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

static void test_twice_the_same(void **state) {
    (void)state;
    for (int k = 0; k < KERNELS; k++) {
        struct generated again;
        emit(kernels[k].spec, kernels[k].target, kernels[k].set);
        generated_open(&again, &(struct wanted_generation){.spec = kernels[k].spec,
                                                           .target = kernels[k].target,
                                                           .set = kernels[k].set});
        assert_string_equal(made.generation.source.bytes, again.generation.source.bytes);
        assert_string_equal(made.generation.map_text.bytes, again.generation.map_text.bytes);
        assert_string_equal(made.generation.plan_text.bytes, again.generation.plan_text.bytes);
        assert_string_equal(made.generation.plan_digest, again.generation.plan_digest);
        generated_close(&again);
        generated_close(&made);
    }
}

// Copies line `number` (1-based) of `text`; "" past its end.
static const char *line_of(const char *text, int number) {
    static char line[4096];
    while (--number > 0 && text) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    snprintf(line, sizeof line, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
    return line;
}

static int count_lines(const char *text) {
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

// Texts of template files, read once each.
struct files {
    struct arena arena;
    struct {
        const char *name, *text;
        int lines;
    } items[64];
    int count;
};

static const char *template_text(struct files *files, const char *name, int *lines) {
    for (int i = 0; i < files->count; i++) {
        if (strcmp(files->items[i].name, name) == 0) {
            *lines = files->items[i].lines;
            return files->items[i].text;
        }
    }
    struct diagnostics trouble = {0};
    size_t length = 0;
    const char *text = file_read(&files->arena, arena_format(&files->arena, "templates/%s", name),
                                 1 << 20, &length, &trouble);
    if (!text || files->count == (int)(sizeof files->items / sizeof files->items[0]))
        fail_msg("the map names the template %s: %s", name, printed_diagnostics(&trouble));
    diagnostics_close(&trouble);
    files->items[files->count].name = arena_string(&files->arena, name);
    files->items[files->count].text = text;
    *lines = files->items[files->count++].lines = count_lines(text);
    return text;
}

static void test_no_line_is_long(void **state) {
    (void)state;
    enum { COLUMNS = 100 };
    static const char *const specs[] = {"tests/specs/tiny.lua", "austen-3m",  "llama-3.2-1b",
                                        "smollm2-135m",         "qwen3-0.6b", "gemma-3-1b"};
    static const char *const targets[] = {"host", "mi300x", "h100"};
    static const char *const sets[] = {"", "residual=everywhere", "trace=on"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++)
            for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
                emit(specs[i], targets[t], sets[s]);
                int number = 1;
                const char *line = made.generation.source.bytes;
                for (; *line; line += strcspn(line, "\n") + 1, number++)
                    if (strcspn(line, "\n") > COLUMNS)
                        fail_msg("%s on %s '%s', line %d: %.*s", specs[i], targets[t], sets[s],
                                 number, (int)strcspn(line, "\n"), line);
                generated_close(&made);
            }
}

// Every emitted line has its template line; a line of a step, the step's place in the spec.
static void check_map(void) {
    const struct generation *g = &made.generation;
    struct files files = {0};
    assert_int_equal(g->map.count, count_lines(g->source.bytes));
    for (size_t i = 0; i < g->map.count; i++) {
        const struct line_origin *origin = &g->map.origins[i];
        int lines = 0;
        assert_non_null(origin->template_file);
        template_text(&files, origin->template_file, &lines);
        if (origin->template_line < 1 || origin->template_line > lines)
            fail_msg("line %zu is of %s:%d, which has %d lines", i + 1, origin->template_file,
                     origin->template_line, lines);
        if (origin->step < 0)
            continue;
        if (origin->step >= g->plan.stages_count)
            fail_msg("line %zu is of step %d; the plan has %d", i + 1, origin->step,
                     g->plan.stages_count);
        const struct plan_stage *stage = &g->plan.stages[origin->step];
        assert_string_equal(origin->spec_file, stage->spec_file);
        assert_int_equal(origin->spec_line, stage->spec_line);
    }
    arena_close(&files.arena);
}

static void test_every_line_has_its_origin(void **state) {
    (void)state;
    for (int k = 0; k < KERNELS; k++) {
        emit(kernels[k].spec, kernels[k].target, kernels[k].set);
        check_map();
        generated_close(&made);
    }
}

// Whether the template line declares the stage's function, as text or wrapped where it is long.
static bool begins_stage(const char *line) {
    return strstr(line, "stage_$(body.name)(") || strstr(line, "stage_\" .. body.name .. \"(");
}

// A call of the schedule has behind it "// step 3  stage_linear.hip:137": its step, and the line
// of the template where the stage's function begins.
static bool check_schedule_line(struct files *files, int number, const char *line) {
    const char *comment = strstr(line, "// step ");
    if (!comment || !isdigit((unsigned char)comment[strlen("// step ")]))
        return false;
    int step = -1, template_line = 0, lines = 0;
    char template_name[128] = "";
    const char *place = strstr(comment, "stage_");
    const char *colon = place ? strchr(place, ':') : NULL;
    assert_int_equal(sscanf(comment, "// step %d", &step), 1);
    if (!colon)
        fail_msg("line %d names no template line: %s", number, line);
    snprintf(template_name, sizeof template_name, "%.*s", (int)(colon - place), place);
    template_line = (int)strtol(colon + 1, NULL, 10);
    const struct generation *g = &made.generation;
    assert_int_equal(g->map.origins[number - 1].step, step);
    assert_in_range(step, 0, g->plan.stages_count - 1);
    char call[128];
    const char *body = g->plan.stages[step].body;
    snprintf(call, sizeof call, "stage_%s", body);
    const char *called = line + strspn(line, " ");
    const size_t length = strlen(call);
    if (strncmp(called, call, length) != 0 || (called[length] != '(' && called[length] != '<'))
        fail_msg("line %d is of step %d, a %s, and calls another: %s", number, step, body, line);
    // within its next lines: the function's own may follow a comment or `template <...>`
    const char *text = template_text(files, template_name, &lines);
    bool found = false;
    for (int ahead = 0; ahead < 4 && !found; ahead++)
        found = begins_stage(line_of(text, template_line + ahead));
    if (!found)
        fail_msg("line %d: stage_%s does not begin at %s:%d: %s", number, body, template_name,
                 template_line, line_of(text, template_line));
    return true;
}

static void check_schedule(int expected_steps) {
    struct files files = {0};
    int steps = 0, number = 0;
    for (const char *at = made.generation.source.bytes; *at; at = strchr(at, '\n') + 1) {
        char line[4096];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        number++;
        // the overview explains the comment with an example
        if (line[0] == ' ')
            steps += check_schedule_line(&files, number, line);
    }
    arena_close(&files.arena);
    assert_int_equal(steps, expected_steps);
}

static void test_schedule_lines_name_their_step(void **state) {
    (void)state;
    emit("tests/specs/tiny.lua", "host", "cus=3 unroll=inline");
    check_schedule(1 + 2 * 5 + 3); // every step
    generated_close(&made);
    emit("austen-3m", "mi300x", "unroll=loop kv_splits=1");
    check_schedule(1 + 5 + 3); // those of the first layer stand for all
    generated_close(&made);
    emit("austen-3m", "mi300x", "unroll=loop kv_splits=4");
    check_schedule(1 + 6 + 3); // and the merge
}

static int64_t constant_of(const char *name) {
    char declaration[128];
    static const char *const types[] = {"int", "u32", "u64"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        snprintf(declaration, sizeof declaration, "constexpr %s %s = ", types[i], name);
        const char *at = strstr(made.generation.source.bytes, declaration);
        if (at)
            return strtoll(at + strlen(declaration), NULL, 0);
    }
    fail_msg("the source has no constant %s", name);
    return 0;
}

static void test_constants_are_the_specs(void **state) {
    (void)state;
    emit("llama-3.2-1b", "mi300x", "");
    assert_int_equal(constant_of("HIDDEN"), 2048);
    assert_int_equal(constant_of("LAYERS"), 16);
    assert_int_equal(constant_of("VOCAB"), 128256);
    assert_int_equal(constant_of("MLP"), 8192);
    assert_int_equal(constant_of("HEADS"), 32);
    assert_int_equal(constant_of("KV_HEADS"), 8);
    assert_int_equal(constant_of("HEAD_DIM"), 64);
    assert_int_equal(constant_of("CONTEXT"), 131072);
    assert_int_equal(constant_of("CUS"), 304);
    assert_int_equal(constant_of("XCDS"), 8);
    assert_int_equal(constant_of("QUERY_GROUP"), 4);
    assert_non_null(strstr(made.generation.source.bytes, "NORM_EPS = 1e-05f;"));
    assert_non_null(strstr(made.generation.source.bytes, "// specs/models/llama-3.2-1b.lua:4"));
}

// --set changes the constant, and the comment says so; --context is one too.
static void test_constants_that_are_set(void **state) {
    (void)state;
    emit("austen-3m", "host", "layers=3 context=77 cus=5");
    assert_int_equal(constant_of("LAYERS"), 3);
    assert_int_equal(constant_of("CONTEXT"), 77);
    assert_int_equal(constant_of("HIDDEN"), 256);
    assert_int_equal(constant_of("CUS"), 5);
    assert_non_null(strstr(made.generation.source.bytes, "// --set layers=3"));
}

static void test_mailboxes_are_the_plans(void **state) {
    (void)state;
    emit("austen-3m", "mi300x", "");
    const struct plan_plan *plan = &made.generation.plan;
    for (int i = 0; i < plan->mailboxes_count; i++) {
        char name[128];
        snprintf(name, sizeof name, "MAIL_%s", plan->mailboxes[i].name);
        for (char *at = name; *at; at++)
            *at = (char)toupper((unsigned char)*at);
        assert_int_equal(constant_of(name), plan->mailboxes[i].first_pair);
    }
    assert_int_equal(constant_of("EPOCHS_PER_STEP"), plan->epochs_per_step);
    assert_int_equal(constant_of("KV_HEAD_BYTES"), plan->kv.head_bytes);
}

// "/usr/include" where a word begins: a path of this machine.
static const char *absolute_path(const char *text) {
    for (const char *at = text; (at = strchr(at, '/')); at++) {
        const char before = at == text ? ' ' : at[-1];
        if (isalnum((unsigned char)before) || strchr("/._-*)$", before))
            continue;
        const size_t length =
            strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
        if (length > 0 && at[1 + length] == '/')
            return at;
    }
    return NULL;
}

static void expect_portable(const char *what, const struct text *text) {
    const char *path = absolute_path(text->bytes);
    if (path)
        fail_msg("%s holds an absolute path: %.60s", what, path);
    char year[16], host[256] = "";
    const time_t now = time(NULL);
    strftime(year, sizeof year, "%Y-", localtime(&now));
    const char *const dated[] = {year, "__DATE__", "__TIME__"};
    for (size_t i = 0; i < sizeof dated / sizeof dated[0]; i++)
        if (strstr(text->bytes, dated[i]))
            fail_msg("%s holds a date: %.40s", what, strstr(text->bytes, dated[i]));
    gethostname(host, sizeof host - 1);
    if (strlen(host) > 5 && strstr(text->bytes, host))
        fail_msg("%s holds the name of this machine", what);
}

static void test_nothing_of_this_machine(void **state) {
    (void)state;
    assert_non_null(absolute_path("made by /tmp/x"));
    assert_non_null(absolute_path("\"/usr/lib/x.so\""));
    assert_null(absolute_path("a / b/c // d specs/models/x.lua ../runtime/x /* c */"));
    for (int k = 0; k < KERNELS; k++) {
        emit(kernels[k].spec, kernels[k].target, kernels[k].set);
        expect_portable("the source", &made.generation.source);
        expect_portable("the map", &made.generation.map_text);
        expect_portable("the plan", &made.generation.plan_text);
        expect_portable("the model", &made.generation.model_text);
        generated_close(&made);
    }
}

// Also where the user names the spec by an absolute path.
static void test_an_absolute_spec(void **state) {
    (void)state;
    char path[PATH_MAX];
    assert_non_null(realpath("tests/specs/tiny.lua", path));
    emit(path, "host", "cus=3");
    expect_portable("the source", &made.generation.source);
    expect_portable("the map", &made.generation.map_text);
    expect_portable("the plan", &made.generation.plan_text);
    const char *absolute = arena_string(&made.generation.arena, made.generation.source.bytes);
    struct generated relative;
    generated_open(&relative, &(struct wanted_generation){.spec = "tests/specs/tiny.lua",
                                                          .target = "host",
                                                          .set = "cus=3"});
    // the numbers are the same; how the spec is named may differ
    assert_int_equal(count_lines(absolute), count_lines(relative.generation.source.bytes));
    generated_close(&relative);
}

// Whether a line may be another one in a kernel that traces: its head.
static bool changes_with_a_trace(const char *line) {
    static const char *const heads[] = {"// monogen ", "// Kernel ", "// Made by: "};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (strncmp(line, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

// Where `line` is among the lines from `at` on; NULL: nowhere.
static const char *find_line(const char *at, const char *line, size_t length) {
    while (*at && (strncmp(at, line, length) != 0 || at[length] != '\n'))
        at += strcspn(at, "\n") + 1;
    return *at ? at : NULL;
}

static void expect_only_more_lines(const char *plain, const char *traced) {
    assert_null(strstr(plain, "trace"));
    assert_null(strstr(plain, "TRACE"));
    while (*plain) {
        const size_t length = strcspn(plain, "\n");
        char line[1024];
        assert_true(length < sizeof line);
        snprintf(line, sizeof line, "%.*s", (int)length, plain);
        const char *found = find_line(traced, plain, length);
        if (found)
            traced = found + length + 1;
        else if (!changes_with_a_trace(line))
            fail_msg("tracing takes away or moves the line '%s'", line);
        plain += length + 1;
    }
}

static void test_tracing_only_adds_lines(void **state) {
    (void)state;
    static const struct {
        const char *spec, *target, *set;
    } also[] = {{"gemma-3-1b", "mi300x", ""},
                {"llama-3.2-1b", "h100", ""},
                {"austen-3m", "h100", "residual=everywhere"}};
    for (size_t k = 0; k < KERNELS + sizeof also / sizeof also[0]; k++) {
        const char *spec = k < KERNELS ? kernels[k].spec : also[k - KERNELS].spec;
        const char *target = k < KERNELS ? kernels[k].target : also[k - KERNELS].target;
        const char *set = k < KERNELS ? kernels[k].set : also[k - KERNELS].set;
        char with[128];
        snprintf(with, sizeof with, "%s%strace=on", set, *set ? " " : "");
        struct generated plain;
        generated_open(&plain,
                       &(struct wanted_generation){.spec = spec, .target = target, .set = set});
        emit(spec, target, with);
        expect_only_more_lines(plain.generation.source.bytes, made.generation.source.bytes);
        assert_non_null(strstr(made.generation.source.bytes, "KERNEL_TRACE_STREAMS);"));
        generated_close(&plain);
        generated_close(&made);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_generated)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_twice_the_same),
        TEST(test_no_line_is_long),
        TEST(test_every_line_has_its_origin),
        TEST(test_schedule_lines_name_their_step),
        TEST(test_constants_are_the_specs),
        TEST(test_constants_that_are_set),
        TEST(test_mailboxes_are_the_plans),
        TEST(test_nothing_of_this_machine),
        TEST(test_an_absolute_spec),
        TEST(test_tracing_only_adds_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
