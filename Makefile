# `make help` lists the targets. Each of them is a script in build/.
#
# No variable may be called NGINX: make exports the variables of its command line, and nginx takes an environment variable
# of this name for a list of inherited sockets.

# The nginx to build for, to test or to install into. If empty: nginx 1.28 from the crate nginx-src.
NGINX_BINARY =
# The sources of exactly this version, if no package provides them.
NGINX_SOURCE_DIR =
# The third-party modules that this nginx was configured with, if they are not where its `nginx -V` says.
NGINX_MODULE_DIRS =
# The root of a staged installation, for `make install` and `make uninstall`.
DESTDIR =

# For check-nginx: the .t files and folders to run, the mode, and the number of files that run in parallel.
TESTS =
MODE = plain
JOBS =

# The time for each fuzz target, and the targets to run.
FUZZ_SECONDS = 600
TARGETS =

# The nginx of the distribution, which `make test` tests in addition to nginx 1.28.
DISTRIBUTION_NGINX = /usr/sbin/nginx

# The duration of chaos and soak, and the seed of their events; if empty: a random one.
CHAOS_SECONDS = 60
SOAK_SECONDS = 3600
CHAOS_SEED =

# The duration of test-memory.
MEMORY_SECONDS = 60

# The published-tests, browser-tests and monitoring-tests to run, and the folder for screenshots.
PUBLISHED =
BROWSER =
MONITORING =
SCREENSHOTS =

# Options of bench and budget.
BENCH_QUICK =
BENCH_NGINX =
BUDGET =

# The folder for the files of `make dist`. If empty: objs/dist.
DIST_DIR =

# A checkout of Tengine, for its tests.
TENGINE_TESTS =

# A checkout of nginx's own tests; with 1, they run with session_sticky in every upstream.
NGINX_TESTS =
NGINX_TESTS_STICKY =

# The versions of the list in build/matrix.sh to test, and the folder for the roots with Debian releases; if empty: objs/roots.
MATRIX =
MATRIX_ROOTS =
# A folder with nginx sources, for the versions that no Debian release provides.
NGINX_SOURCES =

# The Debian releases that packages are built for and tested on.
SUITES = bookworm
# The version of nginx.org's nginx that packages are built for, and the module to package, if not the one built for it.
NGINX_VERSION =
PACKAGE_MODULE =

# The container image: the program that builds it (if empty: docker or buildah), the nginx image it is based on, and its name;
# the image that image-test pulls (if empty: a stand-in is built), and the tests to run.
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
	lint doc docs demo fuzz clean deb packages-test test-arm64 test-musl image image-test test-manifests dist \
	test-dist rpm packages
.NOTPARALLEL:

all: build

help:
	@sed -n 's/^#: //p' Makefile

#: make                      build the module, and nginx 1.28 to try it with, in objs/
#: make NGINX_BINARY=FILE    build the module for this nginx, in objs/nginx-VERSION/
#:      NGINX_SOURCE_DIR=DIR    its sources, if no package such as nginx-dev provides them
#:      NGINX_MODULE_DIRS='DIR ...'   the third-party modules that it was configured with, if they are no longer
#:                                where its nginx -V says: their folders, or the folders that contain these
#: If you build nginx yourself, use its ./configure --add-dynamic-module=DIR instead: docs/install.md
build:
	@sh build/module.sh

#: make install NGINX_BINARY=FILE      build the module, and install it where this nginx looks for modules
#: make uninstall NGINX_BINARY=FILE    remove it
#:      DESTDIR=DIR                       install below DIR
install:
	@sh build/install.sh

uninstall:
	@sh build/uninstall.sh

#: make deb                  build the package for Debian 12, in objs/packages/bookworm: in a root with this release and
#:                             its Rust; checked by lintian: docs/packaging.md
#:      SUITES='bookworm trixie forky'   for these releases
#:      MATRIX_ROOTS=DIR        keep the roots in DIR instead of objs/roots
#: make rpm                  build the package for Fedora and EL, in objs/packages/rpm
#: make packages NGINX_VERSION=VERSION   build packages for nginx.org's nginx from the module built for this version: deb and
#:                             rpm, or apk, in objs/packages/nginx.org
#:      PACKAGE_MODULE=FILE     package this module instead
#: make packages-test        install, upgrade, remove and purge the packages where possible, and check their contents
#:      SUITES='...'            the Debian packages of these releases, on fresh systems
deb:
	@sh build/deb.sh

rpm:
	@sh build/rpm.sh

packages:
	@sh build/packages.sh

packages-test: build deb rpm
	@sh build/packages-test.sh

