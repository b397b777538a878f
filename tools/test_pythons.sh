#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs the Python package's tests under every Python that it supports and that is found, on PATH or under pyenv, and
# names the versions that are not.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build/test-logs
mkdir -p "$logs"

candidates() { # VERSION
    type -aP "python$1"
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python
}

# Prints the whole version of an interpreter; nothing if it is not one of VERSION (as a shim may be), or free-threaded.
version_of() { # VERSION INTERPRETER
    "$2" -c '
import sys, sysconfig
if sys.argv[1] == "%d.%d" % sys.version_info[:2] and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("%d.%d.%d" % sys.version_info[:3])' "$1" 2>/dev/null
}

can_build() { # INTERPRETER
    "$1" -c 'import ensurepip, os, sysconfig, venv; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null
}

install() { # INTERPRETER ENVIRONMENT
    if [ ! -f "$2/ready" ] || [ tests/requirements.txt -nt "$2/ready" ]; then
        "$1" -m venv "$2" &&
            "$2/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt &&
            touch "$2/ready"
    fi && tools/install_package.sh "$2" "build-${2##*/}"
}

failed=0
summaries=()
for version in 3.11 3.12 3.13; do
    found=" "
    while read -r python <&3; do
        whole=$(version_of "$version" "$python")
        if [ -z "$whole" ] || [[ "$found" == *" $whole "* ]]; then
            continue
        fi
        if ! can_build "$python"; then
            summaries+=("python $whole ($python): left out, it has no venv or no headers (python3-venv, python3-dev)")
            continue
        fi
        found+="$whole "
        environment=build/python-$whole
        log=$logs/python-$whole.log
        echo "== python $whole ($python)"
        if ! install "$python" "$environment"; then
            failed=1
            summaries+=("python $whole ($python): could not be installed for")
            continue
        fi
        "$environment/bin/python" -m pytest -q tests/python_package 2>&1 | tee "$log"
        if [ "${PIPESTATUS[0]}" -ne 0 ]; then
            failed=1
        fi
        summaries+=("python $whole ($python): $(tail -n 1 "$log")")
    done 3< <(candidates "$version")
    if [ "$found" = " " ]; then
        summaries+=("python $version: not found")
    fi
done
echo
printf '%s\n' "${summaries[@]}"
exit "$failed"
