// Traces that are made up: clocks, spans, the critical path, the JSON, and what is refused.
#include "generator/trace/trace.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { CUS = 2 };

// What the made-up kernel takes for everything, in ns.
enum {
    HANDOFF_NS = 2000,
    GATHER_NS = 100,
    STREAM_NS = 3000,
    LATE_NS = 800, // of STREAM_NS
    OTHERS_NS = 200,
    FINISH_NS = 500,
    SLOW_NS = 50000,
};

struct fixture {
    struct made_plan made;
    struct arena arena;
    struct diagnostics diagnostics;
    struct kernel_trace_record *records; // [CUS][logs][room]
    int logs, room, count[CUS][2];
    unsigned long long now[CUS]; // ns
    struct trace trace;
    struct trace_path path;
};

// The clocks: the common one goes on by 1024 ns at a time; CU 1's own is 1.7 times as fast and
// began elsewhere.
static unsigned long long ticks_of(int cu, unsigned long long ns) {
    return cu == 0 ? ns : 900000 + ns * 17 / 10;
}

static struct kernel_trace_record *add(struct fixture *fixture, int cu, int log, unsigned step,
                                       unsigned state) {
    const unsigned long long now = fixture->now[cu] + 5000000;
    const int index = fixture->count[cu][log]++;
    assert_true(index < fixture->room);
    struct kernel_trace_record *record =
        &fixture->records[(cu * fixture->logs + log) * fixture->room + index];
    *record = (struct kernel_trace_record){
        .ticks = ticks_of(cu, now), .ns = now / 1024 * 1024, .step = step, .state = state};
    return record;
}

// Into all logs of the CU.
static void note(struct fixture *fixture, int cu, unsigned step, unsigned state, unsigned about) {
    for (int log = 0; log < fixture->logs; log++)
        add(fixture, cu, log, step, state)->about = about;
}

static int slow_cu(const struct plan_stage *stage) {
    const bool slow = stage->layer == 2;
    return slow && strcmp(stage->body, "gate_up") == 0 ? 1
           : slow && strcmp(stage->body, "down") == 0  ? 0
                                                       : -1;
}

// Both CUs work on every stage that has two tiles, each when the other's values have come.
static void run_position(struct fixture *fixture) {
    const struct plan_plan *plan = &fixture->made.plan;
    unsigned long long published = 0;
    for (int cu = 0; cu < CUS; cu++)
        note(fixture, cu, 77, KERNEL_TRACE_BEGINS, 10 + (unsigned)cu);
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = plan_body_named(plan, stage->body);
        const struct plan_partition *partition = plan_partition_named(plan, body->partition);
        unsigned long long last = 0;
        for (int cu = 0; cu < CUS; cu++) {
            const unsigned long long arrival = published + HANDOFF_NS;
            if (plan_tiles_of(partition, cu) > 0) {
                if (stage->reads_from && fixture->now[cu] < arrival)
                    fixture->now[cu] = arrival;
                add(fixture, cu, 0, (unsigned)s, KERNEL_TRACE_GATHERS);
                fixture->now[cu] += GATHER_NS;
                note(fixture, cu, (unsigned)s, KERNEL_TRACE_STREAMS, 0);
                fixture->now[cu] += STREAM_NS;
                if (cu == slow_cu(stage))
                    fixture->now[cu] += SLOW_NS;
                if (fixture->logs > 1) // the other waves take longer
                    add(fixture, cu, 1, (unsigned)s, KERNEL_TRACE_FINISHES)->stalled =
                        (unsigned)(ticks_of(cu, LATE_NS) - ticks_of(cu, 0));
                fixture->now[cu] += OTHERS_NS;
                add(fixture, cu, 0, (unsigned)s, KERNEL_TRACE_FINISHES);
                fixture->now[cu] += FINISH_NS;
                last = fixture->now[cu] > last ? fixture->now[cu] : last;
            }
            note(fixture, cu, (unsigned)s, KERNEL_TRACE_ENDS, 0);
        }
        published = last;
    }
    for (int cu = 0; cu < CUS; cu++)
        note(fixture, cu, 0, KERNEL_TRACE_OVER, 31);
}

static int open_target(void **state, const char *target) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    made_plan_open(&fixture->made, "austen-3m", target, "cus=2 kv_splits=1 trace=on");
    fixture->logs = plan_trace_logs(&fixture->made.plan);
    fixture->room = plan_trace_records(&fixture->made.plan);
    fixture->records =
        calloc((size_t)(CUS * fixture->logs * fixture->room), sizeof *fixture->records);
    assert_non_null(fixture->records);
    run_position(fixture);
    *state = fixture;
    return 0;
}

static int open_fixture(void **state) { return open_target(state, "host"); }
static int open_h100(void **state) { return open_target(state, "h100"); }

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    made_plan_close(&fixture->made);
    arena_close(&fixture->arena);
    diagnostics_close(&fixture->diagnostics);
    free(fixture->records);
    free(fixture);
    return 0;
}

