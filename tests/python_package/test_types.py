# SPDX-License-Identifier: BSD-3-Clause
"""Annotations: checked strictly where they are written, right of the extension module, and there for those who use them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import skimp

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what mypy keeps from one run to the next."""
    return tmp_path_factory.mktemp("mypy")


def run(module: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a checker away from the sources: what it sees of the package is what is installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_package_says_that_it_has_types() -> None:
    installed = Path(skimp.__file__).parent
    assert (installed / "py.typed").exists()
    assert (installed / "_core.pyi").exists()


def test_annotations(cache: Path) -> None:
    """No error under the flags of pyproject.toml: mypy's strict ones."""
    found = run("mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", cache, "-p", "skimp", cwd=cache)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_extension_module_is_as_its_stub_says(cache: Path) -> None:
    found = run("mypy.stubtest", "skimp._core", "--mypy-config-file", ROOT / "pyproject.toml", cwd=cache)
    assert found.returncode == 0, found.stdout + found.stderr


USES = """
    import numpy as np
    import skimp
    from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
    from skimp.pipeline import make_pipeline
    from skimp.preprocessing import StandardScaler

    X = np.zeros((4, 2))
    reveal_type(LogisticRegression(C=2).fit(X, [0, 1, 0, 1]))
    reveal_type(SGDClassifier(loss="log_loss").partial_fit(X, [0, 1, 0, 1], classes=[0, 1]).predict_proba(X))
    reveal_type(LogisticRegression().fit("a.csv", "y").predict_proba("b.csv", out="c.csv"))
    reveal_type(Ridge().fit("a.csv", "y").predict("b.csv"))
    reveal_type(Ridge().fit("a.csv", "y").score("b.csv"))
    reveal_type(skimp.plan(Ridge(), X).peak_bytes)
    reveal_type(LogisticRegression().memory_report_.plan)
    reveal_type(make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, 0]))
    with skimp.Dataset(["a.csv", "b.csv"], target="y", max_memory="64MB") as data:
        reveal_type(data.shape)
        reveal_type(data[:100])
    with skimp.config_context(max_memory=64 << 20, n_threads=2):
        reveal_type(skimp.load("m.safetensors"))
    LogisticRegression(C="much")
    LogisticRegression(c=1)
    skimp.config_context(max_mem="1MB")
    Ridge().predict(X, out="c.csv").sum()
"""
REVEALED = [
    "skimp.linear_model.LogisticRegression",
    "numpy.ndarray[",
    "None",
    "numpy.ndarray[",
    "float",
    "int",
    "skimp._report.Plan",
    "skimp.pipeline.Pipeline",
    "tuple[int, int]",
    "skimp.dataset.Dataset",
    "Any",
]
REFUSED = ["[arg-type]", "[call-arg]", "[call-arg]", "[attr-defined]"]


def test_users_get_types(tmp_path: Path, cache: Path) -> None:
    """What a user's checker makes of the package: types that are of use, and mistakes found."""
    (tmp_path / "use.py").write_text(textwrap.dedent(USES))
    found = run("mypy", "--strict", "--cache-dir", cache, "use.py", cwd=tmp_path)
    notes = [line.split('"')[1] for line in found.stdout.splitlines() if "Revealed type" in line]
    assert len(notes) == len(REVEALED), found.stdout
    assert [note.startswith(expected) for note, expected in zip(notes, REVEALED, strict=True)] == [True] * len(notes), notes
    errors = [line for line in found.stdout.splitlines() if ": error: " in line]
    assert [line[line.rindex("[") :] for line in errors if "import-untyped" not in line] == REFUSED, found.stdout
