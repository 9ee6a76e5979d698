#!/bin/sh
# sources.sh VERSION: finds the newest nginx of this version in $NGINX_SOURCES, as a directory or an archive. Prints its exact
# version and its path, or nothing.
#
# VERSION is 1.18, for example, or "mainline", which is any version with an odd second number.

cd "$(dirname "$0")/.."
. build/lib.sh

[ -n "${NGINX_SOURCES:-}" ] || exit 0
[ -d "$NGINX_SOURCES" ] || die "there is no folder $NGINX_SOURCES, which NGINX_SOURCES names"
case $1 in
    mainline) wanted='1\.[0-9]*[13579]' ;;
    *) wanted=$(say "$1" | sed 's/[.]/\\./g') ;;
esac

make_scratch sources
for entry in "$(cd "$NGINX_SOURCES" && pwd)"/*; do
    sources=$entry
    case $entry in
        *.tar.*)
            rm -rf "$scratch/archive"
            mkdir "$scratch/archive"
            tar -x -f "$entry" -C "$scratch/archive" --strip-components=1 --wildcards '*/src/core/nginx.h' \
                2>/dev/null || continue
            sources=$scratch/archive ;;
    esac
    say "$(source_name "$sources") $entry"
done | sed -n "s,^nginx/\(${wanted}[.][0-9]* \),\1,p" | sort -V | tail -n 1