static void read_good(struct fixture *fixture) {
    if (!trace_read(&fixture->made.plan, fixture->records, &fixture->arena, &fixture->trace,
                    &fixture->diagnostics))
        fail_msg("%s", printed_diagnostics(&fixture->diagnostics));
    trace_find_path(&fixture->trace, &fixture->arena, &fixture->path);
}

static void expect_near(double us, double wanted_us, double bound_us) {
    if (!(fabs(us - wanted_us) <= bound_us))
        fail_msg("%.3f us, not %.3f", us, wanted_us);
}

// A coarse clock's 1.024 us even out over a position.
static const double CLOCK_BOUND_US = 0.25;

static void clocks_are_fitted(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    assert_int_equal(fixture->trace.position, 31);
    for (int cu = 0; cu < CUS; cu++) {
        const struct trace_log *log = trace_log_of(&fixture->trace, cu, 0);
        const struct trace_span *last = &log->spans[log->count - 1];
        assert_int_equal(fixture->trace.processors[cu], 10 + cu);
        expect_near(last->to_us - log->spans[0].from_us, (double)fixture->now[cu] * 1e-3,
                    CLOCK_BOUND_US);
        expect_near(log->spans[0].from_us, 0, CLOCK_BOUND_US);
    }
    expect_near(fixture->trace.us,
                (double)(fixture->now[0] > fixture->now[1] ? fixture->now[0] : fixture->now[1]) *
                    1e-3,
                CLOCK_BOUND_US);
}

static void spans_have_no_gaps(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    for (int cu = 0; cu < CUS; cu++) {
        const struct trace_log *log = trace_log_of(&fixture->trace, cu, 0);
        int steps = 1;
        assert_int_equal(log->spans[0].step, 0);
        // The embedding awaits nothing.
        assert_int_equal(log->spans[0].kind, TRACE_COMPUTE);
        for (int i = 1; i < log->count; i++) {
            assert_true(log->spans[i].from_us == log->spans[i - 1].to_us);
            assert_true(log->spans[i].to_us >= log->spans[i].from_us);
            steps += log->spans[i].step == log->spans[i - 1].step + 1;
            assert_in_range(log->spans[i].step - log->spans[i - 1].step, 0, 1);
        }
        assert_int_equal(steps, fixture->made.plan.stages_count);
    }
}

static void the_planted_path_is_found(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    const struct trace_path *path = &fixture->path;
    const int slow = need_stage(&fixture->made.plan, "gate_up", 2)->step;
    double sum_us = 0, slow_us = 0;
    int handed_on = 0;
    for (int i = 0; i < path->count; i++) {
        const struct trace_hop *hop = &path->hops[i];
        sum_us += hop->to_us - hop->from_us;
        assert_true(hop->to_us > hop->from_us);
        if (i > 0)
            assert_true(hop->from_us == path->hops[i - 1].to_us);
        if ((hop->step == slow || hop->step == slow + 1) && hop->kind == TRACE_STREAM) {
            assert_int_equal(hop->cu, hop->step == slow ? 1 : 0);
            slow_us += hop->to_us - hop->from_us;
        }
        if (hop->kind == TRACE_HANDOFF) {
            expect_near(hop->to_us - hop->from_us, HANDOFF_NS * 1e-3, CLOCK_BOUND_US + 0.2);
            handed_on += hop->from_cu == 1 && hop->from_step == slow && hop->step == slow + 1;
        } else {
            assert_int_equal(hop->from_cu, -1);
        }
    }
    expect_near(slow_us, 2 * (STREAM_NS + SLOW_NS + OTHERS_NS) * 1e-3, CLOCK_BOUND_US);
    assert_int_equal(handed_on, 1);
    expect_near(sum_us, fixture->trace.us, CLOCK_BOUND_US);
    expect_near(path->hops[path->count - 1].to_us, fixture->trace.us, 1e-9);
}

// CU 0 waits for the slow CU 1: nearly all of that nothing is under way.
static void transit_is_told_from_waiting(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    const int step = need_stage(&fixture->made.plan, "gate_up", 2)->step + 1;
    const struct trace_log *log = trace_log_of(&fixture->trace, 0, 0);
    int waits = 0;
    for (int i = 0; i < log->count; i++) {
        const struct trace_span *span = &log->spans[i];
        if (span->step != step || span->kind != TRACE_WAIT)
            continue;
        waits++;
        expect_near(span->to_us - span->from_us, (SLOW_NS + HANDOFF_NS) * 1e-3, CLOCK_BOUND_US);
        expect_near(span->transit_us, HANDOFF_NS * 1e-3, CLOCK_BOUND_US);
    }
    assert_int_equal(waits, 1);
}

