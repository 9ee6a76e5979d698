#!/bin/sh
# vendored.sh DIR ARGUMENT ...: configures the nginx of the crate nginx-src below DIR, with configure_options and these
# arguments. Prints the directory, which contains the sources, the results in objs/, and the module as session-sticky/.

cd "$(dirname "$0")/.."
. build/lib.sh

tree=$1/tree
shift

source=$(sh build/nginx-src.sh)

# shellcheck disable=SC2046 # a list of words
set -- $(configure_options) "$@"

configured_for=$tree/.configured-for
key=$(mktemp)
trap 'rm -f "$key"' EXIT
{
    say "$source" "$@"
    cat config config.make build/vendored.sh
} >"$key"

if ! cmp -s "$key" "$configured_for"; then
    say "-- configuring the nginx of the crate nginx-src" >&2
    rm -rf "$tree"
    mkdir -p "$tree"
    ln -s "$source"/* "$tree/"
    ln -s "$(pwd)" "$tree/session-sticky"
    (cd "$tree" && sh auto/configure "$@") </dev/null >"$tree.log" 2>&1 || {
        tail -n 15 "$tree.log" >&2
        die "configure failed, see $tree.log and $tree/objs/autoconf.err"
    }
    cp "$key" "$configured_for"
fi

(cd "$tree" && pwd -P)
