#!/bin/sh
# Runs the tests of the scripts in build/, the figures that the code keeps, and the messages that the manual lists: tests/build.

cd "$(dirname "$0")/.."
. build/lib.sh

say "-- tests of the build"
exec python3 -B -m unittest discover --start-directory tests/build
