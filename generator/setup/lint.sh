#!/bin/sh
# The checks of `make lint` that are not compilation.
#   lint.sh format FILE...      formatting of C, as .clang-format says
#   lint.sh templates FILE...   formatting of templates, whose //@ and $() clang-format would tear
#                               apart: no tabs, no blanks at the end of a line
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
    awk '/\t/ { say("has a tab") }
        /[ \r]$/ { say("ends in a blank") }
        function say(what) { print FILENAME ":" FNR ": " what; bad = 1 }
        END { exit bad }' "$@"
    ;;
analyse)
    need cppcheck
    # Left out: readdir is thread-safe here; and cppcheck does not see that functions of other files
    # (errors of Lua, failures that a flag remembers) end what it thinks goes on.
    cppcheck --quiet --std=c11 --language=c --library=lua,posix,gnu -I. -D_GNU_SOURCE \
        -j "$(nproc)" --enable=warning,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=readdirCalled \
        --suppress=nullPointerRedundantCheck --suppress=arrayIndexOutOfBoundsCond "$@"
    ;;
esac
