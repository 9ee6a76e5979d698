# Functions that the scripts in this directory share. Sourced by them.
# shellcheck shell=sh disable=SC2030,SC2031,SC2034,SC2154

set -eu

module=ngx_http_session_sticky_module
probe=ngx_http_upstream_probe_module

# nginx would interpret it as listening sockets inherited from a previous binary.
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

# is_vendored: whether the nginx that `make` builds is used: $NGINX_BINARY is empty or names it
is_vendored() {
    # shellcheck disable=SC3013 # -ef: not in POSIX, but in all common shells
    [ -z "${NGINX_BINARY:-}" ] || [ "$NGINX_BINARY" -ef objs/nginx ]
}

# tested_nginx: prints the nginx that is tested
tested_nginx() {
    if is_vendored; then say objs/nginx; else say "$NGINX_BINARY"; fi
}

# need_built FILE TARGET: fails with a message unless `make TARGET` has built the file
need_built() {
    [ -f "$1" ] || die "there is no $1: run make${2:+ $2}${NGINX_BINARY:+ NGINX_BINARY=$NGINX_BINARY}"
}

# make_scratch NAME: creates a directory, $scratch, that is removed when the script ends
make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM
}

# own_network: prints the command prefix that runs a command in a network namespace of its own, set up by
# build/network.sh; prints nothing if the system does not allow namespaces
own_network() {
    for way in 'unshare --net' 'unshare --net --map-root-user'; do
        way="$way${NETWORK_HOSTS:+ --mount} sh build/network.sh"
        if $way true 2>/dev/null; then
            say "$way"
            break
        fi
    done
}

# nginx_for_tests FILE NGINX: creates a program FILE that runs NGINX for nginx-tests. These pass -e for the log that is used
# until nginx reads error_log. For an nginx without -e the option is removed; its early messages go to the log below its
# prefix, where the tests look as well.
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

# nginx_for_harness FILE NGINX [SED]: writes a script FILE that runs NGINX for the harness of nginx's own tests. The harness
# reads the output of nginx -V, and must not load the dynamic modules of a distribution, which the tests do not use.
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

# nginx_name FILE: prints its name and version: nginx/1.22.1, openresty/1.27.1.2
nginx_name() {
    "$1" -v 2>&1 | sed -n 's,^nginx version: \([^/]*/[0-9][0-9.]*\).*,\1,p'
}

# nginx_version FILE: prints its version, such as 1.22.1; for OpenResty, that of the nginx in it
nginx_version() {
    nginx_name "$1" | sed 's,.*/\([0-9]*[.][0-9]*[.][0-9]*\).*,\1,'
}

# source_name DIR: prints the name and version of an nginx built from the sources in DIR; nothing if DIR has no sources
source_name() {
    [ ! -f "$1/src/core/nginx.h" ] ||
        printf '#include "src/core/nginx.h"\nNGINX_VER\n' | "${CC:-cc}" -E -P -I "$1" - | tail -n 1 | tr -d '" '
}

# early_log FILE LOG: prints the option that sets the log that nginx uses until it reads error_log; nothing before nginx
# 1.19.5, which uses the compiled-in path
early_log() {
    ! "$1" -h 2>&1 | grep -q '^ *-e ' || say "-e $2"
}

# nginx_arguments FILE: prints its configure arguments, quoted for the shell as in nginx -V
nginx_arguments() {
    "$1" -V 2>&1 | sed -n 's/^configure arguments: *//p'
}

# nginx_option FILE NAME DEFAULT: prints the value of --NAME= in these arguments
nginx_option() (
    name=$2
    value=$3
    # The text comes from a program that is run anyway, so eval is no additional risk.
    eval "set -- $(nginx_arguments "$1")"
    for argument; do
        case $argument in
            "--$name="*) value=${argument#*=} ;;
        esac
    done
    printf '%s\n' "$value"
)

# need_nginx_binary TARGET: fails with a message unless $NGINX_BINARY is an nginx that runs
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

# module_dir: prints the directory of the module for $NGINX_BINARY: objs, objs/nginx-1.22.1 or objs/openresty-1.27.1.2
module_dir() {
    if is_vendored; then
        say objs
    else
        say "objs/$(nginx_name "$NGINX_BINARY" | sed 's,[ /],-,g')"
    fi
}

# identity NGINX: prints text that identifies this binary
identity() {
    "$1" -V 2>&1
    cksum <"$(readlink -f "$1")"
}

# is_built_for NGINX DIR: whether the module in DIR was built for this binary
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

# missing_to_build: prints a line for each missing build dependency: the Debian package and a description. Looks for the
# files rather than the packages, because other packages may provide them.
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

# takes_pcre2 DIR: whether the nginx in DIR can be built with PCRE2. Some distributions have patched older versions.
takes_pcre2() {
    ! grep -qs pcre "$1/auto/lib/pcre/conf" || grep -q pcre2 "$1/auto/lib/pcre/conf"
}

# has_libclang: whether libclang is where the crate clang-sys looks for it, which includes the prefix of llvm-config
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

