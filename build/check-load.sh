#!/bin/sh
# check-load.sh NGINX MODULE.so: checks that this nginx loads this module. Prints nginx's messages if it does not.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
so=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
make_scratch load

# Without http {}, whose default directories only root can create.
mkdir "$scratch/logs"
cat >"$scratch/nginx.conf" <<END
load_module "$so";
pid "$scratch/nginx.pid";
error_log stderr;
events {}
END

# shellcheck disable=SC2046 # two words or none
"$nginx" -t -q $(early_log "$nginx" stderr) -p "$scratch/" -c "$scratch/nginx.conf" >"$scratch/output" 2>&1 || {
    cat "$scratch/output" >&2
    die "$nginx does not load $2"
}
