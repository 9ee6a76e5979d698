#!/bin/sh
# Runs tests/monitoring: checks the responses of session_sticky_status with a JSON Schema and with a real Prometheus.
#
#   NGINX_BINARY  the nginx to test; default: objs/nginx
#   MONITORING    only files whose names contain one of these words, such as prometheus

cd "$(dirname "$0")/.."
. build/lib.sh

# prometheus: scrapes the metrics and runs the queries of the dashboard; includes promtool, which checks the metrics
need_packages "to test" curl iproute2 util-linux python3 python3-venv prometheus
need_python target/monitoring tests/monitoring/requirements.txt "to test"

# shellcheck disable=SC2086 # a list of words
exec sh build/lab.sh target/monitoring/bin/python -B tests/monitoring/run.py ${MONITORING:-}
