#!/bin/sh
# Builds an nginx with the configure options of nginx.org's packages, from the sources that `make` uses. Prints the path of
# the program.

cd "$(dirname "$0")/.."
. build/lib.sh

# The options of nginx.org's 1.29.8 package for Debian. Those for RPM and Alpine differ in paths.
set -- --prefix=/etc/nginx --sbin-path=/usr/sbin/nginx --modules-path=/usr/lib/nginx/modules \
    --conf-path=/etc/nginx/nginx.conf --error-log-path=/var/log/nginx/error.log \
    --http-log-path=/var/log/nginx/access.log --pid-path=/run/nginx.pid --lock-path=/run/nginx.lock \
    --http-client-body-temp-path=/var/cache/nginx/client_temp --http-proxy-temp-path=/var/cache/nginx/proxy_temp \
    --http-fastcgi-temp-path=/var/cache/nginx/fastcgi_temp --http-uwsgi-temp-path=/var/cache/nginx/uwsgi_temp \
    --http-scgi-temp-path=/var/cache/nginx/scgi_temp --user=nginx --group=nginx \
    --with-compat --with-file-aio --with-threads \
    --with-http_addition_module --with-http_auth_request_module --with-http_dav_module --with-http_flv_module \
    --with-http_gunzip_module --with-http_gzip_static_module --with-http_mp4_module \
    --with-http_random_index_module --with-http_realip_module --with-http_secure_link_module \
    --with-http_slice_module --with-http_ssl_module --with-http_stub_status_module --with-http_sub_module \
    --with-http_v2_module --with-http_v3_module --with-mail --with-mail_ssl_module --with-stream \
    --with-stream_realip_module --with-stream_ssl_module --with-stream_ssl_preread_module

source=$(sh build/nginx-src.sh)
tree=objs/nginx.org
if [ "$(cat "$tree/configured-for" 2>/dev/null)" != "$source $*" ]; then
    say "-- building nginx as nginx.org does: a minute" >&2
    rm -rf "$tree"
    mkdir -p "$tree"
    ln -s "$source"/* "$tree/"
    (
        cd "$tree"
        sh auto/configure "$@"
        MAKEFLAGS='' "${MAKE:-make}" --silent --jobs="$(nproc)"
    ) </dev/null >"$tree.log" 2>&1 || {
        tail -n 15 "$tree.log" >&2
        die "no nginx, see $tree.log"
    }
    say "$source $*" >"$tree/configured-for"
fi
say "$tree/objs/nginx"
