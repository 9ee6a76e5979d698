#!/bin/sh
# nginx-source.sh DIR: unpacks the sources of an official image's nginx into DIR. The module is built with their headers.
# Called by Dockerfile and Dockerfile.alpine.
#
# nginx.org packages no headers. The sources are those that nginx.org publishes for the version. They are verified with the
# checksum in nginx.org's packaging repository, at the tag of the package in the image.
#
#   NGINX_VERSION, PKG_RELEASE  from the environment of the official images: 1.28.3, 1~trixie
#   NGINX_DOWNLOADS             the URL of the directory of nginx-VERSION.tar.gz; default: that of nginx.org
#   NGINX_CHECKSUMS             the base URL of TAG/contrib/src/nginx/SHA512SUMS; default: nginx's pkg-oss at GitHub

set -eu

dir=$1
downloads=${NGINX_DOWNLOADS:-https://nginx.org/download}
checksums=${NGINX_CHECKSUMS:-https://raw.githubusercontent.com/nginx/pkg-oss}

die() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# fetch URL FILE
fetch() {
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1" || die "cannot fetch $1"
}

[ -n "${NGINX_VERSION:+${PKG_RELEASE:-}}" ] ||
    die "the image does not tell its NGINX_VERSION and PKG_RELEASE: it is no official nginx image, nor based on one"

archive=nginx-$NGINX_VERSION.tar.gz
# 1~trixie is the package's release 1, built for Debian 13.
tag=$NGINX_VERSION-${PKG_RELEASE%%~*}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fetch "$checksums/$tag/contrib/src/nginx/SHA512SUMS" "$scratch/SHA512SUMS"
fetch "$downloads/$archive" "$scratch/$archive"

wanted=$(awk -v archive="$archive" '$2 == archive { print $1 }' "$scratch/SHA512SUMS")
found=$(sha512sum "$scratch/$archive" | cut -d ' ' -f 1)
[ -n "$wanted" ] || die "the checksums of $tag have none of $archive"
[ "$found" = "$wanted" ] || die "$downloads/$archive has the checksum $found and should have $wanted"

mkdir -p "$dir"
tar -x -z -f "$scratch/$archive" -C "$dir" --strip-components=1
