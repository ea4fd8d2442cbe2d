// Random small models on the CPU, planned at random, against the reference.
//
// The models are numbered and the same everywhere. As many run as the time allows: some seconds, or
// ten minutes on every processor with MONOGEN_TEST_ALL. MONOGEN_RANDOM_SECONDS sets another time,
// MONOGEN_RANDOM_FIRST the number of the first model, MONOGEN_RANDOM_FEATURES (a sum of what
// tests/support/random_model.h lists) what models may have beside what is planned so far.
#include "generator/base/file.h"
#include "generator/compile/scratch.h"
#include "runtime/clock.h"
#include "tests/support/agreement.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SHARES = 64, MODELS_AT_LEAST = 3 };

// What one process runs: models first, first + step ... until the time is over or one fails.
struct share {
    uint32_t first, step;
    unsigned features;
    double seconds;
};

struct worst {
    double error;
    uint32_t model;
};

struct outcome {
    uint32_t newest; // number of the model that was begun last
    uint32_t models, positions;
    struct worst worst[2]; // with keys and values of fp32, of bf16
    bool failed;
};

static double setting(const char *name, double otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtod(text, NULL) : otherwise;
}

// ---- the folder that all share ------------------------------------------------------------------

static bool write_text(const char *path, const char *bytes) {
    struct diagnostics diagnostics = {0};
    const bool written = file_write(path, bytes, strlen(bytes), &diagnostics);
    if (!written)
        print_error("%s", printed_diagnostics(&diagnostics));
    diagnostics_close(&diagnostics);
    return written;
}

// The program's host target, not optimised: the compiler takes most of the time here.
static int make_folders(void **state) {
    (void)state;
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t length = 0;
    char *target = file_read(&arena, "specs/targets/host.lua", 1 << 16, &length, &diagnostics);
    char *level = target ? strstr(target, "\"-O3\"") : NULL;
    bool good = level && folder_make(temporary_path("specs/models"), &diagnostics) &&
                folder_make(temporary_path("specs/families"), &diagnostics);
    if (good) {
        level[3] = '0';
        good = write_text(temporary_path("host.lua"), target);
    }
    diagnostics_close(&diagnostics);
    arena_close(&arena);
    return good ? 0 : -1;
}

// ---- one model ----------------------------------------------------------------------------------

// Whole, which print_error would not do with a long text.
static void report(const struct random_model *model, const char *problem) {
    printf(
        "%s\n%s%s\n--set %s\nthe first with MONOGEN_RANDOM_FIRST=%u MONOGEN_RANDOM_FEATURES=%u\n",
        problem, model->spec.bytes, model->family.bytes, model->set, (unsigned)model->number,
        model->features);
}

static bool judge(const struct random_model *model, const struct agreement *agreement,
                  struct outcome *outcome) {
    const bool bf16 = strstr(model->set, "kv=bf16") != NULL;
    // a rounded key or value is now and then another one than the reference's
    const double allowed = bf16 ? 2e-2 : 1e-4;
    struct worst *worst = &outcome->worst[bf16];
    if (agreement->worst > worst->error)
        *worst = (struct worst){agreement->worst, model->number};
    outcome->models++;
    outcome->positions += agreement->positions;
    if (agreement->worst <= allowed && !agreement->wrong_argmax && !agreement->wrong_tokens)
        return true;
    char problem[256];
    snprintf(problem, sizeof problem,
             "position %u of %u: relative RMSE %.3g, at most %.3g is allowed; %u other argmax, %u "
             "other tokens of the decode loop",
             (unsigned)agreement->worst_at, (unsigned)agreement->positions, agreement->worst,
             allowed, (unsigned)agreement->wrong_argmax, (unsigned)agreement->wrong_tokens);
    report(model, problem);
    return false;
}

static bool run_generated(const struct random_model *model, struct generated *made,
                          struct outcome *outcome) {
    const char *folder = temporary_path(model->name);
    struct monogen_error error = {0};
    struct agreement agreement;
    if (!generation_write(&made->generation, folder, &made->diagnostics)) {
        report(model, printed_diagnostics(&made->diagnostics));
        return false;
    }
    const bool measured =
        agreement_measure(&made->generation, folder, model->number, &agreement, &error);
    scratch_remove(folder);
    if (!measured)
        report(model, error.message);
    return measured && judge(model, &agreement, outcome);
}

