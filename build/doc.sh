#!/bin/sh
# What rustdoc makes of the crate and of the module, to target/doc; a warning is an error. In the release profile, in
# which nginx stands already.

cd "$(dirname "$0")/.."
. build/lib.sh

unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
RUSTDOCFLAGS='--deny warnings' cargo doc --locked --release --no-deps --package session-cookie
# Nothing of the module is public: its documentation is of what is private, and links to that.
RUSTDOCFLAGS='--deny warnings --allow rustdoc::private-intra-doc-links' \
    cargo doc --locked --release --no-deps --document-private-items --package "$module" --features vendored
