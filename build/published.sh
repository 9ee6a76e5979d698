#!/bin/sh
# Runs tests/published with an nginx and the module that was built for it.
#
#   NGINX_BINARY  the nginx to test; default: objs/nginx
#   PUBLISHED     only files whose names contain one of these words, such as 'lbsid tomcat'

cd "$(dirname "$0")/.."
. build/lib.sh

need_packages "to test" curl iproute2 util-linux python3 tomcat10-user faketime

# The addresses in the published configurations.
NETWORK_ADDRESSES='10.0.23.20 10.0.23.21 10.10.117.238 172.17.15.85 172.17.15.86 172.25.12.1 172.25.12.2 172.25.12.3
    192.168.0.1 192.168.0.2'
NETWORK_HOSTS=tests/published/hosts
export NETWORK_ADDRESSES NETWORK_HOSTS
# shellcheck disable=SC2086 # a list of words
exec sh build/lab.sh python3 -B tests/published/run.py ${PUBLISHED:-}
