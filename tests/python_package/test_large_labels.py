# SPDX-License-Identifier: BSD-3-Clause
"""Labels that doubles cannot tell apart are refused where they would become one; files keep the type of labels."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import skimp
from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
from skimp.pipeline import Pipeline
from skimp.preprocessing import StandardScaler

N = 300
X = np.random.default_rng(0).normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(np.int64)
REFUSED = r"labels of 2\^53 and more cannot be told apart"


@pytest.mark.parametrize("first", [2**53, -(2**53) - 1, 2**60])
def test_labels_that_became_doubles_are_refused(first: int, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": X[:, 0], "label": Y + first})
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    for data in (path, frame):
        with pytest.raises(ValueError, match=f"'label'.*{REFUSED}"):
            LogisticRegression().fit(data, "label")
    with skimp.Dataset(X, target=Y + first) as data, pytest.raises(ValueError, match=REFUSED):
        LogisticRegression().fit(data)
    Ridge().fit(path, "label")  # a regressor's targets are doubles


def test_labels_below_are_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    labels = 2**53 - 2 + Y
    pd.DataFrame({"a": X[:, 0], "label": labels}).to_csv(path, index=False)
    assert LogisticRegression().fit(path, "label").classes_.tolist() == [2**53 - 2, 2**53 - 1]
    kept = tmp_path / "model.safetensors"
    skimp.save(LogisticRegression().fit(X, labels), kept)
    assert np.array_equal(skimp.load(kept).predict(X), LogisticRegression().fit(X, labels).predict(X))


@pytest.mark.parametrize("first", [2**53 - 1, 2**53, -(2**53) - 1, 2**60])
def test_labels_in_arrays_stay_apart_and_are_not_saved(first: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for model in (LogisticRegression(), SGDClassifier(random_state=0), Pipeline([("s", StandardScaler()), ("m", LogisticRegression())])):
        model.fit(X, Y + first)
        assert model.classes_.tolist() == [first, first + 1]
        assert (model.predict(X) == Y + first).mean() > 0.9
        with pytest.raises(ValueError, match=r"texts, or numbers below 2\^53"):
            skimp.save(model, path)
        assert not path.exists()
    part = SGDClassifier(random_state=0).partial_fit(X, Y + first, classes=[first, first + 1])
    assert part.classes_.tolist() == [first, first + 1]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64", "U3", "object"])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_files_keep_the_type_of_labels(dtype: str, in_pipeline: bool, tmp_path: Path) -> None:
    labels: Any = np.where(Y == 1, "abc", "z").astype(dtype) if dtype in ("U3", "object") else Y.astype(dtype)
    model = LogisticRegression()
    whole: Any = Pipeline([("s", StandardScaler()), ("m", model)]) if in_pipeline else model
    whole.fit(X, labels)
    path, again = tmp_path / "model.safetensors", tmp_path / "again.safetensors"
    skimp.save(whole, path)
    loaded = skimp.load(path)
    assert loaded.classes_.dtype == whole.classes_.dtype == labels.dtype
    predicted = loaded.predict(X)
    assert predicted.dtype == whole.predict(X).dtype
    assert np.array_equal(predicted, whole.predict(X))
    skimp.save(loaded, again)
    assert skimp.load(again).classes_.dtype == labels.dtype


def test_the_command_reads_noted_labels(tmp_path: Path, command: str) -> None:
    model, rows, out = tmp_path / "model.safetensors", tmp_path / "rows.csv", tmp_path / "out.csv"
    skimp.save(LogisticRegression().fit(X, Y.astype(bool)), model)
    pd.DataFrame(X, columns=["x0", "x1", "x2"]).to_csv(rows, index=False)
    subprocess.run([command, "predict", model, rows, "-o", out, "-q"], check=True, capture_output=True)
    assert set(out.read_text().split()[1:]) == {"0", "1"}
