#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes a build directory with the options given, or sets them in the one that is there.
#   tools/configure.sh DIRECTORY [MESON OPTION ...]
set -eu
directory=$1
shift
if [ -f "$directory/build.ninja" ]; then
    exec meson configure "$directory" "$@"
fi
# A first try that failed half-way leaves a directory that meson takes for a finished one.
rm -rf "$directory"
exec meson setup "$directory" "$@"
