#!/bin/sh
# Builds the module for aarch64 and the nginx of Debian 13, and runs both under qemu: checks that nginx loads the module and
# that sessions stick, also over a reload. Also runs the crate's tests and some of nginx-tests.
#
#   TESTS         files and directories of nginx-tests to run instead of the default ones
#   JOBS          number of test files to run in parallel
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

# qemu-user: runs programs for aarch64
# gcc-aarch64-linux-gnu, libc6-dev-arm64-cross: the compiler
# libstd-rust-dev, libpcre2-dev, libssl-dev, zlib1g-dev: libraries to link, and headers that nginx's headers include
root=$(sh build/rust-root.sh qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-dev:arm64 \
    libpcre2-dev:arm64 libssl-dev:arm64 zlib1g-dev:arm64)

# This nginx is only unpacked, next to the root's own. It runs under qemu, by the dynamic linker and the libraries in the
# root file system.
nginx=opt/nginx-arm64/usr/sbin/nginx
[ -x "$root/$nginx" ] || {
    say "-- getting nginx for aarch64"
    # shellcheck disable=SC2016 # for the inner shell
    as_root chroot "$root" sh -euc '
        cd "$(mktemp -d)"
        apt-get --quiet --option APT::Sandbox::User= download nginx:arm64
        dpkg -x nginx_*_arm64.deb "$1"
        rm nginx_*_arm64.deb
    ' sh "/${nginx%%/usr/*}" >"$root.log" 2>&1 || {
        tail -n 15 "$root.log" >&2
        die "apt has no nginx for aarch64, see $root.log"
    }
}

dir=objs/arm64
mkdir -p "$dir"

# runner FILE ROOT: writes a program that runs this nginx, with the root file system at ROOT
runner() {
    library=$2/usr/lib/aarch64-linux-gnu
    cat >"$1" <<RUN
#!/bin/sh
exec $2/usr/bin/qemu-aarch64 $library/ld-linux-aarch64.so.1 --inhibit-cache --library-path $library $2/$nginx "\$@"
RUN
    chmod 755 "$1"
}

runner "$dir/nginx-in-root" ''
runner "$dir/nginx" "$root"
version=$(nginx_version "$dir/nginx")
[ -n "$version" ] || die "$dir/nginx does not run:" "$("$dir/nginx" -v 2>&1)"

say "-- the module for aarch64 and nginx $version"
sh build/crates.sh "$dir"
sh build/in-root.sh "$root" "$dir" sh /source/build/arm64/build.sh /built/nginx-in-root

built=$dir/objs/nginx-$version
exec sh build/elsewhere.sh "$dir/nginx" "$built"
