// What the template of each op awaits, computes and publishes, see templates/stage_*.hip.
#include "tests/support/plan_machine.h"

#include <string.h>

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

const struct stage_names *names_of(const struct machine *machine, const struct cu *cu) {
    return &machine->stages[cu->stage];
}

int first_tile_of(const struct machine *machine, const struct cu *cu) {
    return names_of(machine, cu)->partition->first_tile[cu->number];
}

static int tiles_of(const struct machine *machine, const struct cu *cu) {
    return plan_tiles_of(names_of(machine, cu)->partition, cu->number);
}

bool await_pair(struct machine *machine, struct cu *cu, int64_t element) {
    const struct plan_mailbox *in = names_of(machine, cu)->in;
    const int64_t pair = in ? in->first_pair + element : -1;
    if (!in || element < 0 || pair >= machine->plan->mailbox_pairs ||
        cu->await_count == MOST_PAIRS_OF_A_TURN)
        return stray(machine, cu, "it awaits a pair that is not there");
    cu->awaits[cu->await_count++] = (int)pair;
    return true;
}

static bool await_all(struct machine *machine, struct cu *cu, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!await_pair(machine, cu, first + i))
            return false;
    return true;
}

bool store_pair(struct machine *machine, struct cu *cu, int64_t element, uint64_t value) {
    const struct plan_mailbox *out = names_of(machine, cu)->out;
    const int64_t pair = out ? out->first_pair + element : -1;
    if (!out || element < 0 || pair >= machine->plan->mailbox_pairs ||
        cu->store_count == MOST_PAIRS_OF_A_TURN)
        return stray(machine, cu, "it stores a pair that is not there");
    cu->stores[cu->store_count].pair = (int)pair;
    cu->stores[cu->store_count++].value = value;
    return true;
}

static bool add_to_residual(struct machine *machine, struct cu *cu, int64_t row, uint64_t value,
                            bool sets) {
    if (row < 0 || row >= machine->residual_elements || (!sets && cu->residual[row] == UNSET))
        return stray(machine, cu, "it has no such row of the residual");
    cu->residual[row] = sets ? value : mix(cu->residual[row], value);
    return true;
}

// The weights of a norm at `offset`, `count` of them from `first` on, mixed into `value`.
uint64_t with_vector(struct machine *machine, const struct cu *cu, uint64_t value, int64_t offset,
                     int64_t first, int64_t count) {
    if (offset < 0 || offset % 16 != 0 || offset / 4 + first + count > machine->floats) {
        stray(machine, cu, "a vector is not there");
        return 0;
    }
    for (int64_t i = 0; i < count; i++)
        value = mix(value, machine->vectors[offset / 4 + first + i]);
    return value;
}

static uint64_t mixed(const uint64_t *values, int64_t count) {
    uint64_t all = 3;
    for (int64_t i = 0; i < count; i++)
        all = mix(all, values[i]);
    return all;
}

// ---- weights ------------------------------------------------------------------------------------

