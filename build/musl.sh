#!/bin/sh
# Builds the module and the nginx of the crate nginx-src with the C library musl, and runs both: checks that nginx loads the
# module and that sessions stick, also over a reload. Also runs the crate's tests and some of nginx-tests.
#
#   TESTS         files and directories of nginx-tests to run instead of the default ones
#   JOBS          number of test files to run in parallel
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots
#
# Debian has musl but no Rust for it, so Rust's standard library is compiled from its sources. Alpine has packages of both.

cd "$(dirname "$0")/.."
. build/lib.sh

# musl-tools: musl and a C compiler for it
# rust-src: the sources of Rust's standard library
root=$(sh build/rust-root.sh musl-tools rust-src)
std=$root/usr/lib/rustlib/src/rust/library
[ -f "$std/Cargo.lock" ] || die "Debian's rust-src has no $std/Cargo.lock"

# nginx needs PCRE2 for `return`. Debian has no libraries for musl.
pcre=$root/opt/pcre2
[ -f "$pcre/configure" ] || {
    say "-- getting the sources of PCRE2"
    # shellcheck disable=SC2016 # for the inner shell
    as_root chroot "$root" sh -euc '
        sed "s/^deb /deb-src /" /etc/apt/sources.list >/etc/apt/sources.list.d/deb-src.list
        apt-get --quiet update
        dir=$(mktemp -d)
        cd "$dir"
        apt-get --quiet --option APT::Sandbox::User= --tar-only --download-only source pcre2
        mkdir -p "$1"
        tar -x -f pcre2_*.orig.tar.* -C "$1" --strip-components=1
        rm -r "$dir"
    ' sh /opt/pcre2 >"$root.log" 2>&1 || {
        tail -n 15 "$root.log" >&2
        die "apt has no sources of PCRE2, see $root.log"
    }
}

dir=objs/musl
mkdir -p "$dir"
say "-- nginx and the module with musl"
sh build/crates.sh "$dir" "$std/Cargo.toml"
sh build/in-root.sh "$root" "$dir" sh /source/build/musl/build.sh /opt/pcre2

cat >"$dir/nginx" <<RUN
#!/bin/sh
exec $root/usr/lib/x86_64-linux-musl/libc.so $(cd "$dir" && pwd)/objs/nginx "\$@"
RUN
chmod 755 "$dir/nginx"
exec sh build/elsewhere.sh "$dir/nginx" "$dir/objs"
