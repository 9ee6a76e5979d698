#!/bin/sh
# root.sh SUITE: a root in which that release of Debian has its own nginx, made if it is not there yet;
# prints a program that runs this nginx here. Its headers are in the root's usr/share/nginx/src.
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
roots=${MATRIX_ROOTS:-objs/roots}
mkdir -p "$roots"
roots=$(cd "$roots" && pwd)
root=$roots/$suite
nginx=$root.nginx

if [ ! -x "$nginx" ]; then
    command -v apt-get >/dev/null || die "not a Debian: debootstrap needs a mirror to take packages from"
    need_packages "to have nginx as other releases of Debian package it" debootstrap >&2
    uri=$(sh build/mirror.sh)

    # Every release that debootstrap knows since jessie is made by the script of sid, and so is one that
    # it does not know yet. debhelper stands for debhelper-compat, which nginx-dev depends on: that is
    # provided, not a package, and debootstrap looks only for packages.
    #
    # In a mount namespace of its own: /proc in there goes away with it, whatever happens.
    say "-- making $root: a minute or two" >&2
    as_root rm -rf "$root"
    as_root unshare --mount --propagation private debootstrap --variant=minbase \
        --include=nginx,nginx-dev,debhelper "$suite" "$root" "$uri" sid >"$root.log" 2>&1 || {
        tail -n 15 "$root.log" >&2
        die "debootstrap failed, see $root.log and $root/debootstrap/debootstrap.log"
    }
    as_root rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists"

    # By the root's own ld.so: no chroot, so the tests' files are where they are. Only when this is
    # there the root is complete.
    library=$(echo "$root"/usr/lib/*-linux-gnu)
    cat >"$nginx.new" <<RUN
#!/bin/sh
exec $(echo "$library"/ld-linux*.so.*) --inhibit-cache --library-path $library $root/usr/sbin/nginx "\$@"
RUN
    chmod 755 "$nginx.new"
    [ -n "$(nginx_version "$nginx.new")" ] || die "$nginx.new does not run:" "$("$nginx.new" -v 2>&1)"
    mv "$nginx.new" "$nginx"
fi
say "$nginx"