// The tile that lies there as the stage takes it, NULL: it takes something else.
static const struct packed_tile *tile_at(const struct machine *machine, int64_t address,
                                         int64_t bytes) {
    int low = 0, high = machine->tile_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (machine->tiles[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    const bool there = low < machine->tile_count && machine->tiles[low].address == address &&
                       machine->tiles[low].bytes == bytes;
    return there ? &machine->tiles[low] : NULL;
}

// Row `row` of the tile at that address, as a body of this shape takes it.
static uint64_t row_at(struct machine *machine, const struct cu *cu, const struct plan_body *body,
                       int64_t address, int row) {
    const int64_t bytes = plan_tile_bytes(machine->plan, body);
    const struct packed_tile *tile = tile_at(machine, address, bytes);
    if (!tile) {
        stray(machine, cu, "no tile lies where it looks for one");
        return 0;
    }
    const struct stage_names *of = &machine->stages[tile->stage];
    if (of->body->tile_rows != body->tile_rows || of->body->unit_columns != body->unit_columns)
        stray(machine, cu, "a tile of another shape lies there");
    return of->rows ? of->rows[(int64_t)tile->tile * of->body->tile_rows + row] : 0;
}

static int64_t run_of(struct machine *machine, const struct cu *cu, const char *name) {
    const struct plan_region *region = plan_region_named(machine->plan, name);
    if (!region || region->cu_offset_count <= cu->number) {
        stray(machine, cu, "there is no such region");
        return 0;
    }
    return region->offset + region->cu_offset[cu->number];
}

static uint64_t embedding(struct machine *machine, const struct cu *cu, int column) {
    const struct plan_plan *plan = machine->plan;
    const struct plan_region *region = plan_region_named(plan, plan->embedding.region);
    const struct plan_body *head =
        plan->embedding.body ? plan_body_named(plan, plan->embedding.body) : NULL;
    const int64_t token = cu->token;
    uint64_t row = 0;
    if (!region) {
        stray(machine, cu, "there is no embedding");
    } else if (head) {
        const int64_t tile = region->offset + token / head->tile_rows * plan_tile_bytes(plan, head);
        row = row_at(machine, cu, head, tile, (int)(token % head->tile_rows));
    } else {
        const int64_t at = token * plan->shape.hidden + column;
        if (!region->tensor || at >= (int64_t)region->rows * region->columns)
            stray(machine, cu, "the token has no row");
        else
            row = mix(mix_text(mix(1, (uint64_t)region->columns), region->tensor),
                      (uint64_t)(at / region->columns));
    }
    return mix(row, (uint64_t)column);
}

// ---- stages -------------------------------------------------------------------------------------

static bool compute_embed(struct machine *machine, struct cu *cu) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const bool owned = is(machine->plan->residual, "owned");
    const int64_t first = owned ? (int64_t)first_tile_of(machine, cu) * body->tile_rows : 0;
    const int64_t end =
        owned ? first + (int64_t)tiles_of(machine, cu) * body->tile_rows : body->rows;
    cu->run = run_of(machine, cu, "layers");
    for (int64_t row = first; row < end && row < body->rows; row++) {
        if (!owned && tiles_of(machine, cu) == 0)
            break;
        const uint64_t value = mix_number(embedding(machine, cu, (int)row), body->scale);
        if (!add_to_residual(machine, cu, row - first, value, true) ||
            (owned && !store_pair(machine, cu, row, value)))
            return false;
    }
    return true;
}

// What a product multiplies with, after its prologue.
static uint64_t activation(struct machine *machine, struct cu *cu) {
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    const bool residual = is(body->input, "residual");
    const int64_t room = lds_elements(machine, "activation");
    const int64_t padded = (int64_t)body->units * body->unit_columns;
    uint64_t x = mix(mix_text(mix_number(4, body->input_scale), body->prologue),
                     residual ? (uint64_t)body->columns : (uint64_t)cu->await_count);
    if (room < padded || room < body->columns || (!residual && room < cu->await_count) ||
        (!residual && cu->await_count < body->columns))
        stray(machine, cu, "the activation has no room, or is not all there");
    if (residual && machine->residual_elements < body->columns)
        stray(machine, cu, "it does not have the whole residual");
    if (machine->meaning.end != PLAN_ENDS)
        return 0;
    const uint64_t *values = residual ? cu->residual : cu->in;
    x = mix(x, mixed(values, residual ? body->columns : cu->await_count));
    for (int i = 0; i < body->columns; i++)
        if (values[i] == UNSET)
            stray(machine, cu, "an input was never set");
    if (is(body->prologue, "rmsnorm"))
        x = with_vector(machine, cu, x, names->stage->norm_offset, 0, body->columns);
    return x;
}

// Row `row` of the product: of the tile at `address`.
static uint64_t product_row(struct machine *machine, struct cu *cu, int64_t address, int64_t row,
                            uint64_t x) {
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    uint64_t y = mix(row_at(machine, cu, body, address, (int)(row % body->tile_rows)), x);
    if (body->bias)
        y = with_vector(machine, cu, y, names->stage->bias_offset, row, 1);
    return mix_number(y, body->columns);
}

struct best {
    uint64_t score;
    uint32_t token;
};

static bool finish_row(struct machine *machine, struct cu *cu, int64_t first, int64_t row,
                       const uint64_t *rows, struct best *best) {
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    const uint64_t y = rows[row - first];
    const uint64_t x = mix_number(mix_text(y, body->activation), body->scale);
    if (is(body->epilogue, "rows"))
        return store_pair(machine, cu, row, x);
    if (is(body->epilogue, "gate"))
        return row % 2 || store_pair(machine, cu, row / 2, mix(x, rows[row + 1 - first]));
    if (is(body->epilogue, "residual")) {
        if (!add_to_residual(machine, cu, row - first, x, false))
            return false;
        return body->writes_count == 0 || store_pair(machine, cu, row, cu->residual[row - first]);
    }
    const uint64_t score = mix_number(y, body->softcap);
    if (!best->score || score > best->score)
        *best = (struct best){score, (uint32_t)row};
    if (machine->launch->export_logits)
        machine->meaning.logits += mix(mix(score, (uint64_t)row), (uint64_t)cu->position);
    return true;
}

static bool compute_linear(struct machine *machine, struct cu *cu) {
    const struct plan_plan *plan = machine->plan;
    const struct plan_body *body = names_of(machine, cu)->body;
    const bool head = is(body->epilogue, "logits");
    const int tiles = tiles_of(machine, cu), waves = plan->machine.streaming_waves;
    const int64_t tile_bytes = plan_tile_bytes(plan, body);
    const int64_t start = head ? run_of(machine, cu, "head") : cu->run;
    const int64_t first = (int64_t)first_tile_of(machine, cu) * body->tile_rows;
    cu->run += head ? 0 : tiles * tile_bytes;
    // Without passes, what does not fit one is left out.
    const int done =
        body->max_tiles > body->pass_tiles || tiles < body->pass_tiles ? tiles : body->pass_tiles;
    const int at_once = tiles < body->pass_tiles ? tiles : body->pass_tiles;
    if ((int64_t)at_once * body->tile_rows * waves > lds_elements(machine, "partial") ||
        lds_overlap(machine, "activation", "partial"))
        return stray(machine, cu, "the partial sums have no room");
    const uint64_t x = tiles > 0 ? activation(machine, cu) : 0;
    const int64_t count = (int64_t)done * body->tile_rows;
    uint64_t *rows = arena_array(&machine->arena, (size_t)count + 1, sizeof *rows);
    for (int64_t i = 0; i < count && machine->meaning.end == PLAN_ENDS; i++)
        rows[i] = product_row(machine, cu, start + i / body->tile_rows * tile_bytes, first + i, x);
    struct best best = {0, UINT32_MAX};
    for (int64_t i = 0; i < count && first + i < body->rows; i++)
        if (!finish_row(machine, cu, first, first + i, rows, &best))
            return false;
    if (!head)
        return machine->meaning.end == PLAN_ENDS;
    const int64_t at = (int64_t)cu->number * body->writes[0].per_cu;
    return store_pair(machine, cu, at, best.score ? best.score : 1) &&
           store_pair(machine, cu, at + 1, best.token);
}

static bool compute_residual(struct machine *machine, struct cu *cu) {
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    const bool normed = is(body->prologue, "rmsnorm");
    uint64_t all = 0;
    if (normed) {
        if (lds_elements(machine, "summand") < body->rows)
            return stray(machine, cu, "the norm has no room");
        all = with_vector(machine, cu, mixed(cu->in, body->rows), names->stage->norm_offset, 0,
                          body->rows);
    }
    for (int i = 0; i < body->rows; i++) {
        const uint64_t x = normed ? mix(all, cu->in[i]) : cu->in[i];
        if (!add_to_residual(machine, cu, i, body->scale == 1 ? x : mix_number(x, body->scale),
                             false))
            return false;
    }
    return true;
}

static bool compute_select(struct machine *machine, struct cu *cu) {
    struct best best = {0, UINT32_MAX};
    const int cus = machine->plan->machine.cus, position = cu->position;
    if (cu->await_count < 2 * cus || lds_elements(machine, "candidates") < cu->await_count)
        return stray(machine, cu, "it does not select among all");
    for (int i = 0; i < cus; i++)
        if (cu->in[2 * i + 1] != UINT32_MAX && (!best.score || cu->in[2 * i] > best.score))
            best = (struct best){cu->in[2 * i], (uint32_t)cu->in[2 * i + 1]};
    const uint32_t token = position + 1 < machine->launch->prompt
                               ? prompt_token(machine, position + 1)
                               : best.token % (uint32_t)machine->plan->shape.vocab;
    machine->meaning.tokens = mix(machine->meaning.tokens, best.token);
    return store_pair(machine, cu, 0, token) &&
           store_pair(machine, cu, 1, position + 1 == machine->launch->positions);
}

static bool compute_token(struct machine *machine, struct cu *cu) {
    const int position = cu->position;
    if (!has_head(machine, position)) {
        cu->token = prompt_token(machine, position + 1);
        return true;
    }
    if (cu->await_count < 2 || cu->await_count > lds_elements(machine, "token"))
        return stray(machine, cu, "it takes no token");
    cu->token = (uint32_t)cu->in[0];
    if (cu->in[0] >= (uint64_t)machine->plan->shape.vocab ||
        cu->in[1] != (uint64_t)(position + 1 == machine->launch->positions))
        return stray(machine, cu, "it goes on with something else");
    return true;
}

int turns_of(const struct machine *machine, const struct cu *cu) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const bool last = is(body->epilogue, "logits") || is(body->op, "select");
    if (last && !has_head(machine, cu->position))
        return 0;
    if (is(body->op, "attention") || is(body->op, "merge"))
        return tiles_of(machine, cu);
    if (is(body->op, "residual"))
        return tiles_of(machine, cu) > 0;
    return !is(body->op, "select") || cu->number == 0;
}

