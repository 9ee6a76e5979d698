# make help tells what there is. One script a concern, in build/.
#
# Do not name a variable NGINX: make exports what is set on its command line, and nginx takes an
# environment variable of that name for the list of sockets that it inherits.

# The nginx to build for, test or install into; empty: the nginx 1.28 that the crate nginx-src carries.
NGINX_BINARY =
# Its sources, where no package brings them; must be of exactly its version.
NGINX_SOURCE_DIR =
# Where the modules of others are that it was configured with, if not where its `nginx -V` says.
NGINX_MODULE_DIRS =
# Where `make install` and `make uninstall` put a staged copy.
DESTDIR =

# Which .t files and folders of them check-nginx runs, how, and how many at a time.
TESTS =
MODE = plain
JOBS =

# How long each fuzz target runs, and which ones.
FUZZ_SECONDS = 600
TARGETS =

# The distribution's nginx, the second one that `make test` uses.
DISTRIBUTION_NGINX = /usr/sbin/nginx

# How long chaos and soak let everything fail, and the seed of what happens; empty: any.
CHAOS_SECONDS = 60
SOAK_SECONDS = 3600
CHAOS_SEED =

# How long test-memory has allocations fail.
MEMORY_SECONDS = 60

# Which published-tests, browser-tests and monitoring-tests, and where pictures are kept.
PUBLISHED =
BROWSER =
MONITORING =
SCREENSHOTS =

# What bench and budget do.
BENCH_QUICK =
BENCH_NGINX =
BUDGET =

# Where `make dist` puts what it makes; empty: objs/dist.
DIST_DIR =

# A checkout of Tengine, for its tests.
TENGINE_TESTS =

# A checkout of nginx's own tests; 1: run them with session_sticky in every upstream.
NGINX_TESTS =
NGINX_TESTS_STICKY =

# Which versions of the list in build/matrix.sh, and where the roots with releases of Debian are; empty: objs/roots.
MATRIX =
MATRIX_ROOTS =
# A folder with sources of nginx, for the versions of that list that come from no release of Debian.
NGINX_SOURCES =

# For which releases of Debian packages are built and tested.
SUITES = bookworm
# For which nginx of nginx.org's packages, and of which module, if not of the one that was built for it.
NGINX_VERSION =
PACKAGE_MODULE =

# What builds the container image, empty: docker or buildah; the nginx image that it is based on, and what the result is
# called; which one image-test pulls, empty: it makes a stand-in; and which of its tests.
IMAGE_BUILDER =
NGINX_IMAGE = nginx
NGINX_TAG = 1.28
IMAGE = nginx-session-sticky:$(NGINX_TAG)
IMAGE_BASE =
IMAGE_TESTS =

export NGINX_TESTS NGINX_TESTS_STICKY MATRIX MATRIX_ROOTS NGINX_SOURCES SUITES IMAGE_BUILDER NGINX_IMAGE \
	NGINX_TAG IMAGE IMAGE_BASE IMAGE_TESTS NGINX_BINARY NGINX_SOURCE_DIR NGINX_MODULE_DIRS DESTDIR TESTS \
	MODE JOBS FUZZ_SECONDS TENGINE_TESTS TARGETS BENCH_QUICK BENCH_NGINX BUDGET CHAOS_SECONDS CHAOS_SEED \
	MEMORY_SECONDS PUBLISHED BROWSER MONITORING SCREENSHOTS DIST_DIR NGINX_VERSION PACKAGE_MODULE

.PHONY: all help build install uninstall deps test-deps fuzz-deps test test-build test-crates test-msrv \
	check-nginx check-static chaos soak test-memory published-tests browser-tests monitoring-tests \
	patched-tests tengine-tests nginx-tests asan matrix budget bench bench-crates bench-worst bench-deps \
	lint doc demo fuzz clean deb packages-test test-arm64 test-musl image image-test test-manifests dist \
	test-dist rpm packages
.NOTPARALLEL:

all: build

help:
	@sed -n 's/^#: //p' Makefile

#: make                      the module and an nginx 1.28 to try it with, in objs/
#: make NGINX_BINARY=FILE    the module for that nginx, in objs/nginx-VERSION/
#:      NGINX_SOURCE_DIR=DIR    its sources, where no package like nginx-dev brings them
#:      NGINX_MODULE_DIRS='DIR ...'   the modules of others that it was configured with, if they are no longer
#:                                where its nginx -V says: folders, or folders in which they are
#: where nginx is built anyway, its ./configure --add-dynamic-module=DIR does without all of this: README.md
build:
	@sh build/module.sh

#: make install NGINX_BINARY=FILE      build, and put the module where that nginx looks for it
#: make uninstall NGINX_BINARY=FILE    take it away again
#:      DESTDIR=DIR                       below DIR instead of /
install:
	@sh build/install.sh

uninstall:
	@sh build/uninstall.sh

