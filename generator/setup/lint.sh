#!/bin/sh
# The checks of `make lint` that are not compilation.
#   lint.sh format FILE...      formatting of C, as .clang-format says
#   lint.sh templates FILE...   formatting of templates; their //@ and $() are hidden from clang-format
#   lint.sh analyse FILE...     static analysis
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    echo "lint: $1 is missing (as root: apt-get install clang clang-format cppcheck)" >&2
    exit 1
}
check=$1
shift
[ $# -gt 0 ] || exit 0
case $check in
format)
    need clang-format
    clang-format --dry-run -Werror "$@"
    ;;
templates)
    need clang-format
    folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT || exit 1
    bad=0
    for file in "$@"; do
        : >"$folder/table" && : >"$folder/table.lines"
        awk -v mode=hide -v table="$folder/table" -f generator/setup/template_text.awk "$file" \
            >"$folder/hidden"
        clang-format --assume-filename=template.cpp <"$folder/hidden" >"$folder/formatted"
        awk -v mode=show -v table="$folder/table" -f generator/setup/template_text.awk \
            "$folder/formatted" >"$folder/wanted"
        diff -u --label "$file" --label "$file, formatted" "$file" "$folder/wanted" || bad=1
    done
    exit $bad
    ;;
analyse)
    need cppcheck
    # Two checks are left out, because cppcheck does not see that functions of other files (errors of
    # Lua, failures that a flag remembers) end what it thinks goes on.
    cppcheck --quiet --std=c11 --language=c --library=lua,posix,gnu -I. -D_GNU_SOURCE \
        -j "$(nproc)" --enable=warning --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=unknownMacro \
        --suppress=nullPointerRedundantCheck --suppress=arrayIndexOutOfBoundsCond "$@"
    ;;
esac
