#!/bin/sh
# Called by config, which nginx's configure sources: fails in words unless there is what the module needs beyond what
# nginx needs itself.

cd "$(dirname "$0")/.."
. build/lib.sh

need_cargo
has_libclang ||
    die "there is no libclang, by which bindgen reads the headers of nginx:" \
        "install it (Debian: libclang-dev; Fedora: clang-devel; Alpine: clang-dev)," \
        "or say in the environment where it is: LIBCLANG_PATH=DIR"
