#!/bin/sh
# in-root.sh ROOT DIR COMMAND ...: runs a command in the root file system of another Debian release. The sources are mounted
# read-only as /source, and DIR as /built, which contains the output and the crates of build/crates.sh.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$2
mkdir -p "$dir/objs" "$dir/target" "$dir/home"

# In its own mount namespace, so that nothing remains mounted.
# shellcheck disable=SC2016 # for the inner shell
as_root unshare --mount --propagation private sh -euc '
    root=$1
    mkdir -p "$root/source" "$root/built" objs
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    mount --bind "$2" "$root/built"
    mount --bind . "$root/source"
    mount -o remount,bind,ro "$root/source"
    mount --bind "$2/objs" "$root/source/objs"
    # for apt
    for file in /etc/resolv.conf /etc/hosts; do
        [ ! -e "$file" ] || cp -L "$file" "$root$file"
    done
    shift 2
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        HOME=/built/home CARGO_HOME=/built/home CARGO_TARGET_DIR=/built/target "$@"
' sh "$@"
