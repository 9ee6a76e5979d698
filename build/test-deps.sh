#!/bin/sh
# Installs what the tests need beyond what building needs: nginx as the distribution packages it,
# the test harness Test::Nginx, and the tools that both call.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install nginx, Test::Nginx, valgrind and ab"

# nginx, nginx-dev: the second nginx that the module is tested with, and its headers
# libnginx-mod-http-lua: ngx_lua for that nginx, whose balancers, subrequests and header filters sessions meet
# curl, psmisc, procps: Test::Nginx calls curl, fuser and ps
# iproute2, util-linux: a network of its own for each .t file
# valgrind, apache2-utils: MODE=valgrind, and ab for MODE=leak
# apache2-bin: Apache, whose sessions move here and back
# openssl: certificates for the tests of TLS
# prometheus: promtool, which checks metrics
# python3, python3-venv: what a request costs, make budget; the clients of HTTP/2 and HTTP/3
need_packages "to test" nginx nginx-dev libnginx-mod-http-lua curl psmisc procps iproute2 util-linux \
    valgrind apache2-utils apache2-bin openssl perl prometheus python3 python3-venv

sh build/test-nginx.sh
sh build/http-clients.sh
