#!/bin/sh
# Makes target/http-clients, a Python with the clients of HTTP/2 and HTTP/3 that the tests use.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=target/http-clients
wanted=tests/clients/requirements.txt
cmp -s "$wanted" "$dir/requirements.txt" && exit

say "-- installing, to test: $(tr '\n' ' ' <"${wanted%.txt}.in")"
rm -rf "$dir"
/usr/bin/python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$wanted"
cp "$wanted" "$dir/"
