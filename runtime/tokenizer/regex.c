#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/tokenizer/regex.h"

#include "runtime/clock.h"
#include "runtime/tokenizer/unicode_newer.h"
#include "runtime/tokenizer/utf8.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATTERN_BYTES ((size_t)16384)
#define MAX_TRANSLATED_BYTES (8 * MAX_PATTERN_BYTES) // newer characters are named one by one
// Steps of one match: PCRE2's own default, of the order of a second, and what a run of blanks needs
// that is as long as the text. Seconds of all of them.
#define MAX_STEPS 10000000
#define MAX_STEPS_PER_BYTE 4
#define MAX_SECONDS 10.0
#define MAX_SECONDS_PER_BYTE 4e-6
#define MAX_HEAP_KIB 65536
#define JIT_STACK_BYTES (1 << 20)

struct regex {
    pcre2_code *code;
};

struct regex_work {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    double cpu_deadline; // of this thread's own time: a busy machine is not the text's fault
    double deadline;     // when to look at that clock, which takes longer to read
};

static bool is_late(struct regex_work *work) {
    const double now = clock_seconds(CLOCK_MONOTONIC_COARSE);
    if (now <= work->deadline)
        return false;
    const double left = work->cpu_deadline - clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    work->deadline = now + left;
    return left <= 0;
}

static pcre2_code *compile(const char *pattern, size_t length, struct monogen_error *error) {
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        tokenizer_out_of_memory(error);
        return NULL;
    }
    pcre2_set_max_pattern_length(context, MAX_TRANSLATED_BYTES);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int problem;
    PCRE2_SIZE place;
    // Anchored: regex_find goes from character to character itself, so that the limit of one match
    // is not multiplied by the length of the text. In Ruby's syntax ^ and $ are those of lines.
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, length,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_MULTILINE |
                                         PCRE2_NEVER_BACKSLASH_C,
                                     &problem, &place, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR message[200];
        pcre2_get_error_message(problem, message, sizeof message);
        monogen_fail(error, MONOGEN_BAD_INPUT, "regular expression: %s at byte %zu of '%.400s'",
                     (const char *)message, (size_t)place, pattern);
        return NULL;
    }
    // Without JIT (another architecture, hardened system) the interpreter does the same, slower.
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

// Whether this PCRE2's Unicode ("14.0.0") is older than the reference's.
static bool lacks_newer_characters(void) {
    char version[24] = "";
    if (pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL) > (int)sizeof version)
        return true;
    return pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version) < 0 ||
           strtol(version, NULL, 10) < UNICODE_NEWER_UP_TO;
}

struct regex *regex_compile(const char *pattern, struct monogen_error *error) {
    struct byte_buffer translated = {0};
    struct regex *regex = calloc(1, sizeof *regex);
    if (!regex)
        tokenizer_out_of_memory(error);
    else if (strlen(pattern) > MAX_PATTERN_BYTES)
        monogen_fail(error, MONOGEN_BAD_INPUT, "regular expression: it has more than %zu bytes",
                     MAX_PATTERN_BYTES);
    else if (regex_translate(pattern, lacks_newer_characters(), &translated, error) &&
             byte_buffer_append(&translated, "", 1, error))
        regex->code = compile(translated.bytes, translated.length - 1, error);
    byte_buffer_free(&translated);
    if (regex && !regex->code) {
        free(regex);
        return NULL;
    }
    return regex;
}

void regex_free(struct regex *regex) {
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

struct regex_work *regex_work_open(size_t text_bytes, struct monogen_error *error) {
    struct regex_work *work = calloc(1, sizeof *work);
    if (work) {
        const double seconds = MAX_SECONDS + MAX_SECONDS_PER_BYTE * (double)text_bytes;
        work->cpu_deadline = clock_seconds(CLOCK_THREAD_CPUTIME_ID) + seconds;
        work->deadline = clock_seconds(CLOCK_MONOTONIC_COARSE) + seconds;
        work->data = pcre2_match_data_create(1, NULL);
        work->context = pcre2_match_context_create(NULL);
        work->stack = pcre2_jit_stack_create(JIT_STACK_BYTES / 16, JIT_STACK_BYTES, NULL);
    }
    if (!work || !work->data || !work->context || !work->stack) {
        regex_work_close(work);
        tokenizer_out_of_memory(error);
        return NULL;
    }
    const size_t most_bytes = (UINT32_MAX - MAX_STEPS) / MAX_STEPS_PER_BYTE;
    const size_t bytes = text_bytes < most_bytes ? text_bytes : most_bytes;
    pcre2_set_match_limit(work->context, MAX_STEPS + MAX_STEPS_PER_BYTE * (uint32_t)bytes);
    pcre2_set_heap_limit(work->context, MAX_HEAP_KIB);
    pcre2_jit_stack_assign(work->context, NULL, work->stack);
    return work;
}

void regex_work_close(struct regex_work *work) {
    if (!work)
        return;
    pcre2_match_data_free(work->data);
    pcre2_match_context_free(work->context);
    pcre2_jit_stack_free(work->stack);
    free(work);
}

enum regex_result regex_find(const struct regex *regex, struct regex_work *work, const char *text,
                             size_t length, size_t from, size_t *start, size_t *end,
                             struct monogen_error *error) {
    for (size_t at = from;;) {
        int rc = pcre2_match(regex->code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK,
                             work->data, work->context);
        if (rc >= 0) {
            const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(work->data);
            *start = ends[0];
            *end = ends[1];
            return REGEX_MATCH;
        }
        if (rc != PCRE2_ERROR_NOMATCH) {
            PCRE2_UCHAR message[200];
            pcre2_get_error_message(rc, message, sizeof message);
            monogen_fail(error, MONOGEN_BAD_INPUT,
                         "the tokenizer's regular expression fails on this text: %s",
                         (const char *)message);
            return REGEX_FAILED;
        }
        if (is_late(work)) {
            monogen_fail(error, MONOGEN_BAD_INPUT,
                         "the tokenizer's regular expression takes too long on this text");
            return REGEX_FAILED;
        }
        if (at == length)
            return REGEX_NO_MATCH;
        at += utf8_first(text + at, length - at);
    }
}
