// Graph: builds and checks the op graph of a model, one node at a time, for the graph language of
// family files (script/graph.c). Shapes are checked as nodes are added.
#ifndef GENERATOR_MODEL_GRAPH_H
#define GENERATOR_MODEL_GRAPH_H

#include "generator/model/model.h"

#include <stddef.h>

enum { GRAPH_MAX_NODES = 65536, TENSOR_NAME_MAX_BYTES = 256 };

// One row of ops.def.
struct op_row {
    const char *name;
    int inputs;
    bool weight;
    const char *arguments; // "x, tensor, rows"
    const char *meaning;
};

extern const struct op_row op_rows[OP_COUNT];

enum op_option_kind { OPTION_SIZE, OPTION_NUMBER, OPTION_TENSOR, OPTION_NAME };

// One option of an op: what may stand in the table after its arguments.
struct op_option_row {
    enum op op;
    const char *name;
    enum op_option_kind kind;
    double minimum, maximum; // of sizes and numbers
    size_t offset;           // of its member in struct op_call
    const char *meaning;
};

extern const struct op_option_row op_option_rows[];
extern const size_t op_option_count;

// A checkpoint tensor as a family names it.
struct tensor_name {
    char bytes[TENSOR_NAME_MAX_BYTES + 1];
    int layer; // -1 outside the layers
};

struct graph {
    struct arena *arena;       // owns nodes and names
    const struct model *model; // its numbers; nodes are not read from it
    const char *file;          // of the family, as nodes record it
    const char *path, *source; // of the family, as diagnostics locate it
    struct node *nodes;
    int count;
    char message[512]; // why the newest refused call was refused
    // Where a number of the model comes from, for a family that refuses it; NULL: not known.
    struct location (*locate)(const void *context, const char *number);
    const void *locate_context;
};

// A tensor name: of `format`, in which one %d stands for the layer, and `suffix`; or as it is,
// outside the layers. Returns false after setting graph->message: no or another %, a layer out of
// range, a name that is empty, too long, or has other bytes than printable ASCII or a blank, quote,
// backslash.
bool graph_tensor(struct graph *graph, const char *format, int64_t layer, const char *suffix,
                  struct tensor_name *tensor);
bool graph_plain_tensor(struct graph *graph, const char *name, struct tensor_name *tensor);

// The arguments of one op, as the family wrote them.
struct op_call {
    enum op op;
    int inputs[NODE_MAX_INPUTS];      // node indices, as many as the op has
    const struct tensor_name *tensor; // where the op has a weight
    int64_t rows, columns;            // where the op's arguments name them
    double factor;                    // of SCALE
    // Options, 0 or NULL where they are absent.
    int64_t group, first, of, window;
    double add, scale, softcap;
    const struct tensor_name *bias;
    const char *table;
    int line; // of the family
};

// Adds a node. Returns its index, or -1 after setting graph->message.
int graph_add(struct graph *graph, const struct op_call *call);

// Checks the graph as a whole: `result` is the only LOGITS and the last node, every node leads to
// it, and uses of one tensor agree in shape. Returns false after adding diagnostics.
bool graph_finish(struct graph *graph, int result, struct diagnostics *diagnostics);

// Shape of the weight that a node reads, [rows][columns]; a vector has one column. Returns false
// where the node has none.
bool node_weight_shape(const struct model *model, const struct node *node, int64_t *rows,
                       int64_t *columns);

// One use of a checkpoint tensor: the weight of a node, or its bias.
struct tensor_use {
    const char *name;
    const struct node *node;
    bool bias;
    int64_t rows, columns; // of the whole tensor; columns 0: it is a vector
};

// All uses of tensors, sorted by the tensor's name and then by node, the weight before the bias:
// [*use_count], owned by the arena.
struct tensor_use *tensor_uses(struct arena *arena, const struct model *model,
                               const struct node *nodes, int count, int *use_count);

#endif
