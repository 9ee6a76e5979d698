#!/bin/sh
# apt-sources.sh ROOT SUITE: configures apt in a root file system to use this machine's mirrors, including that of the
# security archive, with the HTTP settings of this machine's apt, such as a proxy.

cd "$(dirname "$0")/.."
. build/lib.sh

root=$1
suite=$2
list="deb $(sh build/mirror.sh) $suite main
deb $(sh build/mirror.sh Debian-Security) $suite-security main"

as_root mkdir -p "$root/etc/apt/apt.conf.d"
say "$list" | as_root tee "$root/etc/apt/sources.list" >/dev/null
# The package lists of a frozen mirror may have expired.
{
    apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https | sed '/ "";$/d'
    say 'Acquire::Check-Valid-Until "false";'
} | as_root tee "$root/etc/apt/apt.conf.d/90mirror" >/dev/null
