#include "runtime/tokenizer/regex.h"

#include "runtime/tokenizer/unicode_newer.h"

#include <string.h>

struct translation {
    const char *pattern, *at;
    bool with_newer;
    struct byte_buffer newer; // ranges that a property lacks
    struct byte_buffer *out;
    struct monogen_error *error;
};

static bool refuse(const struct translation *t, const char *what) {
    return monogen_fail(t->error, MONOGEN_BAD_INPUT,
                        "regular expression: %s at byte %zu is not supported", what,
                        (size_t)(t->at - t->pattern));
}

static bool put(struct translation *t, const char *text) {
    return byte_buffer_append(t->out, text, strlen(text), t->error);
}

static bool copy(struct translation *t, size_t bytes) {
    if (!byte_buffer_append(t->out, t->at, bytes, t->error))
        return false;
    t->at += bytes;
    return true;
}

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
// Oniguruma counts these as word characters outside classes only.
#define LATIN_1_NUMBERS "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

// The escapes that mean something else in PCRE2. In a class and outside; NULL: refused there.
struct rewritten {
    char letter;
    const char *outside, *inside;
    const char *newer[3]; // properties of which newer characters are added; `outside` is a class
};

static const struct rewritten rewritten[] = {
    {'s', "\\p{White_Space}", "\\p{White_Space}", {0}},
    {'S', "\\P{White_Space}", "\\P{White_Space}", {0}},
    {'w', "[" WORD LATIN_1_NUMBERS "]", WORD, {"L", "M", "Nd"}},
    {'W', "[^" WORD LATIN_1_NUMBERS "]", NULL, {"L", "M", "Nd"}},
    {'h', "[0-9a-fA-F]", "0-9a-fA-F", {0}}, // a hexadecimal digit
    {'H', "[^0-9a-fA-F]", NULL, {0}},
    {'v', "\\x0B", "\\x0B", {0}}, // a vertical tab
    {'d', "[\\p{Nd}]", "\\p{Nd}", {"Nd"}},
    {'D', "[^\\p{Nd}]", "\\P{Nd}", {"Nd"}},
};

// Escapes of letters that mean the same in both; `\x` and `\p` go on with more that does.
static const char same_outside[] = "pPxnrtfaeAzZ";
static const char same_inside[] = "pPxnrtfae";

