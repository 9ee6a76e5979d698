#!/bin/sh
# headers.sh DIR: configures the sources of $NGINX_BINARY's version below DIR, with the options of that binary and with the
# module. Prints the directory, which contains the sources and, in objs/, the results.
#
# A module must be compiled with the same headers and options as the nginx that loads it. nginx compares the version and a
# signature, which do not reflect patches. Therefore, this script fails if the headers may be different ones.
#
#   NGINX_SOURCE_DIR   the sources; default: where nginx-dev installs them
#   NGINX_MODULE_DIRS  the third-party modules that this nginx was configured with: their directories or parent directories

cd "$(dirname "$0")/.."
. build/lib.sh
. build/add-ons.sh

need_nginx_binary build
tree=$1/tree
name=$(nginx_name "$NGINX_BINARY")
version=$(nginx_version "$NGINX_BINARY")
case $name in
    openresty/*) site=openresty.org archive=openresty-${name#*/} sources=$archive/bundle/nginx-$version ;;
    freenginx/*) site=freenginx.org archive=freenginx-$version sources=$archive ;;
    *) site=nginx.org archive=nginx-$version sources=$archive ;;
esac

# is_source_of FOUND WANTED: whether sources of this name may be those of that nginx. A vendor may have changed its name, but
# forks have patches that neither the version nor the signature reveals: OpenResty's ngx_http_upstream_s has other fields.
is_source_of() {
    [ "$1" != "$2" ] || return 0
    case "$1 $2" in
        *openresty/* | *freenginx/*) return 1 ;;
        *) [ "${1#*/}" = "${2#*/}" ] ;;
    esac
}

# advice: prints what to do if the headers are missing, depending on the origin of this nginx
advice() {
    package=$(dpkg-query --search "$(readlink -f "$NGINX_BINARY")" 2>/dev/null | cut -d: -f1) || :
    maintainer=$(dpkg-query --show --showformat '${Maintainer}' "${package:--}" 2>/dev/null) || :
    case $maintainer in
        *debian* | *Debian* | *Ubuntu* | *ubuntu*)
            say "apt-get install nginx-dev" ;;
        *)
            say "unpack $archive.tar.gz (from $site) and say" \
                "make NGINX_BINARY=$NGINX_BINARY NGINX_SOURCE_DIR=.../$sources" ;;
    esac
}

