#!/bin/sh
# Runs test programs from the repository root and adds up what cmocka reports.
#   tests/run.sh PROGRAM... [-- PROGRAM...]
# The programs before -- run side by side, those after it one at a time (they measure time). Shows
# the output of what failed and the reason of what was skipped (the last line such a test printed).
# Last line: "N passed, N failed, N skipped". Exit status 1 on any failure, or when nothing ran.
#
# A GPU's driver wants addresses that the address sanitiser keeps for itself unless told otherwise.
#
# In the environment of each program: MONOGEN_TEST_TMP (and TMPDIR), an empty folder of its own;
# MONOGEN_WORKER, the compile worker; MONOGEN_TEST_TREE, the tree it was built in (build or
# build/sanitised).

run_one() { # report program
    report=$1 program=$2
    tree=${program%%/tests/*}
    temporary=$(mktemp -d) || exit 1
    limit=300
    [ -n "$MONOGEN_TEST_ALL" ] && limit=3600
    MONOGEN_TEST_TMP=$temporary TMPDIR=$temporary MONOGEN_TEST_TREE=$tree \
        MONOGEN_WORKER=$PWD/build/monogen-worker \
        ASAN_OPTIONS=protect_shadow_gap=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} \
        LSAN_OPTIONS=print_suppressions=0:suppressions=$PWD/tests/support/leaks_of_drivers.txt \
        CMOCKA_MESSAGE_OUTPUT=stdout timeout -k 10 $limit "$program" >"$report.output" 2>&1 </dev/null
    status=$?
    rm -rf "$temporary"
    awk -v program="$program" -v status=$status -v limit=$limit '
        /^\[ RUN      \]/ { name = $4; running = 1; last = ""; next }
        /^\[       OK \]/ { passed += running; running = 0; next }
        /^\[  SKIPPED \]/ {
            if (running) { skipped++; print "SKIPPED " program ": " name ": " last }
            running = 0; next
        }
        /^\[  FAILED  \]/ { failed += running; running = 0; next }
        running && NF { last = $0; sub(/^SKIPPED:? */, "", last) }
        END {
            if (running || (status != 0 && !failed)) { # it ended inside a test, or for no reason told
                failed++
                how = status == 124 ? "ran past " limit " s" : status > 128 ? \
                    "was killed by signal " (status - 128) : "ended with status " status
                print "FAILED " program " " how (running ? " in " name : "")
            }
            if (!passed && !failed && !skipped) { failed++; print "FAILED " program ": ran no test" }
            print passed + 0, failed + 0, skipped + 0 > "'"$report.counts"'"
        }' "$report.output" >"$report.notes"
    read -r passed failed skipped <"$report.counts"
    if [ "$failed" != 0 ]; then
        { echo "---- $program"; cat "$report.output" "$report.notes"; echo "----"; } >"$report.text"
        cat "$report.text"
    else
        echo "ok $program ($passed passed$([ "$skipped" = 0 ] || echo ", $skipped skipped"))"
        cat "$report.notes"
    fi
}

if [ "$1" = --one ]; then
    run_one "$2" "$3"
    exit 0
fi

reports=$(mktemp -d) || exit 1
trap 'rm -rf "$reports"' EXIT
trap 'exit 130' INT TERM
together=
count=0
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    count=$((count + 1))
    together="$together$reports/$count $1
"
    shift
done
[ "$1" = -- ] && shift
printf '%s' "$together" | xargs -r -P "$(nproc 2>/dev/null || echo 2)" -L 1 "$0" --one
for program in "$@"; do
    count=$((count + 1))
    "$0" --one "$reports/$count" "$program"
done

if [ $count = 0 ]; then
    echo "no test program was given"
    exit 1
fi
cat "$reports"/*.counts | awk -v programs=$count '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        if (NR != programs) { failed += programs - NR; print programs - NR " programs did not report" }
        print passed + 0 " passed, " failed + 0 " failed, " skipped + 0 " skipped"
        exit failed > 0 || passed == 0
    }'
