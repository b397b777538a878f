#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the documentation site in build/docs; its examples and measurements are run, and any warning is an error.
#   tools/build_docs.sh ENVIRONMENT
set -eu
environment=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# Pages are generated beside those that are written, so it is a copy that is built.
rm -rf build/docs build/docs-source build/docs-doctrees
mkdir -p build
cp -R docs/site build/docs-source
PATH="$environment/bin:$PATH" "$environment/bin/python" -m sphinx -b html -n -W --keep-going -q \
    -d build/docs-doctrees build/docs-source build/docs
echo "build/docs/index.html"
