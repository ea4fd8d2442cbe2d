// What the files of the graph language share: the call of a family that is running, and its values.
#ifndef GENERATOR_SCRIPT_GRAPH_INTERNAL_H
#define GENERATOR_SCRIPT_GRAPH_INTERNAL_H

#include "generator/script/graph.h"
#include "generator/script/script_internal.h"

// What the functions work on while a family runs. The registry points at it during the call only,
// so that a function or a value which a family kept cannot reach what is gone.
struct family_call {
    const struct config *config; // of script_family_config
    struct graph *graph;         // of script_family_graph
    const struct value *numbers;
    struct arena *arena;
    struct value *returned;
    int result;
    lua_Integer serial; // marks the values of this call
};

// The call that is running, NULL: none is.
struct family_call *graph_current_call(lua_State *lua);

// What is at `index`, for "must be ..., not a number".
const char *graph_type_at(lua_State *lua, int index);

// The node of the value at `index`; `what` describes it in the error.
int graph_take_node(lua_State *lua, int index, const char *what);

// Sets a function with one integer as its upvalue in the table on top.
void graph_set_function(lua_State *lua, const char *name, lua_CFunction function,
                        lua_Integer upvalue);

// Pushes the names of the ops that are functions in the table at `globals`, "embed, rmsnorm";
// returns NULL where none is.
const char *graph_push_op_names(lua_State *lua, int globals);

// Sets the ops and `tensors` in the table on top.
void graph_set_ops(lua_State *lua);

#endif
