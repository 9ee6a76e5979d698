#!/bin/sh
# Prints the mirror of Debian that this machine's apt uses, as its lists have it.

cd "$(dirname "$0")/.."
. build/lib.sh

mirror() {
    # shellcheck disable=SC2016 # apt's own
    apt-get indextargets --format '$(REPO_URI)' \
        'Identifier: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1
}
uri=$(mirror)
[ -n "$uri" ] || {
    as_root apt-get update --quiet >&2
    uri=$(mirror)
}
[ -n "$uri" ] || die "apt's sources name no mirror of Debian"
say "$uri"
