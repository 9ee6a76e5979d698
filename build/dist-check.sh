#!/bin/sh
# dist-check.sh VERSION: checks that CHANGELOG and the tag, if any, of the checked-out commit have this version, as
# RELEASING.md describes. A commit with a tag is a release, whose date must be in CHANGELOG.

cd "$(dirname "$0")/.."
. build/lib.sh

version=$1

heading=$(grep -m 1 '^Changes with ngx-http-session-sticky ' CHANGELOG) || die "CHANGELOG has no heading"
case $heading in
    "Changes with ngx-http-session-sticky $version "*"not released") day= ;;
    "Changes with ngx-http-session-sticky $version "*) day=${heading#*"$version "} ;;
    *) die "CHANGELOG begins with another version than Cargo.toml, which has $version" ;;
esac

tags=$(git tag --list --points-at HEAD 'v*')
case $tags in
    '') say "-- $version is no release here: there is no tag v$version" ;;
    "v$version")
        [ -n "$day" ] || die "there is the tag v$version, and CHANGELOG says that $version is not released"
        git diff --quiet HEAD -- || die "there is the tag v$version, and changes that are not in it" ;;
    *) die "the tag is $(say "$tags" | tr '\n' ' ' | sed 's/ $//'), and Cargo.toml has the version $version" ;;
esac
git diff --quiet HEAD -- || say "-- without the changes that are not committed"
