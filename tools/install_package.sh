#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the Python package and installs it into a virtual environment that has what its build needs.
#   tools/install_package.sh ENVIRONMENT BUILD-DIRECTORY
set -eu
environment=$(cd "$1" && pwd)
PATH="$environment/bin:$PATH" "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-build-isolation --no-deps --force-reinstall --config-settings=build-dir="$2" .
