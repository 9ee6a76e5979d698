#!/bin/sh
# run-t.sh FILE.t: prove calls it through check-nginx.sh, which sets the environment.

set -eu

# Files of two folders may have one name.
name=$(printf '%s' "${1%.t}" | sed 's,^nginx-tests/,,' | tr / -)
export TEST_NGINX_SERVROOT="$CHECK_DIR/$name"
export PERL5LIB="$CHECK_LIB"

# shellcheck disable=SC2086 # a list of words
set -- $CHECK_ISOLATE perl "$1"

# Who asks Test::Nginx to tell every request wants to see it at once.
[ -z "${TEST_NGINX_VERBOSE:-}" ] || exec "$@"

stderr=$CHECK_DIR/$name.stderr

# What the leak mode finds, Test::Nginx tells on stderr alone: judge-leak.sh reads it.
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
