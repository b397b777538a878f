#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds the site, whose examples run, and runs all tests of the builds that are there, all of them even when some fail.
# Ends with each runner's own summary.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=build/test-logs
mkdir -p "$logs"
failed=0
summaries=()

# Sanitizers of older compilers lose their way when the kernel spreads addresses widely; where it may be asked not to, it is.
plain=
if setarch -R true 2>/dev/null; then
    plain="setarch -R"
fi

echo "== site"
if ! tools/build_docs.sh .venv; then
    failed=1
    summaries+=("site: not built")
fi

run_meson() { # DIRECTORY [wrapper ...]
    local directory=$1 log="$logs/$1.log"
    shift
    echo "== meson test -C $directory"
    "$@" meson test -C "$directory" --print-errorlogs 2>&1 | tee "$log"
    if [ "${PIPESTATUS[0]}" -ne 0 ]; then
        failed=1
    fi
    summaries+=("meson test -C $directory: $(grep -E '^(Ok|Fail|Skipped|Timeout|Unexpected Pass):' "$log" | tr -s ' ' | paste -sd' ')")
}

run_meson build
# shellcheck disable=SC2086 # the wrapper is words
run_meson build-asan $plain
# shellcheck disable=SC2086
run_meson build-tsan $plain

run_pytest() { # DIRECTORY
    local log="$logs/pytest-${1//\//-}.log"
    echo "== pytest $1"
    .venv/bin/python -m pytest -q "$1" 2>&1 | tee "$log"
    if [ "${PIPESTATUS[0]}" -ne 0 ]; then
        failed=1
    fi
    summaries+=("pytest $1: $(tail -n 1 "$log")")
}

run_pytest tests/python
run_pytest tests/python_package

echo
printf '%s\n' "${summaries[@]}"
exit "$failed"
