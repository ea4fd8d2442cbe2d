#!/bin/sh
# Prints which comgr the compile worker is built with: system, rocm, private or none.
# CC: the C compiler, whose include path decides.
has_header() {
    printf '#include <amd_comgr/amd_comgr.h>\n' | ${CC:-cc} "$@" -E - >/dev/null 2>&1
}
root=build/comgr-root
if has_header; then
    echo system
elif [ -e /opt/rocm/lib/libamd_comgr.so ] && has_header -I/opt/rocm/include; then
    echo rocm
elif [ -e $root/ready ]; then
    echo private
else
    echo none
fi