#: make deps                 install the build dependencies except Rust; `make` only reports missing ones
#:      NGINX_SOURCE_DIR=DIR    for the nginx with these sources: versions before 1.21.5 need PCRE 1
#: make test-deps            install the test dependencies: Debian's nginx, Test::Nginx, valgrind and others
deps:
	@sh build/deps.sh

test-deps: deps
	@sh build/test-deps.sh

#: make test                 run the tests that CI runs: of the build and the crates, nginx-tests with two versions of
#:                             nginx, a minute of chaos and of failing allocations, monitoring, manifests, and the budget
test: test-deps test-build test-crates
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY=
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY='$(DISTRIBUTION_NGINX)'
	@$(MAKE) --no-print-directory chaos NGINX_BINARY= CHAOS_SEED=1
	@$(MAKE) --no-print-directory monitoring-tests NGINX_BINARY=
	@$(MAKE) --no-print-directory test-manifests
	@$(MAKE) --no-print-directory test-memory NGINX_BINARY=
	@$(MAKE) --no-print-directory budget NGINX_BINARY=

#: make test-build           test only the build, by `make` and by nginx's configure, the limits of the code, such as
#:                             lengths of files, and the messages in docs/troubleshooting.md
test-build:
	@sh build/test-build.sh

#: make patched-tests        test with a third-party module that patches a structure of nginx, and an nginx built for
#:                             it; takes some minutes
patched-tests:
	@sh build/patched-tests.sh

#: make test-crates          test only the crates, and run the fuzz targets with fuzz/seeds; needs no nginx
test-crates:
	cargo test --locked --package session-cookie
	cargo test --locked --manifest-path fuzz/Cargo.toml --no-default-features \
		--target-dir '$(or $(CARGO_TARGET_DIR),target)/fuzz'

#: make test-msrv            compile the module with the oldest Rust that Cargo.toml allows, in a root with the
#:                             Debian release that ships it
#:      MATRIX_ROOTS=DIR        keep the root in DIR instead of objs/roots
test-msrv:
	@sh build/msrv.sh

#: make test-arm64           build the module for aarch64, and run it, the tests of the crate and some of nginx-tests under
#:                             qemu, in the same root
#: make test-musl            the same with musl as the C library of nginx and of the module
#:      TESTS='PATH ...', JOBS=N   of nginx-tests, as for check-nginx
#:      MATRIX_ROOTS=DIR        as for test-msrv
test-arm64: test-deps
	@sh build/arm64.sh

test-musl: test-deps
	@sh build/musl.sh

#: make test-memory          let one allocation after another fail, and check that nginx continues to serve requests
#:      MEMORY_SECONDS=60       the time limit; NGINX_BINARY=FILE tests another nginx
test-memory: build
	@sh build/memory.sh

#: make test-manifests       validate the manifests in docs/guides/kubernetes.md against the Kubernetes schemas
test-manifests:
	@sh build/manifests.sh

#: make check-nginx          run nginx-tests with one nginx: that of `make`, or NGINX_BINARY=FILE
#:      TESTS='PATH ...'        only these files and folders
#:      MODE=plain|hup|valgrind|leak
#:      JOBS=N                  the number of files that run in parallel
check-nginx: build
	@sh build/probe.sh
	@sh build/check-nginx.sh

#: make check-static         the same with the module linked into nginx, by configure --add-module
check-static:
	@sh build/check-static.sh

#: make chaos                run clients with sessions while servers, workers, DNS records and the configuration change:
#:                             tests/chaos; NGINX_BINARY=FILE tests another nginx
#:      CHAOS_SECONDS=60        the duration
#:      CHAOS_SEED=N            repeat the events of an earlier run
#: make soak                 the same for SOAK_SECONDS=3600
chaos: build
	@sh build/probe.sh
	@sh build/chaos.sh

soak: CHAOS_SECONDS = $(SOAK_SECONDS)
soak: chaos

#: make published-tests      test configurations from published articles and manuals: tests/published; installs Tomcat
#:      PUBLISHED='lbsid tomcat'  only these; NGINX_BINARY=FILE tests another nginx
#: make browser-tests        test with Chromium as the client: tests/browser
#:      BROWSER='demo'          only these files
#:      SCREENSHOTS=DIR         save screenshots in DIR
#: make monitoring-tests     test the output of session_sticky_status against its JSON Schema and with Prometheus, and its
#:                             cost: tests/monitoring
#:      MONITORING='cost'       only these files
published-tests: build
	@sh build/published.sh

browser-tests: build
	@sh build/browser.sh

monitoring-tests: build
	@sh build/monitoring.sh

