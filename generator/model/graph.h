// Graph: builds and checks the op graph of a model, one node at a time, for the graph language of
// family files (script/graph.c). Shapes are checked as nodes are added.
#ifndef GENERATOR_MODEL_GRAPH_H
#define GENERATOR_MODEL_GRAPH_H

#include "generator/model/model.h"

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
    int line;                         // of the family
};

// Adds a node. Returns its index, or -1 after setting graph->message.
int graph_add(struct graph *graph, const struct op_call *call);

// Checks the graph as a whole: `result` is the only LOGITS and the last node, every node leads to
// it, and uses of one tensor agree in shape. Returns false after adding diagnostics.
bool graph_finish(struct graph *graph, int result, struct diagnostics *diagnostics);

// Shape of a node's weight, [rows][columns]; a vector has one column. Returns false where the node
// has none.
bool node_weight_shape(const struct model *model, const struct node *node, int64_t *rows,
                       int64_t *columns);

// The nodes that have a tensor, sorted by its name and then by index: [*weights] pointers into
// `nodes`, owned by the arena.
const struct node **nodes_by_tensor(struct arena *arena, const struct node *nodes, int count,
                                    int *weights);

#endif
