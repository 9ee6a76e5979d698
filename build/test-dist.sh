#!/bin/sh
# Runs tests/dist: creates the source tarball of the checked-out commit, and builds from it.

cd "$(dirname "$0")/.."
. build/lib.sh

need_packages "to test" python3 util-linux
say "-- tests of the source tarball"
exec python3 -B -m unittest discover --start-directory tests/dist
