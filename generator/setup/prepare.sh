#!/bin/sh
# Sees to what the build needs. Run from the repository root.
#   prepare.sh install   installs what is missing: packages as root or through sudo that asks no
#                        password, and on Debian 12 the private comgr root. What cannot be installed
#                        is named, and what it costs.
#   prepare.sh install test
#                        the same, for what cannot do without cmocka.
#   prepare.sh install fuzz
#                        the same, and what `make fuzz` needs.
#   prepare.sh check     installs nothing, only names what is missing.
# Exit status 0: monogen can be built (comgr and cmocka may be missing) and, where asked for, tested
# or fuzzed; 1: it cannot.

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
release() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" /etc/os-release 2>/dev/null; }

# Whether clang links libFuzzer and the sanitisers, for a target that does nothing.
links_fuzzer() {
    printf 'int LLVMFuzzerTestOneInput(void);\nint LLVMFuzzerTestOneInput(void) { return 0; }\n' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null >/dev/null 2>&1
}

# Fills build_missing, test_missing, fuzz_missing and comgr_missing with the names of Debian packages,
# needed with those that the purpose cannot do without.
look() {
    build_missing='' test_missing='' fuzz_missing='' comgr_missing=''
    have "${CC:-cc}" || build_missing="$build_missing gcc"
    have "${CXX:-c++}" || build_missing="$build_missing g++"
    have make || build_missing="$build_missing make"
    if have pkg-config; then
        pkg-config --exists lua5.4 || build_missing="$build_missing liblua5.4-dev"
        pkg-config --exists jansson || build_missing="$build_missing libjansson-dev"
        pkg-config --exists libpcre2-8 || build_missing="$build_missing libpcre2-dev"
        pkg-config --exists nettle || build_missing="$build_missing nettle-dev"
        pkg-config --exists libutf8proc || build_missing="$build_missing libutf8proc-dev"
        pkg-config --exists cmocka || test_missing="$test_missing libcmocka-dev"
    else
        build_missing="$build_missing pkg-config liblua5.4-dev libjansson-dev libpcre2-dev libutf8proc-dev nettle-dev"
        test_missing="$test_missing libcmocka-dev"
    fi
    if [ "$purpose" = fuzz ]; then
        # The runtime's package is named after the version of clang, which only clang itself tells.
        if ! have clang; then
            fuzz_missing=' clang'
        elif ! links_fuzzer; then
            version=$(clang -dumpversion)
            fuzz_missing=" libclang-rt-${version%%.*}-dev"
        fi
    fi
    comgr=$(generator/setup/find_comgr.sh)
    if [ "$comgr" = none ] && [ "$debian" != 12 ]; then
        comgr_missing=' libamd-comgr-dev'
    fi
    needed=$build_missing
    [ "$purpose" != test ] || needed="$needed$test_missing"
    [ "$purpose" != fuzz ] || needed="$needed$fuzz_missing"
}

# The command prefix that installs packages, or a failure.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}
may_install() {
    have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}

install_packages() {
    say "installing$*"
    log=$(mktemp) || return 1
    apt_install() {
        # shellcheck disable=SC2068  # package names, split on purpose
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends $@ >"$log" 2>&1
    }
    # The package lists may be absent or old: read them anew only where installing fails.
    if ! apt_install "$@"; then
        as_root apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1
        apt_install "$@" || {
            tail -n 5 "$log" >&2
            rm -f "$log"
            say "apt-get could not install$*"
            return 1
        }
    fi
    rm -f "$log"
}

mode=$1 purpose=$2
debian=''
[ "$(release ID)" = debian ] && debian=$(release VERSION_ID)

look
if [ "$mode" = install ]; then
    wanted="$build_missing$test_missing$fuzz_missing$comgr_missing"
    if [ -n "$wanted" ]; then
        if may_install; then
            # Without comgr there is still the host: its absence must not take the others along.
            [ -z "$build_missing$test_missing" ] || install_packages "$build_missing$test_missing"
            [ -z "$comgr_missing" ] || install_packages "$comgr_missing"
            if [ -n "$fuzz_missing" ]; then
                install_packages "$fuzz_missing" && look
                [ -z "$fuzz_missing" ] || install_packages "$fuzz_missing"
            fi
            look
        fi
    fi
    # Of no use, and no small download, where what was asked for cannot be done.
    if [ -z "$needed" ] && [ "$comgr" = none ] && [ "$debian" = 12 ] &&
        generator/setup/comgr_root.sh; then
        look
    fi
fi

missing="$build_missing$test_missing$fuzz_missing$comgr_missing"
[ -z "$missing" ] || say "missing packages:$missing (as root: apt-get install$missing)"
if [ -n "$needed" ]; then
    exit 1 # that line says it all
fi
if [ -n "$test_missing" ]; then
    say "without libcmocka-dev the tests cannot be built"
fi
if [ "$comgr" = none ] && [ "$mode" = install ]; then
    say "without comgr nothing is compiled for gfx942; the host target works"
elif [ "$comgr" = none ] && [ "$debian" = 12 ]; then
    say "without comgr nothing is compiled for gfx942, make setup fetches it; the host target works"
fi
exit 0
