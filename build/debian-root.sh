#!/bin/sh
# debian-root.sh SUITE: prints a root with that release of Debian as it is at first, apt and little else, and makes it if
# it is not there yet. apt takes packages from this machine's mirrors. No service starts in it.
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
root=$(roots_dir)/$suite-clean
sh build/debootstrap.sh "$root" "$suite" apt >&2
sh build/apt-sources.sh "$root" "$suite"
printf '#!/bin/sh\nexit 101\n' | as_root tee "$root/usr/sbin/policy-rc.d" >/dev/null
as_root chmod 755 "$root/usr/sbin/policy-rc.d"
say "$root"
