# make help tells what there is. One script a concern, in build/.
#
# Do not name a variable NGINX: make exports what is set on its command line, and nginx takes an
# environment variable of that name for the list of sockets that it inherits.

# The nginx to build for, test or install into; empty: the nginx 1.28 that the crate nginx-src carries.
NGINX_BINARY =
# Its sources, where no package brings them; must be of exactly its version.
NGINX_SOURCE_DIR =
# Where `make install` and `make uninstall` put a staged copy.
DESTDIR =

# Which .t files check-nginx runs, how, and how many at a time.
TESTS =
MODE = plain
JOBS =

# How long each fuzz target runs, and which ones.
FUZZ_SECONDS = 600
TARGETS =

# The distribution's nginx, the second one that `make test` uses.
DISTRIBUTION_NGINX = /usr/sbin/nginx

# A checkout of Tengine, for its tests.
TENGINE_TESTS =

export NGINX_BINARY NGINX_SOURCE_DIR DESTDIR TESTS MODE JOBS FUZZ_SECONDS TENGINE_TESTS TARGETS

.PHONY: all help build install uninstall deps test-deps fuzz-deps test test-crates check-nginx \
	tengine-tests lint demo fuzz clean
.NOTPARALLEL:

all: build

help:
	@sed -n 's/^#: //p' Makefile

#: make                      the module and an nginx 1.28 to try it with, in objs/
#: make NGINX_BINARY=FILE    the module for that nginx, in objs/nginx-VERSION/
#:      NGINX_SOURCE_DIR=DIR    its sources, where no package like nginx-dev brings them
build:
	@sh build/module.sh

#: make install NGINX_BINARY=FILE      build, and put the module where that nginx looks for it
#: make uninstall NGINX_BINARY=FILE    take it away again
#:      DESTDIR=DIR                       below DIR instead of /
install:
	@sh build/install.sh

uninstall:
	@sh build/uninstall.sh

#: make deps                 install what building needs beyond Rust
#: make test-deps            install what testing needs: Debian's nginx, Test::Nginx, valgrind ...
deps:
	@sh build/deps.sh

test-deps: deps
	@sh build/test-deps.sh

#: make test                 every test: the crates', and nginx-tests on both versions of nginx
test: test-deps test-crates
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY=
	@$(MAKE) --no-print-directory check-nginx NGINX_BINARY='$(DISTRIBUTION_NGINX)'

#: make test-crates          only the crates' tests, which need no nginx
test-crates:
	cargo test --package session-cookie

#: make check-nginx          nginx-tests with one nginx, the one of `make` or NGINX_BINARY=FILE
#:      TESTS='FILE ...'        only these of nginx-tests/*.t
#:      MODE=plain|hup|valgrind|leak
#:      JOBS=N                  files at a time
check-nginx: build
	@sh build/check-nginx.sh

#: make tengine-tests        Tengine's own tests of session_sticky, from a checkout of Tengine
#:      TENGINE_TESTS=DIR        that checkout; with NGINX_BINARY=FILE for another nginx
tengine-tests: build
	@sh nginx-tests/tengine-conformance.sh

#: make lint                 formatting and clippy
lint: deps
	@sh build/lint.sh

#: make demo                 see it work
demo: deps build
	@demo/run

#: make fuzz                 every fuzz target, with Rust's nightly toolchain
#:      FUZZ_SECONDS=600        for so long each
#:      TARGETS='NAME ...'      only these
fuzz: fuzz-deps
	@sh build/fuzz.sh

fuzz-deps: deps
	@sh build/fuzz-deps.sh

#: make clean                remove what was built
clean:
	rm -rf objs target
