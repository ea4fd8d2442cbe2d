// How the KV cache lies, and how the context is split over CUs.
#include "generator/plan/passes.h"

#include <stdio.h>
#include <string.h>

enum {
    // Positions that follow each other in a split: few, so that a short context or a window is
    // spread too; enough for a whole load of a wave.
    SPLIT_BLOCK = 16,
    MOST_SPLITS = 64
};

static int next_power_of_two(int number) {
    int power = 1;
    while (power < number)
        power *= 2;
    return power;
}

static int round_up(int number, int to) { return (number + to - 1) / to * to; }

// Positions that the widest attention of the model sees.
static int widest_window(const struct planning *planning) {
    const struct model *model = planning->model;
    const int context = planning->plan->shape.context;
    int widest = 0;
    for (int i = 0; i < model->node_count; i++) {
        const struct node *node = &model->nodes[i];
        if (node->op != OP_ATTENTION)
            continue;
        const int seen = node->window > 0 && node->window < context ? node->window : context;
        widest = seen > widest ? seen : widest;
    }
    return widest;
}

// Microseconds of one layer's attention over all positions that it sees, on the CUs of its
// fullest KV head: reading K and V as fast as a CU can where so many read, and the merge where the
// parts of splits need one.
static double attention_us(const struct planning *planning, double head_bytes, int splits) {
    const struct target *target = planning->target;
    const struct plan_plan *plan = planning->plan;
    const int tiles = plan->shape.kv_heads * splits, cus = plan->machine.cus;
    const int most_tiles = (tiles + cus - 1) / cus;
    const double share = target->sweep_gbps[0] / (tiles < cus ? tiles : cus);
    const double alone = target->cu_gbps > 0 ? target->cu_gbps : target->sweep_gbps[0] / cus;
    const double gbps_of_cu = share < alone ? share : alone;
    const double read_us = 2 * head_bytes / splits * most_tiles / (gbps_of_cu * 1e3);
    const double merge_ns = target->merge_ns > 0 ? target->merge_ns : target->handoff_ns_across;
    return read_us + (splits > 1 ? merge_ns / 1e3 : 0);
}

// Of 1, 2, 4 ... splits, and as many as give every CU one, those with the lowest price; more splits
// take more memory, and must gain a fiftieth.
static void choose_splits(struct planning *planning, double row_bytes) {
    enum { MOST_CHOICES = 8 };
    const struct plan_plan *plan = planning->plan;
    const int positions = widest_window(planning);
    const double head_bytes = positions * row_bytes;
    const int wanted = planning->tuning->kv_splits;
    int most = plan->machine.cus / plan->shape.kv_heads;
    most = most < 1 ? 1 : most > MOST_SPLITS ? MOST_SPLITS : most;
    const int blocks = (positions + SPLIT_BLOCK - 1) / SPLIT_BLOCK;
    most = most > blocks ? blocks : most;
    const char *prices[MOST_CHOICES + 1] = {NULL};
    double least_us = 0;
    int best = 1;
    for (int splits = 1, count = 0; count < MOST_CHOICES; count++) {
        const double us = attention_us(planning, head_bytes, splits);
        prices[count] = arena_format(planning->arena, "%d: %.1f us a layer", splits, us);
        if (count == 0 || us < least_us * 0.98) {
            least_us = us;
            best = splits;
        }
        if (splits == most)
            break;
        splits = splits * 2 < most ? splits * 2 : most;
    }
    planning->splits = wanted ? wanted : best;
    char value[16];
    snprintf(value, sizeof value, "%d", planning->splits);
    choice_add(planning, "kv_splits", value, prices,
               wanted ? "asked for; %d CUs, %d KV heads, %d positions"
               : planning->splits > 1
                   ? "%d CUs share %d KV heads: splitting %d positions pays for the merge"
                   : "%d CUs, %d KV heads: merging costs more than it saves of %d positions",
               plan->machine.cus, plan->shape.kv_heads, positions);
}

void lay_out_kv(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const struct plan_shape *shape = &plan->shape;
    const int element_bytes = dtype_bytes(shape->kv_dtype);
    // A row is read by a power of two of lanes, 16 bytes each.
    const int lanes = next_power_of_two((shape->head_dim * element_bytes + 15) / 16);
    const int row_elements = lanes * 16 / element_bytes;
    choose_splits(planning, (double)row_elements * element_bytes);
    const int positions =
        planning->splits == 1
            ? shape->context
            : round_up(shape->context, SPLIT_BLOCK * planning->splits) / planning->splits;
    const int64_t head_bytes = (int64_t)planning->splits * positions * row_elements * element_bytes;
    const int64_t layer_bytes = 2 * head_bytes * shape->kv_heads;
    plan->kv = (struct plan_kv){.element_bytes = element_bytes,
                                .row_elements = row_elements,
                                .block = SPLIT_BLOCK,
                                .split_positions = positions,
                                .head_bytes = head_bytes,
                                .layer_bytes = layer_bytes,
                                .bytes = layer_bytes * shape->layers};
    choice_add(planning, "kv", shape->kv_dtype, (const char *const[]){"bf16", "fp32", NULL},
               planning->tuning->kv ? "asked for"
                                    : "half the bytes of fp32; verify compares with fp32");
}
