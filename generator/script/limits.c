// What stops a script: instructions, time and memory.
#include "generator/script/script_internal.h"

#include "runtime/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOOK_INSTRUCTIONS = 100,
    // What the allocator hands out counts too: C functions that copy megabytes are one instruction.
    BYTES_PER_INSTRUCTION = 32,
    // No operation on one string may take long, since none can be interrupted.
    STRING_BYTES_MAX = 4 << 20,
    // A refusal makes Lua collect all garbage and ask again; a script that lives on the edge of its
    // memory would do nothing else.
    REFUSALS_MAX = 8,
};

struct script_limits script_default_limits(void) {
    return (struct script_limits){
        .memory_bytes = (size_t)512 << 20, .instructions = 400000000, .seconds = 20};
}

void *script_allocate(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    struct script *script = context;
    // Without a block, old_bytes is the kind of the new object.
    bool new_string = !block && old_bytes == LUA_TSTRING;
    size_t held = block ? old_bytes : 0;
    if (new_bytes == 0) {
        free(block);
        script->memory_used -= held;
        return NULL;
    }
    if (new_bytes > held) {
        size_t more = new_bytes - held;
        bool full = more > script->limits.memory_bytes ||
                    script->memory_used > script->limits.memory_bytes - more ||
                    (new_string && new_bytes > STRING_BYTES_MAX);
        if (full && ++script->memory_refusals > REFUSALS_MAX)
            script->exceeded = LIMIT_MEMORY;
        if (full) {
            // Lua reports a lack of memory without its place. Looking at the stack needs no memory.
            if (script->state && script->depth > 0)
                script->refused_at = script_location(script->state);
            return NULL;
        }
        script->instructions_left -= (long long)(more / BYTES_PER_INSTRUCTION);
    }
    void *result = realloc(block, new_bytes);
    if (!result) {
        if (new_bytes <= held)
            return block; // Lua requires that shrinking succeeds
        return NULL;
    }
    script->memory_used += new_bytes - held;
    return result;
}

const char *script_limit_message(const struct script *script, char *buffer, size_t bytes) {
    if (script->exceeded == LIMIT_TIME)
        snprintf(buffer, bytes, "the script ran for more than %g s", script->limits.seconds);
    else if (script->exceeded == LIMIT_MEMORY)
        snprintf(buffer, bytes,
                 "the script used more than %g MiB of memory, or %d MiB in one string",
                 (double)script->limits.memory_bytes / (1 << 20), STRING_BYTES_MAX >> 20);
    else
        snprintf(buffer, bytes, "the script ran more than %lld instructions",
                 script->limits.instructions);
    return buffer;
}

static void raise_limit(lua_State *lua) {
    char message[160];
    lua_pushstring(lua, script_limit_message(script_of(lua), message, sizeof message));
    lua_error(lua);
}

static void count_hook(lua_State *lua, lua_Debug *unused) {
    (void)unused;
    struct script *script = script_of(lua);
    script->instructions_left -= script->exceeded == LIMIT_NONE ? HOOK_INSTRUCTIONS : 0;
    if (script->exceeded == LIMIT_NONE && script->instructions_left < 0)
        script_exceed(script, LIMIT_INSTRUCTIONS);
    if (script->exceeded == LIMIT_NONE && clock_seconds(CLOCK_MONOTONIC) > script->deadline)
        script_exceed(script, LIMIT_TIME);
    if (script->exceeded != LIMIT_NONE)
        raise_limit(lua);
}

// From here on every instruction raises, so that no loop around a pcall can go on.
void script_exceed(struct script *script, enum script_limit limit) {
    script->exceeded = limit;
    lua_sethook(script->state, count_hook, LUA_MASKCOUNT, 1);
}

void script_limits_begin(struct script *script) {
    script->exceeded = LIMIT_NONE;
    script->memory_refusals = 0;
    script->memory_copied = 0;
    script->refused_at = (struct location){0};
    script->instructions_left = script->limits.instructions;
    script->deadline = clock_seconds(CLOCK_MONOTONIC) + script->limits.seconds;
    lua_sethook(script->state, count_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

void script_limits_end(struct script *script) {
    script->exceeded = LIMIT_NONE;
    lua_sethook(script->state, NULL, 0, 0);
}

void script_charge(lua_State *lua, size_t instructions) {
    struct script *script = script_of(lua);
    if (instructions > (size_t)script->limits.instructions)
        script->instructions_left = -1;
    else
        script->instructions_left -= (long long)instructions;
    if (script->exceeded == LIMIT_NONE && script->instructions_left < 0)
        script_exceed(script, LIMIT_INSTRUCTIONS);
    if (script->exceeded != LIMIT_NONE)
        raise_limit(lua);
}

bool script_has_room(struct script *script, size_t bytes) {
    size_t used = script->memory_used + script->memory_copied;
    if (used > script->limits.memory_bytes || bytes > script->limits.memory_bytes - used)
        return false;
    script->memory_copied += bytes;
    return true;
}

bool script_is_out_of_memory(lua_State *lua, int status) {
    // The buffers of C functions report it as an ordinary error of this text.
    return status == LUA_ERRMEM || (lua_type(lua, -1) == LUA_TSTRING &&
                                    strcmp(lua_tostring(lua, -1), "not enough memory") == 0);
}