# The module derives structures from the version of nginx. Since 1.27.3, they have fields that freenginx does not have.
case $name in
    freenginx/*)
        newest=1.27.2
        [ "$(printf '%s\n' "$version" "$newest" | sort -V | tail -n 1)" = "$newest" ] ||
            die "$NGINX_BINARY is $name, and this module is for freenginx up to $newest:" \
                "the structures of later ones are no longer those of an nginx" ;;
esac

if [ -n "${NGINX_SOURCE_DIR:-}" ]; then
    source=$(cd "$NGINX_SOURCE_DIR" && pwd) || die "there is no folder $NGINX_SOURCE_DIR"
    found=$(source_name "$source")
    [ -n "$found" ] ||
        die "$NGINX_SOURCE_DIR does not hold the sources of nginx (no src/core/nginx.h)"
    is_source_of "$found" "$name" ||
        die "$NGINX_SOURCE_DIR is $found, but $NGINX_BINARY is $name:" \
            "give it the sources in .../$sources (from $site)"
else
    # where nginx-dev of Debian and Ubuntu is installed
    source=/usr/share/nginx/src
    found=$(source_name "$source")
    [ -n "$found" ] ||
        die "the headers of $name, which $NGINX_BINARY is, are not installed:" "$(advice)"
    is_source_of "$found" "$name" ||
        die "the headers installed (nginx-dev) are $found, but $NGINX_BINARY is $name:" "$(advice)"
fi

for dir in ${NGINX_MODULE_DIRS:-}; do
    [ -d "$dir" ] || die "there is no folder $dir, which NGINX_MODULE_DIRS names"
done
eval "set -- $(nginx_arguments "$NGINX_BINARY")"
add_ons=
missing=
for argument; do
    case $argument in
        --add-module=* | --add-dynamic-module=*)
            if dir=$(add_on "${argument#*=}"); then
                is_this_module "$dir" || add_ons="$add_ons $dir"
            else
                missing="$missing ${argument#*=}"
            fi ;;
    esac
done

# prove: checks that the headers in $tree are those with which $NGINX_BINARY was compiled
prove() {
    status=0
    differ=$(sh build/structures.sh "$NGINX_BINARY" "$tree") || status=$?
    case $status in
        0) return ;;
        2) ;;
        *)
            die "$source is not what $NGINX_BINARY was built from:" "$differ" \
                "give it those sources, with the same patches${missing:+, and the modules$missing}" ;;
    esac

    # The binary has no debugging information. Does it have a module that patches nginx, while these sources are unpatched?
    for dir in $add_ons; do
        for macro in $(patched_by "$dir"); do
            if defines "$tree" "$macro" && ! knows "$source" "$macro"; then
                unpatched "$dir" "$macro"
            fi
        done
    done
    for dir in $missing; do
        macro=$(patch_of "$dir")
        [ -z "$macro" ] || knows "$source" "$macro" || unpatched "$dir" "$macro"
    done

    # Do these sources have patches that depend on macros of a missing module?
    [ -n "$missing" ] || return 0
    macros=$(foreign_macros "$tree" | tr '\n' ' ')
    [ -z "$macros" ] ||
        die "the headers of nginx in $source depend on ${macros% }, and modules that may define" \
            "that are not here:$missing" \
            "say where they are: make NGINX_MODULE_DIRS='DIR ...', each the folder of a module or of several"
}

# unpatched DIR MACRO
unpatched() {
    die "$source is not what $NGINX_BINARY was built from:" \
        "that nginx has the module $1, which patches nginx, and these sources know no $2;" \
        "give it the sources with that patch"
}

configured_for=$tree/.configured-for
key=$(mktemp)
trap 'rm -f "$key"' EXIT
{
    say "$source"
    # shellcheck disable=SC2086 # a list of words: nginx's makefiles do not support spaces in paths either
    find -L "$source/src" "$source/auto" $add_ons \( -name '*.h' -o -path '*/auto/*' -o -name 'config*' \) \
        -type f -exec cksum {} +
    identity "$NGINX_BINARY"
    cat config config.make build/headers.sh build/add-ons.sh build/structures.sh build/layouts.awk
} >"$key"

if ! cmp -s "$key" "$configured_for"; then
    say "-- configuring $name as $NGINX_BINARY was" >&2

    # nginx's configure writes into its source directory, which may be read-only or shared. It runs in a
    # directory of links to the sources instead.
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

    for argument; do
        shift
        case $argument in
            --add-module=* | --add-dynamic-module=*)
                dir=$(add_on "${argument#*=}") || continue
                ! is_this_module "$dir" || continue
                argument=${argument%%=*}=$dir ;;
            # nginx's modules that need further libraries: they do not change the structures of the core.
            --with-*geoip_module* | --with-*image_filter_module* | --with-*perl* | \
                --with-*xslt_module* | --with-google_perftools_module*) continue ;;
            # Libraries that were compiled into this nginx from source: the system's headers are used.
            --with-openssl=* | --with-openssl-opt=* | --with-zlib=* | --with-zlib-*) continue ;;
            --with-pcre=*) argument=--with-pcre ;;
            --with-pcre-opt=*) continue ;;
            --with-libatomic=*) argument=--with-libatomic ;;
            # Tools and paths of the machine on which it was built.
            --with-cc=*) command -v "${argument#*=}" >/dev/null || continue ;;
            --with-cpp=* | --builddir=*) continue ;;
        esac
        set -- "$@" "$argument"
    done

    # OpenResty's own configure passes ngx_lua the path of its LuaJIT, which is next to nginx.
    luajit=$(dirname "$(nginx_option "$NGINX_BINARY" prefix /usr/local/openresty/nginx)")/luajit
    case $name in
        openresty/*)
            export LUAJIT_LIB="${LUAJIT_LIB:-$luajit/lib}" LUAJIT_INC="${LUAJIT_INC:-$luajit/include/luajit-2.1}" ;;
    esac

    # A link, because nginx's makefiles do not support spaces in paths.
    ln -s "$(pwd)" "$tree/session-sticky"
    (cd "$tree" && sh "$configure" "$@" --add-dynamic-module=session-sticky) </dev/null >"$tree.log" 2>&1 || {
        tail -n 15 "$tree.log" >&2
        failed=$(awk 'sub(/^adding module in /, "") { dir = $0 } / was configured$/ { dir = "" }
            END { print dir }' "$tree.log")
        [ -z "$failed" ] ||
            die "the module in $failed, which is in $NGINX_BINARY, cannot be configured, see $tree.log:" \
                "nginx's structures may depend on what it defines;" \
                "install what it needs, as when that nginx was built"
        die "configure failed, see $tree.log and $tree/objs/autoconf.err;" \
            "if it is a library that is missing: make deps"
    }
    prove
    cp "$key" "$configured_for"
fi

(cd "$tree" && pwd)
