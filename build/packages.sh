#!/bin/sh
# Packages the module that `make` has built for the nginx of nginx.org's packages: deb and rpm, or apk for a module that was
# built with musl. Puts the packages into objs/packages/nginx.org.
#
#   NGINX_VERSION   the version of that nginx
#   PACKAGE_MODULE  the module; default: the one in objs that was built for that version

cd "$(dirname "$0")/.."
. build/lib.sh

[ -n "${NGINX_VERSION:-}" ] || die "for which nginx? Say for example: make packages NGINX_VERSION=1.28.3"
need_packages "to make packages" binutils python3 python3-venv
need_python target/nfpm packaging/nginx.org/requirements.txt "to make packages"

# built_module: prints the module for that version, built by `make` or `make NGINX_BINARY=FILE`
built_module() {
    if [ -x objs/nginx ] && [ "$(nginx_version objs/nginx)" = "$NGINX_VERSION" ]; then
        say "objs/$module.so"
    else
        say "objs/nginx-$NGINX_VERSION/$module.so"
    fi
}
PACKAGE_MODULE=${PACKAGE_MODULE:-$(built_module)}
[ -f "$PACKAGE_MODULE" ] ||
    die "there is no $PACKAGE_MODULE: configure nginx $NGINX_VERSION --with-compat, and say" \
        "make NGINX_BINARY=.../objs/nginx NGINX_SOURCE_DIR=..."

case $(readelf --file-header "$PACKAGE_MODULE") in
    *X86-64*) PACKAGE_ARCH=amd64 ;;
    *AArch64*) PACKAGE_ARCH=arm64 ;;
    *) die "$PACKAGE_MODULE is for a processor that nginx.org has no packages for" ;;
esac

# make_package FORMAT MODULES-DIR VERSION DEPENDENCY: the dependency is added to nginx-r$NGINX_VERSION
dir=objs/packages/nginx.org
mkdir -p "$dir"
make_package() {
    rm -f "$dir/nginx-module-session-sticky"*".$1"
    PACKAGE_MODULES_DIR=$2 PACKAGE_VERSION=$3 PACKAGE_LIBRARY=$4 \
        target/nfpm/bin/nfpm package --config packaging/nginx.org/nfpm.yaml --packager "$1" --target "$dir"
}
export NGINX_VERSION PACKAGE_MODULE PACKAGE_ARCH

version=$(module_version)
case $(readelf --dynamic "$PACKAGE_MODULE" | sed -n 's/.*(NEEDED).*\[\(libc\..*\)\]/\1/p') in
    libc.so.6)
        glibc=$(readelf --version-info "$PACKAGE_MODULE" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
        make_package deb /usr/lib/nginx/modules "$NGINX_VERSION+$version" "libc6 (>= ${glibc#GLIBC_})"
        make_package rpm /usr/lib64/nginx/modules "$NGINX_VERSION+$version" "libc.so.6($glibc)(64bit)" ;;
    # the names on Alpine and with musl-gcc
    libc.musl-*.so.1 | libc.so)
        make_package apk /usr/lib/nginx/modules "$NGINX_VERSION.$version" "nginx~$NGINX_VERSION" ;;
    *) die "$PACKAGE_MODULE needs neither glibc nor musl" ;;
esac
