# Sourced by headers.sh: functions about the third-party modules that $NGINX_BINARY was configured with, by --add-module=DIR
# and --add-dynamic-module=DIR. If a patch of such a module adds fields to nginx's structures, nginx's headers may depend on
# macros that the module's DIR/config defines.
# shellcheck shell=sh disable=SC2154

# patch_of DIR: prints the macro that patched headers test for a module of this name, with or without a version, if the
# module is known to patch structures of nginx
patch_of() {
    case $(basename "$1") in
        nginx_upstream_check_module*) say NGX_HTTP_UPSTREAM_CHECK ;;
        ngx_http_proxy_connect_module*) say NGX_HTTP_PROXY_CONNECT ;;
    esac
}

# add_on DIR: prints where the module that nginx was configured with by this path is; fails if it is not found
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
    # nginx's configure resolves relative paths from the directory in which it runs
    found=$1
    case $found in
        /*) ;;
        *) found=$source/$found ;;
    esac
    [ -f "$found/config" ] && (cd "$found" && pwd)
}

# is_this_module DIR: whether it is this module, in any version: the nginx may have been configured with it
is_this_module() {
    grep -qx "ngx_addon_name=$module" "$1/config"
}

# knows DIR MACRO: whether a header of the sources in DIR uses the macro
knows() {
    grep -Rqw --include='*.h' -e "$2" "$1/src"
}

# defines TREE MACRO: whether the configured tree defines the macro
defines() {
    grep -qw -e "$2" "$1/objs/ngx_auto_config.h" || grep -qw -e "-D$2" "$1/objs/Makefile"
}

# conditions FILE ...: prints the NGX_ macros in the preprocessor conditions of these files
conditions() {
    sed -n 's/^[+]\{0,1\}[ \t]*#[ \t]*\(if\|elif\|ifdef\|ifndef\)\([^a-z].*\)/\2/p' "$@" |
        grep -oE '[A-Z_]*NGX_[A-Z0-9_]+' | sort -u
}

# foreign_macros TREE: prints the macros on which the headers depend, but which neither nginx's own scripts nor the
# configured tree define
foreign_macros() {
    find -L "$1/src" -name '*.h' -exec cat {} + >"$1/.headers"
    conditions "$1/.headers" |
        while read -r macro; do
            # nginx's own macros are those that its scripts name or generate, those that its headers define, and
            # some that developers of nginx define by hand
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

# patched_by DIR: prints the macros on which the changes of the module's patches to nginx's headers depend
patched_by() {
    find "$1" -name '*.patch' -exec sed -n '/^[+][+][+] .*\.h\([ \t].*\)\{0,1\}$/,/^[+][+][+] .*\.c/p' {} + |
        grep '^+' | conditions
}
