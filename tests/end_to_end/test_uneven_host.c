// Kernels on the CPU in bad company: one CU late at each stage in turn, epochs that wrap, mailboxes
// full of what launches before have left. Each time every logit must be the same to the last bit.
#include "generator/base/file.h"
#include "runtime/session.h"
#include "tests/support/drafts.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 3, POSITIONS = 7, VOCAB = 200 };

// ---- a kernel whose CUs can be late
// --------------------------------------------------------------

// $MONOGEN_TEST_LATE = "CU STEP MICROSECONDS": the CU sleeps before each run of the step.
static const char late_function[] =
    "#include <cstdio>\n"
    "#include <cstdlib>\n"
    "extern \"C\" int usleep(unsigned microseconds);\n"
    "static void be_late(const Worker &worker, u32 step) {\n"
    "    u32 cu, late_step, microseconds;\n"
    "    const char *late = getenv(\"MONOGEN_TEST_LATE\");\n"
    "    if (late && sscanf(late, \"%u %u %u\", &cu, &late_step, &microseconds) == 3 &&\n"
    "        cu == worker.cu && late_step == step)\n"
    "        usleep(microseconds);\n"
    "}\n";
static const char loop_head[] = "template <u32 KIND> DEVICE void decode_loop(Worker &worker) {";

// The source with a call of be_late before each call of the schedule. Returns their number.
static int make_late(const struct text *source, struct text *out) {
    int calls = 0;
    bool in_loop = false;
    for (const char *line = source->bytes; *line;) {
        const size_t length = strcspn(line, "\n") + 1;
        if (strncmp(line, loop_head, strlen(loop_head)) == 0) {
            text_append(out, late_function);
            in_loop = true;
        }
        const char *step = strstr(line, "// step ");
        if (in_loop && step && step < line + length &&
            strncmp(line + strspn(line, " "), "stage_", 6) == 0) {
            text_format(out, "        be_late(worker, %ld);\n",
                        strtol(step + strlen("// step "), NULL, 10));
            calls++;
        }
        text_append_bytes(out, line, length);
        line += length;
    }
    return calls;
}

struct uneven {
    struct made_plan made;
    struct generated generated;
    struct session session;
    const char *what;
};

static void write_file(const char *path, const struct text *text) {
    struct diagnostics diagnostics = {0};
    assert_true(file_write(path, text->bytes, text->length, &diagnostics));
    diagnostics_close(&diagnostics);
}

// Makes every wait of the source end at once, but for those for the token: the loop must end.
static void wait_for_nothing(const struct text *source, struct text *out) {
    static const char wait[] = "if (all_lanes(missing == BATCH))";
    const char *place = strstr(source->bytes, wait);
    assert_non_null(place);
    text_append_bytes(out, source->bytes, (size_t)(place - source->bytes));
    text_append(out, "if (COUNT > 2 || all_lanes(missing == BATCH))");
    text_append(out, place + strlen(wait));
}

// build NULL: tests/specs/tiny.lua.
static void open_uneven(struct uneven *uneven, void (*build)(struct draft *draft), const char *set,
                        bool waits) {
    skip_without_compiler("cxx");
    *uneven = (struct uneven){.what = set};
    if (build)
        made_plan_of_open(&uneven->made, build, "host", set);
    else
        made_plan_open(&uneven->made, "tests/specs/tiny.lua", "host", set);
    struct arena *arena = &uneven->made.arena;
    const char *source_file = arena_string(arena, temporary_path("late.hip"));
    static int folders;
    const char *folder = arena_format(arena, "%s/uneven-%d", temporary_folder(), folders++);
    struct text late = {0};
    generated_open_plan(&uneven->generated, &uneven->made.plan, NULL, false);
    if (!waits)
        wait_for_nothing(&uneven->generated.generation.source, &late);
    else // written out, not a loop
        assert_int_equal(make_late(&uneven->generated.generation.source, &late),
                         uneven->made.plan.stages_count);
    write_file(source_file, &late);
    generated_close(&uneven->generated);
    generated_open_plan(&uneven->generated, &uneven->made.plan, source_file, true);
    generated_write(&uneven->generated, folder);
    struct monogen_error error = {0};
    struct manifest *manifest = manifest_open(folder, &error);
    if (!manifest || !session_open(&uneven->session, manifest, folder,
                                   &(struct weight_source){.random_seed = SEED},
                                   &(struct session_options){.timeout_seconds = 60}, &error))
        fail_msg("%s: %s", set, error.message);
    text_close(&late);
}

static void close_uneven(struct uneven *uneven) {
    session_close(&uneven->session);
    generated_close(&uneven->generated);
    made_plan_close(&uneven->made);
}

// ---- launches
// ------------------------------------------------------------------------------------

struct outcome {
    float logits[POSITIONS][VOCAB];
    uint32_t tokens[POSITIONS], count;
};

