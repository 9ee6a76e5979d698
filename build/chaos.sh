#!/bin/sh
# Runs tests/chaos with an nginx, and with the module and the probe that were built for it.
#
#   NGINX_BINARY   the nginx to test; default: objs/nginx
#   CHAOS_SECONDS  the duration
#   CHAOS_SEED     the seed of the sequence of events; default: a random one, which is printed
#
# Arguments of this script are passed to the program.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

dir=$(module_dir)
nginx=$(tested_nginx)
need_built "$dir/$module.so" chaos
need_built "$dir/$probe.so" chaos

# Not in the release profile, whose link-time optimization takes longer than the run.
CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only \
    cargo_build --package chaos
chaos=$(built chaos)

say "-- chaos for ${CHAOS_SECONDS:=60} seconds, on $nginx ($(nginx_version "$nginx"))"
# In its own network namespace, so that all ports are free and other processes are not affected.
# shellcheck disable=SC2046 # a list of words
exec $(own_network) "$chaos" --nginx "$nginx" --module "$dir/$module.so" --probe "$dir/$probe.so" \
    --seconds "$CHAOS_SECONDS" ${CHAOS_SEED:+--seed "$CHAOS_SEED"} "$@"