bool begin_turn(struct machine *machine, struct cu *cu) {
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    if ((names->in != NULL) != (body->reads_count > 0) ||
        (names->out != NULL) != (body->writes_count > 0))
        return stray(machine, cu, "its call has other arguments than its function");
    if (is(body->op, "attention"))
        return begin_attention(machine, cu);
    if (is(body->op, "merge"))
        return begin_merge(machine, cu);
    if (is(body->op, "residual"))
        return await_all(machine, cu, 0, body->rows);
    if (is(body->op, "linear"))
        return is(body->input, "residual") || tiles_of(machine, cu) == 0 ||
               (body->reads_count == 1 && await_all(machine, cu, 0, body->reads[0].span.count)) ||
               stray(machine, cu, "it reads what its template does not");
    if (is(body->op, "select") || (is(body->op, "token") && has_head(machine, cu->position)))
        return await_all(machine, cu, 0, body->reads[0].span.count);
    return true;
}

bool compute_turn(struct machine *machine, struct cu *cu) {
    static const struct {
        const char *op;
        bool (*compute)(struct machine *machine, struct cu *cu);
    } ops[] = {{"embed", compute_embed},         {"linear", compute_linear},
               {"attention", compute_attention}, {"merge", compute_merge},
               {"residual", compute_residual},   {"select", compute_select},
               {"token", compute_token}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (is(names_of(machine, cu)->body->op, ops[i].op))
            return ops[i].compute(machine, cu);
    return stray(machine, cu, "no template has that name");
}
