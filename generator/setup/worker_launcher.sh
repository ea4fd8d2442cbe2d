#!/bin/sh
# Starts the compile worker with the C library and the comgr of the private root beside it: Debian
# 12's own are too old (see docs/design/toolchain.md).
here=$(dirname "$(readlink -f "$0")")
libraries=$here/comgr-root/usr/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" \
    "$here/worker/monogen-worker" "$@"
