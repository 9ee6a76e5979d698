#!/bin/sh
# network.sh COMMAND ...: runs a command in the network namespace that own_network in build/lib.sh has created.
#
#   NETWORK_ADDRESSES  addresses to add to 127.0.0.0/8
#   NETWORK_HOSTS      a file to use as /etc/hosts

set -eu

ip link set lo up
for address in ${NETWORK_ADDRESSES:-}; do
    ip address add "$address/32" dev lo
done
[ -z "${NETWORK_HOSTS:-}" ] || mount --bind "$NETWORK_HOSTS" /etc/hosts
exec "$@"
