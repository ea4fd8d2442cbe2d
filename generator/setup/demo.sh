#!/bin/sh
# What `make demo` shows, from the repository root: austen-3m as a monokernel for MI300X, what the
# compiler made of it, and the host build of the same spec writing text.
kernel=out/austen-3m-mi300x
run() {
    printf '\n$'
    for word in "$@"; do
        case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$@"
}
run build/monogen generate austen-3m --target mi300x -o $kernel
generated=$?
if [ $generated = 0 ]; then
    run build/monogen inspect $kernel resources || exit
    echo
    echo "The monokernel, one file a stage of its making:"
    ls $kernel
else
    echo "demo: no code object for MI300X (see above); the CPU can still run the model" >&2
fi
run build/monogen run austen-3m --device host --prompt "It is a truth" -n 96 || exit
exit $generated
