#!/bin/sh
# stand-in.sh DIR IMAGE: creates IMAGE for podman and buildah, a substitute for the official nginx image with Debian 12 if no
# registry can be reached, and DIR/served with the files that docker/nginx-source.sh downloads for it. The image contains:
#
#   Debian 12 by debootstrap, with the apt mirrors and the CA certificates of this machine
#   the nginx of the crate nginx-src, with the options and paths of nginx.org's packages
#   the environment, command, user and links of the official image, without its entrypoint, which changes configurations
#
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$1
image=$2
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

suite=bookworm
# curl, ca-certificates: as in the official image; libpcre2-8-0, libssl3, zlib1g: needed by nginx
packages='ca-certificates curl libpcre2-8-0 libssl3 zlib1g'
root=$(roots_dir)/$suite-image
# shellcheck disable=SC2086 # a list of words
sh build/debootstrap.sh "$root" "$suite" $packages

source=$(sh build/nginx-src.sh)
version=$(source_name "$source")
version=${version#*/}
name=nginx-$version

# --- the files that nginx.org publishes

served=$dir/served
rm -rf "$served"
mkdir -p "$served/$version-1/contrib/src/nginx"
tar -c -z -f "$served/$name.tar.gz" -C "$source" --transform "s,^[.],$name," .
(cd "$served" && sha512sum "$name.tar.gz") >"$served/$version-1/contrib/src/nginx/SHA512SUMS"

# --- the image: the root file system with nginx

sh build/deps.sh
nginx=$(sh build/nginx-org.sh)
over=$dir/over
rm -rf "$over"
mkdir -p "$over/usr/sbin" "$over/usr/lib/nginx/modules" "$over/usr/share/nginx" "$over/etc/nginx/conf.d" \
    "$over/etc/ssl/certs" "$over/var/log/nginx" "$over/var/cache/nginx"
install -s -m 755 "$nginx" "$over/usr/sbin/nginx"
cp "$source/conf/mime.types" "$over/etc/nginx/mime.types"
cp -R "$source/docs/html" "$over/usr/share/nginx/html"
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
sh build/apt-sources.sh "$over" "$suite"
# The certificate bundle, and the local certificates, which update-ca-certificates would otherwise remove from it.
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
