# SPDX-License-Identifier: BSD-3-Clause
"""docs/howto/add-an-estimator.md proved: its code is added to the command, which then has one more estimator."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from run_skimp import ROOT, SKIMP, clean_environment, tensors

DOCUMENT = ROOT / "docs" / "howto" / "add-an-estimator.md"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """skimp linked anew with the file and the line of the page in place of the registry that is there."""
    build = Path(SKIMP).parent
    archive = build / "libskimp_objects.a"
    if not archive.exists():
        pytest.skip(f"no build directory around {SKIMP}")
    directory = tmp_path_factory.mktemp("howto")
    source, line = re.findall(r"```c?\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    shutil.copytree(ROOT / "src" / "estimator", directory / "src" / "estimator")
    (directory / "src" / "estimator" / "mean_regressor.c").write_text(source)
    registry = directory / "src" / "estimator" / "registry.c"
    text = registry.read_text()
    at = text.index("    X(min_max_scaler)")
    registry.write_text(text[:at] + line + text[at:])
    objects = []
    for name in ["registry", "mean_regressor"]:
        objects.append(directory / f"{name}.o")
        compile_one = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", *WARNINGS, "-I", directory / "src", "-I", ROOT / "src", "-I", ROOT / "include"]
        subprocess.run([*map(str, compile_one), "-c", str(directory / "src" / "estimator" / f"{name}.c"), "-o", str(objects[-1])], check=True)
    made = directory / "skimp"
    parts = [*objects, *sorted((build / "skimp.p").glob("*.o")), archive]
    subprocess.run(["cc", "-o", str(made), *map(str, parts), "-ljansson", "-lzstd", "-lz", "-lm", "-lpthread"], check=True)
    return made


def run(command: Path, *arguments: object) -> str:
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, env=clean_environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_adds_an_estimator(command: Path, table: Path, tmp_path: Path) -> None:
    assert "mean_regressor" in run(command, "estimators")
    assert "shift" in run(command, "help", "mean_regressor")
    assert "mean_regressor" in run(command, "help", "--completion", "bash")
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    value, weight = (np.array([float(row[i]) for row in rows]) for i in (8, 9))
    fit = ["fit", "mean_regressor", table, "-t", "value", "-w", "weight", "-p", "shift=1", "-m", "32M", "--json"]

    models = []
    for threads in [1, 2, 5]:
        found: dict[str, Any] = json.loads(run(command, *fit, "-j", threads, "-o", tmp_path / "m"))
        assert found["actual"]["peak_bytes"] <= found["plan"]["peak_bytes"] <= 32 << 20
        assert found["objective"] is None
        models.append((tmp_path / "m").read_bytes())
    assert len(set(models)) == 1
    assert tensors(tmp_path / "m")["constant_"][0] == pytest.approx(np.average(value, weights=weight) + 1, rel=1e-12)

    checkpoint = ["--checkpoint", tmp_path / "checkpoint", "-o", tmp_path / "again"]
    assert json.loads(run(command, *fit, *checkpoint))["resumed"] is False
    assert json.loads(run(command, *fit, *checkpoint))["resumed"] is True
    assert (tmp_path / "again").read_bytes() == models[0]

    predicted = run(command, "predict", tmp_path / "m", table, "-q").splitlines()
    assert predicted[0] == "prediction"
    assert set(map(float, predicted[1:])) == {tensors(tmp_path / "m")["constant_"][0]}
    assert json.loads(run(command, "score", tmp_path / "m", table, "--json"))["metrics"]["r2"] < 0
