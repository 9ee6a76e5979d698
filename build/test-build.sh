#!/bin/sh
# Runs tests/build: tests of the scripts in build/, limits of the code's size, and the messages that the manual lists.

cd "$(dirname "$0")/.."
. build/lib.sh

say "-- tests of the build"
exec python3 -B -m unittest discover --start-directory tests/build