static bool run_model(uint32_t number, unsigned features, struct outcome *outcome) {
    struct random_model model;
    struct generated made = {0};
    struct arena arena = {0};
    random_model_make(&model, number, features);
    const char *specs = temporary_path("specs");
    const char *spec = arena_format(&arena, "%s/models/%s.lua", specs, model.name);
    const char *family = arena_format(&arena, "%s/families/%s.lua", specs, model.name);
    bool good = write_text(spec, model.spec.bytes) && write_text(family, model.family.bytes);
    if (good &&
        !generated_try(&made, &(struct wanted_generation){.spec = spec,
                                                          .specs = specs,
                                                          .target = temporary_path("host.lua"),
                                                          .set = model.set,
                                                          .compile = true})) {
        report(&model, printed_diagnostics(&made.diagnostics));
        good = false;
    }
    good = good && run_generated(&model, &made, outcome);
    unlink(spec);
    unlink(family);
    generated_close(&made);
    random_model_close(&model);
    arena_close(&arena);
    return good;
}

// ---- many models --------------------------------------------------------------------------------

static void run_share(const struct share *share, struct outcome *outcome) {
    const double end = clock_seconds(CLOCK_MONOTONIC) + share->seconds;
    for (uint32_t number = share->first; !outcome->failed && (outcome->models < MODELS_AT_LEAST ||
                                                              clock_seconds(CLOCK_MONOTONIC) < end);
         number += share->step) {
        outcome->newest = number;
        outcome->failed = !run_model(number, share->features, outcome);
    }
}

// Runs the share in a process of its own, which a kernel may crash.
static pid_t start_share(const struct share *share, struct outcome *outcome) {
    fflush(NULL);
    const pid_t child = fork();
    if (child != 0)
        return child;
    run_share(share, outcome);
    fflush(NULL);
    _exit(0);
}

static void add_outcome(struct outcome *all, const struct outcome *one) {
    all->models += one->models;
    all->positions += one->positions;
    all->failed |= one->failed;
    for (int i = 0; i < 2; i++)
        if (one->worst[i].error > all->worst[i].error)
            all->worst[i] = one->worst[i];
}

static void end_share(pid_t child, struct outcome *outcome) {
    int status = 0;
    if (waitpid(child, &status, 0) == child && status == 0)
        return;
    printf("model %u: its process ended with status %d\n", (unsigned)outcome->newest, status);
    outcome->failed = true;
}

static void run_shares(struct share share, uint32_t count, struct outcome *all) {
    struct outcome *outcomes = mmap(NULL, MOST_SHARES * sizeof *outcomes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[MOST_SHARES];
    assert_true(outcomes != MAP_FAILED);
    share.step = count;
    for (uint32_t i = 0; i < count; i++, share.first++) {
        children[i] = start_share(&share, &outcomes[i]);
        assert_true(children[i] > 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        end_share(children[i], &outcomes[i]);
        add_outcome(all, &outcomes[i]);
    }
    munmap(outcomes, MOST_SHARES * sizeof *outcomes);
}

static void test_random_models(void **state) {
    (void)state;
    skip_without_compiler("cxx");
    const bool all_wanted = all_tests_wanted();
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const uint32_t shares = !all_wanted                ? 1
                            : processors < 1           ? 1
                            : processors > MOST_SHARES ? MOST_SHARES
                                                       : (uint32_t)processors;
    struct outcome outcome = {0};
    run_shares(
        (struct share){
            .first = (uint32_t)setting("MONOGEN_RANDOM_FIRST", 0),
            .features = (unsigned)setting("MONOGEN_RANDOM_FEATURES", RANDOM_EVERYTHING),
            .seconds = setting("MONOGEN_RANDOM_SECONDS", all_wanted ? 600 : 12),
        },
        shares, &outcome);
    print_message("%u random models, %u positions: worst %.2g (model %u), with bf16 keys and "
                  "values %.2g (model %u)\n",
                  (unsigned)outcome.models, (unsigned)outcome.positions, outcome.worst[0].error,
                  (unsigned)outcome.worst[0].model, outcome.worst[1].error,
                  (unsigned)outcome.worst[1].model);
    assert_false(outcome.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_models),
    };
    return cmocka_run_group_tests(tests, make_folders, NULL);
}
