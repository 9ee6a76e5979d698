#!/bin/sh
# mirror.sh [LABEL]: prints the URL of the Debian mirror that this machine's apt uses, for the archive with that label, such
# as Debian-Security; default: Debian.

cd "$(dirname "$0")/.."
. build/lib.sh

label=${1:-Debian}

mirror() {
    # shellcheck disable=SC2016 # expanded by apt
    apt-get indextargets --format '$(REPO_URI)' \
        'Identifier: Packages' 'Origin: Debian' "Label: $label" 'Component: main' | head -n 1
}
uri=$(mirror)
[ -n "$uri" ] || {
    as_root apt-get update --quiet >&2
    uri=$(mirror)
}
[ -n "$uri" ] || die "apt's sources name no mirror of Debian with the label $label"
say "$uri"
