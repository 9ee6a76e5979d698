#!/bin/sh
# run-t.sh FILE.t: runs a test file. Called by prove, in the environment that check-nginx.sh sets.

set -eu

# Files in different directories may have the same name.
name=$(printf '%s' "${1%.t}" | sed 's,^nginx-tests/,,' | tr / -)
export TEST_NGINX_SERVROOT="$CHECK_DIR/$name"
export PERL5LIB="$CHECK_LIB"

# shellcheck disable=SC2086 # a list of words
set -- $CHECK_ISOLATE perl "$1"

# The output of the verbose mode of Test::Nginx is shown at once.
[ -z "${TEST_NGINX_VERBOSE:-}" ] || exec "$@"

stderr=$CHECK_DIR/$name.stderr

# Test::Nginx writes the results of the leak mode to stderr, which judge-leak.sh reads.
if [ -n "${TEST_NGINX_CHECK_LEAK:-}" ]; then
    PATH=$(dirname "$0")/leak:$PATH
    exec "$@" 2>"$stderr"
fi

export CHECK_STDERR="$stderr"
status=0
"$@" 2>"$stderr" || status=$?
if [ "$status" = 0 ] && [ -f "$stderr.unwanted" ]; then
    cat "$stderr.unwanted" >&2
else
    cat "$stderr" >&2
fi
exit "$status"
