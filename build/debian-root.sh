#!/bin/sh
# debian-root.sh SUITE: prints the directory of a minimal root file system of that Debian release, which it creates if
# necessary. apt uses this machine's mirrors there, and services do not start.
#
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
root=$(roots_dir)/$suite-clean
sh build/debootstrap.sh "$root" "$suite" apt >&2
sh build/apt-sources.sh "$root" "$suite"
printf '#!/bin/sh\nexit 101\n' | as_root tee "$root/usr/sbin/policy-rc.d" >/dev/null
as_root chmod 755 "$root/usr/sbin/policy-rc.d"
say "$root"
