#!/bin/sh
# What rustdoc makes of the crate and of the module, to target/doc; a warning is an error. In the release profile, as
# nginx's headers are read for each profile.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

NGINX_BINARY=
configured
RUSTDOCFLAGS='--deny warnings' cargo doc --locked --release --no-deps --package session-cookie
# Nothing of the module is public: its documentation is of what is private, and links to that.
RUSTDOCFLAGS='--deny warnings --allow rustdoc::private-intra-doc-links' \
    cargo doc --locked --release --no-deps --document-private-items --package "$module"
