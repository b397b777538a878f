# SPDX-License-Identifier: BSD-3-Clause
"""A budget that is too small is refused with one that works, whatever the data is, and what is done with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import skimp
from skimp.impute import SimpleImputer
from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
from skimp.preprocessing import StandardScaler

N = 60_000
PLENTY = 1 << 30
BUDGETS = (1000, 100_000, 600_000)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return three columns of numbers, one of text, and labels."""
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(N, 3)), columns=["a", "b", "c"])
    return X.assign(t=random.choice(["x", "yy", "zzz"], N), y=(X["a"] > 0).astype(int))


KINDS = [
    "memmap", "pandas", "polars", "pyarrow", "duckdb", "parquet", "arrow", "csv", "npy", "chunks", "function",
    "numpy", "csr", "dataset", "view",
]  # fmt: skip
NUMBERS = {"memmap", "npy", "chunks", "function", "numpy", "csr"}


def given(kind: str, frame: pd.DataFrame, directory: Path) -> tuple[Any, Any]:
    """Return X and y of this kind."""
    X, y = frame.drop(columns="y"), frame["y"].to_numpy()
    numbers = np.ascontiguousarray(X[["a", "b", "c"]].to_numpy())
    path = str(directory / f"data.{kind}")

    def chunks() -> Iterator[Any]:
        return ((numbers[i : i + 5000], y[i : i + 5000]) for i in range(0, N, 5000))

    match kind:
        case "memmap" | "npy":
            path = str(directory / "data.npy")
            np.save(path, numbers)
            return (path if kind == "npy" else np.load(path, mmap_mode="r")), y
        case "polars":
            return pytest.importorskip("polars").from_pandas(X), y
        case "pyarrow":
            return pytest.importorskip("pyarrow").Table.from_pandas(X), y
        case "duckdb":
            return pytest.importorskip("duckdb").connect().from_df(X), y  # a connection has one result at a time
        case "parquet":
            pytest.importorskip("pyarrow")
            frame.to_parquet(path, index=False)
            return path, "y"
        case "arrow":
            ipc = pytest.importorskip("pyarrow.ipc")
            table = pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
            with ipc.new_file(path, table.schema) as file:
                file.write_table(table)
            return path, "y"
        case "csv":
            frame.to_csv(path, index=False)
            return path, "y"
        case "chunks":
            return chunks(), None
        case "function":
            return chunks, None
        case "numpy":
            return numbers, y
        case "csr":
            return sp.csr_array(numbers), y
        case "dataset":
            return skimp.Dataset(frame, target="y"), None
        case "view":
            return skimp.Dataset(frame, target="y")[: N // 2], None
    return X, y


def check_first_works(work: Callable[[Any, Any], object], data: Callable[[], tuple[Any, Any]], budgets: tuple[int, ...] = BUDGETS) -> None:
    """Check that what a refusal names is enough; `data` is made anew, since some can be read once only."""
    for budget in budgets:
        with skimp.config_context(max_memory=PLENTY):
            X, y = data()
        with skimp.config_context(max_memory=budget), pytest.raises(skimp.BudgetError) as refused:
            work(X, y)
        assert refused.value.minimum_bytes is not None and refused.value.minimum_bytes > budget
        with skimp.config_context(max_memory=PLENTY):
            X, y = data()
        with skimp.config_context(max_memory=refused.value.minimum_bytes):
            work(X, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", [LogisticRegression(), SGDClassifier(max_iter=2), Ridge()], ids=lambda e: type(e).__name__)
def test_fit(estimator: Any, kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    if kind == "npy" and isinstance(estimator, SGDClassifier):
        pytest.skip("the file is parsed by a job of its own, which is refused first and knows of no fit")
    check_first_works(estimator.fit, lambda: given(kind, frame, tmp_path))


@pytest.mark.parametrize("kind", sorted(NUMBERS))
@pytest.mark.parametrize("estimator", [StandardScaler(with_mean=False), SimpleImputer()], ids=lambda e: type(e).__name__)
def test_fit_of_steps(estimator: Any, kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    check_first_works(lambda X, y: estimator.fit(X), lambda: given(kind, frame, tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_predict_and_score(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    X = frame[["a", "b", "c"]].to_numpy() if kind in NUMBERS else frame.drop(columns="y")
    model = LogisticRegression().fit(X, frame["y"])
    check_first_works(lambda X, y: model.predict(X), lambda: given(kind, frame, tmp_path))
    if kind != "npy":
        check_first_works(model.score, lambda: given(kind, frame, tmp_path))


@pytest.mark.parametrize("kind", ["memmap", "numpy", "csr"])
def test_transform(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    scaler = StandardScaler(with_mean=False).fit(frame[["a", "b", "c"]].to_numpy())
    check_first_works(lambda X, y: scaler.transform(X), lambda: given(kind, frame, tmp_path))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("dataset", "view")])
def test_dataset(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    check_first_works(lambda X, y: skimp.Dataset(X, target=y), lambda: given(kind, frame, tmp_path))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "npy"])
def test_plan(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    check_first_works(lambda X, y: skimp.plan(LogisticRegression(), X, y), lambda: given(kind, frame, tmp_path))


def test_chunks_are_not_lost(frame: pd.DataFrame) -> None:
    """What is refused has asked for one chunk of an iterator, and no more."""
    X, y = frame[["a", "b", "c"]].to_numpy(), frame["y"].to_numpy()
    chunks = ((X[i : i + 5000], y[i : i + 5000]) for i in range(0, N, 5000))
    with skimp.config_context(max_memory=600_000), pytest.raises(skimp.BudgetError):
        LogisticRegression().fit(chunks)
    assert sum(len(part) for part, _ in chunks) == N - 5000
