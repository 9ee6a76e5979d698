#!/bin/sh
# Runs tests/packages with the packages of `make deb` and `make rpm`, and with those of `make packages` for the nginx that
# `make` has built.
#
#   SUITES        of bookworm, trixie and forky; default: bookworm
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

# gcc, make: build nginx as nginx.org does; binutils: shows which C library a module needs
need_packages "to test" python3 util-linux gcc make binutils rpm rpm2cpio rpmlint cpio

SUITES=${SUITES:-bookworm}
# Programs that are built on this machine run in a root file system of the same release.
here=$(. /etc/os-release && say "$VERSION_CODENAME")
for suite in "$here" $SUITES; do
    sh build/debian-root.sh "$suite" >/dev/null
done
NGINX_VERSION=$(nginx_version objs/nginx) sh build/packages.sh
nginx=$(sh build/nginx-org.sh)
as_root env SUITES="$SUITES" HERE="$here" ROOTS="$(roots_dir)" NGINX_ORG="$nginx" \
    python3 -B -m unittest discover --start-directory tests/packages --verbose
