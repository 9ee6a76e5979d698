#!/bin/sh
# Runs tests/packages with the packages that are in objs/packages.
#
#   SUITES        bookworm, trixie, forky
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

SUITES=${SUITES:-bookworm}
need_packages "to test" python3 util-linux
for suite in $SUITES; do
    sh build/debian-root.sh "$suite" >/dev/null
done
as_root env SUITES="$SUITES" ROOTS="$(roots_dir)" \
    python3 -B -m unittest discover --start-directory tests/packages --verbose
