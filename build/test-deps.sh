#!/bin/sh
# Installs what the tests need in addition to the build dependencies: the distribution's nginx, the test framework
# Test::Nginx, and tools.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install nginx, Test::Nginx, valgrind and ab"

# nginx, nginx-dev: a second nginx to test the module with, and its headers
# libnginx-mod-http-lua: ngx_lua for that nginx: its balancers, subrequests and header filters
# curl, psmisc, procps: Test::Nginx calls curl, fuser and ps
# iproute2, util-linux: a network namespace for each .t file
# valgrind, apache2-utils: MODE=valgrind, and ab for MODE=leak
# apache2-bin: Apache, for the migration of its sessions
# openssl: certificates for TLS tests
# jq: commands in the documentation
# prometheus: promtool, which checks metrics
# python3, python3-venv: make budget, and the HTTP/2 and HTTP/3 clients
need_packages "to test" nginx nginx-dev libnginx-mod-http-lua curl psmisc procps iproute2 util-linux \
    valgrind apache2-utils apache2-bin openssl jq perl prometheus python3 python3-venv

sh build/test-nginx.sh
sh build/http-clients.sh
