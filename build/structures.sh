#!/bin/sh
# structures.sh NGINX TREE: are the structures of that nginx those of the configured sources in TREE? Compares
# sizes and offsets in the debugging information of the binary with what a compiler makes of the headers.
#
# Ends with 0 if all are the same, with 2 if the binary has no such information, as that of a distribution, and
# with 1 after it has printed some that differ.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
tree=$2
make_scratch structures

# layouts FILE
layouts() {
    readelf --debug-dump=info "$1" 2>/dev/null | awk -f build/layouts.awk | LC_ALL=C sort -u
}

command -v readelf >/dev/null || exit 2
layouts "$nginx" >"$scratch/binary"
grep -q '^ngx_http_upstream_s ' "$scratch/binary" || exit 2

# As nginx's own makefile compiles; otherwise a structure that nothing uses would be left out.
printf '#include <ngx_config.h>\n#include <ngx_core.h>\n#include <ngx_http.h>\n' >"$scratch/headers.c"
{
    say "include objs/Makefile"
    say "layouts:"
    # shellcheck disable=SC2016 # make's own
    printf '\t$(CC) $(CFLAGS) -g -fno-eliminate-unused-debug-types $(ALL_INCS) -c -o %s %s\n' \
        "$scratch/headers.o" "$scratch/headers.c"
} >"$scratch/makefile"
"${MAKE:-make}" --silent -C "$tree" -f "$scratch/makefile" layouts >"$scratch/log" 2>&1 || {
    tail -n 15 "$scratch/log" >&2
    say "the headers of the configured sources do not even compile"
    exit 1
}
layouts "$scratch/headers.o" >"$scratch/headers"

# A file of nginx may have a structure of its own by the name of another: one that is the same is enough. What TLS
# and QUIC keep to themselves depends on the OpenSSL, which may be one of that nginx's own.
awk '$1 ~ /^ngx_(ssl|quic)_/ { next }
    NR == FNR { binary[$0]; if (!($1 in size)) size[$1] = $2; next }
    $1 in size && !($0 in binary) {
        if (differ++ < 3)
            if (size[$1] == $2)
                print $1 " has the same size, and members in other places"
            else
                print $1 " has " size[$1] " bytes in the binary, " $2 " by the sources"
    }
    END { exit differ > 0 }' "$scratch/binary" "$scratch/headers"
