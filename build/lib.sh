# Sourced by the scripts beside it: what more than one of them needs.
# shellcheck shell=sh disable=SC2034,SC2154

set -eu

module=ngx_http_session_sticky_module

# nginx would take it for the sockets that a previous binary hands over.
unset NGINX

say() {
    printf '%s\n' "$*"
}

# die WHAT [WHAT-TO-DO]
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# Is $NGINX_BINARY an nginx of its own, or empty, which means the one that `make` builds?
is_vendored() {
    [ -z "${NGINX_BINARY:-}" ] || [ "$NGINX_BINARY" -ef objs/nginx ]
}

# nginx_version FILE: 1.22.1
nginx_version() {
    "$1" -v 2>&1 | sed -n 's,^nginx version: [^/]*/\([0-9][0-9.]*\).*,\1,p'
}

# nginx_arguments FILE: what its configure was called with, quoted for the shell as nginx -V has it
nginx_arguments() {
    "$1" -V 2>&1 | sed -n 's/^configure arguments: *//p'
}

# nginx_option FILE NAME DEFAULT: the value of --NAME= in these arguments
nginx_option() (
    name=$2
    value=$3
    # The text comes from a program that is run anyway, so eval adds no trust.
    eval "set -- $(nginx_arguments "$1")"
    for argument; do
        case $argument in
            "--$name="*) value=${argument#*=} ;;
        esac
    done
    printf '%s\n' "$value"
)

# Fails in words unless $NGINX_BINARY is an nginx that can be asked.
need_nginx_binary() {
    [ -n "${NGINX_BINARY:-}" ] ||
        die "which nginx? Say for example: make $1 NGINX_BINARY=/usr/sbin/nginx"
    [ -x "$NGINX_BINARY" ] || die "there is no program $NGINX_BINARY"
    [ -n "$(nginx_version "$NGINX_BINARY")" ] ||
        die "$NGINX_BINARY -v does not tell the version of an nginx"
}

# Where the module for $NGINX_BINARY is built: objs, or objs/nginx-1.22.1
module_dir() {
    if is_vendored; then
        say objs
    else
        say "objs/nginx-$(nginx_version "$NGINX_BINARY")"
    fi
}

# as_root COMMAND ...
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*"
    fi
}

# missing_packages NAME ...: those that dpkg does not list as installed
missing_packages() {
    for package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
            grep -q '^installed$' || printf ' %s' "$package"
    done
}

# install_packages FILE-OR-NAME ...
# The lists of a fresh or an old machine do not lead to the packages of today: fetch them, try again.
install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null && return
    say "-- apt-get update, and once more"
    as_root apt-get update --quiet </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null
}

# install_unstarted NAME ...
# The same, but servers among the packages do not start, as theirs would on ports that nobody asked for.
install_unstarted() (
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 755 /usr/sbin/policy-rc.d
    fi
    install_packages "$@"
)
