// The search on a fake machine with a fake clock: planted optima, drift, noise, trouble.
#include "generator/tune/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 13, MOST_MEASUREMENTS = 400 };

struct machine {
    double us[POINTS]; // true microseconds a token of each point
    double noise;      // the largest factor by which a measurement is slower
    double drift;      // by which everything gets slower with each measurement
    int impossible;    // a point that cannot be measured, -1: none
    int stop_after;    // measurements, 0: never
    double seconds, seconds_per_measurement;
    uint64_t random;
    int order[MOST_MEASUREMENTS], measurements, told;
    int best_told;
};

static double random_of(struct machine *machine) { // 0 .. 1
    machine->random = machine->random * 6364136223846793005U + 1442695040888963407U;
    return (double)(machine->random >> 40) / (double)(1 << 24);
}

static enum tune_outcome measure(void *context, int point, double *us_per_token, const char **why) {
    struct machine *machine = context;
    assert_true(machine->measurements < MOST_MEASUREMENTS);
    if (machine->stop_after && machine->measurements == machine->stop_after)
        return TUNE_STOP;
    const double slower = 1 + machine->drift * machine->measurements;
    machine->order[machine->measurements++] = point;
    machine->seconds += machine->seconds_per_measurement;
    if (point == machine->impossible) {
        *why = "too large";
        return TUNE_IMPOSSIBLE;
    }
    *us_per_token = machine->us[point] * slower * (1 + machine->noise * random_of(machine));
    return TUNE_MEASURED;
}

static double seconds_now(void *context) { return ((struct machine *)context)->seconds; }

static void progress(void *context, int round, int point, const struct tune_result *results,
                     int best) {
    struct machine *machine = context;
    (void)round;
    (void)point;
    int measured = 0;
    for (int i = 0; i < POINTS; i++)
        measured += results[i].measured;
    assert_int_equal(best < 0, measured == 0);
    assert_true(best < 0 || results[best].measured > 0);
    machine->told++;
    machine->best_told = best;
}

static struct machine machine_with(double best_us, int best) {
    struct machine machine = {.impossible = -1, .random = 1, .seconds_per_measurement = 1};
    for (int i = 0; i < POINTS; i++)
        machine.us[i] = best_us * (i == best ? 1 : 1.1 + 0.02 * i);
    return machine;
}

struct outcome {
    struct arena arena;
    struct tune_result results[POINTS];
    int best;
    bool found;
};

static void search(struct machine *machine, int rounds, double budget_seconds,
                   struct outcome *outcome) {
    const struct tune_search search = {.point_count = POINTS,
                                       .rounds = rounds,
                                       .budget_seconds = budget_seconds,
                                       .context = machine,
                                       .measure = measure,
                                       .seconds_now = seconds_now,
                                       .progress = progress};
    *outcome = (struct outcome){0};
    outcome->found = tune_search_run(&search, &outcome->arena, outcome->results, &outcome->best);
}

static void forget(struct outcome *outcome) { arena_close(&outcome->arena); }

static void a_planted_optimum_is_found(void **state) {
    (void)state;
    for (int best = 0; best < POINTS; best++) {
        struct machine machine = machine_with(100, best);
        struct outcome outcome;
        search(&machine, 3, 0, &outcome);
        assert_true(outcome.found);
        assert_int_equal(outcome.best, best);
        assert_true(outcome.results[best].us.median == 100);
        assert_int_equal(outcome.results[best].measured, 3);
        assert_int_equal(machine.told, machine.measurements);
        forget(&outcome);
    }
}

static void noise_does_not_hide_it(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct machine machine = machine_with(100, 7);
        struct outcome outcome;
        for (int i = 0; i < POINTS; i++)
            machine.us[i] = i == 7 ? 100 : 125;
        machine.noise = 0.3;
        machine.random = seed;
        search(&machine, 9, 0, &outcome);
        assert_int_equal(outcome.best, 7);
        forget(&outcome);
    }
}

// A machine that gets slower all the time is unjust to whatever is measured last; rounds that go
// forwards and backwards in turn are not.
static void drift_does_not_decide(void **state) {
    (void)state;
    for (int best = 0; best < POINTS; best++) {
        struct machine machine = machine_with(100, best);
        struct outcome outcome;
        for (int i = 0; i < POINTS; i++)
            machine.us[i] = i == best ? 100 : 104;
        machine.drift = 0.002;
        search(&machine, 5, 0, &outcome);
        assert_int_equal(outcome.best, best);
        forget(&outcome);
    }
}

