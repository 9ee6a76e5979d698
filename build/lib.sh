# Sourced by the scripts beside it: what more than one of them needs.
# shellcheck shell=sh disable=SC2030,SC2031,SC2034,SC2154

set -eu

module=ngx_http_session_sticky_module
probe=ngx_http_upstream_probe_module

# nginx would take it for the sockets that a previous binary hands over.
unset NGINX

say() {
    printf '%s\n' "$*"
}

# die WHAT [WHAT-TO-DO]
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/       /' >&2
    exit 1
}

# Is $NGINX_BINARY an nginx of its own, or empty, which means the one that `make` builds?
is_vendored() {
    # shellcheck disable=SC3013 # each sh that there is has it
    [ -z "${NGINX_BINARY:-}" ] || [ "$NGINX_BINARY" -ef objs/nginx ]
}

# The nginx that is tested.
tested_nginx() {
    if is_vendored; then say objs/nginx; else say "$NGINX_BINARY"; fi
}

# need_built FILE TARGET: fails in words unless `make TARGET` has built it
need_built() {
    [ -f "$1" ] || die "there is no $1: run make${2:+ $2}${NGINX_BINARY:+ NGINX_BINARY=$NGINX_BINARY}"
}

# make_scratch NAME: a folder $scratch that goes away when the script ends
make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM
}

# own_network: the words before a command that give it a network of its own, in which its ports are free; none where
# the system does not allow it. What is in that network, build/network.sh knows.
own_network() {
    for way in 'unshare --net' 'unshare --net --map-root-user'; do
        way="$way${NETWORK_HOSTS:+ --mount} sh build/network.sh"
        if $way true 2>/dev/null; then
            say "$way"
            break
        fi
    done
}

# nginx_for_tests FILE NGINX: makes a program FILE that is NGINX to nginx-tests. They tell it by -e where its messages go
# before it reads error_log. What takes no -e has its messages in the log below its prefix, where they are looked for.
nginx_for_tests() (
    nginx=$(readlink -f "$2")
    if [ -n "$(early_log "$nginx" stderr)" ]; then
        ln -s "$nginx" "$1"
        return
    fi
    cat >"$1" <<WRAPPER
#!/bin/sh
option=
for word; do
    shift
    case \$option\$word in
        -e) option=\$word ;;
        -e*) option= ;;
        *) set -- "\$@" "\$word" ;;
    esac
done
exec "$nginx" "\$@"
WRAPPER
    chmod 755 "$1"
)

# nginx_for_harness FILE NGINX [SED]: writes a script FILE that is NGINX to the harness of nginx's own tests. That asks
# nginx -V what there is, and must not load the modules of a distribution, which the tests do not use.
nginx_for_harness() (
    nginx=$(readlink -f "$2")
    # shellcheck disable=SC2016 # expanded before the quotes are read
    cat >"$1" <<WRAPPER
#!/bin/sh
case "\$*" in
    -V) "$nginx" -V 2>&1 | sed -e 's/ --with-[^ ]*=dynamic//g'${3:+ -e '$3'} ;;
    *) exec "$nginx" "\$@" ;;
esac
WRAPPER
    chmod 755 "$1"
)

# nginx_name FILE: what it calls itself: nginx/1.22.1, openresty/1.27.1.2
nginx_name() {
    "$1" -v 2>&1 | sed -n 's,^nginx version: \([^/]*/[0-9][0-9.]*\).*,\1,p'
}

# nginx_version FILE: 1.22.1; of OpenResty that of the nginx in it
nginx_version() {
    nginx_name "$1" | sed 's,.*/\([0-9]*[.][0-9]*[.][0-9]*\).*,\1,'
}

# source_name DIR: what an nginx that is built from the sources in DIR calls itself; nothing if there are none
source_name() {
    [ ! -f "$1/src/core/nginx.h" ] ||
        printf '#include "src/core/nginx.h"\nNGINX_VER\n' | "${CC:-cc}" -E -P -I "$1" - | tail -n 1 | tr -d '" '
}

# early_log FILE LOG: the words that tell that nginx where its messages go before it reads error_log; none before nginx
# 1.19.5, which takes the log that it was compiled with
early_log() {
    ! "$1" -h 2>&1 | grep -q '^ *-e ' || say "-e $2"
}

# nginx_arguments FILE: what its configure was called with, quoted for the shell as nginx -V has it
nginx_arguments() {
    "$1" -V 2>&1 | sed -n 's/^configure arguments: *//p'
}

# nginx_option FILE NAME DEFAULT: the value of --NAME= in these arguments
nginx_option() (
    name=$2
    value=$3
    # The text comes from a program that is run anyway, so eval adds no trust.
    eval "set -- $(nginx_arguments "$1")"
    for argument; do
        case $argument in
            "--$name="*) value=${argument#*=} ;;
        esac
    done
    printf '%s\n' "$value"
)

