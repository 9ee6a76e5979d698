#!/bin/sh
# Runs nginx-tests/*/*.t with AddressSanitizer in nginx and in the module: any report is a failure.
#
#   TESTS, JOBS   as for check-nginx.sh
#   MODE          plain or hup
#
# nginx 1.28 is compiled with it by clang, the module by Rust's nightly. nginx brings the one runtime
# that both use: Rust links none into a library.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

mode=${MODE:-plain}
case $mode in
    plain | hup) ;;
    *) die "with AddressSanitizer MODE is plain or hup, not $mode" ;;
esac

sh build/deps.sh
sh build/test-deps.sh
# clang's own runtime, which a package apart has
runtime=libclang-rt-$(clang -dumpversion | cut -d . -f 1)-dev
need_packages "to test" "$runtime"
need_nightly AddressSanitizer

dir=objs/asan
target=${CARGO_TARGET_DIR:-target}/asan
# What is built for a target that is named: not the build scripts and macros, which run here.
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
make_scratch asan
reports=$scratch/reports
mkdir "$reports"

# NGX_DEBUG_PALLOC, a switch of nginx's own, makes each allocation from a pool a malloc: what reads or
# writes past its end, or uses it when its pool has gone, is seen.
[ -x "$dir/nginx" ] || say "-- building nginx and the module with AddressSanitizer: three minutes"
# Each file has tables of the names that nginx looks for: with an odr indicator that of a module is not taken for nginx's
# own, which is larger.
tree=$(sh build/vendored.sh "$target" --add-dynamic-module=session-sticky --with-cc=clang \
    --with-cc-opt="-O1 -g -fno-omit-frame-pointer -fsanitize=address -fsanitize-address-use-odr-indicator \
        -DNGX_DEBUG_PALLOC=1" \
    --with-ld-opt=-fsanitize=address)
CC=clang
RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes"
CARGO_PROFILE_RELEASE_LTO=off
CARGO_BUILD_TARGET=$triple
RUSTUP_TOOLCHAIN=nightly
export CC RUSTFLAGS CARGO_PROFILE_RELEASE_LTO CARGO_BUILD_TARGET RUSTUP_TOOLCHAIN
tell_cargo
make_configured modules binary
cargo_build --release --package "$module" --package "$probe"

mkdir -p "$dir"
install -m 755 "$tree/objs/nginx" "$dir/nginx"
install -m 644 "$tree/objs/$module.so" "$dir/$module.so"
install -m 644 "$(built "lib$probe.so")" "$dir/$probe.so"

# No leaks: nginx frees almost nothing when it ends, and with NGX_DEBUG_PALLOC all of that is a leak of
# its own. MODE=valgrind has the leaks.
# What is freed is kept aside, to see it used: 16 MB of it, many times what a request allocates. More of it
# rises and falls by a megabyte from pass to pass of security/hostile.t, which looks at the memory of nginx.
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1
ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16:allocator_release_to_os_interval_ms=0
# nginx finds the tables of each module by these names, so every file has them.
for table in ngx_modules ngx_module_names ngx_module_order; do
    say "odr_violation:^$table\$"
done >"$scratch/suppressions"
ASAN_OPTIONS=$ASAN_OPTIONS:suppressions=$scratch/suppressions
export ASAN_OPTIONS
sh build/check-load.sh "$dir/nginx" "$dir/$module.so"

# A run without the sanitizer would find nothing either.
ASAN_OPTIONS=help=1 "$dir/nginx" -v 2>&1 | grep -q AddressSanitizer ||
    die "$dir/nginx was built without AddressSanitizer"
nm -D "$dir/$module.so" | grep -q __asan_report_load8 ||
    die "$dir/$module.so was built without AddressSanitizer"

status=0
ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$reports/asan \
    MODE=$mode NGINX_BINARY=$dir/nginx CHECK_MODULE=$dir/$module.so CHECK_PROBE=$dir/$probe.so \
    sh build/check-nginx.sh || status=$?

count=0
for report in "$reports"/*; do
    [ -f "$report" ] || break
    count=$((count + 1))
    cat "$report" >&2
done
say "AddressSanitizer: $count reports"
[ "$count" = 0 ] || status=1
exit "$status"
