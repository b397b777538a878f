#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs the system packages that a task needs and that are missing (Debian and its kin).
#   tools/setup.sh build|demo|python|test|fuzz|format
# Does nothing, and needs no rights, when all are there.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config zlib1g-dev libzstd-dev libxxhash-dev libjansson-dev libcmocka-dev"
case "${1:-build}" in
build) wanted=$build ;;
demo) wanted="$build ca-certificates" ;;
python) wanted="$build g++ binutils ca-certificates" ;;
test) wanted="$build g++ binutils ca-certificates" ;;
fuzz) wanted="$build clang libclang-rt-14-dev" ;;
format) wanted="clang-format" ;;
*)
    echo "usage: tools/setup.sh build|demo|python|test|fuzz|format" >&2
    exit 2
    ;;
esac
case "${1:-build}" in
demo | python | test)
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        wanted="$wanted python3-venv"
    fi
    ;;
esac
case "${1:-build}" in
python | test) # the extension module is compiled against Python's headers
    if ! python3 -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null; then
        wanted="$wanted python3-dev"
    fi
    ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    # Another system: what is missing will be named by the tool that misses it.
    exit 0
fi

missing=
for package in $wanted; do
    # Ask for the state of a package by the architecture of the system; "pkg-config" may be provided by pkgconf.
    state=$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null || true)
    case " $state" in
    *" installed "*) ;;
    *)
        if [ "$package" = pkg-config ] && command -v pkg-config >/dev/null 2>&1; then
            continue
        fi
        missing="$missing $package"
        ;;
    esac
done
if [ -z "$missing" ]; then
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "These packages are needed, and neither root's rights nor sudo are at hand:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "Installing:$missing"
# shellcheck disable=SC2086 # the lists are words
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
