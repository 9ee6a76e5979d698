#!/bin/sh
# Builds the container image.
#
#   IMAGE_BUILDER  docker or buildah; default: docker if its daemon responds, or else buildah
#   NGINX_IMAGE    the base image
#   NGINX_TAG      its tag; if it contains "alpine", docker/Dockerfile.alpine is used
#   IMAGE          the name of the result
#   NGINX_DOWNLOADS, NGINX_CHECKSUMS  see docker/nginx-source.sh

cd "$(dirname "$0")/.."
. build/lib.sh

case $NGINX_TAG in
    *alpine*) file=docker/Dockerfile.alpine ;;
    *) file=docker/Dockerfile ;;
esac

builder=${IMAGE_BUILDER:-}
[ -n "$builder" ] || ! docker info >/dev/null 2>&1 || builder=docker
[ -n "$builder" ] || ! command -v buildah >/dev/null || builder=buildah
[ -n "$builder" ] ||
    die "there is no docker that answers, and no buildah" "install one of them (Debian: apt-get install buildah)"

# buildah's default format does not support HEALTHCHECK.
set -- build
[ "$builder" != buildah ] || set -- build --format docker --layers

say "-- $builder: $IMAGE"
exec "$builder" "$@" --file "$file" --tag "$IMAGE" \
    --build-arg NGINX_IMAGE="$NGINX_IMAGE" --build-arg NGINX_TAG="$NGINX_TAG" \
    --build-arg NGINX_DOWNLOADS="${NGINX_DOWNLOADS:-}" --build-arg NGINX_CHECKSUMS="${NGINX_CHECKSUMS:-}" .
