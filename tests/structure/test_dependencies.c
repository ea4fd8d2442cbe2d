// Dependencies point one way: every #include of the program against one table of allowed edges.
#include "generator/base/file.h"
#include "tests/support/source_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

// A room is a folder of sources; what it may include beside itself. The longest name that begins a
// file's path is its room.
enum { MOST_EDGES = 24 };
static const struct room {
    const char *name;
    const char *may_include[MOST_EDGES]; // rooms or single files; NULL ends them
} rooms[] = {
    {"generator/base", {"runtime/clock.h"}},
    // the one cycle: only script sees Lua, so the graph language of families lives there
    {"generator/script",
     {"generator/base", "generator/model/graph.h", "generator/model/config.h", "runtime/clock.h"}},
    {"generator/model", {"generator/base", "generator/script"}},
    {"generator/target", {"generator/base", "generator/script", "generator/model"}},
    {"generator/plan",
     {"generator/base", "generator/script", "generator/model", "generator/target",
      "runtime/kernel_arguments.def", "runtime/kernel_trace.h"}},
    {"generator/trace", {"generator/base", "generator/plan", "runtime/kernel_trace.h"}},
    {"generator/render", {"generator/base", "generator/script"}},
    {"generator/compile", {"generator/base", "generator/render"}},
    {"generator/compile/worker",
     {"generator/base", "generator/compile/compile.h", "generator/compile/cuda_tool.h",
      "generator/compile/message.h", "generator/compile/ptxas.h", "generator/compile/resources.def",
      "runtime/shared_library.h"}},
    {"generator/pipeline",
     {"generator/base", "generator/model", "generator/target", "generator/plan", "generator/render",
      "generator/compile", "runtime/clock.h"}},
    {"generator/reference",
     {"generator/base", "generator/model", "runtime/error.h", "runtime/safetensors.h",
      "runtime/random_weights.h", "runtime/rope_table.h", "runtime/float_formats.h",
      "runtime/parallel.h"}},
    {"generator/tune",
     {"generator/base", "generator/script", "generator/model", "generator/target", "generator/plan",
      "generator/compile", "runtime/backend/backend.h"}},
    {"generator/commands",
     {"generator/base",        "generator/model",           "generator/target",
      "generator/plan",        "generator/render",          "generator/compile",
      "generator/pipeline",    "generator/reference",       "generator/tune",
      "generator/trace",       "runtime/clock.h",           "runtime/monogen.h",
      "runtime/error.h",       "runtime/device_counts.h",   "runtime/device_counts.def",
      "runtime/safetensors.h", "runtime/random_weights.h",  "runtime/json_node.h",
      "runtime/processors.h",  "runtime/backend/backend.h", "runtime/tokenizer/tokenizer.h"}},
    {"generator", {"generator/base/version.h", "generator/commands"}}, // main.c
    {"runtime", {"runtime/backend/backend.h", "runtime/tokenizer/tokenizer.h"}},
    {"runtime/backend", {"runtime", "runtime/simulator/chip.h"}},
    {"runtime/simulator",
     {"runtime/error.h", "runtime/file_map.h", "runtime/float_formats.h", "runtime/processors.h"}},
    {"runtime/tokenizer", {"runtime"}},
};

// Libraries of which only some files know. `only`: file or folder prefixes.
static const struct library {
    const char *header; // prefix of what stands in <>
    const char *only[4];
} libraries[] = {
    {"lua", {"generator/script/"}},
    {"lauxlib", {"generator/script/"}},
    {"amd_comgr", {"generator/compile/worker/comgr.c"}},
    {"hip/", {0}},
    {"cuda", {0}},
    {"pcre2", {"runtime/tokenizer/regex"}},
    {"jansson", {"generator/model/config.c", "runtime/json_node.h"}},
    {"nettle/", {"generator/base/digest.c", "generator/compile/cache.c"}},
    {"dlfcn", {"runtime/backend/host.c", "runtime/shared_library.c"}},
};

static int violations;

static void violation(const char *file, int line, const char *what, const char *included) {
    violations++;
    print_error("%s:%d: %s %s\n", file, line, what, included);
}

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const struct room *room_of(const char *path) {
    const struct room *found = NULL;
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        if (begins(path, rooms[i].name) && path[strlen(rooms[i].name)] == '/' &&
            (!found || strlen(rooms[i].name) > strlen(found->name)))
            found = &rooms[i];
    return found;
}

static bool may_include(const struct room *room, const char *included) {
    const struct room *other = room_of(included);
    if (!other || other == room)
        return other != NULL;
    for (int i = 0; room->may_include[i]; i++)
        if (strcmp(room->may_include[i], included) == 0 ||
            strcmp(room->may_include[i], other->name) == 0)
            return true;
    return false;
}

static void check_own(const char *file, int line, const char *included) {
    const struct room *room = room_of(file);
    // The public header is for users, who have it beside its neighbour.
    if (strcmp(file, "runtime/monogen.h") == 0 && strcmp(included, "error.h") == 0)
        return;
    if (!room)
        violation(file, line, "is in no room of the table; it includes", included);
    else if (!file_exists(included))
        violation(file, line, "includes what is not there from the root:", included);
    else if (!may_include(room, included))
        violation(file, line, "must not include", included);
}

