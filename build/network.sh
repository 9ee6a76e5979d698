#!/bin/sh
# network.sh COMMAND ...: runs it in the network of its own that own_network in build/lib.sh has made.
#
#   NETWORK_ADDRESSES  which addresses that network has, beside 127.0.0.0/8
#   NETWORK_HOSTS      a file that is /etc/hosts there

set -eu

ip link set lo up
for address in ${NETWORK_ADDRESSES:-}; do
    ip address add "$address/32" dev lo
done
[ -z "${NETWORK_HOSTS:-}" ] || mount --bind "$NETWORK_HOSTS" /etc/hosts
exec "$@"
