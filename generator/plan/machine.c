// Pass: the sizes, and the part of the target that is used.
#include "generator/plan/passes.h"

#include <stdio.h>
#include <string.h>

// The model's tables, and one that turns nothing for layers without rotation.
static void list_ropes(struct planning *planning) {
    const struct model *model = planning->model;
    struct plan_plan *plan = planning->plan;
    bool unrotated = false;
    for (int i = 0; i < model->node_count; i++) {
        const struct node *node = &model->nodes[i];
        unrotated |= node->op == OP_ATTENTION && model->nodes[node->inputs[0]].op != OP_ROPE;
    }
    const int count = model->rope_count + (model->rope_count > 0 && unrotated);
    plan->ropes = arena_array(planning->arena, (size_t)count, sizeof *plan->ropes);
    plan->ropes_count = count;
    for (int i = 0; i < count; i++) {
        const bool none = i == model->rope_count;
        const struct model_rope *rope = &model->ropes[none ? 0 : i];
        plan->ropes[i] = (struct plan_rope){.name = none ? "no_rope" : rope->name,
                                            .pairs = rope->dims / 2,
                                            .inverse_frequencies = rope->inverse_frequencies,
                                            .inverse_frequencies_count = rope->dims / 2,
                                            .amplitude = none ? 1 : rope->amplitude};
        if (none)
            plan->ropes[i].inverse_frequencies =
                arena_array(planning->arena, (size_t)rope->dims / 2, sizeof(double));
    }
}

static void copy_shape(struct planning *planning) {
    const struct model *model = planning->model;
    const struct tuning *tuning = planning->tuning;
    struct plan_plan *plan = planning->plan;
    struct arena *arena = planning->arena;
    plan->model = model->name;
    plan->spec_file = model->spec_file;
    plan->shape = (struct plan_shape){
        .hidden = model->hidden,
        .layers = model->layers,
        .vocab = model->vocab,
        .mlp = model->mlp,
        .heads = model->heads,
        .kv_heads = model->kv_heads,
        .head_dim = model->head_dim,
        .context = tuning->context ? tuning->context : model->context,
        .norm_eps = model->norm_eps,
        .weight_dtype = model->dtype,
        .kv_dtype = tuning->kv ? tuning->kv : "bf16",
        .parameters = model_parameters(model),
        .bytes_per_token = model_bytes_per_token(model),
        .bos_count = model->bos_count,
        .eos_count = model->eos_count,
    };
    plan->shape.bos = arena_array(arena, (size_t)model->bos_count + 1, sizeof(int));
    for (int i = 0; i < model->bos_count; i++)
        plan->shape.bos[i] = model->bos[i];
    plan->shape.eos = arena_array(arena, (size_t)model->eos_count + 1, sizeof(int));
    for (int i = 0; i < model->eos_count; i++)
        plan->shape.eos[i] = model->eos[i];
    plan->constants =
        arena_array(arena, (size_t)model->constant_count + 1, sizeof *plan->constants);
    for (int i = 0; i < model->constant_count; i++)
        plan->constants[i] =
            (struct plan_constant){model->constants[i].name, model->constants[i].value,
                                   model->constants[i].file, model->constants[i].line};
    plan->constants_count = model->constant_count;
    for (int i = 0; i < plan->constants_count; i++)
        if (strcmp(plan->constants[i].name, "CONTEXT") == 0)
            plan->constants[i].value = plan->shape.context;
    list_ropes(planning);
}

static void deal_cus(struct planning *planning, int cus) {
    const struct target *target = planning->target;
    struct plan_machine *machine = &planning->plan->machine;
    machine->xcds = arena_array(planning->arena, (size_t)target->xcd_count, sizeof *machine->xcds);
    machine->xcds_count = target->xcd_count;
    int first = 0, fullest = 0;
    for (int i = 0; i < target->xcd_count; i++) {
        const int share = cus / target->xcd_count + (i < cus % target->xcd_count ? 1 : 0);
        machine->xcds[i] =
            (struct plan_xcd){target->xcds[i].xcd, target->xcds[i].iod, first, share};
        first += share;
        fullest = share > fullest ? share : fullest;
    }
    machine->workgroups = fullest * target->xcd_count;
    char value[32];
    snprintf(value, sizeof value, "%d", cus);
    choice_add(planning, "cus", value, NULL,
               planning->tuning->cus ? "asked for, target %s, dealt evenly to %d XCDs"
                                     : "default of target %s, dealt evenly to %d XCDs",
               target->name, target->xcd_count);
}

static void list_compiler_options(struct planning *planning) {
    const char *const *options = planning->target->compiler_options;
    struct plan_machine *machine = &planning->plan->machine;
    while (options[machine->compiler_options_count])
        machine->compiler_options_count++;
    const size_t count = (size_t)machine->compiler_options_count;
    machine->compiler_options =
        arena_array(planning->arena, count + 1, sizeof *machine->compiler_options);
    memcpy(machine->compiler_options, options, count * sizeof *options);
}

