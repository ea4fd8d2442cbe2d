#include "generator/pipeline/manifest_write.h"

#include <string.h>

const char kernel_symbol[] = "monogen_decode";
const char listing_name[] = "6-kernel.isa";

// A table under construction.
struct table {
    struct arena *arena;
    struct value *value;
};

static struct table table_new(struct arena *arena) {
    return (struct table){arena, value_table(arena)};
}

static void set_string(struct table table, const char *name, const char *string) {
    value_table_set(table.arena, table.value, name, value_string(table.arena, string));
}

static void set_integer(struct table table, const char *name, int64_t integer) {
    value_table_set(table.arena, table.value, name, value_integer(table.arena, integer));
}

static void set_number(struct table table, const char *name, double number) {
    value_table_set(table.arena, table.value, name, value_number(table.arena, number));
}

static void set_integers(struct table table, const char *name, const int *integers, int count) {
    struct value *list = value_list(table.arena);
    for (int i = 0; i < count; i++)
        value_list_add(table.arena, list, value_integer(table.arena, integers[i]));
    value_table_set(table.arena, table.value, name, list);
}

static void set_numbers(struct table table, const char *name, const double *numbers, int count) {
    struct value *list = value_list(table.arena);
    for (int i = 0; i < count; i++)
        value_list_add(table.arena, list, value_number(table.arena, numbers[i]));
    value_table_set(table.arena, table.value, name, list);
}

static struct table set_table(struct table table, const char *name) {
    struct table inner = table_new(table.arena);
    value_table_set(table.arena, table.value, name, inner.value);
    return inner;
}

static struct value *set_list(struct table table, const char *name) {
    struct value *list = value_list(table.arena);
    value_table_set(table.arena, table.value, name, list);
    return list;
}

static struct table add_table(struct table table, struct value *list) {
    struct table item = table_new(table.arena);
    value_list_add(table.arena, list, item.value);
    return item;
}

static void write_model(struct table manifest, const struct plan_plan *plan) {
    struct table model = set_table(manifest, "model");
    set_string(model, "name", plan->model);
    set_integer(model, "vocab", plan->shape.vocab);
    set_integer(model, "context", plan->shape.context);
    set_integer(model, "layers", plan->shape.layers);
    set_integers(model, "bos", plan->shape.bos, plan->shape.bos_count);
    set_integers(model, "eos", plan->shape.eos, plan->shape.eos_count);
}