#: make tengine-tests        run Tengine's own tests of session_sticky
#:      TENGINE_TESTS=DIR        a checkout of Tengine; NGINX_BINARY=FILE tests another nginx
tengine-tests: build
	@sh nginx-tests/tengine-conformance.sh

#: make nginx-tests          compare the results of nginx's own upstream tests without and with the module
#:      NGINX_TESTS=DIR          a checkout of nginx-tests; NGINX_BINARY=FILE tests another nginx
#:      NGINX_TESTS_STICKY=1     add session_sticky to every upstream, instead of only loading the module
nginx-tests: build
	@sh build/nginx-tests.sh

#: make asan                 run nginx-tests with AddressSanitizer in nginx and in the module; TESTS, JOBS and
#:                             MODE=plain|hup as for check-nginx
asan:
	@sh build/asan.sh

#: make matrix               run nginx-tests and chaos with each supported nginx, and test-msrv: with nginx of the Debian
#:                             releases, and with 1.18, 1.20, 1.24 and mainline built from their sources
#:      MATRIX='1.26 1.30'       only these versions
#:      NGINX_SOURCES=DIR        a folder with nginx-1.18.0.tar.gz and so on, or with checkouts
#:      MATRIX_ROOTS=DIR         keep the roots with Debian releases in DIR instead of objs/roots
matrix:
	@sh build/matrix.sh

#: make budget               check that requests do not cost more instructions than benches/budget.txt allows
#:      BUDGET=write            write the measured costs to benches/budget.txt
budget: build
	@sh build/budget.sh

#: make bench                measure the cost of the module, compared with plain nginx, nginx's own `sticky` and HAProxy:
#:                             benches/README.md; takes half an hour
#:      BENCH_QUICK=1           a subset in two minutes; prints the results only
#:      BENCH_NGINX=FILE        an nginx with its own `sticky`: 1.29.6 or newer
#: make bench-worst          measure the most expensive requests, compared with plain nginx: Cookie headers of 32 kB and
#:                             pages of thousands of subrequests; fails if they exceed their limits
#: make bench-crates         measure the functions of the crate in nanoseconds and instructions; fails if the time of
#:                             verification depends on the signature
bench: bench-deps build
	@sh build/bench.sh

bench-crates: bench-deps
	@sh build/bench-crates.sh

bench-worst: build
	@python3 -B benches/worst.py objs/nginx objs/ngx_http_session_sticky_module.so

bench-deps: test-deps
	@sh build/bench-deps.sh

#: make lint                 check formatting, and run clippy, rustdoc, cargo-deny, ShellCheck, ruff, perl -c, typos and
#:                             others; installs missing ones
lint: deps
	@sh build/lint.sh

#: make doc                  build the API documentation of the crate and of the module with rustdoc, in target/doc
doc: deps
	@sh build/doc.sh

#: make docs                 build this manual as a site with mdBook, in objs/site/html, and check its links
docs:
	@sh build/docs.sh

#: make demo                 start nginx and upstream servers, and show how sessions stick
demo: deps build
	@demo/run

#: make image                build a container image from the official nginx image and the module: docs/guides/containers.md
#:      NGINX_TAG=1.28          the tag of the nginx image; if it contains "alpine", the image is based on Alpine
#:      NGINX_IMAGE=NAME        another image than nginx
#:      IMAGE_BUILDER=buildah   use buildah even if a docker daemon is running
#:      IMAGE=NAME:TAG          the name of the image instead of nginx-session-sticky:1.28
#: make image-test           build the image with buildah, and run it with podman and podman-compose: tests/image; takes
#:                             some minutes
#:      IMAGE_BASE=NAME         pull this base image instead of building a stand-in for nginx:1.28
#:      IMAGE_TESTS='compose'   only these files
image:
	@sh build/image.sh

image-test:
	@sh build/image-test.sh

#: make fuzz                 run the fuzz targets, with the nightly toolchain of Rust
#:      FUZZ_SECONDS=600        the duration of each
#:      TARGETS='NAME ...'      only these
fuzz: fuzz-deps
	@sh build/fuzz.sh

fuzz-deps: deps
	@sh build/fuzz-deps.sh

#: make dist                 create a source tarball with the crates of Cargo.lock, an SBOM and checksums, in objs/dist:
#:                             RELEASING.md
#:      DIST_DIR=DIR            in DIR instead
#: make test-dist            check that the tarball is reproducible, and that it builds without a network, reproducibly
dist:
	@sh build/dist.sh

test-dist: deps
	@sh build/test-dist.sh

#: make clean                remove all build results
clean:
	rm -rf objs target
