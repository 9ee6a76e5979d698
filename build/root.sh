#!/bin/sh
# root.sh SUITE: creates a root file system of that Debian release with its nginx, if it does not exist yet. Prints a program
# that runs this nginx on this machine. Its headers are in the root's usr/share/nginx/src.
#
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

suite=$1
root=$(roots_dir)/$suite
nginx=$root.nginx

if [ ! -x "$nginx" ]; then
    # nginx-dev depends on debhelper-compat, a virtual package that debhelper provides; debootstrap does not resolve virtual
    # packages.
    sh build/debootstrap.sh "$root" "$suite" nginx nginx-dev debhelper >&2

    # Run by the root's own dynamic linker, without chroot, so that the tests' files have the same paths. The root file system
    # is complete if this file exists.
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
