#!/bin/sh
# Builds the packages for the Debian releases in SUITES, each in a root file system of that release and with its Rust,
# checks them with lintian, and puts them into objs/packages/SUITE.
#
#   SUITES        of bookworm, trixie and forky; default: bookworm
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

name=libnginx-mod-http-session-sticky

# suffix_of SUITE: prints the suffix of the version, so that the package for a later release is newer
suffix_of() {
    case $1 in
        bookworm) say '~deb12u1' ;;
        trixie) say '~deb13u1' ;;
        forky) say '~deb14u1' ;;
        *) die "build/deb.sh knows no release of Debian with the name $1" ;;
    esac
}

work=objs/deb
sh build/crates.sh "$work"
for suite in ${SUITES:-bookworm}; do
    suffix=$(suffix_of "$suite")
    root=$(roots_dir)/$suite-deb
    # This file exists if the root file system is complete.
    mark=$root.complete
    if [ ! -e "$mark" ]; then
        clean=$(sh build/debian-root.sh "$suite")
        as_root rm -rf "$root"
        as_root cp -a "$clean" "$root"
        : >"$mark"
    fi

    version=$(sed -n "1s/.*(\(.*\)-.*/\1/p" packaging/debian/changelog)
    dir=$work/$suite
    as_root rm -rf "$dir"
    mkdir -p "$dir/source"
    pack_sources --transform "s,^\(\./\)*,$name-$version/," --file "$dir/${name}_$version.orig.tar"
    gzip "$dir/${name}_$version.orig.tar"
    tar -xf "$dir/${name}_$version.orig.tar.gz" -C "$dir/source" --strip-components 1
    cp -R packaging/debian "$dir/source/debian"
    sed -i "1s/(\(.*\)) [a-z]*;/(\1$suffix) $suite;/" "$dir/source/debian/changelog"

    say "-- the package of $suite: some minutes"
    # Built without a network, as on Debian's build machines. Each release has its own target directory.
    sh build/in-root.sh "$root" "$work" sh -euc '
        apt-get update --quiet
        apt-get install --yes --quiet --no-install-recommends build-essential lintian
        apt-get build-dep --yes --quiet --no-install-recommends "/built/$1/source"
        cd "/built/$1/source"
        export CARGO_TARGET_DIR="/built/target/$1"
        export RUSTFLAGS="--remap-path-prefix=/built/crates=crates --remap-path-prefix=$CARGO_TARGET_DIR=target"
        unshare --net dpkg-buildpackage --build=full --no-sign
        lintian --version
        lintian --allow-root --fail-on warning,error --tag-display-limit 0 ../*.changes
    ' sh "$suite" >"$dir/log" 2>&1 || {
        tail -n 30 "$dir/log" >&2
        die "no package of $suite, see $dir/log"
    }
    rm -rf "objs/packages/$suite"
    mkdir -p "objs/packages/$suite"
    cp "$dir"/*.deb "objs/packages/$suite"
    say "objs/packages/$suite/$(basename "$dir/${name}_"*.deb)"
done
