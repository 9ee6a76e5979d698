#!/bin/sh
# Generates the documentation of the crate and of the module in target/doc. Warnings are errors. Uses the release profile,
# for which nginx's headers have been processed already.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

NGINX_BINARY=
configured
RUSTDOCFLAGS='--deny warnings' cargo doc --locked --release --no-deps --package session-cookie
# The module has no public items: the documentation contains the private ones and links to them.
RUSTDOCFLAGS='--deny warnings --allow rustdoc::private-intra-doc-links' \
    cargo doc --locked --release --no-deps --document-private-items --package "$module"
