# Lets clang-format read templates: hides what is not C++ and brings it back.
#   awk -v mode=hide -v table=FILE -f template_text.awk TEMPLATE     lines of Lua and lines that are
#             one insertion become pragmas; $(...) within a line becomes a name of the same length
#   awk -v mode=show -v table=FILE -f template_text.awk FORMATTED    the way back
function name_of(number, length_wanted,    digits, text) {
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = "$" substr(digits, int(number / 1296) + 1, 1) substr(digits, int(number / 36) % 36 + 1, 1) \
        substr(digits, number % 36 + 1, 1)
    while (length(text) < length_wanted)
        text = text "_"
    return text
}
# Length of the insertion that starts $( at the beginning of text: up to its own closing bracket.
function insertion_length(text,    i, depth, c, quote) {
    for (i = 2; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (quote != "") {
            if (c == quote)
                quote = ""
        } else if (c == "\"" || c == "'") {
            quote = c
        } else if (c == "(") {
            depth++
        } else if (c == ")" && --depth == 0) {
            return i
        }
    }
    return length(text)
}
# Whether the line is one insertion and nothing else.
function is_insertion(line) {
    sub(/^ */, "", line)
    return substr(line, 1, 2) == "$(" && insertion_length(line) == length(line)
}
function hide(line,    out, at, n) {
    if (line ~ /^ *\/\/@/ || is_insertion(line)) {
        print "#pragma template " ++lines >table ".lines"
        print line >table ".lines"
        return "#pragma template " lines
    }
    while ((at = index(line, "$(")) > 0) {
        n = insertion_length(substr(line, at))
        print name_of(count, n) " " substr(line, at, n) >table
        out = out substr(line, 1, at - 1) name_of(count++, n)
        line = substr(line, at + n)
    }
    return out line
}
function show(line,    out, at, name) {
    if (line ~ /^ *#pragma template /) {
        sub(/^ */, "", line)
        return lua[line]
    }
    while (match(line, /\$[0-9a-z][0-9a-z][0-9a-z]_*/)) {
        name = substr(line, RSTART, RLENGTH)
        # A name may be followed by an underscore of the text itself.
        while (!(name in insertion) && length(name) > 4)
            name = substr(name, 1, length(name) - 1)
        out = out substr(line, 1, RSTART - 1) insertion[name]
        line = substr(line, RSTART + length(name))
    }
    return out line
}
BEGIN {
    if (mode == "show") {
        while ((getline entry <table) > 0)
            insertion[substr(entry, 1, index(entry, " ") - 1)] = substr(entry, index(entry, " ") + 1)
        while ((getline entry <(table ".lines")) > 0) {
            getline line <(table ".lines")
            lua[entry] = line
        }
    }
}
{ print mode == "hide" ? hide($0) : show($0) }