static void rounds_take_turns_and_turn_round(void **state) {
    (void)state;
    struct machine machine = machine_with(100, 3);
    struct outcome outcome;
    for (int i = 0; i < POINTS; i++)
        machine.us[i] = 100;
    search(&machine, 3, 0, &outcome);
    assert_int_equal(machine.measurements, 3 * POINTS);
    for (int i = 0; i < POINTS; i++) {
        assert_int_equal(machine.order[i], i);
        assert_int_equal(machine.order[POINTS + i], POINTS - 1 - i);
        assert_int_equal(machine.order[2 * POINTS + i], i);
    }
    assert_int_equal(outcome.best, 0); // of equals the first
    forget(&outcome);
}

static void points_far_behind_are_given_up(void **state) {
    (void)state;
    struct machine machine = machine_with(100, 3);
    struct outcome outcome;
    machine.us[5] = 131;
    machine.us[6] = 129;
    machine.us[8] = 1000;
    search(&machine, 6, 0, &outcome);
    assert_true(outcome.results[5].given_up && outcome.results[8].given_up);
    assert_false(outcome.results[6].given_up);
    assert_int_equal(outcome.results[5].measured, 2);
    assert_int_equal(outcome.results[6].measured, 6);
    forget(&outcome);
}

static void a_point_that_cannot_be_measured_is_left_out(void **state) {
    (void)state;
    for (int impossible = 0; impossible < POINTS; impossible += 4) {
        struct machine machine = machine_with(100, 3);
        struct outcome outcome;
        machine.impossible = impossible;
        machine.us[impossible] = 1;
        search(&machine, 4, 0, &outcome);
        assert_int_equal(outcome.best, 3);
        assert_string_equal(outcome.results[impossible].impossible, "too large");
        assert_int_equal(outcome.results[impossible].measured, 0);
        int tries = 0;
        for (int i = 0; i < machine.measurements; i++)
            tries += machine.order[i] == impossible;
        assert_int_equal(tries, 1);
        forget(&outcome);
    }
}

static void a_stop_ends_it_at_once(void **state) {
    (void)state;
    for (int after = 1; after < 2 * POINTS; after += 5) {
        struct machine machine = machine_with(100, 3);
        struct outcome outcome;
        machine.stop_after = after;
        search(&machine, 5, 0, &outcome);
        assert_false(outcome.found);
        assert_int_equal(outcome.best, -1);
        assert_int_equal(machine.measurements, after);
        forget(&outcome);
    }
}

static void the_budget_ends_it_but_not_the_first_round(void **state) {
    (void)state;
    struct machine machine = machine_with(100, 12);
    struct outcome outcome;
    search(&machine, 50, 3, &outcome);
    assert_true(outcome.found);
    assert_int_equal(outcome.best, 12);
    assert_int_equal(machine.measurements, POINTS);
    forget(&outcome);

    machine = machine_with(100, 12);
    search(&machine, 50, POINTS + 4, &outcome);
    assert_int_equal(machine.measurements, POINTS + 5); // the last one starts in time
    forget(&outcome);
}

static void nothing_to_measure_is_no_result(void **state) {
    (void)state;
    const struct tune_search nothing = {
        .rounds = 2, .measure = measure, .seconds_now = seconds_now, .progress = progress};
    struct machine machine = machine_with(100, 3);
    struct tune_search search_nothing = nothing;
    struct arena arena = {0};
    int best;
    search_nothing.context = &machine;
    assert_false(tune_search_run(&search_nothing, &arena, NULL, &best));
    assert_int_equal(best, -1);
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_optimum_is_found),
        cmocka_unit_test(noise_does_not_hide_it),
        cmocka_unit_test(drift_does_not_decide),
        cmocka_unit_test(rounds_take_turns_and_turn_round),
        cmocka_unit_test(points_far_behind_are_given_up),
        cmocka_unit_test(a_point_that_cannot_be_measured_is_left_out),
        cmocka_unit_test(a_stop_ends_it_at_once),
        cmocka_unit_test(the_budget_ends_it_but_not_the_first_round),
        cmocka_unit_test(nothing_to_measure_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
