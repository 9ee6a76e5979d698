#!/bin/sh
# Called by `config` during nginx's configure: fails with a message if a build dependency of the module, other than those of
# nginx itself, is missing.

cd "$(dirname "$0")/.."
. build/lib.sh

need_cargo
has_libclang ||
    die "there is no libclang, by which bindgen reads the headers of nginx:" \
        "install it (Debian: libclang-dev; Fedora: clang-devel; Alpine: clang-dev)," \
        "or say in the environment where it is: LIBCLANG_PATH=DIR"
