#!/bin/sh
# Runs tests/chaos with one nginx and the module and the probe that were built for it.
#
#   NGINX_BINARY   empty: objs/nginx
#   CHAOS_SECONDS  how long
#   CHAOS_SEED     what happens, and when; empty: any, which is then told
#
# What else it can be told stands after the name of this script.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$(module_dir)
if is_vendored; then nginx=objs/nginx; else nginx=$NGINX_BINARY; fi
for so in "$dir/$module.so" "$dir/ngx_http_upstream_probe_module.so"; do
    [ -f "$so" ] || die "there is no $so: run make chaos${NGINX_BINARY:+ NGINX_BINARY=$NGINX_BINARY}"
done

# Not in the release profile, whose optimizations over all crates take longer than the run.
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only \
    cargo build --locked --package chaos --message-format=json-render-diagnostics >"$messages"
chaos=$(sed -n '/"compiler-artifact"/s/.*"executable":"\([^"]*\/chaos\)".*/\1/p' "$messages")
rm -f "$messages"
[ -x "$chaos" ] || die "cargo did not say where it built tests/chaos"

# In a network of its own, where the system allows it: no port is taken, and nothing is seen of it.
isolate=
for way in 'unshare --net' 'unshare --net --map-root-user'; do
    $way ip link set lo up 2>/dev/null && isolate=$way && break
done

say "-- chaos for ${CHAOS_SECONDS:=60} seconds, on $nginx ($(nginx_version "$nginx"))"
set -- "$chaos" --nginx "$nginx" --module "$dir/$module.so" \
    --probe "$dir/ngx_http_upstream_probe_module.so" \
    --seconds "$CHAOS_SECONDS" ${CHAOS_SEED:+--seed "$CHAOS_SEED"} "$@"
[ -z "$isolate" ] || {
    # shellcheck disable=SC2016,SC2086 # for the inner shell; a list of words
    set -- $isolate sh -c 'ip link set lo up && exec "$@"' sh "$@"
}
exec "$@"