# Fails in words unless $NGINX_BINARY is an nginx that can be asked.
need_nginx_binary() {
    [ -n "${NGINX_BINARY:-}" ] ||
        die "which nginx? Say for example: make $1 NGINX_BINARY=/usr/sbin/nginx"
    [ -x "$NGINX_BINARY" ] || die "there is no program $NGINX_BINARY"
    case $("$NGINX_BINARY" -v 2>&1) in
        "Tengine version:"*)
            die "$NGINX_BINARY is Tengine, and this module is for nginx: the sources of the two differ" ;;
        "Angie version:"*)
            die "$NGINX_BINARY is Angie, and this module is for nginx: the sources of the two differ;" \
                "Angie has a directive of its own for sessions, \"sticky\"" ;;
    esac
    [ -n "$(nginx_name "$NGINX_BINARY")" ] ||
        die "$NGINX_BINARY -v does not tell the version of an nginx"
}

# Where the module for $NGINX_BINARY is built: objs, objs/nginx-1.22.1 or objs/openresty-1.27.1.2
module_dir() {
    if is_vendored; then
        say objs
    else
        say "objs/$(nginx_name "$NGINX_BINARY" | sed 's,[ /],-,g')"
    fi
}

# identity NGINX: tells this binary from any other
identity() {
    "$1" -V 2>&1
    cksum <"$(readlink -f "$1")"
}

# is_built_for NGINX DIR: is what is in DIR for this binary?
is_built_for() {
    identity "$1" | cmp -s - "$2/built-for"
}

# as_root COMMAND ...
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*"
    fi
}

# What building lacks, a line for each: the package that brings it, and what it is. It is looked for as the
# build will, since what brings it may have another name.
missing_to_build() (
    command -v "${CC:-cc}" >/dev/null || say "gcc           a C compiler, ${CC:-cc}"
    command -v make >/dev/null || say "make          make"
    command -v clang >/dev/null || say "clang         clang, which tells bindgen where headers are"
    has_libclang || say "libclang-dev  libclang, by which bindgen reads the headers of nginx"
    if [ -n "${NGINX_SOURCE_DIR:-}" ] && ! takes_pcre2 "$NGINX_SOURCE_DIR"; then
        has_header pcre.h || say "libpcre3-dev  pcre.h, the headers of PCRE 1: nginx before 1.21.5 takes no PCRE2"
    else
        has_header pcre2.h || has_header pcre.h || say "libpcre2-dev  pcre2.h, the headers of PCRE2"
    fi
    has_header openssl/ssl.h || say "libssl-dev    openssl/ssl.h, the headers of OpenSSL"
    has_header zlib.h || say "zlib1g-dev    zlib.h, the headers of zlib"
)

# takes_pcre2 DIR: can the nginx with the sources in DIR be built with PCRE2? Some distributions have patched that in.
takes_pcre2() {
    ! grep -qs pcre "$1/auto/lib/pcre/conf" || grep -q pcre2 "$1/auto/lib/pcre/conf"
}

# Is there a libclang where the crate clang-sys looks? In short: it asks llvm-config as well.
has_libclang() (
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        set -- "$LIBCLANG_PATH" "$LIBCLANG_PATH"/libclang*.so*
    else
        prefix=$(llvm-config --prefix 2>/dev/null) || :
        set -- /usr/lib*/libclang*.so* /usr/lib*/*/libclang*.so* /usr/lib*/*/*/libclang*.so* \
            /usr/local/lib*/libclang*.so* "${prefix:-/no}"/lib*/libclang*.so*
    fi
    for file; do
        [ ! -f "$file" ] || exit 0
    done
    exit 1
)

# has_header NAME
has_header() {
    printf '#define PCRE2_CODE_UNIT_WIDTH 8\n#include <%s>\n' "$1" |
        "${CC:-cc}" -E - >/dev/null 2>&1
}

# Fails in words unless there is a cargo that is new enough.
need_cargo() {
    wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)"/\1/p' Cargo.toml)
    found=$(cargo --version 2>/dev/null | sed 's/^cargo \([0-9]*\.[0-9]*\).*/\1/') || :
    [ -n "$found" ] ||
        die "there is no cargo: install Rust $wanted or newer," \
            "from the distribution (apt-get install cargo; Debian 12: apt-get install cargo-web)," \
            "or from https://rustup.rs"
    [ "${found%%.*}" -gt "${wanted%%.*}" ] || [ "${found#*.}" -ge "${wanted#*.}" ] ||
        die "cargo is that of Rust $found, and Rust $wanted or newer is needed:" \
            "a newer one of the distribution (Debian 12: apt-get install cargo-web), or from https://rustup.rs"
}

# Fails in words unless there is what building needs.
need_to_build() {
    need_cargo
    missing=$(missing_to_build | sed 's/^[^ ]* *//')
    [ -z "$missing" ] || die "building needs what is not here:" "$missing" "$(
        if command -v apt-get >/dev/null; then say "make deps installs it"; else say "install it"; fi)"
}

# missing_packages NAME ...: those that dpkg does not list as installed
missing_packages() {
    for package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
            grep -q '^installed$' || printf ' %s' "$package"
    done
}

# install_packages FILE-OR-NAME ...
# The lists of a fresh or an old machine do not lead to the packages of today: fetch them, try again.
install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null && return
    say "-- apt-get update, and once more"
    as_root apt-get update --quiet </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null
}

