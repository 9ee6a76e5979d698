#!/bin/sh
# Makes the source tarball of the commit that is checked out, and builds from it: tests/dist.

cd "$(dirname "$0")/.."
. build/lib.sh

need_packages "to test" python3 util-linux
say "-- tests of the source tarball"
exec python3 -B -m unittest discover --start-directory tests/dist
