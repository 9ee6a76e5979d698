#!/bin/sh
# check-load.sh NGINX MODULE.so: does this nginx load this module? nginx says why if it does not.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
so=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# No http {}: its defaults name folders that only root can make.
mkdir "$dir/logs"
cat >"$dir/nginx.conf" <<END
load_module "$so";
pid "$dir/nginx.pid";
error_log stderr;
events {}
END

"$nginx" -t -q -e stderr -p "$dir/" -c "$dir/nginx.conf" >"$dir/output" 2>&1 || {
    cat "$dir/output" >&2
    die "$nginx does not load $2"
}
