# SPDX-License-Identifier: BSD-3-Clause
#
#   make build    build/skimp and build/libskimp.so
#   make test     installs what is missing, builds, runs all tests, also under the sanitizers
#   make demo     a real data set in 16 MiB
#   make bench    side by side with the peers
#   make install  [PREFIX=/usr/local] [DESTDIR=]
#
# One preset a directory: build (release), build-debug, build-asan, build-tsan, build-fuzz.

PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3

asan_options = -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=true
tsan_options = -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false -Dwerror=true

.PHONY: build debug test demo bench install asan tsan fuzz format check-format tidy clean
.DEFAULT_GOAL := build

build: build/build.ninja
	ninja -C build

build/build.ninja: meson.build
	tools/setup.sh build
	tools/configure.sh build

debug:
	tools/setup.sh test
	tools/configure.sh build-debug -Dbuildtype=debug -Dwerror=true
	ninja -C build-debug

asan:
	tools/setup.sh test
	tools/configure.sh build-asan $(asan_options)
	ninja -C build-asan

tsan:
	tools/setup.sh test
	tools/configure.sh build-tsan $(tsan_options)
	ninja -C build-tsan

fuzz:
	tools/setup.sh fuzz
	CC=clang tools/configure.sh build-fuzz -Dbuildtype=debugoptimized -Dfuzz=true
	ninja -C build-fuzz

.venv/ready: tests/requirements.txt
	tools/setup.sh test
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch .venv/ready

.venv-bench/ready: bench/requirements.txt
	tools/setup.sh test
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	touch .venv-bench/ready

test:
	tools/setup.sh test
	$(MAKE) --no-print-directory build asan tsan .venv/ready
	tools/run_tests.sh

demo: build
	examples/demo.sh

bench: build .venv-bench/ready
	.venv-bench/bin/python bench/run.py

install: build
	tools/configure.sh build -Dprefix=$(PREFIX)
	ninja -C build
	DESTDIR=$(DESTDIR) meson install -C build --no-rebuild --quiet

sources = $(shell find src include cli tests examples -name '*.[ch]')

format:
	tools/setup.sh format
	clang-format -i $(sources)

check-format:
	tools/setup.sh format
	clang-format --dry-run --Werror $(sources)

tidy: build
	clang-tidy --quiet -p build $(shell find src cli -name '*.c')

clean:
	rm -rf build build-debug build-asan build-tsan build-fuzz
