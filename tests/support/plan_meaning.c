#include "tests/support/plan_meaning.h"

#include "tests/support/plan_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- hashes -------------------------------------------------------------------------------------

uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t x = a * 0x9e3779b97f4a7c15U ^ (b + 0xd1b54a32d192ed03U);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    return x ? x : 1; // never UNSET
}

uint64_t mix_text(uint64_t a, const char *text) {
    for (; text && *text; text++)
        a = mix(a, (unsigned char)*text);
    return mix(a, 0);
}

uint64_t mix_number(uint64_t a, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return mix(a, bits);
}

// ---- memory -------------------------------------------------------------------------------------

bool stray(struct machine *machine, const struct cu *cu, const char *what) {
    struct plan_meaning *meaning = &machine->meaning;
    if (meaning->end != PLAN_ENDS)
        return false;
    meaning->end = PLAN_STRAYS;
    snprintf(meaning->why, sizeof meaning->why, "CU %d, position %d, stage %d: %s",
             cu ? cu->number : -1, cu ? cu->position : -1, cu ? cu->stage : -1, what);
    return false;
}

bool has_head(const struct machine *machine, int position) {
    return position + 1 >= machine->launch->prompt || machine->launch->export_logits;
}

uint32_t prompt_token(const struct machine *machine, int position) {
    return (uint32_t)((position * 37 + 5) % machine->plan->shape.vocab);
}

static const struct plan_lds *lds_named(const struct machine *machine, const char *name) {
    for (int i = 0; i < machine->plan->lds_count; i++)
        if (strcmp(machine->plan->lds[i].name, name) == 0)
            return &machine->plan->lds[i];
    return NULL;
}

int64_t lds_elements(const struct machine *machine, const char *name) {
    const struct plan_lds *array = lds_named(machine, name);
    return array ? array->elements : 0;
}

bool lds_overlap(const struct machine *machine, const char *one, const char *other) {
    const struct plan_lds *a = lds_named(machine, one), *b = lds_named(machine, other);
    return a && b && a->shared && b->shared && strcmp(a->shared, b->shared) != 0;
}

// What each packed row of the stage's weights is.
static bool name_rows(struct machine *machine, struct stage_names *names) {
    const struct plan_stage *stage = names->stage;
    const struct plan_body *body = names->body;
    names->row_count = (int64_t)names->partition->tiles * body->tile_rows;
    names->rows = arena_array(&machine->arena, (size_t)names->row_count, sizeof(uint64_t));
    for (int i = 0; i < stage->parts_count; i++) {
        const struct plan_part *part = &stage->parts[i];
        if (part->stride < 1 || part->tensor_first + part->rows > part->tensor_rows)
            return stray(machine, NULL, "a part leaves its tensor");
        for (int64_t j = 0; j < part->rows; j++) {
            const int64_t row = part->first + j * part->stride;
            if (row >= names->row_count || names->rows[row])
                return stray(machine, NULL, "a row is packed twice or outside");
            names->rows[row] = mix(mix_text(mix(1, (uint64_t)body->columns), part->tensor),
                                   (uint64_t)(part->tensor_first + j));
        }
    }
    return true;
}

static bool name_stages(struct machine *machine) {
    const struct plan_plan *plan = machine->plan;
    machine->stages =
        arena_array(&machine->arena, (size_t)plan->stages_count, sizeof *machine->stages);
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        struct stage_names *names = &machine->stages[s];
        names->stage = stage;
        names->body = plan_body_named(plan, stage->body);
        if (names->body)
            names->partition = plan_partition_named(plan, names->body->partition);
        names->in = plan_mailbox_named(plan, stage->reads_from);
        names->out = plan_mailbox_named(plan, stage->writes_to);
        if (!names->partition || (stage->reads_from && !names->in) ||
            (stage->writes_to && !names->out))
            return stray(machine, NULL, "a name means nothing");
        if (names->partition->first_tile_count != plan->machine.cus + 1)
            return stray(machine, NULL, "a partition is of other CUs");
        if (stage->parts_count > 0 && !name_rows(machine, names))
            return false;
    }
    return true;
}

// As the runtime packs regions: CU by CU, each CU's stages in order; see docs/manifest.md.
static void pack_region(struct machine *machine, const struct plan_region *region) {
    const struct plan_plan *plan = machine->plan;
    int64_t address = region->offset;
    for (int cu = 0; cu < plan->machine.cus; cu++)
        for (int s = 0; s < plan->stages_count; s++) {
            const struct stage_names *names = &machine->stages[s];
            if (!names->stage->region || strcmp(names->stage->region, region->name) != 0)
                continue;
            const int *first = names->partition->first_tile;
            for (int tile = first[cu]; tile < first[cu + 1]; tile++) {
                const int64_t bytes = plan_tile_bytes(plan, names->body);
                machine->tiles = arena_grow(&machine->arena, machine->tiles,
                                            (size_t)machine->tile_count, sizeof *machine->tiles);
                machine->tiles[machine->tile_count++] =
                    (struct packed_tile){address, bytes, s, tile};
                address += bytes;
            }
        }
}

