#!/bin/sh
# Runs tests/browser: Debian's Chromium as the client of nginx with the module.
#
#   NGINX_BINARY  the nginx to test; default: objs/nginx
#   BROWSER       only files whose names contain one of these words, such as cookies
#   SCREENSHOTS   a directory for screenshots: the demo before and after a failover, the page of session_sticky_status;
#                 default: none are kept

cd "$(dirname "$0")/.."
. build/lib.sh

need_packages "to test" chromium chromium-driver openssl iproute2 util-linux python3 python3-venv
need_python target/browser tests/browser/requirements.txt "to test"
need_npm target/axe tests/browser "to test"

AXE=$(pwd)/target/axe/node_modules/axe-core/axe.min.js
export AXE
export SCREENSHOTS="${SCREENSHOTS:-}"
# shellcheck disable=SC2086 # a list of words
exec sh build/lab.sh target/browser/bin/python -B tests/browser/run.py ${BROWSER:-}
