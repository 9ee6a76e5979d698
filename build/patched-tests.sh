#!/bin/sh
# Builds an nginx from patched sources and the module for it, and tests them: tests/build/patched_nginx.py.

cd "$(dirname "$0")/.."
. build/lib.sh

need_to_build
say "-- an nginx with a patched structure"
exec python3 -B tests/build/patched_nginx.py
