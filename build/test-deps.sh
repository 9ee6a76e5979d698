#!/bin/sh
# Installs what the tests need beyond what building needs: nginx as the distribution packages it,
# the test harness Test::Nginx, and the tools that both call.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install nginx, Test::Nginx, valgrind and ab"

# nginx, nginx-dev: the second nginx that the module is tested with, and its headers
# curl, psmisc, procps: Test::Nginx calls curl, fuser and ps
# iproute2, util-linux: a network of its own for each .t file
# valgrind, apache2-utils: MODE=valgrind, and ab for MODE=leak
# openssl: certificates for the tests of TLS
missing=$(missing_packages nginx nginx-dev curl psmisc procps iproute2 util-linux \
    valgrind apache2-utils openssl perl)
if [ -n "$missing" ]; then
    say "-- installing, to test:$missing"
    case $missing in
        # The package would start a server on port 80, which nobody asked for.
        *" nginx"*)
            if [ ! -e /usr/sbin/policy-rc.d ]; then
                trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
                printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
                as_root chmod 755 /usr/sbin/policy-rc.d
            fi ;;
    esac
    # shellcheck disable=SC2086 # a list of words
    install_packages $missing
fi

perl -MTest::Nginx::Socket -e 1 2>/dev/null || sh build/test-nginx.sh
