// Model: a validated graph of standard ops for one token at batch 1, with every size a number.
#ifndef GENERATOR_MODEL_MODEL_H
#define GENERATOR_MODEL_MODEL_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"
#include "generator/base/value.h"
#include "generator/script/script.h"

#include <stdbool.h>
#include <stdint.h>

enum op {
#define OP(identifier, name, inputs, weight, arguments, meaning) OP_##identifier,
#include "generator/model/ops.def"
#undef OP
    OP_COUNT
};

const char *op_name(enum op op);

enum { NODE_MAX_INPUTS = 3, MODEL_MAX_STOP_TOKENS = 16, MODEL_MAX_KEYS = 64, MODEL_MAX_ROPES = 2 };

// One op applied once. Its value is a vector of `elements` numbers.
struct node {
    enum op op;
    int inputs[NODE_MAX_INPUTS]; // indices of earlier nodes
    int input_count;
    int elements;       // of the value
    int columns;        // of the weight of LINEAR and LOGITS (= elements of the input), else 0
    const char *tensor; // the checkpoint's name of the weight, NULL where there is none
    // The weight is rows tensor_first .. tensor_first + elements - 1 of a tensor of tensor_rows
    // rows (LINEAR; one that others share, like a fused qkv). Whole: 0, elements.
    int tensor_first, tensor_rows;
    const char *bias; // LINEAR, LOGITS: a vector [elements] that is added, NULL: none; it shares
                      // tensor_first and tensor_rows
    int group;      // RMSNORM: elements that are normed together, and of its weight; all or a head
    double add;     // RMSNORM: to each weight
    double factor;  // SCALE
    int rope;       // ROPE: index into ropes
    double scale;   // ATTENTION: of the scores
    double softcap; // ATTENTION, LOGITS: cap * tanh(score / cap); 0: none
    int window;     // ATTENTION: positions seen, the own one included; 0: all
    int layer;      // of the tensor(...) or of the inputs; -1 outside the layers
    const char
        *file; // of emitted files: where the family wrote it, relative to the specs' parent folder
    int line;
};

// A number of the spec that the emitted source names, with the place it comes from.
struct model_constant {
    const char *name; // "HIDDEN"
    int64_t value;
    const char *file; // "specs/models/x.lua", "x/config.json" or "--set layers=2"
    int line;         // 0: the file as a whole
};

// How one kind of rotary position embedding turns the pairs of a head.
struct model_rope {
    const char *name; // of the spec's field: "rope", "local_rope"
    int dims;         // of a head that are rotated, the first ones: pair i is dimensions i
                      // and i + dims / 2; the others stay
    double *inverse_frequencies; // [dims / 2] radians a position, each exactly a float32
    double amplitude;            // of the rotated dimensions, 1 unless the scaling kind has one
};

struct model {
    const char *name, *family;
    const char *dtype;     // of the weights: "bf16", "fp16", "fp32"
    const char *spec_file; // of emitted files: relative, without the folder of the specs
    int hidden, layers, vocab, mlp, heads, kv_heads, head_dim, context;
    double norm_eps;
    bool tie_embeddings;
    int32_t bos[MODEL_MAX_STOP_TOKENS], eos[MODEL_MAX_STOP_TOKENS];
    int bos_count, eos_count;
    struct model_rope ropes[MODEL_MAX_ROPES]; // those that layers turn by
    int rope_count;
    // Of diagnostics, as the user can open them: the spec's file, the family's, and its text.
    const char *spec_path, *family_path, *family_source;
    struct node *nodes; // in order of definition; the last one is the LOGITS
    int node_count;
    struct model_constant *constants;
    int constant_count;
    struct value *spec; // after overrides
};

// One --set KEY=VALUE.
struct override {
    const char *key, *value;
    bool used; // set by whoever recognised the key
};

struct override_list {
    struct override *items;
    int count;
};

// Sets, in a spec or target value, each field that an override names and that is among `known`
// ("layers", "rope.theta"), making tables on the way; marks the override used. A field that was a
// string gets the text; otherwise the text becomes what it looks like (boolean, integer, number, a
// list where it has commas, else string) and is checked with the other fields. Keys that are not
// known are left for others.
bool overrides_apply(struct override_list *overrides, struct value *value, const char *const *known,
                     size_t known_count, struct arena *arena, struct diagnostics *diagnostics);

// Reads a spec: a Lua file (ends in .lua), a name under <specs>/models, or a Hugging Face folder
// (has config.json; a name under <specs>/models goes before a folder of that name). Loads its
// family from <specs>/families, builds and validates the graph. `specs`: path of the specs folder.
// Errors are located in the spec, the family or config.json.
bool model_load(struct script *script, const char *specs, const char *spec,
                struct override_list *overrides, struct arena *arena, struct model *model,
                struct diagnostics *diagnostics);

// Prints the model as it was understood (artefact 1-model.lua): sizes, then every node with its
// inputs, shape, tensor and the line that made it; with parameter count and bytes a token.
void model_print(const struct model *model, struct text *out);

// The fields of a spec that --set may replace, for help and "did you mean". Returns their count.
size_t model_keys(const char *keys[MODEL_MAX_KEYS]);

// Parameters of all distinct tensors; bytes of weights that one decode step reads.
int64_t model_parameters(const struct model *model);
int64_t model_bytes_per_token(const struct model *model);

#endif
