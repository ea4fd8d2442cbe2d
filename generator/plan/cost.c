// Pass: predicts the time of a token, and decides how layers are written out. The model is bytes
// over measured sweep plus one hand-off latency a dependent stage; it says so wherever it is shown.
#include "generator/plan/passes.h"

#include <stdio.h>
#include <string.h>

static double handoff_ns(const struct target *target, const struct plan_body *body) {
    double widest = 0;
    for (int i = 0; i < body->reads_count; i++) {
        const char *scope = body->reads[i].scope;
        const double ns = strcmp(scope, "same CU") == 0    ? target->handoff_ns_same_cu
                          : strcmp(scope, "same XCD") == 0 ? target->handoff_ns_same_xcd
                                                           : target->handoff_ns_across;
        widest = ns > widest ? ns : widest;
    }
    return widest;
}

// Microseconds that the fullest CU's share takes if each CU has an equal part of `gbps`.
static double stream_us(const struct plan_plan *plan, const struct plan_body *body, double gbps) {
    const double fullest = (double)body->max_tiles * (double)plan_tile_bytes(plan, body);
    return fullest * plan->machine.cus / (gbps * 1e3);
}

static void predict(struct planning *planning) {
    const struct target *target = planning->target;
    struct plan_plan *plan = planning->plan;
    struct plan_cost *cost = &plan->cost;
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = body_of_stage(planning, stage);
        const double handoff = handoff_ns(target, body) / 1e3;
        const bool weights = stage->weight_bytes > 0;
        const double low = weights ? stream_us(plan, body, target->sweep_gbps[1]) : 0;
        const double high = weights ? stream_us(plan, body, target->sweep_gbps[0]) : 0;
        stage->predicted_us_low = low + handoff;
        stage->predicted_us_high = high + handoff;
        cost->memory_us_low += low;
        cost->memory_us_high += high;
        cost->handoff_us += handoff;
    }
    cost->total_us_low = cost->memory_us_low + cost->handoff_us;
    cost->total_us_high = cost->memory_us_high + cost->handoff_us;
}

// Why the layers cannot be rows of a table, each with a column for each number of each of its
// bodies; NULL: they can.
static const char *why_no_loop(struct planning *planning) {
    const struct plan_plan *plan = planning->plan;
    const struct plan_stage *stages = plan->stages;
    int first = -1, period = 0, products = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        if (stages[s].layer != 0)
            continue;
        first = first < 0 ? s : first;
        period++;
        products += stages[s].parts_count > 0;
        for (int other = first; other < s; other++)
            if (strcmp(stages[other].body, stages[s].body) == 0)
                return arena_format(planning->arena, "use %s twice", stages[s].body);
    }
    for (int s = 0; s < plan->stages_count; s++) {
        if (stages[s].layer < 0)
            continue;
        const int twin = first + (s - first) % period;
        if (strcmp(stages[s].body, stages[twin].body) != 0 ||
            stages[s].layer != (s - first) / period)
            return "are not alike";
    }
    return products > 1 ? NULL : "have one product each"; // what follows it differs in the last
}

static bool choose_unroll(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const struct target *target = planning->target;
    const char *wanted = planning->tuning->unroll;
    const char *no_loop = why_no_loop(planning);
    const int inline_bytes = plan->stages_count * planning->engine->body_code_bytes;
    const int loop_bytes = plan->bodies_count * planning->engine->body_code_bytes;
    const int cache_bytes = target->instruction_cache_bytes;
    if (wanted && strcmp(wanted, "loop") == 0 && no_loop)
        return usage_error(planning->diagnostics, "--set unroll=loop: the layers of %s %s",
                           plan->model, no_loop);
    const bool fits = cache_bytes == 0 || inline_bytes <= cache_bytes;
    plan->unroll = wanted ? wanted : fits || no_loop ? "inline" : "loop";
    const char *inline_price =
        arena_format(planning->arena, "inline: about %d KiB of code", (inline_bytes + 1023) / 1024);
    const char *loop_price =
        arena_format(planning->arena, "loop: about %d KiB of code", (loop_bytes + 1023) / 1024);
    choice_add(planning, "unroll", plan->unroll,
               (const char *const[]){inline_price, loop_price, NULL},
               wanted    ? "asked for; the instruction cache holds %d KiB"
               : fits    ? "every layer as code fits the instruction cache (%d KiB, 0: no limit)"
               : no_loop ? "the instruction cache holds %d KiB, but the layers %s"
                         : "every layer as code would not fit the instruction cache of %d KiB",
               cache_bytes / 1024, no_loop);
    return true;
}

bool pass_cost(struct planning *planning) {
    predict(planning);
    return choose_unroll(planning);
}