# install_unstarted NAME ...
# The same, but servers among the packages do not start, as theirs would on ports that nobody asked for:
# invoke-rc.d asks /usr/sbin/policy-rc.d. A file that somebody else has put there stays. One of ours is left
# from a run that was killed, or belongs to one that is still busy: this run puts its own in its place.
# Each removes only what it wrote, which its second line tells.
install_unstarted() (
    policy=/usr/sbin/policy-rc.d
    mark='# ngx-http-session-sticky: no service starts while build/lib.sh installs packages, process'
    ours=yes
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        grep -q "^$mark [0-9]*\$" "$policy" 2>/dev/null || ours=no
    fi
    if [ "$ours" = yes ]; then
        # A shell that a signal ends does not run its trap of EXIT.
        trap remove_policy EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        # Renamed when it is whole: what was written in part would not be known as ours.
        printf '#!/bin/sh\n%s %s\nexit 101\n' "$mark" "$$" |
            as_root tee "$policy.$$" >/dev/null
        as_root chmod 755 "$policy.$$"
        as_root mv -f "$policy.$$" "$policy"
    else
        say "-- $policy is not ours and stays: it says which services start." \
            "If it is the two lines \"#!/bin/sh\" and \"exit 101\", an interrupted earlier run may have left it."
    fi
    install_packages "$@"
)

# need_packages WHY NAME ...: installs what of these is missing
need_packages() {
    why=$1
    shift
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "-- installing, $why:$missing"
    # shellcheck disable=SC2086 # a list of words
    install_unstarted $missing
}

# need_python FOLDER REQUIREMENTS WHY: makes in FOLDER a Python with the packages of that file; what is wanted of them
# by name stands beside it, in a file that ends in .in
need_python() {
    ! cmp -s "$2" "$1/requirements.txt" || return 0
    say "-- installing, $3: $(tr '\n' ' ' <"${2%.txt}.in")"
    rm -rf "$1"
    /usr/bin/python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$2"
    cp "$2" "$1/requirements.txt"
}

# need_npm FOLDER WANTED WHY: puts into FOLDER the packages of package-lock.json in the folder WANTED, each by its hash.
# The lock names no registry: they come from the one that npm is set to. Scripts of theirs are not run.
need_npm() {
    ! cmp -s "$2/package-lock.json" "$1/installed" || return 0
    # Not Debian's where there is another already.
    command -v npm >/dev/null || need_packages "$3" npm
    say "-- installing, $3: $(sed -n 's/^ *"\([^"]*\)": "\([0-9][0-9.]*\)".*/\1 \2/p' "$2/package.json")"
    rm -rf "$1"
    mkdir -p "$1"
    cp "$2/package.json" "$2/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent)
    cp "$2/package-lock.json" "$1/installed"
}

# need_crate NAME VERSION WHY [ARGUMENT ...]: installs a program of crates.io as objs/tools/bin/NAME, if it is not there in this
# version. Without optimization, that takes half the time, and the programs run for seconds.
need_crate() {
    case $("objs/tools/bin/$1" --version 2>/dev/null) in
        *" $2" | *" v$2") return 0 ;;
    esac
    crate=$1@$2
    say "-- installing, $3: $crate, which takes some minutes"
    shift 3
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --quiet --debug --root objs/tools "$@" "$crate"
}

# need_nightly WHAT: fails in words unless there is the toolchain that WHAT needs
need_nightly() {
    cargo +nightly --version >/dev/null 2>&1 ||
        die "$1 needs Rust's nightly toolchain:" "rustup toolchain install nightly"
}

# roots_dir: where the roots with other releases of Debian are
roots_dir() {
    mkdir -p "${MATRIX_ROOTS:-objs/roots}"
    (cd "${MATRIX_ROOTS:-objs/roots}" && pwd)
}

# module_version: the version of the module
module_version() {
    sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml
}

# pack_sources ARGUMENT ...: an archive of the sources as they are here: those that git knows, or all of an unpacked
# archive; with these arguments of tar
pack_sources() {
    if [ -e .git ]; then
        git ls-files -z | tar --null --files-from=- --create "$@"
    else
        tar --exclude=./objs --exclude=./target --create "$@" .
    fi
}

# The end of install_unstarted, in its subshell.
remove_policy() {
    trap '' HUP INT TERM
    set -- "$policy.$$"
    ! grep -q "^$mark $$\$" "$policy" 2>/dev/null || set -- "$@" "$policy"
    as_root rm -f "$@"
}

# configure_options: how nginx is configured where it is built to try the module with: as it is packaged most often, with
# modules that the tests use
#
#   CONFIGURE_OPTIONS  instead of these
configure_options() {
    [ -z "${CONFIGURE_OPTIONS:-}" ] || {
        say "$CONFIGURE_OPTIONS"
        return
    }
    say --with-compat --with-threads --with-stream --with-stream_realip_module --with-stream_ssl_module \
        --with-http_ssl_module --with-http_v2_module --with-http_v3_module --with-http_realip_module \
        --with-http_addition_module --with-http_auth_request_module --with-http_slice_module \
        --with-http_stub_status_module --with-http_sub_module
}