static void the_summary_names_the_slow_stage(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    struct text text = {0};
    trace_print_summary(&fixture->trace, &fixture->path, &text);
    assert_non_null(strstr(text.bytes, "the token at position 31 took"));
    assert_non_null(
        strstr(text.bytes, "us to down of layer 2 on CU 0, from gate_up of layer 2 on CU 1"));
    text_close(&text);
    struct value *value = trace_summary_value(&fixture->trace, &fixture->path, &fixture->arena);
    const struct value *stages = value_get(value, "stages");
    const struct value *all = stages->list.items[stages->list.count - 1];
    expect_near(value_get(value_get(all, "critical_path"), "path_us")->number, fixture->trace.us,
                CLOCK_BOUND_US);
    assert_int_equal(value_get(all, "times_count")->integer, fixture->made.plan.stages_count);
}

static void the_json_is_whole(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    struct text text = {0};
    json_error_t problem;
    trace_print_json(&fixture->trace, &fixture->path, &text);
    json_t *json = json_loads(text.bytes, 0, &problem), *event;
    if (!json)
        fail_msg("line %d: %s", problem.line, problem.text);
    size_t i, starts = 0, ends = 0, handoffs = 0;
    json_array_foreach(json_object_get(json, "traceEvents"), i, event) {
        const char *phase = json_string_value(json_object_get(event, "ph"));
        starts += strcmp(phase, "s") == 0;
        ends += strcmp(phase, "f") == 0;
        if (strcmp(phase, "X") == 0)
            assert_true(json_number_value(json_object_get(event, "dur")) >= 0);
    }
    for (int k = 0; k < fixture->path.count; k++)
        handoffs += fixture->path.hops[k].kind == TRACE_HANDOFF;
    assert_true(handoffs > 0 && starts == handoffs && ends == handoffs);
    json_decref(json);
    text_close(&text);
}

// A second wave of each CU says when it multiplied, and what it waited for weights meanwhile.
static void weights_that_are_late_are_told(void **state) {
    struct fixture *fixture = *state;
    read_good(fixture);
    assert_int_equal(fixture->trace.logs_per_cu, 2);
    for (int cu = 0; cu < CUS; cu++) {
        const struct trace_log *log = trace_log_of(&fixture->trace, cu, 1);
        int streams = 0;
        for (int i = 0; i < log->count; i++) {
            const struct trace_span *span = &log->spans[i];
            const struct plan_stage *stage = &fixture->made.plan.stages[span->step];
            if (span->kind != TRACE_STREAM) {
                assert_int_equal(span->kind, TRACE_WAIT);
                continue;
            }
            expect_near(span->late_us, LATE_NS * 1e-3, 0.01);
            expect_near(span->to_us - span->from_us,
                        (STREAM_NS + (cu == slow_cu(stage) ? SLOW_NS : 0)) * 1e-3, 0.1);
            streams++;
        }
        assert_true(streams >= 4 * 4);
    }
    struct text text = {0};
    trace_print_summary(&fixture->trace, &fixture->path, &text);
    assert_non_null(strstr(text.bytes, "streaming      late computing"));
    text_clear(&text);
    trace_print_json(&fixture->trace, &fixture->path, &text);
    assert_non_null(strstr(text.bytes, "\"weights_late_us\":0.80"));
    assert_non_null(strstr(text.bytes, "\"CU 1 (SM 11)\""));
    assert_non_null(strstr(text.bytes, "\"CU 1 weights\""));
    text_close(&text);
}

// ---- what is no trace
static void expect_refusal(struct fixture *fixture, const char *message) {
    assert_false(trace_read(&fixture->made.plan, fixture->records, &fixture->arena, &fixture->trace,
                            &fixture->diagnostics));
    assert_non_null(strstr(printed_diagnostics(&fixture->diagnostics), message));
    diagnostics_close(&fixture->diagnostics);
}

static void what_is_no_trace_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct kernel_trace_record *first = fixture->records;
    struct kernel_trace_record *last = &fixture->records[fixture->count[0][0] - 1];
    const struct kernel_trace_record kept = first[9], end = *last;
    first[9].ticks = first[8].ticks - 1;
    expect_refusal(fixture, "the trace of CU 0 goes back in time");
    first[9] = kept;
    first[9].step += 1;
    expect_refusal(fixture, "CU 0 has its steps in another order");
    first[9] = kept;
    first[9].state = KERNEL_TRACE_OVER + 1;
    expect_refusal(fixture, "CU 0 holds what is no state");
    first[9].state = KERNEL_TRACE_OVER;
    expect_refusal(fixture, "CU 0 does not have all steps");
    first[9] = kept;
    for (int i = fixture->count[0][0] - 1; i < fixture->room; i++) {
        first[i] = end;
        first[i].state = KERNEL_TRACE_WAITS;
        first[i].step = (unsigned)fixture->made.plan.stages_count;
    }
    expect_refusal(fixture, "CU 0 has no end");
    first[0].state = 0;
    expect_refusal(fixture, "CU 0 has no beginning");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(clocks_are_fitted),
        TEST(spans_have_no_gaps),
        TEST(transit_is_told_from_waiting),
        cmocka_unit_test_setup_teardown(weights_that_are_late_are_told, open_h100, close_fixture),
        TEST(the_planted_path_is_found),
        TEST(the_summary_names_the_slow_stage),
        TEST(the_json_is_whole),
        TEST(what_is_no_trace_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
