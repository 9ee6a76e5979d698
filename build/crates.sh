#!/bin/sh
# crates.sh DIR [MANIFEST ...]: vendors the crates of Cargo.lock and of these workspaces into DIR/crates, for a cargo in
# another root file system, which has neither this machine's certificates nor its settings. DIR/home becomes the CARGO_HOME
# of that cargo, which finds the crates in /built/crates: see build/in-root.sh.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$1
shift

mkdir -p "$dir/home"
locks=Cargo.lock
for manifest; do
    locks="$locks $(dirname "$manifest")/Cargo.lock"
done
# shellcheck disable=SC2086 # a list of words
key=$(cat $locks | cksum)
if [ "$(cat "$dir/crates.made" 2>/dev/null)" != "$key" ]; then
    say "-- getting the crates of Cargo.lock"
    rm -rf "$dir/crates" "$dir/crates.made"
    for manifest; do
        shift
        set -- "$@" --sync "$manifest"
    done
    # The manifests of Rust's own sources need a nightly cargo, or this variable.
    RUSTC_BOOTSTRAP=1 cargo vendor --quiet --locked "$@" "$dir/crates" >/dev/null
    say "$key" >"$dir/crates.made"
fi
cat >"$dir/home/config.toml" <<END
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "/built/crates"
END
