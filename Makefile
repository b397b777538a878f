# SPDX-License-Identifier: BSD-3-Clause
#
#   make build    build/skimp and build/libskimp.so
#   make python   .venv with the Python package in it
#   make test     installs what is missing, builds, also the site, and runs all tests, also under the sanitizers
#   make test-pythons   the Python package's tests under each Python of 3.11, 3.12, 3.13 that is found
#   make wheel    a wheel for Linux, in build/wheel, tried in an environment where nothing else is installed
#   make docs     the documentation site, in build/docs; runs its examples and measurements
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

.PHONY: build debug python test test-pythons wheel docs demo bench install asan tsan fuzz format check-format tidy clean
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

.venv/ready: tests/requirements.txt docs/requirements.txt
	tools/setup.sh test
	@$(PYTHON) -c 'import sys; sys.exit("PYTHON=... must name Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -r docs/requirements.txt
	touch .venv/ready

.venv-bench/ready: bench/requirements.txt
	tools/setup.sh test
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	touch .venv-bench/ready

python: .venv/ready
	tools/setup.sh python
	tools/install_package.sh .venv build-python

test:
	tools/setup.sh test
	$(MAKE) --no-print-directory build asan tsan python
	tools/run_tests.sh

test-pythons:
	tools/setup.sh python
	tools/test_pythons.sh

wheel: .venv/ready
	tools/setup.sh python
	tools/build_wheel.sh .venv

docs: python
	tools/build_docs.sh .venv

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
	rm -rf build build-debug build-asan build-tsan build-fuzz build-python*