static void write_target(struct table manifest, const struct plan_machine *machine) {
    struct table target = set_table(manifest, "target");
    set_string(target, "name", machine->name);
    set_string(target, "backend", machine->backend);
    set_string(target, "isa", machine->isa);
    set_integer(target, "cus", machine->cus);
    set_integer(target, "xcds", machine->xcds_count);
    const struct plan_chip *chip = &machine->chip;
    if (chip->simds_per_cu == 0)
        return;
    struct table simulated = set_table(target, "chip");
    set_integers(simulated, "iod_of_xcd", chip->iod_of_xcd, chip->iod_of_xcd_count);
    const struct {
        const char *name;
        int value;
    } numbers[] = {{"cus_per_xcd", chip->cus_per_xcd},
                   {"simds_per_cu", chip->simds_per_cu},
                   {"waves_per_simd", machine->waves_per_simd_max},
                   {"registers_per_lane", machine->registers_per_lane},
                   {"register_granule", machine->register_granule},
                   {"lds_bytes", machine->lds_capacity_bytes},
                   {"cache_line_bytes", chip->cache_line_bytes},
                   {"l1_bytes", chip->l1_bytes},
                   {"l1_ways", chip->l1_ways},
                   {"l2_bytes", chip->l2_bytes},
                   {"l2_ways", chip->l2_ways},
                   {"clock_mhz", chip->clock_mhz},
                   {"realtime_mhz", chip->realtime_mhz},
                   {"handoff_ns", chip->handoff_ns}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        set_integer(simulated, numbers[i].name, numbers[i].value);
}

static void write_resources(struct table kernel, const struct kernel_resources *resources) {
    struct table table = set_table(kernel, "resources");
#define KERNEL_RESOURCE(name, meaning) set_integer(table, #name, resources->name);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
}

static void write_kernel(struct table manifest, const struct plan_plan *plan, const char *object,
                         const struct compile_result *compiled) {
    struct table kernel = set_table(manifest, "kernel");
    set_string(kernel, "object", object);
    // Whoever executes the object without the chip starts from it.
    if (plan->machine.chip.simds_per_cu > 0 && compiled->listing.length > 0)
        set_string(kernel, "listing", listing_name);
    set_string(kernel, "symbol", kernel_symbol);
    set_string(kernel, "compiler", compiled->compiler_version);
    set_integer(kernel, "workgroups", plan->machine.workgroups);
    set_integer(kernel, "threads_per_workgroup", plan->machine.workgroup_threads);
    set_integer(kernel, "lds_bytes", plan_lds_bytes(plan));
    set_integer(kernel, "epochs_per_step", plan->epochs_per_step);
    struct value *arguments = set_list(kernel, "arguments");
    for (int i = 0; i < plan->arguments_count; i++) {
        struct table argument = add_table(kernel, arguments);
        set_string(argument, "name", plan->arguments[i].name);
        set_integer(argument, "bytes", plan->arguments[i].bytes);
    }
    write_resources(kernel, &compiled->resources);
}

// Of the context in attention: alike in all bodies.
static int splits_of(const struct plan_plan *plan) {
    int splits = 1;
    for (int i = 0; i < plan->bodies_count; i++)
        if (strcmp(plan->bodies[i].op, "attention") == 0)
            splits = plan->bodies[i].splits;
    return splits;
}

static void write_memory(struct table manifest, const struct plan_plan *plan) {
    struct table memory = set_table(manifest, "memory");
    set_integer(memory, "weights_bytes", plan->weight_bytes);
    set_integer(memory, "vectors_bytes", plan->vector_bytes);
    set_integer(memory, "kv_bytes", plan->kv.bytes);
    set_integer(memory, "mailbox_pairs", plan->mailbox_pairs);
    struct table kv = set_table(manifest, "kv");
    set_string(kv, "dtype", plan->shape.kv_dtype);
    set_integer(kv, "head_dim", plan->shape.head_dim);
    set_integer(kv, "row_elements", plan->kv.row_elements);
    set_integer(kv, "splits", splits_of(plan));
    set_integer(kv, "block", plan->kv.block);
    set_integer(kv, "split_positions", plan->kv.split_positions);
    struct value *ropes = set_list(manifest, "ropes");
    for (int i = 0; i < plan->ropes_count; i++) {
        struct table rope = add_table(manifest, ropes);
        set_integer(rope, "rows", plan->shape.context);
        set_numbers(rope, "inverse_frequencies", plan->ropes[i].inverse_frequencies,
                    plan->ropes[i].inverse_frequencies_count);
        set_number(rope, "amplitude", plan->ropes[i].amplitude);
    }
}

static void write_stage(struct table region, struct value *stages, const struct plan_plan *plan,
                        const struct plan_stage *stage) {
    const struct plan_body *body = plan_body_named(plan, stage->body);
    struct table table = add_table(region, stages);
    set_integer(table, "step", stage->step);
    set_string(table, "name", stage->body);
    set_integer(table, "layer", stage->layer);
    set_integer(table, "tiles", plan_partition_named(plan, body->partition)->tiles);
    set_integer(table, "tile_rows", body->tile_rows);
    set_integer(table, "columns", body->columns);
    set_integer(table, "unit_columns", body->unit_columns);
    set_string(table, "partition", body->partition);
    struct value *parts = set_list(table, "parts");
    for (int i = 0; i < stage->parts_count; i++) {
        const struct plan_part *part = &stage->parts[i];
        struct table entry = add_table(table, parts);
        set_string(entry, "tensor", part->tensor);
        set_integer(entry, "tensor_rows", part->tensor_rows);
        set_integer(entry, "tensor_first", part->tensor_first);
        set_integer(entry, "rows", part->rows);
        set_integer(entry, "first", part->first);
        set_integer(entry, "stride", part->stride);
    }
}

static void write_weights(struct table manifest, const struct plan_plan *plan) {
    struct value *partitions = set_list(manifest, "partitions");
    for (int i = 0; i < plan->partitions_count; i++) {
        struct table partition = add_table(manifest, partitions);
        set_string(partition, "name", plan->partitions[i].name);
        set_integers(partition, "first_tile", plan->partitions[i].first_tile,
                     plan->partitions[i].first_tile_count);
    }
    struct table weights = set_table(manifest, "weights");
    set_string(weights, "dtype", plan->shape.weight_dtype);
    set_string(weights, "unit_order", plan->engine.unit_order);
    struct value *regions = set_list(weights, "regions");
    for (int i = 0; i < plan->regions_count; i++) {
        const struct plan_region *region = &plan->regions[i];
        struct table table = add_table(weights, regions);
        set_string(table, "name", region->name);
        set_integer(table, "offset", region->offset);
        set_integer(table, "bytes", region->bytes);
        set_string(table, "layout", region->layout);
        if (region->tensor) {
            set_string(table, "tensor", region->tensor);
            set_integer(table, "rows", region->rows);
            set_integer(table, "columns", region->columns);
            continue;
        }
        struct value *stages = set_list(table, "stages");
        for (int s = 0; s < plan->stages_count; s++)
            if (plan->stages[s].region && strcmp(plan->stages[s].region, region->name) == 0)
                write_stage(table, stages, plan, &plan->stages[s]);
    }
    struct value *vectors = set_list(manifest, "vectors");
    for (int i = 0; i < plan->vectors_count; i++) {
        struct table vector = add_table(manifest, vectors);
        set_string(vector, "tensor", plan->vectors[i].tensor);
        set_string(vector, "holds", plan->vectors[i].holds);
        set_integer(vector, "tensor_elements", plan->vectors[i].tensor_elements);
        set_integer(vector, "tensor_first", plan->vectors[i].tensor_first);
        set_integer(vector, "offset", plan->vectors[i].offset);
        set_integer(vector, "elements", plan->vectors[i].elements);
        set_integer(vector, "first", plan->vectors[i].first);
        set_integer(vector, "stride", plan->vectors[i].stride);
        set_number(vector, "add", plan->vectors[i].add);
    }
}

static void write_names(struct table manifest, const struct plan_plan *plan) {
    struct value *steps = set_list(manifest, "steps");
    for (int i = 0; i < plan->stages_count; i++) {
        struct table step = add_table(manifest, steps);
        set_integer(step, "step", plan->stages[i].step);
        set_string(step, "name", plan->stages[i].body);
        set_integer(step, "layer", plan->stages[i].layer);
    }
    struct value *mailboxes = set_list(manifest, "mailboxes");
    for (int i = 0; i < plan->mailboxes_count; i++) {
        struct table mailbox = add_table(manifest, mailboxes);
        set_string(mailbox, "name", plan->mailboxes[i].name);
        set_integer(mailbox, "first_pair", plan->mailboxes[i].first_pair);
        set_integer(mailbox, "pairs", plan->mailboxes[i].pairs);
    }
}

static void write_trace(struct table manifest, const struct plan_plan *plan) {
    if (!plan->trace)
        return;
    struct table trace = set_table(manifest, "trace");
    set_integer(trace, "logs", plan_trace_logs(plan));
    set_integer(trace, "records", plan_trace_records(plan));
}

void manifest_write(const struct plan_plan *plan, const char *plan_digest, const char *object,
                    const struct compile_result *compiled, struct text *out) {
    struct arena arena = {0};
    struct table manifest = table_new(&arena);
    set_integer(manifest, "format", 2);
    set_string(manifest, "generator", plan->generator);
    set_string(manifest, "plan", plan_digest);
    write_model(manifest, plan);
    write_target(manifest, &plan->machine);
    write_kernel(manifest, plan, object, compiled);
    write_memory(manifest, plan);
    write_weights(manifest, plan);
    write_names(manifest, plan);
    write_trace(manifest, plan);
    value_print_json(out, manifest.value);
    arena_close(&arena);
}
