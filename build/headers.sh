#!/bin/sh
# headers.sh DIR: configures the sources of $NGINX_BINARY's version below DIR, as that binary was
# configured, and prints the folder: sources in it, results in its objs/.
#
# A module fits an nginx if it was compiled with the same headers and the same options. nginx compares the version
# and a signature when it loads one, and these know nothing of patches. So here an error is better than headers
# that may be others.
#
#   NGINX_SOURCE_DIR   where these sources are, if not where nginx-dev puts them
#   NGINX_MODULE_DIRS  where the modules are that this nginx was configured with: folders, or folders of folders

cd "$(dirname "$0")/.."
. build/lib.sh
. build/add-ons.sh

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
                add_ons="$add_ons $dir"
            else
                missing="$missing ${argument#*=}"
            fi ;;
    esac
done

# prove: are the headers in $tree those by which $NGINX_BINARY was compiled?
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

    # A binary without debugging information. Does it have a module that has patched nginx, and not these sources?
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

    # Do these sources have patches that ask for what a module defines that is not here?
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
    # shellcheck disable=SC2086 # a list of words: nginx's makefiles take no path with a space either
    find -L "$source/src" "$source/auto" $add_ons \( -name '*.h' -o -path '*/auto/*' -o -name 'config*' \) \
        -type f -exec cksum {} +
    identity "$NGINX_BINARY"
    cat build/headers.sh build/add-ons.sh build/structures.sh build/layouts.awk
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

    for argument; do
        shift
        case $argument in
            --add-module=* | --add-dynamic-module=*)
                dir=$(add_on "${argument#*=}") || continue
                argument=${argument%%=*}=$dir ;;
            # nginx's modules that need further libraries: built apart from the core, or at least without a
            # say in what its structures look like.
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

    (cd "$tree" && sh "$configure" "$@") </dev/null >"$tree.log" 2>&1 || {
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
