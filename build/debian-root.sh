#!/bin/sh
# debian-root.sh SUITE: prints a root with that release of Debian as it is at first, apt and little else, and makes it if
# it is not there yet. apt takes packages from this machine's mirrors, those of the security archive too. No service
# starts in it.
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
root=$(roots_dir)/$suite-clean
# Only when this is there the root is complete.
mark=$root.complete

if [ ! -e "$mark" ]; then
    list="deb $(sh build/mirror.sh) $suite main
deb $(sh build/mirror.sh Debian-Security) $suite-security main"
    sh build/debootstrap.sh "$root" "$suite" apt >&2
    say "$list" | as_root tee "$root/etc/apt/sources.list" >/dev/null
    # How this machine reaches the mirror. A mirror that is kept for long has lists that have expired.
    {
        apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https | sed '/ "";$/d'
        say 'Acquire::Check-Valid-Until "false";'
    } | as_root tee "$root/etc/apt/apt.conf.d/90mirror" >/dev/null
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$root/usr/sbin/policy-rc.d" >/dev/null
    as_root chmod 755 "$root/usr/sbin/policy-rc.d"
    : >"$mark"
fi
say "$root"
