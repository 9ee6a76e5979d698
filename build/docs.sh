#!/bin/sh
# Makes the documentation as a site, objs/site/html, and checks its links, with mdBook and hyperlink.

cd "$(dirname "$0")/.."
. build/lib.sh

need_crate mdbook 0.5.4 "for the documentation"
need_crate hyperlink 0.3.2 "for the documentation"

site=objs/site
rm -rf "$site"
mkdir -p "$site/src"
cp docs/site/book.toml "$site"
cp docs/site/SUMMARY.md "$site/src"
# The pages link to each other, and to these files, by their paths in the repository.
find README.md CHANGELOG CODE_OF_CONDUCT.md CONTRIBUTING.md LICENSE RELEASING.md SECURITY.md docs benches nginx-tests tests -type f \
    \( -path 'docs/*' ! -path 'docs/site/*' -o -name '*.md' -o -name '*.svg' -o -name '*.png' -o ! -path '*/*' \) |
    while read -r file; do
        mkdir -p "$site/src/$(dirname "$file")"
        cp "$file" "$site/src/$file"
    done

objs/tools/bin/mdbook build "$site"
objs/tools/bin/hyperlink --check-anchors "$site/html"
say "-- the documentation: $site/html/index.html"