static bool take_token(void *context, uint32_t token) {
    struct outcome *outcome = context;
    assert_true(outcome->count < POSITIONS);
    outcome->tokens[outcome->count++] = token;
    return true;
}

// One launch that exports logits, and one that generates. `first`: of the prompt.
static void launch(struct uneven *uneven, uint32_t first, struct outcome *outcome) {
    uint32_t prompt[POSITIONS];
    struct monogen_error error = {0};
    struct launch_result result;
    *outcome = (struct outcome){0};
    for (uint32_t i = 0; i < POSITIONS; i++)
        prompt[i] = (first + i * 37) % VOCAB;
    const struct launch exports = {
        .prompt = prompt, .prompt_tokens = POSITIONS, .logits = &outcome->logits[0][0]};
    const struct launch generates = {.prompt = prompt,
                                     .prompt_tokens = 3,
                                     .max_tokens = POSITIONS - 3,
                                     .on_token = take_token,
                                     .context = outcome};
    if (!session_launch(&uneven->session, &exports, &result, &error) ||
        !session_launch(&uneven->session, &generates, &result, &error))
        fail_msg("%s: %s", uneven->what, error.message);
}

static void expect_same(const struct uneven *uneven, const struct outcome *expected,
                        const struct outcome *got, const char *when, uint32_t number) {
    for (uint32_t p = 0; p < POSITIONS; p++)
        for (uint32_t i = 0; i < VOCAB; i++)
            if (memcmp(&expected->logits[p][i], &got->logits[p][i], sizeof(float)) != 0)
                fail_msg("%s: %s %u: logit %u of position %u is %.9g instead of %.9g", uneven->what,
                         when, number, i, p, (double)got->logits[p][i],
                         (double)expected->logits[p][i]);
    if (got->count != expected->count ||
        memcmp(got->tokens, expected->tokens, sizeof got->tokens) != 0)
        fail_msg("%s: %s %u: it generates other tokens", uneven->what, when, number);
}

// What the kernel computes when nobody disturbs it; each prompt has logits of its own.
static void expect_sound(struct uneven *uneven, struct outcome *outcome) {
    struct outcome other;
    launch(uneven, 150, &other);
    launch(uneven, 5, outcome);
    assert_memory_not_equal(other.logits, outcome->logits, sizeof other.logits);
    assert_true(outcome->count > 0);
}

// That these tests see a kernel that reads too early: it cannot tell what others have left.
static void test_a_kernel_that_does_not_wait(void **state) {
    (void)state;
    struct uneven uneven;
    open_uneven(&uneven, NULL, "cus=3 unroll=inline", false);
    struct outcome outcomes[2] = {{.count = 0}};
    bool differs = false;
    for (int i = 0; i < 2; i++) {
        const uint32_t prompt[POSITIONS] = {5, 6, 7, 8, 9, 10, 11};
        struct launch_result result;
        struct monogen_error error = {0};
        const struct launch exports = {
            .prompt = prompt, .prompt_tokens = POSITIONS, .logits = &outcomes[i].logits[0][0]};
        differs |= !session_launch(&uneven.session, &exports, &result, &error);
    }
    differs |= memcmp(outcomes[0].logits, outcomes[1].logits, sizeof outcomes[0].logits) != 0;
    assert_true(differs);
    close_uneven(&uneven);
}

// ---- late CUs
// ------------------------------------------------------------------------------------

static void expect_patience(void (*build)(struct draft *draft), const char *set) {
    enum { MICROSECONDS = 1500 };
    struct uneven uneven;
    struct outcome expected, got;
    open_uneven(&uneven, build, set, true);
    expect_sound(&uneven, &expected);
    const struct plan_plan *plan = &uneven.made.plan;
    for (int step = 0; step < plan->stages_count; step++) {
        char late[64];
        const int cu = (step * 7 + 1) % plan->machine.cus;
        snprintf(late, sizeof late, "%d %d %d", cu, step, MICROSECONDS);
        setenv("MONOGEN_TEST_LATE", late, 1);
        launch(&uneven, 5, &got);
        unsetenv("MONOGEN_TEST_LATE");
        expect_same(&uneven, &expected, &got, "one CU late at step", (uint32_t)step);
    }
    print_message("%s: a CU late at each of %d steps\n", set, plan->stages_count);
    close_uneven(&uneven);
}

static void test_a_cu_that_is_late(void **state) {
    (void)state;
    expect_patience(NULL, "cus=4 unroll=inline");
    expect_patience(build_rich_owned, "cus=3 kv_splits=3 unroll=inline");
    expect_patience(build_rich_everywhere, "cus=3 buffers=unshared unroll=inline");
}

