#!/bin/sh
# root.sh SUITE: a root in which that release of Debian has its own nginx, made if it is not there yet;
# prints a program that runs this nginx here. Its headers are in the root's usr/share/nginx/src.
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
root=$(roots_dir)/$suite
nginx=$root.nginx

if [ ! -x "$nginx" ]; then
    # debhelper stands for debhelper-compat, which nginx-dev depends on: that is provided, not a package, and
    # debootstrap looks only for packages.
    sh build/debootstrap.sh "$root" "$suite" nginx nginx-dev debhelper >&2

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
