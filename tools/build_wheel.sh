#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds the wheel, gives it the lowest manylinux tag that it deserves, and tries it where nothing else is installed.
#   tools/build_wheel.sh ENVIRONMENT
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(cd "$1" && pwd)
export PATH="$environment/bin:$PATH"
rm -rf build/wheel build/wheel-plain build/wheel-try
mkdir -p build/wheel build/wheel-plain
python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
    --config-settings=build-dir=build-python --wheel-dir build/wheel-plain .
auditwheel repair --wheel-dir build/wheel build/wheel-plain/skimp-*.whl
python -m venv build/wheel-try
build/wheel-try/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: build/wheel/skimp-*.whl
build/wheel-try/bin/python -I tests/try_wheel.py
ls build/wheel/skimp-*.whl
