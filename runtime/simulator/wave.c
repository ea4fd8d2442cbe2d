#include "runtime/simulator/wave.h"

#include "runtime/simulator/code.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wave_fail(struct wave *wave, const struct instruction *instruction, const char *format, ...) {
    if (wave->state == WAVE_FAILED)
        return;
    wave->state = WAVE_FAILED;
    const char *text = instruction->kind ? instruction->kind->name : "no instruction";
    size_t length = strlen(text);
    if (wave->code)
        text = code_text(wave->code, instruction, &length);
    int used =
        snprintf(wave->message, sizeof wave->message, "0x%" PRIx64 ": %.*s: ", instruction->address,
                 (int)(length < 160 ? length : 160), text);
    va_list values;
    va_start(values, format);
    vsnprintf(wave->message + used, sizeof wave->message - (size_t)used, format, values);
    va_end(values);
}
