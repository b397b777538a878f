# SPDX-License-Identifier: BSD-3-Clause
"""Tries an installed wheel where nothing else is installed but what it needs to run (tools/build_wheel.sh).

All docstrings' examples run, and the command that the wheel brings shares models with Python.
"""

import doctest
import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

import skimp
from skimp.linear_model import LogisticRegression


def check_nothing_else() -> None:
    """Nothing is installed that the package does not need: what it does without is seen to be done without."""
    command = [sys.executable, "-m", "pip", "list", "--not-required", "--format=json", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {entry["name"] for entry in listed} - {"pip", "setuptools"} == {"skimp"}, listed


def check_examples() -> int:
    """Run the examples of all modules; return their number."""
    results = [
        doctest.testmod(importlib.import_module(module.name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        for module in pkgutil.iter_modules(skimp.__path__, "skimp.")
        if module.name != "skimp._core"
    ]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 50
    return sum(result.attempted for result in results)


def check_command(directory: Path) -> None:
    """The command is the wheel's own, and its model is Python's bit for bit."""
    command = Path(sysconfig.get_path("scripts")) / "skimp"
    X, y = load_iris(return_X_y=True)
    data, model = directory / "iris.csv", directory / "m.safetensors"
    np.savetxt(data, np.column_stack([X, y]), delimiter=",", header="a,b,c,d,kind", comments="")
    subprocess.run([command, "fit", "logistic_regression", data, "-t", "kind", "-o", model, "--quiet"], check=True)
    of_command, of_python = skimp.load(model), LogisticRegression().fit(data, "kind")
    np.testing.assert_array_equal(of_command.coef_, of_python.coef_)
    assert of_python.score(data) > 0.95
    assert LogisticRegression().fit(X, y).to_sklearn().score(X, y) > 0.95


def main() -> None:
    """Try all of it."""
    check_nothing_else()
    examples = check_examples()
    with tempfile.TemporaryDirectory() as directory:
        check_command(Path(directory))
    files = importlib.metadata.files("skimp") or []
    names = {str(file) for file in files}
    assert {"skimp/py.typed", "skimp/_core.pyi"} <= names
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"skimp {skimp.__version__} under Python {version}: {examples} examples, the command and its models work")


if __name__ == "__main__":
    main()
