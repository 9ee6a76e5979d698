#!/bin/sh
# stand-in.sh DIR IMAGE: makes IMAGE, for podman and buildah, a stand-in for the official nginx image of Debian 12, where
# no registry is reached; and DIR/served, with what docker/nginx-source.sh fetches for it. It has
#
#   Debian 12 by debootstrap, whose apt knows the mirrors of this machine, and which trusts whom this machine trusts
#   the nginx of the crate nginx-src, configured and laid out as nginx.org's packages are
#   the environment, command, user and links of the official image; not its entrypoint, which changes configurations
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$1
image=$2
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

suite=bookworm
# curl, ca-certificates: the official image has both; libpcre2-8-0, libssl3, zlib1g: nginx
packages='ca-certificates curl libpcre2-8-0 libssl3 zlib1g'
root=$(roots_dir)/$suite-image
# Only when this is there the root is complete.
mark=$root.packages
if [ "$(cat "$mark" 2>/dev/null)" != "$packages" ]; then
    rm -f "$mark"
    # shellcheck disable=SC2086 # a list of words
    sh build/debootstrap.sh "$root" "$suite" $packages
    say "$packages" >"$mark"
fi

source=$(sh build/nginx-src.sh)
version=$(source_name "$source")
version=${version#*/}
name=nginx-$version

# --- what nginx.org publishes

served=$dir/served
rm -rf "$served"
mkdir -p "$served/$version-1/contrib/src/nginx"
tar -c -z -f "$served/$name.tar.gz" -C "$source" --transform "s,^[.],$name," .
(cd "$served" && sha512sum "$name.tar.gz") >"$served/$version-1/contrib/src/nginx/SHA512SUMS"

# --- nginx as in its package

tree=$dir/$name
if [ ! -x "$tree/objs/nginx" ]; then
    sh build/deps.sh
    say "-- building nginx $version as nginx.org's packages have it"
    rm -rf "$tree"
    mkdir -p "$tree"
    tar -x -f "$served/$name.tar.gz" -C "$tree" --strip-components=1
    # shellcheck disable=SC2046 # a list of words
    (cd "$tree" && sh auto/configure --prefix=/etc/nginx --sbin-path=/usr/sbin/nginx \
        --modules-path=/usr/lib/nginx/modules --conf-path=/etc/nginx/nginx.conf \
        --error-log-path=/var/log/nginx/error.log --http-log-path=/var/log/nginx/access.log \
        --pid-path=/run/nginx.pid --lock-path=/run/nginx.lock --user=nginx --group=nginx \
        --http-client-body-temp-path=/var/cache/nginx/client_temp \
        --http-proxy-temp-path=/var/cache/nginx/proxy_temp \
        --http-fastcgi-temp-path=/var/cache/nginx/fastcgi_temp \
        --http-uwsgi-temp-path=/var/cache/nginx/uwsgi_temp \
        --http-scgi-temp-path=/var/cache/nginx/scgi_temp \
        $(configure_options) && "${MAKE:-make}" --silent --jobs="$(nproc)") </dev/null >"$tree.log" 2>&1 || {
        tail -n 15 "$tree.log" >&2
        die "nginx $version cannot be built, see $tree.log"
    }
fi

# --- the image: the root, with nginx over it

over=$dir/over
rm -rf "$over"
mkdir -p "$over/usr/sbin" "$over/usr/lib/nginx/modules" "$over/usr/share/nginx" "$over/etc/nginx/conf.d" \
    "$over/etc/apt/apt.conf.d" "$over/etc/ssl/certs" "$over/var/log/nginx" "$over/var/cache/nginx"
install -s -m 755 "$tree/objs/nginx" "$over/usr/sbin/nginx"
cp "$tree/conf/mime.types" "$over/etc/nginx/mime.types"
cp -R "$tree/docs/html" "$over/usr/share/nginx/html"
ln -s /usr/lib/nginx/modules "$over/etc/nginx/modules"
ln -s /dev/stdout "$over/var/log/nginx/access.log"
ln -s /dev/stderr "$over/var/log/nginx/error.log"
cat >"$over/etc/nginx/nginx.conf" <<'CONF'
user nginx;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events {}
http {
    include /etc/nginx/mime.types;
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
}
CONF
cat >"$over/etc/nginx/conf.d/default.conf" <<'CONF'
server {
    listen 80;
    root /usr/share/nginx/html;
}
CONF
{
    say "deb $(sh build/mirror.sh) $suite main"
    say "deb $(sh build/mirror.sh Debian-Security) $suite-security main"
} >"$over/etc/apt/sources.list"
apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https | grep -v '"";' \
    >"$over/etc/apt/apt.conf.d/90mirror" || :
# The bundle, and what of it update-ca-certificates of the image would leave out when the package is updated.
cp -L /etc/ssl/certs/ca-certificates.crt "$over/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$over/usr/local/share"
[ ! -d /usr/local/share/ca-certificates ] || cp -R /usr/local/share/ca-certificates "$over/usr/local/share/"

say "-- the image $image"
container=$(buildah from scratch)
buildah add --quiet "$container" "$root" / >/dev/null
buildah add --quiet "$container" "$over" / >/dev/null
buildah run "$container" sh -c 'groupadd --system --gid 101 nginx &&
    useradd --system --gid nginx --no-create-home --home /nonexistent --shell /bin/false --uid 101 nginx'
buildah config --env NGINX_VERSION="$version" --env PKG_RELEASE=1~$suite --env PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    --cmd '["nginx", "-g", "daemon off;"]' --stop-signal SIGQUIT --port 80 "$container"
buildah commit --quiet --format docker "$container" "$image" >/dev/null
buildah rm "$container" >/dev/null
