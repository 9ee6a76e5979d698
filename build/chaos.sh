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
. build/cargo.sh

dir=$(module_dir)
nginx=$(tested_nginx)
need_built "$dir/$module.so" chaos
need_built "$dir/$probe.so" chaos

# Not in the release profile, whose optimizations over all crates take longer than the run.
CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only \
    cargo_build --package chaos
chaos=$(built chaos)

say "-- chaos for ${CHAOS_SECONDS:=60} seconds, on $nginx ($(nginx_version "$nginx"))"
# In a network of its own: no port is taken, and nothing is seen of it.
# shellcheck disable=SC2046 # a list of words
exec $(own_network) "$chaos" --nginx "$nginx" --module "$dir/$module.so" --probe "$dir/$probe.so" \
    --seconds "$CHAOS_SECONDS" ${CHAOS_SEED:+--seed "$CHAOS_SEED"} "$@"