# need_cargo: fails with a message unless cargo is installed and new enough
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

# need_to_build: fails with a message if a build dependency is missing
need_to_build() {
    need_cargo
    missing=$(missing_to_build | sed 's/^[^ ]* *//')
    [ -z "$missing" ] || die "building needs what is not here:" "$missing" "$(
        if command -v apt-get >/dev/null; then say "make deps installs it"; else say "install it"; fi)"
}

# missing_packages NAME ...: prints those that dpkg does not list as installed
missing_packages() {
    for package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
            grep -q '^installed$' || printf ' %s' "$package"
    done
}

# install_packages FILE-OR-NAME ...: if this fails, the package lists may be missing or old: updates them, and tries again
install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null && return
    say "-- apt-get update, and once more"
    as_root apt-get update --quiet </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null
}

# install_unstarted NAME ...
# Installs packages without starting their services, which would listen on their default ports: invoke-rc.d asks
# /usr/sbin/policy-rc.d. A policy file of another origin is kept. One that an earlier or concurrent run of this
# function has left is replaced. Each run removes only its own file, which its process ID in the second line identifies.
install_unstarted() (
    policy=/usr/sbin/policy-rc.d
    mark='# ngx-http-session-sticky: no service starts while build/lib.sh installs packages, process'
    ours=yes
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        grep -q "^$mark [0-9]*\$" "$policy" 2>/dev/null || ours=no
    fi
    if [ "$ours" = yes ]; then
        # Some shells do not run the EXIT trap if a signal ends them.
        trap remove_policy EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        # Renamed when complete, because a partially written file could not be identified later.
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

# need_packages WHY NAME ...: installs those that are missing
need_packages() {
    why=$1
    shift
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "-- installing, $why:$missing"
    # shellcheck disable=SC2086 # a list of words
    install_unstarted $missing
}

# need_python FOLDER REQUIREMENTS WHY: creates a Python virtual environment in FOLDER with the pinned packages of that file.
# The .in file of the same name lists the direct requirements.
need_python() {
    ! cmp -s "$2" "$1/requirements.txt" || return 0
    say "-- installing, $3: $(tr '\n' ' ' <"${2%.txt}.in")"
    rm -rf "$1"
    /usr/bin/python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$2"
    cp "$2" "$1/requirements.txt"
}

# need_npm FOLDER WANTED WHY: installs into FOLDER the packages of WANTED/package-lock.json, verified by their hashes. The
# lock file names no registry: npm uses the configured one. Install scripts are not run.
need_npm() {
    ! cmp -s "$2/package-lock.json" "$1/installed" || return 0
    # Debian's npm is installed only if there is no other.
    command -v npm >/dev/null || need_packages "$3" npm
    say "-- installing, $3: $(sed -n 's/^ *"\([^"]*\)": "\([0-9][0-9.]*\)".*/\1 \2/p' "$2/package.json")"
    rm -rf "$1"
    mkdir -p "$1"
    cp "$2/package.json" "$2/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent)
    cp "$2/package-lock.json" "$1/installed"
}

# need_crate NAME VERSION WHY [ARGUMENT ...]: installs a program from crates.io as objs/tools/bin/NAME unless it is there in
# this version. It is built without optimization, which takes half the time, as it runs for seconds only.
need_crate() {
    case $("objs/tools/bin/$1" --version 2>/dev/null) in
        *" $2" | *" v$2") return 0 ;;
    esac
    crate=$1@$2
    say "-- installing, $3: $crate, which takes some minutes"
    shift 3
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --quiet --debug --root objs/tools "$@" "$crate"
}

# need_nightly WHAT: fails with a message unless Rust's nightly toolchain, which WHAT needs, is installed
need_nightly() {
    cargo +nightly --version >/dev/null 2>&1 ||
        die "$1 needs Rust's nightly toolchain:" "rustup toolchain install nightly"
}

# roots_dir: prints the directory with the root file systems of other Debian releases
roots_dir() {
    mkdir -p "${MATRIX_ROOTS:-objs/roots}"
    (cd "${MATRIX_ROOTS:-objs/roots}" && pwd)
}

# module_version: prints the version of the module
module_version() {
    sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml
}

# pack_sources ARGUMENT ...: creates an archive of the working tree, with these arguments of tar: the files that git tracks,
# or all files of an unpacked source tarball
pack_sources() {
    if [ -e .git ]; then
        git ls-files -z | tar --null --files-from=- --create "$@"
    else
        tar --exclude=./objs --exclude=./target --create "$@" .
    fi
}

# remove_policy: ends install_unstarted, in its subshell
remove_policy() {
    trap '' HUP INT TERM
    set -- "$policy.$$"
    ! grep -q "^$mark $$\$" "$policy" 2>/dev/null || set -- "$@" "$policy"
    as_root rm -f "$@"
}

# configure_options: prints the configure options for an nginx that is built for tests: those of common packages, with the
# modules that the tests use
#
#   CONFIGURE_OPTIONS  replaces these options
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
