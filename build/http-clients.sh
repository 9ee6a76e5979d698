#!/bin/sh
# Creates target/http-clients, a Python environment with the HTTP/2 and HTTP/3 clients for the tests.

cd "$(dirname "$0")/.."
. build/lib.sh

need_python target/http-clients tests/clients/requirements.txt "to test"
