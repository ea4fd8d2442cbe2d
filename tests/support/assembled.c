#include "tests/support/assembled.h"

#include "generator/compile/compile.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void assemble(const struct text *lines, uint32_t accumulation_first, struct code *code) {
    struct text source = {0};
    text_append(&source, "extern \"C\" __attribute__((global)) void reverse() {\n"
                         "    asm volatile(R\"(");
    text_append_bytes(&source, lines->bytes, lines->length);
    text_append(&source, ")\" ::: \"v0\", \"v255\", \"a255\", \"s99\", \"vcc\");\n}\n");
    struct compile_request request = small_kernel_request("comgr");
    request.source = source.bytes;
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    if (!compile_source(&request, NULL, NULL, NULL, &result, &diagnostics))
        fail_msg("%s", result.log.bytes ? result.log.bytes : "no listing");
    struct monogen_error error;
    if (!code_decode(code, "test", result.listing.bytes, result.listing.length, accumulation_first,
                     &error))
        fail_msg("%s", error.message);
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
    text_close(&source);
}