static int compare_tiles(const void *left, const void *right) {
    const struct packed_tile *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

static bool pack_regions(struct machine *machine) {
    const struct plan_plan *plan = machine->plan;
    for (int i = 0; i < plan->regions_count; i++) {
        const struct plan_region *a = &plan->regions[i];
        if (a->offset % 16 != 0 || a->offset + a->bytes > plan->weight_bytes)
            return stray(machine, NULL, "a region leaves the weights");
        for (int k = 0; k < i; k++) {
            const struct plan_region *b = &plan->regions[k];
            if (a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
                return stray(machine, NULL, "regions lie over each other");
        }
        pack_region(machine, a);
    }
    qsort(machine->tiles, (size_t)machine->tile_count, sizeof *machine->tiles, compare_tiles);
    return true;
}

static bool pack_vectors(struct machine *machine) {
    const struct plan_plan *plan = machine->plan;
    machine->floats = plan->vector_bytes / 4;
    machine->vectors = arena_array(&machine->arena, (size_t)machine->floats + 1, sizeof(uint64_t));
    for (int i = 0; i < plan->vectors_count; i++) {
        const struct plan_vector *vector = &plan->vectors[i];
        if (vector->tensor_first + vector->elements > vector->tensor_elements)
            return stray(machine, NULL, "a vector leaves its tensor");
        for (int64_t j = 0; j < vector->elements; j++) {
            const int64_t at = vector->offset / 4 + vector->first + j * vector->stride;
            if (at >= machine->floats || machine->vectors[at])
                return stray(machine, NULL, "a vector has no place");
            machine->vectors[at] =
                mix_number(mix(mix_text(2, vector->tensor), (uint64_t)(vector->tensor_first + j)),
                           vector->add);
        }
    }
    return true;
}

// Workgroups go to the XCDs in turn; each takes a role of its XCD as long as there is one.
static bool take_roles(struct machine *machine) {
    const struct plan_machine *of = &machine->plan->machine;
    bool *taken = arena_array(&machine->arena, (size_t)of->cus, sizeof *taken);
    int roles = 0;
    for (int i = 0; i < of->xcds_count; i++) {
        const struct plan_xcd *xcd = &of->xcds[i];
        const int workgroups = of->workgroups / of->xcds_count;
        for (int j = 0; j < i; j++)
            if (of->xcds[j].xcd == xcd->xcd)
                return stray(machine, NULL, "an XCD is there twice");
        for (int cu = xcd->first_cu; cu < xcd->first_cu + xcd->cus; cu++) {
            if (cu >= of->cus || taken[cu] || cu - xcd->first_cu >= workgroups)
                return stray(machine, NULL, "a role is taken twice, or by nobody");
            taken[cu] = true;
            roles++;
        }
    }
    return roles == of->cus || stray(machine, NULL, "a role is taken by nobody");
}

static void open_cus(struct machine *machine) {
    struct arena *arena = &machine->arena;
    const size_t cus = (size_t)machine->plan->machine.cus;
    machine->residual_elements = lds_elements(machine, "residual");
    machine->cus = arena_array(arena, cus, sizeof *machine->cus);
    for (size_t i = 0; i < cus; i++) {
        struct cu *cu = &machine->cus[i];
        cu->number = (int)i;
        cu->awaits = arena_array(arena, MOST_PAIRS_OF_A_TURN, sizeof *cu->awaits);
        cu->in = arena_array(arena, MOST_PAIRS_OF_A_TURN, sizeof *cu->in);
        cu->stores = arena_array(arena, MOST_PAIRS_OF_A_TURN, sizeof *cu->stores);
        cu->residual = arena_array(arena, (size_t)machine->residual_elements + 1, sizeof(uint64_t));
        cu->token = prompt_token(machine, 0);
        cu->stage = cu->turn = -1; // before the first turn
    }
}

static bool open_memory(struct machine *machine) {
    const struct plan_plan *plan = machine->plan;
    struct arena *arena = &machine->arena;
    const size_t pairs = (size_t)plan->mailbox_pairs;
    machine->value = arena_array(arena, pairs, sizeof *machine->value);
    machine->epoch = arena_array(arena, pairs, sizeof *machine->epoch);
    for (size_t i = 0; i < pairs; i++)
        machine->epoch[i] = machine->launch->epoch_base - 1; // of a launch before
    machine->kv_elements = plan->kv.bytes / plan->kv.element_bytes;
    machine->kv = arena_array(arena, (size_t)machine->kv_elements + 1, sizeof *machine->kv);
    static const char *const lasting[] = {"residual", "rope", "token", "role"};
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
        const struct plan_lds *array = lds_named(machine, lasting[i]);
        if (!array || array->shared)
            return stray(machine, NULL, "LDS that lasts is missing or shared");
    }
    if (!take_roles(machine) || !name_stages(machine) || !pack_vectors(machine))
        return false;
    open_cus(machine);
    return pack_regions(machine);
}

// ---- turns --------------------------------------------------------------------------------------

static void next_turn(struct machine *machine, struct cu *cu) {
    cu->begun = cu->computed = false;
    cu->turn++;
    while (cu->turn >= cu->turns && !cu->over) {
        if (++cu->stage == machine->plan->stages_count) {
            cu->stage = 0;
            cu->position++;
        }
        cu->over = cu->position == machine->launch->positions;
        cu->turn = 0;
        cu->turns = cu->over ? 0 : turns_of(machine, cu);
    }
}

static uint32_t epoch_of(const struct machine *machine, const struct cu *cu, int epoch) {
    return machine->launch->epoch_base +
           (uint32_t)(cu->position * machine->plan->epochs_per_step + epoch);
}

// One pair, or what lies between pairs. Returns false where it has to wait, is over, or strays.
static bool step(struct machine *machine, struct cu *cu) {
    if (cu->over || machine->meaning.end != PLAN_ENDS)
        return false;
    if (!cu->begun) {
        cu->await_count = cu->awaited = cu->store_count = cu->stored = 0;
        cu->begun = true;
        return begin_turn(machine, cu);
    }
    const struct plan_stage *stage = machine->stages[cu->stage].stage;
    if (cu->awaited < cu->await_count) {
        const int pair = cu->awaits[cu->awaited];
        if (machine->epoch[pair] != epoch_of(machine, cu, stage->read_epoch))
            return false;
        cu->in[cu->awaited++] = machine->value[pair];
    } else if (!cu->computed) {
        cu->computed = true;
        return compute_turn(machine, cu);
    } else if (cu->stored < cu->store_count) {
        const int pair = cu->stores[cu->stored].pair;
        machine->value[pair] = cu->stores[cu->stored++].value;
        machine->epoch[pair] = epoch_of(machine, cu, stage->write_epoch);
    } else {
        next_turn(machine, cu);
    }
    return true;
}

static void run(struct machine *machine) {
    const int cus = machine->plan->machine.cus;
    for (bool stepped = true; stepped && machine->meaning.end == PLAN_ENDS;) {
        stepped = false;
        for (int i = 0; i < cus; i++) {
            const int cu = (machine->launch->first + i) % cus;
            while (cu != machine->launch->slow && step(machine, &machine->cus[cu]))
                stepped = true;
        }
        if (!stepped && machine->launch->slow >= 0)
            stepped = step(machine, &machine->cus[machine->launch->slow]);
    }
    for (int i = 0; i < cus && machine->meaning.end == PLAN_ENDS; i++) {
        const struct cu *cu = &machine->cus[i];
        if (cu->over)
            continue;
        machine->meaning.end = PLAN_STOPS;
        snprintf(machine->meaning.why, sizeof machine->meaning.why,
                 "CU %d, position %d: stage %d awaits pair %d", i, cu->position, cu->stage,
                 cu->awaited < cu->await_count ? cu->awaits[cu->awaited] : -1);
    }
}

struct plan_meaning plan_meaning(const struct plan_plan *plan, const struct plan_launch *launch) {
    struct machine machine = {.plan = plan, .launch = launch};
    if (open_memory(&machine)) {
        for (int cu = 0; cu < plan->machine.cus; cu++)
            next_turn(&machine, &machine.cus[cu]);
        run(&machine);
    }
    arena_close(&machine.arena);
    return machine.meaning;
}

struct plan_meaning plan_meaning_of_all(const struct plan_plan *plan) {
    enum { POSITIONS = 4, MOST_SLOW = 5 };
    const int cus = plan->machine.cus, slow = cus < MOST_SLOW ? cus : MOST_SLOW;
    struct plan_meaning all = {.end = PLAN_ENDS};
    for (int i = -1; i < slow; i++)
        for (int export = 0; export < 2; export ++) {
            const int cu = i < 0 ? -1 : (int)((int64_t)i * cus / slow);
            const struct plan_launch launch = {.positions = POSITIONS,
                                               .prompt = 2,
                                               .export_logits = export != 0,
                                               .slow = cu,
                                               .first = (cu + 1) % cus,
                                               .epoch_base = UINT32_MAX - 2};
            struct plan_meaning meaning = plan_meaning(plan, &launch);
            if (meaning.end != PLAN_ENDS)
                return meaning;
            uint64_t *one = export ? &all.logits : &all.tokens;
            const uint64_t other = export ? meaning.logits : meaning.tokens;
            if (i >= 0 && *one != other) {
                all.end = PLAN_STRAYS;
                snprintf(all.why, sizeof all.why, "with CU %d slow it computes something else", cu);
                return all;
            }
            *one = other;
        }
    return all;
}
