#!/bin/sh
# Creates the release files of the checked-out commit, in objs/dist or DIST_DIR:
#
#   ngx-http-session-sticky-VERSION.tar.gz     the sources and the crates of Cargo.lock: builds without a network
#   ngx-http-session-sticky-VERSION.cdx.json   the crates in the module, as a CycloneDX document
#   SHA256SUMS                                 the checksums of both
#
# They depend only on the commit: files are sorted, have the time of the commit, and belong to user and group 0.

cd "$(dirname "$0")/.."
. build/lib.sh

version=$(module_version)
name=ngx-http-session-sticky-$version
tools=$(pwd)/objs/tools
dist=${DIST_DIR:-objs/dist}
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)

need_cargo
commit=$(git rev-parse --verify --quiet HEAD) || die "this is no checkout of git"
sh build/dist-check.sh "$version"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH

# cargo-cyclonedx runs for a second, so it is built without optimization, in half the time.
tool=0.5.9
case $("$tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null) in
    *" $tool") ;;
    *)
        say "-- installing, to list the crates: cargo-cyclonedx, which takes a minute or two"
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --quiet --debug --root "$tools" "cargo-cyclonedx@$tool" ;;
esac

make_scratch dist
tree=$scratch/$name
git archive --prefix="$name/" "$commit" | tar -x -C "$scratch"

say "-- the crates of Cargo.lock"
(cd "$tree" && cargo vendor --quiet --locked --versioned-dirs vendor >/dev/null)
# Crates for Windows are never compiled, but are half of the size and partly binaries. cargo only needs their manifests and
# a lib.rs.
find "$tree/vendor" -path "$tree/vendor/windows*" -type f \
    ! -name Cargo.toml ! -name .cargo-checksum.json ! -path '*/src/lib.rs' ! -iname 'license*' -delete
find "$tree/vendor" -type d -empty -delete
mkdir "$tree/.cargo"
cat >"$tree/.cargo/config.toml" <<END
[build]
rustc-wrapper = "build/rustc.sh"

[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
END

say "-- $dist/$name.cdx.json"
# The crates of a module for Linux, which do not depend on the processor. The path of the module is replaced by its name.
(cd "$tree" && "$tools/bin/cargo-cyclonedx" cyclonedx -qq --format json --spec-version 1.5 --no-build-deps \
    --target x86_64-unknown-linux-gnu --override-filename bom)
sed "s,path+file://$tree,ngx-http-session-sticky,g" "$tree/bom.json" >"$dist/$name.cdx.json"
find "$tree" -name bom.json -delete

say "-- $dist/$name.tar.gz"
LC_ALL=C tar --create --directory="$scratch" --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=go=u,go-w "$name" | gzip --no-name --best >"$dist/$name.tar.gz"
(cd "$dist" && sha256sum "$name.tar.gz" "$name.cdx.json" >SHA256SUMS)
cat "$dist/SHA256SUMS"
