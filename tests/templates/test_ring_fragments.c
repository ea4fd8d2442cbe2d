// Where engine ring_mma looks for a weight in its unit (a tied embedding is read so), against
// tests/support/fragments.h. The function is taken from the template and compiled for the host.
#include "generator/base/file.h"
#include "tests/support/fragments.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"
#include "tests/support/small_kernel.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char TEMPLATE[] = "templates/engine/ring_mma.hip";
static const char FROM[] = "constexpr int STEP_ROWS", UNTIL[] = "u32 weight_in_unit(";

enum { WEIGHT_BYTES = 2 };

// The template from the sizes of an instruction to the end of weight_in_unit().
static const char *engine_text(struct arena *arena, struct diagnostics *diagnostics) {
    size_t length = 0;
    const char *text = file_read(arena, TEMPLATE, 1 << 20, &length, diagnostics);
    assert_non_null(text);
    const char *from = strstr(text, FROM), *until = from ? strstr(from, UNTIL) : NULL;
    const char *end = until ? strstr(until, "\n}\n") : NULL;
    if (!end)
        fail_msg("%s has no more \"%s\" and, behind it, \"%s\"", TEMPLATE, FROM, UNTIL);
    return arena_bytes(arena, from, (size_t)(end - from) + 3);
}

// A namespace a unit size, and in it a function a height of the tile.
static void write_source(const char *engine, struct text *source) {
    text_append(source, "#define DEVICE static\nusing u32 = unsigned;\n"
                        "constexpr u32 WAVE_LANES = 32;\nconstexpr int WEIGHT_BYTES = 2;\n"
                        "template <int ROWS> struct Shape { static constexpr int TILE_ROWS = ROWS; "
                        "};\n");
    for (const unsigned *bytes = fragment_unit_bytes; *bytes; bytes++)
        text_format(source, "namespace unit_%u {\nconstexpr int UNIT_BYTES = %u;\n%s}\n", *bytes,
                    *bytes, engine);
    text_append(source, "extern \"C\" u32 place(u32 bytes, u32 rows, u32 row, u32 column) {\n");
    for (const unsigned *bytes = fragment_unit_bytes; *bytes; bytes++)
        for (const unsigned *rows = fragment_tile_rows; *rows; rows++)
            text_format(source,
                        "    if (bytes == %u && rows == %u)\n"
                        "        return unit_%u::weight_in_unit<Shape<%u>>(row, column);\n",
                        *bytes, *rows, *bytes, *rows);
    text_append(source, "    return ~0u;\n}\n");
}

typedef unsigned place_function(unsigned bytes, unsigned rows, unsigned row, unsigned column);

// Compiles the source and loads it. The library stays.
static place_function *load_place(const struct text *source) {
    struct diagnostics diagnostics = {0};
    struct compile_result result;
    struct compile_request request = small_kernel_request("cxx");
    request.source = source->bytes;
    request.kernel = "place";
    if (!compile_source(&request, NULL, NULL, NULL, &result, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    const char *path = temporary_path("fragments.so");
    if (!file_write(path, result.object.bytes, result.object.length, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
    void *library = dlopen(path, RTLD_NOW | RTLD_NODELETE);
    if (!library)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(library, "place");
    assert_non_null(symbol);
    dlclose(library);
    place_function *place = NULL;
    memcpy(&place, &symbol, sizeof symbol);
    return place;
}

static void the_engine_finds_each_weight(void **state) {
    (void)state;
    skip_without_compiler("cxx");
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct text source = {0};
    write_source(engine_text(&arena, &diagnostics), &source);
    place_function *place = load_place(&source);
    for (const unsigned *bytes = fragment_unit_bytes; *bytes; bytes++)
        for (const unsigned *rows = fragment_tile_rows; *rows; rows++)
            for (unsigned i = 0; i < *bytes / WEIGHT_BYTES; i++) {
                const struct fragment_place at =
                    fragment_place(*rows, *bytes / WEIGHT_BYTES / *rows, i);
                const unsigned found = place(*bytes, *rows, at.row, at.column);
                if (found != i)
                    fail_msg("units of %u bytes, %u rows: row %u, column %u is element %u, the "
                             "engine looks at %u",
                             *bytes, *rows, at.row, at.column, i, found);
            }
    text_close(&source);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_engine_finds_each_weight)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