// Each CU at each step.
static void test_any_cu_that_is_late(void **state) {
    (void)state;
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    static const char *const settings[] = {"cus=5 unroll=inline kv_splits=4",
                                           "cus=7 unroll=inline residual=everywhere kv_splits=2"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct uneven uneven;
        struct outcome expected, got;
        open_uneven(&uneven, NULL, settings[i], true);
        expect_sound(&uneven, &expected);
        for (int cu = 0; cu < uneven.made.plan.machine.cus; cu++)
            for (int step = 0; step < uneven.made.plan.stages_count; step++) {
                char late[64];
                snprintf(late, sizeof late, "%d %d 3000", cu, step);
                setenv("MONOGEN_TEST_LATE", late, 1);
                launch(&uneven, 5, &got);
                unsetenv("MONOGEN_TEST_LATE");
                expect_same(&uneven, &expected, &got, late, (uint32_t)step);
            }
        close_uneven(&uneven);
    }
}

// Too late for any wait, at each step before the token is known: the launch fails without one.
static void test_a_cu_that_is_too_late(void **state) {
    (void)state;
    struct uneven uneven;
    open_uneven(&uneven, NULL, "cus=3 unroll=inline", true);
    struct session *session = &uneven.session;
    session->timeout_seconds = 0.02;
    const int steps = uneven.made.plan.stages_count - 2; // without selection and token
    for (int step = 0; step < steps; step++) {
        char late[64];
        snprintf(late, sizeof late, "1 %d 80000", step);
        setenv("MONOGEN_TEST_LATE", late, 1);
        const uint32_t prompt[] = {5};
        struct outcome got = {.count = 0};
        struct monogen_error error = {0};
        struct launch_result result;
        const struct launch generates = {.prompt = prompt,
                                         .prompt_tokens = 1,
                                         .max_tokens = 2,
                                         .on_token = take_token,
                                         .context = &got};
        // The session goes on, with epochs that no launch before has used.
        session->faulted = false;
        session->epoch_base += 64 * session->manifest->kernel.epochs_per_step;
        const bool good = session_launch(session, &generates, &result, &error);
        unsetenv("MONOGEN_TEST_LATE");
        if (good || got.count > 0 || !strstr(error.message, "a hand-off never came"))
            fail_msg("CU 1 too late at step %d: %u tokens, %s", step, got.count, error.message);
    }
    close_uneven(&uneven);
}

// ---- epochs and what launches leave
// --------------------------------------------------------------

static void expect_memory_of_nothing(void (*build)(struct draft *draft), const char *set) {
    struct uneven uneven;
    struct outcome expected, got;
    open_uneven(&uneven, build, set, true);
    expect_sound(&uneven, &expected);
    struct session *session = &uneven.session;
    const uint32_t step = session->manifest->kernel.epochs_per_step;
    // Bases just below 2^32: the epoch wraps within the first position, the next ones, or just not.
    // What lies in the mailboxes by then is of epochs around 2^31.
    session->epoch_base = 1U << 31;
    launch(&uneven, 5, &got);
    expect_same(&uneven, &expected, &got, "epochs from", 1U << 31);
    for (uint32_t before = 1; before <= 3 * step + 2; before++) {
        session->epoch_base = UINT32_MAX - before + 1;
        launch(&uneven, 5, &got);
        expect_same(&uneven, &expected, &got, "epochs up to the wrap", before);
        session->epoch_base = (1U << 31) + before * 4096;
        launch(&uneven, 150, &got);
    }
    // Pairs of any older epoch, with values that would be seen.
    struct device_memory *mailboxes = &session->memories[ARGUMENT_mailboxes];
    assert_non_null(mailboxes->host);
    for (uint32_t round = 0; round < 8; round++) {
        uint64_t *pairs = mailboxes->host;
        for (size_t i = 0; i < session->manifest->memory.mailbox_pairs; i++) {
            const uint32_t age = 1 + (uint32_t)(i * 2654435761U + round) % 1000;
            pairs[i] = (uint64_t)(session->epoch_base - age) << 32 | 0x7f800000U; // infinite
        }
        launch(&uneven, 5, &got);
        expect_same(&uneven, &expected, &got, "stale mailboxes, round", round);
    }
    close_uneven(&uneven);
}

static void test_epochs_and_stale_mailboxes(void **state) {
    (void)state;
    expect_memory_of_nothing(NULL, "cus=3 unroll=inline");
    expect_memory_of_nothing(build_rich_owned, "cus=4 kv_splits=2 unroll=inline");
    expect_memory_of_nothing(build_rich_everywhere, "cus=3 kv_splits=3 unroll=inline");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kernel_that_does_not_wait),
        cmocka_unit_test(test_a_cu_that_is_late),
        cmocka_unit_test(test_any_cu_that_is_late),
        cmocka_unit_test(test_a_cu_that_is_too_late),
        cmocka_unit_test(test_epochs_and_stale_mailboxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
