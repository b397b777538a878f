#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs the Python package's tests under each Python that it supports and that is found, and names those that are not.
set -uo pipefail
cd "$(dirname "$0")/.."

find_python() { # VERSION
    local python
    for python in "$(command -v "python$1" 2>/dev/null)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if [ -n "$python" ] && "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

failed=0
summaries=()
for version in 3.11 3.12 3.13; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        summaries+=("python $version: not found")
        continue
    fi
    environment=build/python-$version
    log=build/test-logs/python-$version.log
    mkdir -p build/test-logs
    echo "== python $version"
    if [ ! -f "$environment/ready" ] || [ tests/requirements.txt -nt "$environment/ready" ]; then
        "$python" -m venv "$environment" &&
            "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt &&
            touch "$environment/ready"
    fi && tools/install_package.sh "$environment" "build-python-$version" &&
        "$environment/bin/python" -m pytest -q tests/python_package 2>&1 | tee "$log"
    if [ "${PIPESTATUS[0]}" -ne 0 ] || [ ! -s "$log" ]; then
        failed=1
        summaries+=("python $version: failed")
        continue
    fi
    summaries+=("python $version: $(tail -n 1 "$log")")
done
echo
printf '%s\n' "${summaries[@]}"
exit "$failed"
