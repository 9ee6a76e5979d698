#!/bin/sh
# Makes target/http-clients, a Python with the clients of HTTP/2 and HTTP/3 that the tests use.

cd "$(dirname "$0")/.."
. build/lib.sh

need_python target/http-clients tests/clients/requirements.txt "to test"
