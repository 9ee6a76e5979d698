#!/bin/sh
# Builds the container image as `make image` does, and runs tests/image with it. The storage of buildah and podman is in a
# separate directory, which is removed at the end in any case.
#
#   IMAGE_BASE    an nginx image to pull, such as nginx; default: a substitute that build/stand-in.sh creates
#   NGINX_TAG     its tag
#   IMAGE_TESTS   only files whose names contain one of these words, such as compose
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install buildah, podman, runc, netavark, aardvark-dns and iptables"
[ "$(id -u)" = 0 ] || die "this needs root: the storage of containers, and their networks"

# buildah: builds the image; podman: runs it, with conmon and runc
# netavark, aardvark-dns, iptables: container networks, with names and published ports
# busybox: Alpine's tools, to test a script that runs on both distributions
# python3, python3-venv: the tests, and podman-compose from PyPI, which Debian 12 does not package
need_packages "to test the image" buildah podman conmon runc netavark aardvark-dns iptables \
    busybox curl iproute2 util-linux python3 python3-venv
need_python target/image tests/image/requirements.txt "to test the image"

dir=$(pwd)/objs/image
mkdir -p "$dir"
make_scratch image
sources=
# tidy: stops the server of the sources, unmounts and removes the storage, and removes the control groups of podman
tidy() {
    [ -z "$sources" ] || kill "$sources" 2>/dev/null || :
    # empty control groups that podman leaves behind; those in use are not removed
    rmdir /sys/fs/cgroup/*/libpod_parent/conmon /sys/fs/cgroup/*/libpod_parent \
        /sys/fs/cgroup/libpod_parent/conmon /sys/fs/cgroup/libpod_parent 2>/dev/null || :
    grep -o " $dir/storage/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount --lazy 2>/dev/null || :
    rm -rf "$dir/storage" "$scratch"
}
trap tidy EXIT
rm -rf "$dir/storage"

cat >"$scratch/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$dir/storage"
runroot = "$scratch/run"
END
# runc and cgroupfs work without systemd. The limits are explicit, because those of the caller may exceed the maximum.
cat >"$scratch/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[network]
network_backend = "netavark"
network_config_dir = "$scratch/networks"

[engine]
cgroup_manager = "cgroupfs"
lock_type = "file"
events_logger = "file"
runtime = "runc"
tmp_dir = "$scratch/tmp"
END
: >"$scratch/registries.conf"
# chroot: RUN commands use the network of this machine. docker: the image format with health checks, which the tests run
# instead of systemd timers.
export CONTAINERS_STORAGE_CONF="$scratch/storage.conf" CONTAINERS_CONF="$scratch/containers.conf" \
    BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker DISABLE_HC_SYSTEMD=true

if [ -n "${IMAGE_BASE:-}" ]; then
    NGINX_IMAGE=$IMAGE_BASE
else
    CONTAINERS_REGISTRIES_CONF=$scratch/registries.conf
    export CONTAINERS_REGISTRIES_CONF
    NGINX_IMAGE=localhost/nginx
    sh build/stand-in.sh "$dir" "$NGINX_IMAGE:$NGINX_TAG"
    mkfifo "$scratch/port"
    python3 -B tests/image/served.py "$dir/served" >"$scratch/port" &
    sources=$!
    read -r port <"$scratch/port"
    NGINX_DOWNLOADS=http://127.0.0.1:$port
    NGINX_CHECKSUMS=$NGINX_DOWNLOADS
    export NGINX_DOWNLOADS NGINX_CHECKSUMS
fi
IMAGE=localhost/nginx-session-sticky:$NGINX_TAG
export NGINX_IMAGE IMAGE
PATH=$(pwd)/target/image/bin:$PATH

# must NAME COMMAND ...: runs a command with its output in a file, and fails if it fails
must() {
    name=$1
    shift
    say "-- $name"
    "$@" >"$dir/build.log" 2>&1 || {
        tail -n 30 "$dir/build.log" >&2
        die "$name failed, see $dir/build.log"
    }
}
must "make image" "${MAKE:-make}" --no-print-directory image \
    IMAGE_BUILDER=buildah NGINX_IMAGE="$NGINX_IMAGE" NGINX_TAG="$NGINX_TAG" IMAGE="$IMAGE"
# The same image from compose.yaml, with the layers that podman has already.
must "podman-compose build" podman-compose --file docker/compose.yaml build \
    --build-arg NGINX_DOWNLOADS="${NGINX_DOWNLOADS:-}" --build-arg NGINX_CHECKSUMS="${NGINX_CHECKSUMS:-}" nginx

LAB_DIR=$scratch/lab
PYTHONPATH=$(pwd)/tests/lab
export LAB_DIR PYTHONPATH PATH
mkdir "$LAB_DIR"

# In their own namespaces, so that container networks, mounts and processes are removed in any case.
# shellcheck disable=SC2086 # a list of words
unshare --net --mount --pid --fork --mount-proc --kill-child \
    sh build/network.sh python3 -B tests/image/run.py ${IMAGE_TESTS:-}
