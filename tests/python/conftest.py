# SPDX-License-Identifier: BSD-3-Clause
"""Data that several tests read: made once a session, from fixed seeds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from run_skimp import SKIMP, ok, write_csv


def pytest_configure(config: pytest.Config) -> None:
    if not Path(SKIMP).exists():
        pytest.exit(f"{SKIMP} is not there: make build", returncode=2)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the tests may read and must not write."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def table(data: Path) -> Path:
    """4,000 rows: x1 … x6, label 0/1, kind a/b/c, value (real), weight."""
    random = np.random.default_rng(1)
    x = random.normal(size=(4000, 6))
    margin = x @ random.normal(size=6) + 0.3
    label = (margin + random.logistic(size=4000) > 0).astype(int)
    kind = np.array(["b", "c", "a"])[np.digitize(margin + random.normal(size=4000), [-1, 1])]
    value = 3 * margin + random.normal(size=4000) + 10
    weight = random.integers(1, 4, size=4000)
    names = [*(f"x{i}" for i in range(1, 7)), "label", "kind", "value", "weight"]
    return write_csv(data / "table.csv", names, [*x.T, label, kind, value, weight])


@pytest.fixture(scope="session")
def sparse(data: Path) -> Path:
    """svmlight, 1-based: 2,000 rows, 300 features."""
    random = np.random.default_rng(2)
    weights = random.normal(size=301)
    with (data / "sparse.svm").open("w") as file:
        for _ in range(2000):
            indices = np.sort(random.choice(np.arange(1, 301), size=random.integers(1, 20), replace=False))
            values = random.uniform(0.1, 1, size=indices.size).round(4)
            label = 1 if weights[indices] @ values + random.logistic() * 0.3 > 0 else -1
            print(label, *(f"{i}:{v}" for i, v in zip(indices, values, strict=True)), file=file)
    return data / "sparse.svm"


@pytest.fixture(scope="session")
def holes(data: Path) -> Path:
    """1,500 rows with missing numbers and text: a, b (missing), colour (missing), label."""
    random = np.random.default_rng(3)
    a = random.normal(50, 20, size=1500).round(2)
    b = random.exponential(3, size=1500).round(3)
    colour = random.choice(["red", "green", "blue", "dark, blue"], size=1500)
    label = (a / 20 + b - (colour == "red") + random.logistic(size=1500) > 5).astype(int)
    with (data / "holes.csv").open("w") as file:
        print("a,b,colour,label", file=file)
        for i in range(1500):
            number = "" if random.random() < 0.1 else b[i]
            text = "" if random.random() < 0.05 else f'"{colour[i]}"' if "," in colour[i] else colour[i]
            print(f"{a[i]},{number},{text},{label[i]}", file=file)
    return data / "holes.csv"


@pytest.fixture(scope="session")
def large(data: Path) -> Path:
    """A 40 MB table: 250,000 rows of 20 numbers and a label. Blocks of rows repeat, which no solver minds."""
    random = np.random.default_rng(4)
    x = random.normal(size=(25_000, 20)).round(5)
    label = (x @ random.normal(size=20) + 2 * random.logistic(size=25_000) > 0).astype(int)
    block = "".join(",".join(map(repr, row)) + f",{y}\n" for row, y in zip(x.tolist(), label.tolist(), strict=True))
    with (data / "large.csv").open("w") as file:
        file.write(",".join([*(f"x{i}" for i in range(20)), "label"]) + "\n")
        for _ in range(10):
            file.write(block)
    return data / "large.csv"


@pytest.fixture(scope="session")
def model(data: Path, table: Path) -> Path:
    """Logistic regression on the table."""
    path = data / "model.safetensors"
    ok("fit", "logistic_regression", table, "-t", "label", "-d", "kind,value,weight", "-o", path, "-q")
    return path


@pytest.fixture
def spill(tmp_path: Path) -> Iterator[Path]:
    """A spill directory, which must be empty in the end."""
    directory = tmp_path / "spill"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []
