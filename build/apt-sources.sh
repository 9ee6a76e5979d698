#!/bin/sh
# apt-sources.sh ROOT SUITE: lets apt in that root take packages from this machine's mirrors, as this machine reaches them,
# those of the security archive too.

cd "$(dirname "$0")/.."
. build/lib.sh

root=$1
suite=$2
list="deb $(sh build/mirror.sh) $suite main
deb $(sh build/mirror.sh Debian-Security) $suite-security main"

as_root mkdir -p "$root/etc/apt/apt.conf.d"
say "$list" | as_root tee "$root/etc/apt/sources.list" >/dev/null
# A mirror that is kept for long has lists that have expired.
{
    apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https | sed '/ "";$/d'
    say 'Acquire::Check-Valid-Until "false";'
} | as_root tee "$root/etc/apt/apt.conf.d/90mirror" >/dev/null