static void describe_chip(struct planning *planning) {
    const struct target *target = planning->target;
    struct plan_chip *chip = &planning->plan->machine.chip;
    if (target->simds_per_cu == 0)
        return;
    *chip = (struct plan_chip){
        .iod_of_xcd =
            arena_array(planning->arena, (size_t)target->xcd_count, sizeof *chip->iod_of_xcd),
        .iod_of_xcd_count = target->xcd_count,
        .cus_per_xcd = target->cus_per_xcd,
        .simds_per_cu = target->simds_per_cu,
        .cache_line_bytes = target->cache_line_bytes,
        .l1_bytes = target->l1_bytes,
        .l1_ways = target->l1_ways,
        .l2_bytes = target->l2_bytes,
        .l2_ways = target->l2_ways,
        .clock_mhz = target->clock_mhz,
        .realtime_mhz = target->realtime_mhz,
        .handoff_ns = (int)target->handoff_ns_across,
    };
    for (int i = 0; i < target->xcd_count; i++)
        chip->iod_of_xcd[i] = target->xcds[i].iod;
}

static void list_arguments(struct planning *planning) {
    static const struct plan_argument arguments[] = {
#define KERNEL_ARGUMENT(type, name, bytes) {#name, type, bytes},
#define KERNEL_TRACE_ARGUMENT(type, name, bytes) {#name, type, bytes}, // the last
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    };
    struct plan_plan *plan = planning->plan;
    plan->arguments = arena_alloc(planning->arena, sizeof arguments);
    memcpy(plan->arguments, arguments, sizeof arguments);
    plan->arguments_count = sizeof arguments / sizeof arguments[0] - (plan->trace ? 0 : 1);
}

bool pass_machine(struct planning *planning) {
    const struct target *target = planning->target;
    const struct tuning *tuning = planning->tuning;
    struct plan_plan *plan = planning->plan;
    const struct engine *engine = engine_named(target->engine);
    if (!engine)
        return diagnostic_add(planning->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                              "target %s wants engine '%s', which does not exist", target->name,
                              target->engine);
    copy_shape(planning);
    if (!engine_multiplies(engine, plan->shape.weight_dtype)) {
        const struct engine *otherwise = engine_named(engine->otherwise);
        choice_add(planning, "engine", otherwise->name, NULL, "%s does not multiply %s",
                   engine->name, plan->shape.weight_dtype);
        engine = otherwise;
    }
    planning->engine = engine;
    if (plan->shape.context > planning->model->context)
        return usage_error(
            planning->diagnostics, "context %d is longer than the model's own, %d (%s)",
            plan->shape.context, planning->model->context, planning->model->spec_path);
    const int cus_there = target->xcd_count * target->cus_per_xcd;
    const int cus = tuning->cus ? tuning->cus : target->default_cus;
    if (cus > cus_there)
        return usage_error(planning->diagnostics, "--set cus=%d: target %s has %d CUs", cus,
                           target->name, cus_there);
    const int copy_waves = engine->copy_bytes > 0;
    plan->machine = (struct plan_machine){
        .name = target->name,
        .isa = target->isa,
        .backend = target->backend,
        .compiler = target->compiler,
        .prelude = target->prelude,
        .cus = cus,
        .wave_lanes = target->wave_lanes,
        .streaming_waves = target->streaming_waves,
        .handoff_waves = target->handoff_waves,
        .copy_waves = copy_waves,
        .workgroup_threads =
            (target->streaming_waves + target->handoff_waves + copy_waves) * target->wave_lanes,
        .memory_bytes = target->memory_bytes,
        .lds_capacity_bytes = target->lds_bytes,
        .lds_minimum_bytes = target->lds_minimum_bytes,
        .registers_per_lane = target->registers_per_lane,
        .register_granule = target->register_granule,
        .waves_per_simd_max = target->waves_per_simd_max,
    };
    list_compiler_options(planning);
    describe_chip(planning);
    deal_cus(planning, cus);
    const int unit_bytes = engine_unit_bytes(engine, 0, target->wave_lanes);
    plan->engine = (struct plan_engine){
        .name = engine->name,
        .unit_bytes = unit_bytes,
        .unit_elements = unit_bytes / dtype_bytes(plan->shape.weight_dtype),
        .unit_order = engine->unit_order,
        .activation_parts = engine_activation_parts(engine, plan->shape.weight_dtype),
        .attention = engine_attention(engine, &plan->shape),
        .attending_waves = engine_attending_waves(engine, &plan->shape, target->streaming_waves,
                                                  target->handoff_waves),
        .handoff_batch = tuning->handoff_batch ? tuning->handoff_batch
                                               : engine_handoff_batch(engine, target->wave_lanes),
    };
    struct text tuning_text = {0};
    tuning_print(tuning, &tuning_text);
    plan->tuning = arena_string(planning->arena, tuning_text.bytes);
    text_close(&tuning_text);
    lay_out_kv(planning);
    plan->trace = tuning->trace && strcmp(tuning->trace, "on") == 0 ? "on" : NULL;
    list_arguments(planning);
    return true;
}
