#!/bin/sh
# Runs nginx-tests and tests/chaos with each nginx in the list below, with the module built for it, and compiles the module
# with the oldest supported Rust. Prints a table. The output of the tests is in objs/matrix/VERSION.*.log.
#
#   MATRIX         only these versions, without the oldest Rust: '1.26 1.30'
#   NGINX_SOURCES  a directory with the sources of the versions that are not taken from Debian
#   JOBS           number of files of nginx-tests to run in parallel

cd "$(dirname "$0")/.."
. build/lib.sh

# Each line has a version, and the Debian release that packages it, or "-" for the nginx that `make` builds, or "source" for
# NGINX_SOURCES.
matrix='
1.18 source
1.20 source
1.22 bookworm
1.24 source
1.26 trixie
1.28 -
1.30 forky
mainline source
'

release_of() {
    say "$matrix" | sed -n "s/^$1 //p"
}

versions=${MATRIX:-$(say "$matrix" | sed 's/ .*//')}
for version in $versions; do
    [ -n "$(release_of "$version")" ] || die "$version is not in the list of build/matrix.sh"
done

sh build/deps.sh
sh build/test-deps.sh

dir=objs/matrix
table=$dir/table
mkdir -p "$dir"

# row NGINX FROM FILES CHECKS NGINX-TESTS CHAOS SECONDS: adds a line to the table
row() {
    printf '%-8s %-10s %6s %7s  %-12s %-7s %8s\n' "$@" >>"$table"
}

: >"$table"
row nginx from files checks nginx-tests chaos seconds

# step NAME TARGET ...: runs make with these targets and variables for the current version, and sets $result
step() {
    name=$1
    shift
    if "${MAKE:-make}" --no-print-directory "$@" MODE=plain TESTS= >"$dir/$version.$name.log" 2>&1; then
        result=pass
    else
        result=FAIL
        status=1
        say "-- $version: $name failed, $dir/$version.$name.log ends with"
        tail -n 20 "$dir/$version.$name.log"
    fi
}

status=0
without_sources=
for version in $versions; do
    release=$(release_of "$version")
    started=$(date +%s)
    set --
    exact=$version
    case $release in
        -) set -- NGINX_BINARY= NGINX_SOURCE_DIR= ;;
        source)
            found=$(sh build/sources.sh "$version")
            if [ -z "$found" ]; then
                row "$version" - - - 'not run' - -
                without_sources="$without_sources $version"
                continue
            fi
            exact=${found%% *}
            if ! sources=$(sh build/source-nginx.sh "${found#* }" "$exact"); then
                row "$exact" source - - 'no nginx' - $(($(date +%s) - started))
                status=1
                continue
            fi
            set -- NGINX_BINARY="$sources/objs/nginx" NGINX_SOURCE_DIR="$sources" ;;
        *)
            nginx=$(sh build/root.sh "$release")
            exact=$(nginx_version "$nginx")
            set -- NGINX_BINARY="$nginx" NGINX_SOURCE_DIR="${nginx%.nginx}/usr/share/nginx/src" ;;
    esac
    # A separate target directory: this machine's own nginx may have the same version but another configuration.
    [ "$release" = - ] || set -- "$@" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/matrix"

    say "-- nginx $exact, $release"
    suite=- chaos=- files=- checks=-
    step build build "$@"
    if [ "$result" = pass ]; then
        [ "$release" != - ] || exact=$(nginx_version objs/nginx)
        step nginx-tests check-nginx "$@"
        suite=$result
        counts=$(sed -n 's/^Files=\([0-9]*\), Tests=\([0-9]*\),.*/\1 \2/p' "$dir/$version.nginx-tests.log")
        files=${counts% *} checks=${counts#* }
        step chaos chaos "$@"
        chaos=$result
    else
        suite='no build'
    fi
    row "$exact" "$release" "$files" "$checks" "$suite" "$chaos" $(($(date +%s) - started))
done

if [ -z "${MATRIX:-}" ]; then
    version=msrv
    say "-- the oldest Rust"
    step build test-msrv
    say "the oldest Rust: $result" >>"$table"
fi

cat "$table"
if [ -n "$without_sources" ]; then
    say "not run, as there are no sources:$without_sources; say NGINX_SOURCES=DIR, a folder with" \
        "nginx-VERSION.tar.gz or checkouts"
    # A version that was asked for must run.
    [ -z "${MATRIX:-}" ] || status=1
fi
exit "$status"
