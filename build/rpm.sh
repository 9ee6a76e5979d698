#!/bin/sh
# Builds the package for Fedora and EL, and puts it into objs/packages/rpm. Any finding of rpmlint is an error. Without
# nginx-mod-devel, as on Debian, build/rpm/macros.nginxmods replaces its macros, and the nginx that `make` builds replaces
# its sources: the result only shows that the spec file is correct, and is not for the nginx of Fedora or EL.

cd "$(dirname "$0")/.."
. build/lib.sh

spec=packaging/rpm/nginx-mod-http-session-sticky.spec
name=ngx-http-session-sticky-$(sed -n 's/^Version: *//p' "$spec")
work=$(pwd)/objs/rpm

! command -v apt-get >/dev/null || need_packages "to make packages for Fedora and EL" rpm rpmlint
set -- --define "_topdir $work"
if [ -z "$(rpm --eval '%{?nginx_moddir}')" ]; then
    say "-- there is no nginx-mod-devel here: for an nginx 1.28 that stands for that of Fedora or EL"
    set -- --nodeps --load build/rpm/macros.nginxmods --define "nginx_sources $(sh build/nginx-src.sh)" \
        --define "nginx_version $(source_name "$(sh build/nginx-src.sh)" | sed 's,.*/,,')" "$@"
fi

rm -rf "$work/BUILD" "$work/RPMS" "$work/SOURCES" "$work/tree"
mkdir -p "$work/SOURCES" "$work/tree/$name/.cargo"
sh build/crates.sh "$work"
pack_sources --file - | tar --extract --file - --directory "$work/tree/$name"
cp -R "$work/crates" "$work/tree/$name/vendor"
sed 's,/built/crates,vendor,' "$work/home/config.toml" >"$work/tree/$name/.cargo/config.toml"
tar --create --gzip --file "$work/SOURCES/$name.tar.gz" --directory "$work/tree" "$name"
rm -rf "$work/tree"

say "-- the package for Fedora and EL: some minutes"
CARGO_TARGET_DIR=$work/cargo rpmbuild "$@" -bb "$spec" >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    die "no package for Fedora and EL, see $work/log"
}
rpmlint --config packaging/rpm/rpmlint.toml "$work"/RPMS/*/*.rpm "$spec" >>"$work/log" || {
    tail -n 30 "$work/log" >&2
    die "rpmlint has found something, see $work/log"
}
rm -rf objs/packages/rpm
mkdir -p objs/packages/rpm
cp "$work"/RPMS/*/*.rpm objs/packages/rpm
ls objs/packages/rpm/*.rpm
