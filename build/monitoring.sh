#!/bin/sh
# Runs tests/monitoring: what session_sticky_status answers, read as those read it for whom it is: by a JSON Schema, and by
# a real Prometheus.
#
#   NGINX_BINARY  empty: objs/nginx
#   MONITORING    only the files with one of these words in their name, such as prometheus

cd "$(dirname "$0")/.."
. build/lib.sh

# prometheus: it scrapes the metrics and answers the dashboard's queries; promtool, which checks them, comes with it
need_packages "to test" curl iproute2 util-linux python3 python3-venv prometheus
need_python target/monitoring tests/monitoring/requirements.txt "to test"

# shellcheck disable=SC2086 # a list of words
exec sh build/lab.sh target/monitoring/bin/python -B tests/monitoring/run.py ${MONITORING:-}
