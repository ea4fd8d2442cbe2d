#!/bin/sh
# Runs fuzz targets one after another, from the repository root.
#   tests/fuzz/run.sh SECONDS READER...
# Each starts from its seeds (tests/fuzz/corpus/READER and the folders of seeds.txt) and from what
# earlier runs added, which build/fuzz/corpus/READER keeps. An input that is a finding goes to
# build/fuzz/findings/READER. A line a target; exit status 1 where any has a finding.
seconds=$1
shift
tree=build/fuzz
parent=${TMPDIR:-/tmp}
[ -w /dev/shm ] && parent=/dev/shm # the inputs are files: thousands a second, none worth a disk
MONOGEN_TEST_TMP=$(mktemp -d "$parent/monogen-fuzz.XXXXXX") || exit 1
export MONOGEN_TEST_TMP
trap 'rm -rf "$MONOGEN_TEST_TMP"' EXIT
trap 'exit 130' INT TERM

count() { find "$1" -type f | wc -l; }

run_one() { # reader
    reader=$1 log=$tree/$1.log corpus=$tree/corpus/$1 findings=$tree/findings/$1
    mkdir -p "$corpus" "$findings"
    before=$(count "$findings")
    dictionary=tests/fuzz/$reader.dict
    set -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$findings/"
    [ -e "$dictionary" ] && set -- "$@" -dict="$dictionary"
    set -- "$@" "$corpus"
    [ -d "tests/fuzz/corpus/$reader" ] && set -- "$@" "tests/fuzz/corpus/$reader"
    # shellcheck disable=SC2046  # folders of the tree, which have no blanks
    set -- "$@" $(awk -v reader="$reader" '$1 == reader { print $2 }' tests/fuzz/seeds.txt)
    UBSAN_OPTIONS=print_stacktrace=1 "$tree/fuzz_$reader" "$@" >"$log" 2>&1 </dev/null
    status=$?
    found=$(($(count "$findings") - before))
    # A target that ends without an input to blame (it cannot start, say) is a finding too.
    [ $status != 0 ] && [ $found = 0 ] && found=1
    awk -v reader="$reader" -v found=$found '
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        / corp: / { for (i = 1; i < NF; i++) if ($i == "corp:") corpus = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        END { printf "fuzz %-12s %9d runs  %6d edges  %5s inputs kept  %s\n", reader, runs,
                  coverage, corpus, found ? found " FOUND" : "nothing found" }' "$log"
    [ $found = 0 ] && return 0
    tail -n 60 "$log"
    echo "the inputs are in $findings: put them, made small, into tests/fuzz/corpus/$reader"
    return 1
}

failed=0
for one in "$@"; do
    run_one "$one" || failed=1
done
exit $failed
