# Sourced by headers.sh: the modules of others that $NGINX_BINARY was configured with, --add-module=DIR and
# --add-dynamic-module=DIR. What their scripts, DIR/config, define may be asked for in nginx's own headers, where a
# patch of such a module adds fields to structures of nginx.
# shellcheck shell=sh disable=SC2154

# patch_of DIR: the definition by which a patched header knows a module of this name, if that is known to patch
# structures of nginx; also if there is a version behind the name
patch_of() {
    case $(basename "$1") in
        nginx_upstream_check_module*) say NGX_HTTP_UPSTREAM_CHECK ;;
        ngx_http_proxy_connect_module*) say NGX_HTTP_PROXY_CONNECT ;;
    esac
}

# add_on DIR: where the module is that nginx was configured with by this path; fails if it is nowhere
add_on() {
    name=$(basename "$1")
    for dir in ${NGINX_MODULE_DIRS:-}; do
        for found in "${dir%/}" "$dir/$name"; do
            if [ "${found##*/}" = "$name" ] && [ -f "$found/config" ]; then
                (cd "$found" && pwd)
                return
            fi
        done
    done
    # nginx's configure takes what is not absolute from where it runs
    found=$1
    case $found in
        /*) ;;
        *) found=$source/$found ;;
    esac
    [ -f "$found/config" ] && (cd "$found" && pwd)
}

# is_this_module DIR: is it this one, in any version? An nginx may have been configured with it.
is_this_module() {
    grep -qx "ngx_addon_name=$module" "$1/config"
}

# knows DIR MACRO: does a header of the sources in DIR ask for it?
knows() {
    grep -Rqw --include='*.h' -e "$2" "$1/src"
}

# defines TREE MACRO: does the configured tree?
defines() {
    grep -qw -e "$2" "$1/objs/ngx_auto_config.h" || grep -qw -e "-D$2" "$1/objs/Makefile"
}

# conditions FILE ...: the macros of nginx's kind in the conditional lines of these
conditions() {
    sed -n 's/^[+]\{0,1\}[ \t]*#[ \t]*\(if\|elif\|ifdef\|ifndef\)\([^a-z].*\)/\2/p' "$@" |
        grep -oE '[A-Z_]*NGX_[A-Z0-9_]+' | sort -u
}

# foreign_macros TREE: those on which the headers depend, that nginx's own scripts know nothing of, and that the
# configured tree does not define either
foreign_macros() {
    find -L "$1/src" -name '*.h' -exec cat {} + >"$1/.headers"
    conditions "$1/.headers" |
        while read -r macro; do
            # nginx's own are those that its scripts name or put together, those that its headers define, and
            # some that a developer of nginx may define by hand
            case $macro in
                NGX_HAVE_*_H | NGX_DEBUG_* | NGX_*_DEBUG_ALLOC | NGX_TEST_BUILD_* | NGX_EVENT_T_PADDING | \
                    NGX_LINUXTHREADS | NGX_MEMCPY_LIMIT) continue ;;
            esac
            defines "$1" "$macro" || grep -rqw -e "$macro" "$1/auto" ||
                grep -qE -e "^[[:space:]]*#[[:space:]]*define[[:space:]]+$macro([^A-Z0-9_]|\$)" "$1/.headers" ||
                say "$macro"
        done
    rm -f "$1/.headers"
}

# patched_by DIR: the macros in whose name the patches in that module's folder change headers of nginx
patched_by() {
    find "$1" -name '*.patch' -exec sed -n '/^[+][+][+] .*\.h\([ \t].*\)\{0,1\}$/,/^[+][+][+] .*\.c/p' {} + |
        grep '^+' | conditions
}
