#!/bin/sh
# Debian 12: makes build/comgr-root, a private root with Debian 13's comgr and the C library it
# needs. Changes nothing in the system: apt runs with a configuration, package lists and a cache of
# its own; the mirror and its keyring are those of the system's apt sources, and signatures are
# checked as always. Run from the repository root. Exit status 0: the root is there.
root=build/comgr-root
suite=trixie
packages='libamd-comgr2 libamd-comgr-dev libllvm17t64 libc6 libstdc++6 libgcc-s1 libzstd1 zlib1g
    libz3-4 libxml2 liblzma5 libedit2 libffi8 libtinfo6 libbsd0 libmd0'

say() { printf 'setup: %s\n' "$*" >&2; }
[ ! -e $root/ready ] || exit 0
if [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ]; then
    say "a private comgr root can be made on amd64 only"
    exit 1
fi

mkdir -p build || exit 1
work=$(mktemp -d build/comgr-root.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
work=$PWD/$work
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/etc" "$work/debs" \
    "$work/root" || exit 1
: >"$work/status"

# apt itself reads its sources, of either format: "URI|file:entry" of each Debian 12 main component.
sources=$(apt-get indextargets --no-release-info \
    --format '$(CREATED_BY)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)|$(SOURCESENTRY)' 2>/dev/null |
    sed -n 's/^Packages|main|\(bookworm\|stable\|oldstable\)|//p' | sort -u)
if [ -z "$sources" ]; then
    say "no apt source with Debian 12's main component was found, so no mirror for comgr is known"
    exit 1
fi

# The keyring that the source's entry names, if it names one: in [signed-by=FILE] on line N of a
# one-line file, or as Signed-By: FILE in stanza N of a deb822 file.
keyring_of() { # file:entry
    file=${1%:*} entry=${1##*:}
    case $file in
    *.sources) awk -v RS= -v entry="$entry" 'NR == entry' "$file" |
        sed -n 's/^[Ss]igned-[Bb]y: *\(\/[^ ]*\).*/\1/p' ;;
    *) sed -n "${entry}s/.*signed-by=\([^] ]*\).*/\1/p" "$file" ;;
    esac
}

export APT_CONFIG="$work/apt.conf"
cat >"$APT_CONFIG" <<END
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::SourceList "$work/etc/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "$(id -un)";
APT::Architectures { "amd64"; };
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END

say "fetching comgr for gfx942 from Debian 13 into $root (some 60 MB, once)"
found=
for source in $sources; do
    uri=${source%%|*}
    keyring=$(keyring_of "${source#*|}")
    echo "deb ${keyring:+[signed-by=$keyring] }$uri $suite main" >"$work/etc/sources.list"
    if apt-get -q -o APT::Update::Error-Mode=any update >"$work/log" 2>&1; then
        found=$uri
        break
    fi
done
if [ -z "$found" ]; then
    sed -n 's/^[EW]: /apt: /p' "$work/log" | head -n 5 >&2
    say "Debian 13's package list could not be read or its signature not be checked"
    exit 1
fi
# shellcheck disable=SC2086  # the package names, split on purpose
if ! (cd "$work/debs" && apt-get -q download $packages) >"$work/log" 2>&1; then
    sed -n 's/^[EW]: /apt: /p' "$work/log" | head -n 5 >&2
    say "the packages of comgr could not be downloaded"
    exit 1
fi
for package in "$work"/debs/*.deb; do
    dpkg-deb -x "$package" "$work/root" || {
        say "could not unpack $(basename "$package"): is the disk full?"
        exit 1
    }
done
libraries=$work/root/usr/lib/x86_64-linux-gnu
"$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" \
    --list "$libraries/libamd_comgr.so.2" >"$work/log" 2>&1
if [ $? != 0 ] || grep -q 'not found' "$work/log"; then
    grep -E 'error|not found' "$work/log" >&2
    say "the private comgr root does not work on this machine"
    exit 1
fi
rm -rf "$work/root/usr/share" "$work/root/etc"
: >"$work/root/ready"
# Another make may have been faster: then its root is as good.
mv -T "$work/root" $root 2>/dev/null || [ -e $root/ready ]
