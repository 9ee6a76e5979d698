#!/bin/sh
# Installs what nginx's own tests need. Some of them would be skipped without it.

cd "$(dirname "$0")/../.."
. build/lib.sh

command -v apt-get >/dev/null || exit 0

# libio-socket-ssl-perl, libcryptx-perl: TLS and QUIC clients
# libfcgi-perl, libscgi-perl, uwsgi ..., memcached ...: servers for these protocols
# libprotocol-websocket-perl: WebSocket
need_packages "for nginx's own tests" perl openssl iproute2 util-linux libio-socket-ssl-perl libcryptx-perl \
    libfcgi-perl libscgi-perl uwsgi-core uwsgi-plugin-python3 memcached libcache-memcached-perl \
    libcache-memcached-fast-perl libprotocol-websocket-perl