#: make deb                  the package for Debian 12, in objs/packages/bookworm: built in a root with that release, by
#:                             its Rust, and checked by lintian; docs/packaging.md
#:      SUITES='bookworm trixie forky'   for these releases
#:      MATRIX_ROOTS=DIR        keep the roots there, not in objs/roots
#: make rpm                  the package for Fedora and EL, in objs/packages/rpm
#: make packages NGINX_VERSION=VERSION   packages for the nginx of nginx.org's packages, of the module that was built for
#:                             that version: deb and rpm, or apk, in objs/packages/nginx.org
#:      PACKAGE_MODULE=FILE     of this one
#: make packages-test        install, upgrade, remove and purge all of them, where that is possible, and look into them
#:      SUITES='...'            those of Debian on these releases, as they are at first
deb:
	@sh build/deb.sh

rpm:
	@sh build/rpm.sh

packages:
	@sh build/packages.sh

packages-test: build deb rpm
	@sh build/packages-test.sh

#: make deps                 install what building needs beyond Rust; `make` only says what is missing
#:      NGINX_SOURCE_DIR=DIR    for the nginx with these sources: before 1.21.5 that is PCRE 1
#: make test-deps            install what testing needs: Debian's nginx, Test::Nginx, valgrind ...
deps:
	@sh build/deps.sh

test-deps: deps
	@sh build/test-deps.sh

#: make test                 every test: of the build, the crates', nginx-tests on both versions of nginx, a minute each of
#:                             chaos and of allocations that fail, what is monitored, manifests, what requests cost, and
#:                             what hostile ones do
test: test-deps test-build test-crates
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY=
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY='$(DISTRIBUTION_NGINX)'
	@$(MAKE) --no-print-directory chaos NGINX_BINARY= CHAOS_SEED=1
	@$(MAKE) --no-print-directory monitoring-tests NGINX_BINARY=
	@$(MAKE) --no-print-directory test-manifests
	@$(MAKE) --no-print-directory test-memory NGINX_BINARY=
	@$(MAKE) --no-print-directory budget NGINX_BINARY=

#: make test-build           only the tests of the build, by `make` and by nginx's own configure, of the figures that
#:                             the code keeps, and of the messages that docs/troubleshooting.md lists
test-build:
	@sh build/test-build.sh

#: make patched-tests        a module of others that patches a structure of nginx, with a real nginx that is
#:                             built for it: some minutes
patched-tests:
	@sh build/patched-tests.sh

#: make test-crates          only the crates' tests and the fuzz targets with fuzz/seeds, which need no nginx
test-crates:
	cargo test --locked --package session-cookie
	cargo test --locked --manifest-path fuzz/Cargo.toml --no-default-features \
		--target-dir '$(or $(CARGO_TARGET_DIR),target)/fuzz'

#: make test-msrv            compiles the module with the oldest Rust that Cargo.toml allows, in a root with the
#:                             Debian that ships it
#:      MATRIX_ROOTS=DIR        keep that root there, not in objs/roots
test-msrv:
	@sh build/msrv.sh

#: make test-arm64           the module for aarch64, under qemu: nginx loads it, sessions stick, the crate's tests and some
#:                             files of nginx-tests pass; in the same root
#: make test-musl            the same with musl as the C library of nginx and the module
#:      TESTS='PATH ...', JOBS=N   of nginx-tests, as for check-nginx
#:      MATRIX_ROOTS=DIR        as for test-msrv
test-arm64: test-deps
	@sh build/arm64.sh

test-musl: test-deps
	@sh build/musl.sh

#: make test-memory          nginx goes on when an allocation fails: each in turn, as far as the time allows
#:      MEMORY_SECONDS=60       for so long; with NGINX_BINARY=FILE for another nginx
test-memory: build
	@sh build/memory.sh

#: make test-manifests       only the manifests of docs/guides/kubernetes.md, by the schemas of Kubernetes: tests/manifests
test-manifests:
	@sh build/manifests.sh

#: make check-nginx          nginx-tests with one nginx, the one of `make` or NGINX_BINARY=FILE
#:      TESTS='PATH ...'        only these files and folders of nginx-tests
#:      MODE=plain|hup|valgrind|leak
#:      JOBS=N                  files at a time
check-nginx: build
	@sh build/probe.sh
	@sh build/check-nginx.sh

#: make check-static         the same with an nginx that has the module compiled in, by configure --add-module
check-static:
	@sh build/check-static.sh

#: make chaos                clients with cookies, while servers, workers, DNS and the configuration come
#:                             and go: tests/chaos; with NGINX_BINARY=FILE for another nginx
#:      CHAOS_SECONDS=60        for so long
#:      CHAOS_SEED=N            what happens, as told by an earlier run
#: make soak                 the same for SOAK_SECONDS=3600
chaos: build
	@sh build/probe.sh
	@sh build/chaos.sh

soak: CHAOS_SECONDS = $(SOAK_SECONDS)
soak: chaos

