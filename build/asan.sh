#!/bin/sh
# Runs nginx-tests/*/*.t with AddressSanitizer in nginx and in the module. Any report is a failure.
#
#   TESTS, JOBS   as for check-nginx.sh
#   MODE          plain or hup
#
# nginx 1.28 is compiled by clang, the module by Rust's nightly. Both use the runtime that is linked into nginx: Rust links
# none into a library.

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
# clang's runtime, which is in a separate package
runtime=libclang-rt-$(clang -dumpversion | cut -d . -f 1)-dev
need_packages "to test" "$runtime"
need_nightly AddressSanitizer

dir=objs/asan
target=${CARGO_TARGET_DIR:-target}/asan
# With an explicit target, the flags do not apply to build scripts and procedural macros, which run on this machine.
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
make_scratch asan
reports=$scratch/reports
mkdir "$reports"

# NGX_DEBUG_PALLOC is nginx's own switch that turns each allocation from a pool into a malloc, so that accesses past its end
# or after the pool was destroyed are detected.
[ -x "$dir/nginx" ] || say "-- building nginx and the module with AddressSanitizer: three minutes"
# nginx and each module define tables of the same names. With an ODR indicator, those of a module are not confused with
# nginx's own, which are larger.
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

# Leaks are not reported: nginx frees almost nothing when it exits, and with NGX_DEBUG_PALLOC each allocation would be a
# leak. MODE=valgrind finds leaks.
# 16 MB of freed memory are quarantined to detect uses after free, many times what a request allocates. With a larger
# quarantine, memory varies by a megabyte between the passes of security/hostile.t, which measures the memory of nginx.
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1
ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16:allocator_release_to_os_interval_ms=0
# nginx finds the tables of each module by these names, so nginx and every module define them.
for table in ngx_modules ngx_module_names ngx_module_order; do
    say "odr_violation:^$table\$"
done >"$scratch/suppressions"
ASAN_OPTIONS=$ASAN_OPTIONS:suppressions=$scratch/suppressions
export ASAN_OPTIONS
sh build/check-load.sh "$dir/nginx" "$dir/$module.so"

# Make sure that the sanitizer is active: a run without it would report nothing as well.
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
