#!/bin/sh
# headers.sh DIR: configures the sources of $NGINX_BINARY's version below DIR, as that binary was
# configured, and prints the folder: sources in it, results in its objs/.
#
# A module fits an nginx if it was compiled with the same headers and the same options, of which
# nginx compares the version and a signature when it loads one.

cd "$(dirname "$0")/.."
. build/lib.sh

need_nginx_binary build
tree=$1/tree
version=$(nginx_version "$NGINX_BINARY")

# source_version DIR: the version of the sources in DIR, nothing if there are none
source_version() {
    sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h" 2>/dev/null || :
}

# What to do if there are no headers, in the words of whoever made this nginx.
advice() {
    package=$(dpkg-query --search "$(readlink -f "$NGINX_BINARY")" 2>/dev/null | cut -d: -f1) || :
    maintainer=$(dpkg-query --show --showformat '${Maintainer}' "${package:--}" 2>/dev/null) || :
    case $maintainer in
        *debian* | *Debian* | *Ubuntu* | *ubuntu*)
            say "apt-get install nginx-dev" ;;
        *)
            say "unpack nginx-$version.tar.gz (from nginx.org) and say" \
                "make NGINX_BINARY=$NGINX_BINARY NGINX_SOURCE_DIR=.../nginx-$version" ;;
    esac
}

if [ -n "${NGINX_SOURCE_DIR:-}" ]; then
    source=$(cd "$NGINX_SOURCE_DIR" && pwd) || die "there is no folder $NGINX_SOURCE_DIR"
    found=$(source_version "$source")
    [ -n "$found" ] ||
        die "$NGINX_SOURCE_DIR does not hold the sources of nginx (no src/core/nginx.h)"
    [ "$found" = "$version" ] ||
        die "$NGINX_SOURCE_DIR is nginx $found, but $NGINX_BINARY is $version:" \
            "give it the sources of nginx $version"
else
    # where Debian's and Ubuntu's nginx-dev is
    source=/usr/share/nginx/src
    found=$(source_version "$source")
    [ -n "$found" ] ||
        die "the headers of nginx $version, which $NGINX_BINARY is, are not installed:" "$(advice)"
    [ "$found" = "$version" ] ||
        die "the headers installed (nginx-dev) are nginx $found, but $NGINX_BINARY is $version:" \
            "$(advice)"
fi

configured_for=$tree/.configured-for
key=$(mktemp)
trap 'rm -f "$key"' EXIT
{
    say "$source"
    cksum <"$source/src/core/nginx.h"
    "$NGINX_BINARY" -V 2>&1
    cat build/headers.sh
} >"$key"

if ! cmp -s "$key" "$configured_for"; then
    say "-- configuring nginx $version as $NGINX_BINARY was" >&2

    # nginx configures and writes in its own folder, which is not ours to write in: so in a folder of
    # links to what is in there.
    rm -rf "$tree"
    mkdir -p "$tree"
    for entry in "$source"/*; do
        case ${entry##*/} in
            objs | Makefile) ;;
            *) ln -s "$entry" "$tree/" ;;
        esac
    done
    configure=./configure
    [ -f "$source/configure" ] || configure=auto/configure

    eval "set -- $(nginx_arguments "$NGINX_BINARY")"
    for argument; do
        shift
        case $argument in
            # Modules of others, and nginx's that need further libraries: built apart from the
            # core, or at least without a say in what its structures look like.
            --add-module=* | --add-dynamic-module=*) continue ;;
            --with-*geoip_module* | --with-*image_filter_module* | --with-*perl* | \
                --with-*xslt_module* | --with-google_perftools_module*) continue ;;
            # Libraries compiled into this nginx from their sources: the system's headers do.
            --with-openssl=* | --with-openssl-opt=* | --with-zlib=* | --with-zlib-*) continue ;;
            --with-pcre=*) argument=--with-pcre ;;
            --with-pcre-opt=*) continue ;;
            --with-libatomic=*) argument=--with-libatomic ;;
            # Tools and places of the machine where it was built.
            --with-cc=*) command -v "${argument#*=}" >/dev/null || continue ;;
            --with-cpp=* | --builddir=*) continue ;;
        esac
        set -- "$@" "$argument"
    done

    (cd "$tree" && sh "$configure" "$@") >"$tree.log" 2>&1 || {
        tail -n 15 "$tree.log" >&2
        die "configure failed, see $tree.log and $tree/objs/autoconf.err;" \
            "if it is a library that is missing: make deps"
    }
    cp "$key" "$configured_for"
fi

(cd "$tree" && pwd)
