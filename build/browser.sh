#!/bin/sh
# Runs tests/browser: Debian's chromium in front of nginx with the module.
#
#   NGINX_BINARY  empty: objs/nginx
#   BROWSER       only the files with one of these words in their name, such as cookies
#   SCREENSHOTS   a folder for the pictures of the demo, before and after a failover; empty: none are kept

cd "$(dirname "$0")/.."
. build/lib.sh

missing=$(missing_packages chromium chromium-driver openssl iproute2 util-linux python3 python3-venv)
if [ -n "$missing" ]; then
    say "-- installing, to test:$missing"
    # shellcheck disable=SC2086 # a list of words
    install_unstarted $missing
fi

dir=target/browser
wanted=tests/browser/requirements.txt
if ! cmp -s "$wanted" "$dir/requirements.txt"; then
    say "-- installing, to test: $(tr '\n' ' ' <"${wanted%.txt}.in")"
    rm -rf "$dir"
    /usr/bin/python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
        --requirement "$wanted"
    cp "$wanted" "$dir/"
fi

export SCREENSHOTS="${SCREENSHOTS:-}"
# shellcheck disable=SC2086 # a list of words
exec sh build/lab.sh "$dir/bin/python" -B tests/browser/run.py ${BROWSER:-}
