#!/bin/sh
# Installs Test::Nginx if it is missing. Debian 12 does not have it: the single package is taken from a later release. It is
# written in Perl and only depends on packages in Debian 12. apt's sources, lists and cache are not changed: this script
# uses temporary ones.

cd "$(dirname "$0")/.."
. build/lib.sh

perl -MTest::Nginx::Socket -e 1 2>/dev/null && exit

package=libtest-nginx-perl
later=forky

say "-- installing, to test: $package"
if apt-cache show "$package" >/dev/null 2>&1; then
    install_packages "$package"
    exit
fi

uri=$(sh build/mirror.sh)
make_scratch test-nginx
chmod 755 "$scratch"
mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/sources.d"
say "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $later main" \
    >"$scratch/sources.list"

set -- --quiet \
    -o "Dir::Etc::SourceList=$scratch/sources.list" -o "Dir::Etc::SourceParts=$scratch/sources.d" \
    -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch/cache" \
    -o APT::Sandbox::User= -o APT::Update::Post-Invoke-Success=
say "-- from Debian's $later, which has it"
apt-get "$@" update
(cd "$scratch" && apt-get "$@" download "$package")
install_packages "$scratch/$package"_*.deb
