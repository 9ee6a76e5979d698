# Sourced by install.sh and uninstall.sh: the paths of $NGINX_BINARY, below $DESTDIR.
# shellcheck shell=sh disable=SC2034,SC2154

prefix=$(nginx_option "$NGINX_BINARY" prefix /usr/local/nginx)
prefix=${prefix%/}

# below_prefix PATH: nginx resolves relative paths from its prefix
below_prefix() {
    case $1 in
        /*) say "$1" ;;
        *) say "$prefix/$1" ;;
    esac
}

modules_dir=$(below_prefix "$(nginx_option "$NGINX_BINARY" modules-path modules)")
modules_dir=${modules_dir%/}
modules_path=${DESTDIR:-}$modules_dir
conf_path=$(below_prefix "$(nginx_option "$NGINX_BINARY" conf-path conf/nginx.conf)")
load_path=$modules_dir/$module.so

# On Debian, each module has a file that loads it, which is enabled by a link.
available=${DESTDIR:-}/usr/share/nginx/modules-available/mod-http-session-sticky.conf
enabled=${DESTDIR:-}/etc/nginx/modules-enabled/50-mod-http-session-sticky.conf
debian=
case $conf_path in
    /etc/nginx/*) [ ! -d /etc/nginx/modules-enabled ] || debian=yes ;;
esac