#: make published-tests      configurations that others wrote down, as stories: tests/published; installs Tomcat
#:      PUBLISHED='lbsid tomcat'  only these; with NGINX_BINARY=FILE for another nginx
#: make browser-tests        chromium in front of nginx: tests/browser
#:      BROWSER='demo'          only these files
#:      SCREENSHOTS=DIR         keep the pictures there
#: make monitoring-tests     what session_sticky_status answers: by its JSON Schema, by a real Prometheus, and what it
#:                             costs: tests/monitoring
#:      MONITORING='cost'       only these files
published-tests: build
	@sh build/published.sh

browser-tests: build
	@sh build/browser.sh

monitoring-tests: build
	@sh build/monitoring.sh

#: make tengine-tests        Tengine's own tests of session_sticky, from a checkout of Tengine
#:      TENGINE_TESTS=DIR        that checkout; with NGINX_BINARY=FILE for another nginx
tengine-tests: build
	@sh nginx-tests/tengine-conformance.sh

#: make nginx-tests          nginx's own tests of upstreams, without and with the module: no difference
#:      NGINX_TESTS=DIR          a checkout of nginx-tests; with NGINX_BINARY=FILE for another nginx
#:      NGINX_TESTS_STICKY=1     with session_sticky in every upstream, not only loaded
nginx-tests: build
	@sh build/nginx-tests.sh

#: make asan                 nginx-tests with AddressSanitizer in nginx and in the module
#:                             TESTS, JOBS, MODE=plain|hup as for check-nginx
asan:
	@sh build/asan.sh

#: make matrix               nginx-tests and chaos with each nginx that is supported, and test-msrv: those of Debian's
#:                             releases, and from their sources 1.18, 1.20, 1.24 and mainline
#:      MATRIX='1.26 1.30'       only these
#:      NGINX_SOURCES=DIR        a folder with nginx-1.18.0.tar.gz and the like, or with checkouts
#:      MATRIX_ROOTS=DIR         keep those releases there, not in objs/roots
matrix:
	@sh build/matrix.sh

#: make budget               does a request cost no more instructions than benches/budget.txt allows?
#:      BUDGET=write            write what it costs there
budget: build
	@sh build/budget.sh

#: make bench                what stickiness costs, against nginx without it, nginx's own and HAProxy's:
#:                             benches/README.md; needs half an hour
#:      BENCH_QUICK=1           a part of it, in two minutes, printed only
#:      BENCH_NGINX=FILE        an nginx with a `sticky` of its own, 1.29.6 or newer
#: make bench-worst          the worst that one request can ask for, against plain nginx: Cookie headers of
#:                             32 kB, pages of thousands of subrequests; fails above its limits
#: make bench-crates         the functions that a request goes through, in nanoseconds and instructions; fails where
#:                             wrong signatures do not take the same time
bench: bench-deps build
	@sh build/bench.sh

bench-crates: bench-deps
	@sh build/bench-crates.sh

bench-worst: build
	@python3 -B benches/worst.py objs/nginx objs/ngx_http_session_sticky_module.so

bench-deps: test-deps
	@sh build/bench-deps.sh

#: make lint                 formatting and what linters find: clippy, rustdoc, cargo-deny, ShellCheck, ruff, perl -c,
#:                             typos; installs those that are not there
lint: deps
	@sh build/lint.sh

#: make doc                  what rustdoc makes of the crate and of the module, in target/doc
doc: deps
	@sh build/doc.sh

#: make demo                 see it work
demo: deps build
	@demo/run

#: make image                a container image, the official nginx image with the module: docs/guides/containers.md
#:      NGINX_TAG=1.28          of this tag; with "alpine" in it on Alpine
#:      NGINX_IMAGE=NAME        of this image, if not of nginx
#:      IMAGE_BUILDER=buildah   by buildah, also where docker's daemon answers
#:      IMAGE=NAME:TAG          what it is called, if not nginx-session-sticky:1.28
#: make image-test           builds it by buildah, and runs it by podman and podman-compose: tests/image; some minutes
#:      IMAGE_BASE=NAME         on this image, which is pulled, not on a stand-in for nginx:1.28 that is made here
#:      IMAGE_TESTS='compose'   only these files
image:
	@sh build/image.sh

image-test:
	@sh build/image-test.sh

#: make fuzz                 every fuzz target, with Rust's nightly toolchain
#:      FUZZ_SECONDS=600        for so long each
#:      TARGETS='NAME ...'      only these
fuzz: fuzz-deps
	@sh build/fuzz.sh

fuzz-deps: deps
	@sh build/fuzz-deps.sh

#: make dist                 a source tarball with the crates of Cargo.lock, what is in it, and checksums, in objs/dist:
#:                             RELEASING.md
#:      DIST_DIR=DIR            there instead
#: make test-dist            it is the same each time, and builds without a network, the same in each folder
dist:
	@sh build/dist.sh

test-dist: deps
	@sh build/test-dist.sh

#: make clean                remove what was built
clean:
	rm -rf objs target
