#!/bin/sh
# Runs nginx-tests/*/*.t with an nginx into which the module is compiled, by configure --add-module.
#
#   TESTS, MODE, JOBS   as for check-nginx.sh

cd "$(dirname "$0")/.."
. build/lib.sh

sh build/static.sh
NGINX_BINARY=objs/static/nginx CHECK_MODULE=compiled-in CHECK_PROBE=objs/static/$probe.so exec sh build/check-nginx.sh
