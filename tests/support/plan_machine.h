// The machine of plan_meaning.h: its memory and its CUs; plan_stages.c says what each stage does.
#ifndef TESTS_SUPPORT_PLAN_MACHINE_H
#define TESTS_SUPPORT_PLAN_MACHINE_H

#include "generator/base/arena.h"
#include "tests/support/plan_meaning.h"

// A tile of weights as the runtime packs it.
struct packed_tile {
    int64_t address, bytes;
    int stage, tile;
};

// What a stage names.
struct stage_names {
    const struct plan_stage *stage;
    const struct plan_body *body;
    const struct plan_partition *partition;
    const struct plan_mailbox *in, *out; // NULL: none
    uint64_t *rows; // of the weights: what each packed row is, 0: nothing; NULL: no weights
    int64_t row_count;
};

// A CU goes through turns: a stage of a position, or one tile of it. In a turn it awaits pairs,
// then computes, then stores pairs.
struct cu {
    int number;
    int position, stage; // of the turn
    int turn, turns;     // of the stage
    bool begun, computed, over;
    int *awaits; // pairs
    uint64_t *in;
    int await_count, awaited;
    struct {
        int pair;
        uint64_t value;
    } * stores;
    int store_count, stored;
    uint64_t *residual; // LDS
    int64_t run;        // next weights of the layers
    uint32_t token;     // of this position
};

struct machine {
    struct arena arena;
    const struct plan_plan *plan;
    const struct plan_launch *launch;
    struct stage_names *stages;
    struct cu *cus;
    uint64_t *value; // [mailbox_pairs]
    uint32_t *epoch;
    uint64_t *kv;      // [kv_elements]
    uint64_t *vectors; // [floats]
    int64_t kv_elements, floats, residual_elements;
    struct packed_tile *tiles; // by address
    int tile_count;
    struct plan_meaning meaning;
};

enum { MOST_PAIRS_OF_A_TURN = 4096, UNSET = 0 };

uint64_t mix(uint64_t a, uint64_t b);
uint64_t mix_text(uint64_t a, const char *text);
uint64_t mix_number(uint64_t a, double number);

// Remembers the first thing that is wrong. Returns false.
bool stray(struct machine *machine, const struct cu *cu, const char *what);

// Whether the turn's position goes on to the head.
bool has_head(const struct machine *machine, int position);
uint32_t prompt_token(const struct machine *machine, int position);

// Elements of an LDS array, 0 where there is none; whether two share bytes.
int64_t lds_elements(const struct machine *machine, const char *name);
bool lds_overlap(const struct machine *machine, const char *one, const char *other);

// Of plan_stages.c, for plan_attention.c.
const struct stage_names *names_of(const struct machine *machine, const struct cu *cu);
int first_tile_of(const struct machine *machine, const struct cu *cu);
bool await_pair(struct machine *machine, struct cu *cu, int64_t element);
bool store_pair(struct machine *machine, struct cu *cu, int64_t element, uint64_t value);
uint64_t with_vector(struct machine *machine, const struct cu *cu, uint64_t value, int64_t offset,
                     int64_t first, int64_t count);

// Of plan_attention.c.
bool begin_attention(struct machine *machine, struct cu *cu);
bool compute_attention(struct machine *machine, struct cu *cu);
bool begin_merge(struct machine *machine, struct cu *cu);
bool compute_merge(struct machine *machine, struct cu *cu);

// The number of turns of the CU's stage; what it awaits in one; what it does and stores.
int turns_of(const struct machine *machine, const struct cu *cu);
bool begin_turn(struct machine *machine, struct cu *cu);
bool compute_turn(struct machine *machine, struct cu *cu);

#endif