static void check_system(const char *file, int line, const char *included) {
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        if (!begins(included, libraries[i].header))
            continue;
        bool allowed = false;
        for (int k = 0; libraries[i].only[k]; k++)
            allowed |= begins(file, libraries[i].only[k]);
        if (!allowed)
            violation(file, line, "must not know", included);
    }
}

static void check_line(const char *file, int number, const char *line) {
    const char *at = line + strspn(line, " \t");
    if (*at == '#') {
        at++;
        at += strspn(at, " \t");
        if (begins(at, "include")) {
            at += strlen("include");
            at += strspn(at, " \t");
            char included[512] = "";
            const size_t length = *at ? strcspn(at + 1, "\">") : 0;
            if (length < sizeof included)
                memcpy(included, at + (length > 0), length);
            if (*at == '"')
                check_own(file, number, included);
            else
                check_system(file, number, included);
        }
    }
    // Libraries that are opened at run time are known by name.
    if (strstr(line, "libamdhip64") && !begins(file, "runtime/backend/"))
        violation(file, number, "must not name", "libamdhip64");
    if (strstr(line, "libnvrtc") && strcmp(file, "generator/compile/worker/nvrtc.c") != 0)
        violation(file, number, "must not name", "libnvrtc");
    if (strstr(line, "libcuda") && !begins(file, "runtime/backend/"))
        violation(file, number, "must not name", "libcuda");
}

static void check_source(void *context, const char *path, const char *text) {
    (void)context;
    source_lines(path, text, check_line);
}

static void test_includes(void **state) {
    (void)state;
    violations = 0;
    static const char *const endings[] = {".c", ".h", ".def", NULL};
    const int files = source_files("generator", endings, check_source, NULL) +
                      source_files("runtime", endings, check_source, NULL);
    if (files < 100)
        fail_msg("only %d sources were found", files);
    if (violations > 0)
        fail_msg("%d includes point the wrong way", violations);
}

// Each allowed edge is in use: the table says what is, not what once was.
static const struct room *edge_from;
static const char *edge_to;
static bool edge_used;

static void find_edge(const char *file, int number, const char *line) {
    (void)number;
    const char *at = strstr(line, "#include \"");
    if (!at || room_of(file) != edge_from)
        return;
    char included[512] = "";
    at += strlen("#include \"");
    const size_t length = strcspn(at, "\"");
    if (length >= sizeof included)
        return;
    memcpy(included, at, length);
    const struct room *other = room_of(included);
    edge_used |= strcmp(included, edge_to) == 0 || (other && strcmp(other->name, edge_to) == 0);
}

static void find_edge_in(void *context, const char *path, const char *text) {
    (void)context;
    source_lines(path, text, find_edge);
}

static void test_the_table_is_in_use(void **state) {
    (void)state;
    static const char *const endings[] = {".c", ".h", ".def", NULL};
    int unused = 0;
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        for (int k = 0; rooms[i].may_include[k]; k++) {
            edge_from = &rooms[i];
            edge_to = rooms[i].may_include[k];
            edge_used = false;
            source_files(rooms[i].name, endings, find_edge_in, NULL);
            if (!edge_used)
                print_error("%s never includes %s\n", edge_from->name, edge_to);
            unused += !edge_used;
        }
    }
    if (unused > 0)
        fail_msg("%d rows of the table are not needed", unused);
}

// The check itself: it must see what it looks for.
static void test_the_check(void **state) {
    (void)state;
    static const struct {
        const char *file, *line;
        bool good;
    } cases[] = {
        {"generator/base/text.c", "#include \"generator/model/model.h\"", false},
        {"generator/model/model.c", "#include \"generator/plan/plan.h\"", false},
        {"generator/plan/fuse.c", "#include <lua.h>", false},
        {"generator/plan/fuse.c", "  # include <lualib.h>", false},
        {"generator/script/script.c", "#include <lualib.h>", true},
        {"runtime/session.c", "#include \"generator/base/text.h\"", false},
        {"runtime/session.c", "#include \"runtime/backend/gpu_driver.h\"", false},
        {"runtime/session.c", "#include \"session.h\"", false},
        {"runtime/session.c", "    dlopen(\"libamdhip64.so.6\", RTLD_NOW);", false},
        {"generator/compile/compile.c", "    dlopen(\"libnvrtc.so.13\", RTLD_NOW);", false},
        {"generator/commands/doctor.c", "    dlopen(\"libcuda.so.1\", RTLD_NOW);", false},
        {"generator/compile/compile.c", "#include <amd_comgr/amd_comgr.h>", false},
        {"generator/compile/compile.c", "#include \"generator/render/render.h\"", true},
        {"generator/compile/worker/comgr.c", "#include <amd_comgr/amd_comgr.h>", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        violations = 0;
        check_line(cases[i].file, 1, cases[i].line);
        if ((violations == 0) != cases[i].good)
            fail_msg("%s in %s has %d violations", cases[i].line, cases[i].file, violations);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_check),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_the_table_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
