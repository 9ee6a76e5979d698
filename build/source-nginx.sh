#!/bin/sh
# source-nginx.sh SOURCES VERSION: builds nginx from a directory or archive with the sources of that version, with the
# modules that the tests use, in objs/from-source/nginx-VERSION. Prints that directory, which contains the sources and
# objs/nginx. The output of the build is in objs/from-source/nginx-VERSION.log.

cd "$(dirname "$0")/.."
. build/lib.sh

sources=$1
version=$2
dir=objs/from-source/nginx-$version
built_from=$dir.built-from

options=$(configure_options)
# HTTP/3 appeared in nginx 1.25.
minor=${version#*.}
[ "${minor%%.*}" -ge 25 ] || options=$(say "$options" | sed 's/--with-http_v3_module//')

key=$({
    say "$options"
    find "$sources" \( -name objs -o -name .git \) -prune -o -type f -exec cksum {} +
} | cksum)
if [ "$(cat "$built_from" 2>/dev/null)" != "$key" ]; then
    say "-- building nginx $version" >&2
    rm -rf "$dir" "$built_from"
    mkdir -p "$dir"
    if [ -d "$sources" ]; then
        (cd "$sources" && tar -c --exclude ./objs --exclude .git --exclude ./Makefile .) | tar -x -C "$dir"
    else
        tar -x -f "$sources" -C "$dir" --strip-components=1
    fi
    NGINX_SOURCE_DIR=$dir sh build/deps.sh >&2
    configure=./configure
    [ -f "$dir/configure" ] || configure=auto/configure
    # With debugging information, with which the build checks the structures. Warnings of newer compilers about older sources
    # are not errors.
    # shellcheck disable=SC2086 # a list of words
    (cd "$dir" && sh "$configure" $options --with-cc-opt='-O2 -g -Wno-error' && "${MAKE:-make}" --silent) \
        </dev/null >"$dir.log" 2>&1 || {
        tail -n 15 "$dir.log" >&2
        die "nginx $version cannot be built from $sources, see $dir.log"
    }
    say "$key" >"$built_from"
fi
(cd "$dir" && pwd)