static bool is_letter_or_digit(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

// "\uHHHH" of Oniguruma, "\x{HHHH}" of PCRE2.
static bool translate_codepoint(struct translation *t) {
    if (strspn(t->at + 2, "0123456789abcdefABCDEF") < 4)
        return refuse(t, "this escape");
    t->at += 2;
    return put(t, "\\x{") && copy(t, 4) && put(t, "}");
}

static bool is_script(const char *name, size_t length) {
    static const char *const binary[] = {"Alphabetic}", "White_Space}", "Uppercase}", "Lowercase}"};
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
        if (strncmp(name, binary[i], length + 1) == 0)
            return false;
    return length > 2;
}

static bool put_newer(struct translation *t) {
    return byte_buffer_append(t->out, t->newer.bytes, t->newer.length, t->error);
}

// "\p{Han}": general categories have the same short names in both. Scripts are meant without their
// extensions, which PCRE2 must be told. To "everything but" inside a class nothing can be added.
static bool translate_property(struct translation *t, bool in_class) {
    const size_t begin = t->at[3] == '^' ? 4 : 3;
    const bool negated = (t->at[1] == 'P') != (begin == 4);
    const char *name = t->at + begin;
    const size_t length = strcspn(name, "}");
    const char *script = is_script(name, length) ? "sc:" : "";
    if (name[length] == '\0')
        return refuse(t, "an escape without an end");
    t->newer.length = 0;
    if (t->with_newer && !(negated && in_class) &&
        !unicode_newer_append(name, length, &t->newer, t->error))
        return false;
    if (t->newer.length == 0)
        return copy(t, begin) && put(t, script) && copy(t, length + 1);
    t->at = name;
    return (in_class || put(t, negated ? "[^" : "[")) && put(t, "\\p{") && put(t, script) &&
           copy(t, length + 1) && put_newer(t) && (in_class || put(t, "]"));
}

static bool translate_rewritten(struct translation *t, const struct rewritten *escape,
                                bool in_class) {
    const char *text = in_class ? escape->inside : escape->outside;
    if (!text)
        return refuse(t, "this escape inside a class");
    const bool everything_but = in_class && strchr("DW", escape->letter);
    t->at += 2;
    t->newer.length = 0;
    for (size_t i = 0; t->with_newer && !everything_but && i < 3 && escape->newer[i]; i++)
        if (!unicode_newer_append(escape->newer[i], strlen(escape->newer[i]), &t->newer, t->error))
            return false;
    if (in_class || t->newer.length == 0)
        return put(t, text) && put_newer(t);
    return byte_buffer_append(t->out, text, strlen(text) - 1, t->error) && put_newer(t) &&
           put(t, "]");
}

static bool translate_escape(struct translation *t, bool in_class) {
    char letter = t->at[1];
    if (letter == '\0')
        return refuse(t, "a lone backslash");
    for (size_t i = 0; i < sizeof rewritten / sizeof *rewritten; i++)
        if (rewritten[i].letter == letter)
            return translate_rewritten(t, &rewritten[i], in_class);
    if (letter == 'u')
        return translate_codepoint(t);
    if (is_letter_or_digit(letter) && !strchr(in_class ? same_inside : same_outside, letter))
        return refuse(t, "this escape");
    if (!strchr("pPx", letter) || t->at[2] != '{')
        return copy(t, 2);
    return letter == 'x' ? copy(t, 3) : translate_property(t, in_class);
}

static bool translate_class(struct translation *t) {
    const char *opened = t->at;
    if (!copy(t, t->at[1] == '^' ? 2 : 1))
        return false;
    if (*t->at == ']')
        return refuse(t, "']' as the first of a class");
    while (*t->at != ']') {
        if (*t->at == '\0') {
            t->at = opened;
            return refuse(t, "a class without an end");
        }
        if (*t->at == '\\') {
            if (!translate_escape(t, true))
                return false;
        } else if (*t->at == '[') {
            return refuse(t, "a class inside a class");
        } else if (t->at[0] == '&' && t->at[1] == '&') {
            return refuse(t, "an intersection of classes");
        } else if (!copy(t, 1)) {
            return false;
        }
    }
    return copy(t, 1);
}

// "(?...": lookaround, atomic and plain groups are the same, and so is the flag i, where it has its
// own group or the whole pattern.
static bool translate_group(struct translation *t) {
    if (t->at[1] == '*')
        return refuse(t, "a verb");
    if (t->at[1] != '?')
        return copy(t, 1);
    static const char *const same[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strncmp(t->at, same[i], strlen(same[i])) == 0)
            return copy(t, strlen(same[i]));
    size_t flags = strspn(t->at + 2, "i-");
    char after = t->at[2 + flags];
    if (flags == 0 || (after != ':' && (after != ')' || t->at != t->pattern)))
        return refuse(t, "this group");
    return copy(t, 2 + flags + 1);
}

// "{n,m}": a '+' after it repeats it in Oniguruma but makes it possessive in PCRE2; a '?' after
// "{n}" makes it optional there but changes nothing here.
static bool translate_brace(struct translation *t) {
    size_t digits = strspn(t->at + 1, "0123456789");
    size_t length = 1 + digits;
    bool ranges = t->at[length] == ',';
    if (ranges)
        length += 1 + strspn(t->at + length + 1, "0123456789");
    if (digits == 0 || t->at[length] != '}')
        return refuse(t, "a brace that is no plain repetition");
    length++;
    if (t->at[length] == '+' || (t->at[length] == '?' && !ranges))
        return refuse(t, "a repetition of a repetition");
    return copy(t, length);
}

bool regex_translate(const char *pattern, bool with_newer, struct byte_buffer *translated,
                     struct monogen_error *error) {
    struct translation t = {.pattern = pattern,
                            .at = pattern,
                            .with_newer = with_newer,
                            .out = translated,
                            .error = error};
    bool good = true;
    while (good && *t.at != '\0') {
        switch (*t.at) {
        case '\\':
            good = translate_escape(&t, false);
            break;
        case '[':
            good = translate_class(&t);
            break;
        case '(':
            good = translate_group(&t);
            break;
        case '{':
            good = translate_brace(&t);
            break;
        default:
            good = copy(&t, 1);
        }
    }
    byte_buffer_free(&t.newer);
    return good;
}
