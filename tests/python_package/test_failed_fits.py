# SPDX-License-Identifier: BSD-3-Clause
"""What fails leaves estimators as they were; what names its target, weights or columns works, or says what is wrong."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler
from sklearn.utils.validation import check_is_fitted

import skimp
from skimp.compose import ColumnTransformer
from skimp.dataset import Dataset
from skimp.impute import SimpleImputer
from skimp.incremental import Incremental
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from skimp.pipeline import make_pipeline
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, StandardScaler

N = 3000
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(int)
W = RNG.uniform(0.1, 3, N)
FRAME = pd.DataFrame(X, columns=list("abc")).assign(g=RNG.choice(list("xyzw"), N))
FULL = FRAME.assign(y=Y)

PREDICTORS = [
    LinearRegression(),
    LogisticRegression(),
    Ridge(),
    SGDClassifier(),
    SGDRegressor(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(SklearnStandardScaler(), LogisticRegression()),  # step by step
    Incremental(SGDClassifier(), n_passes=2),
]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "k.csv"
    FULL.to_csv(path, index=False)
    return str(path)


def broken() -> Iterator[Any]:
    yield X[:1000, :2], Y[:1000]
    raise OSError("the line is dead")


def interrupted() -> Iterator[Any]:
    yield X[:1000, :2], Y[:1000]
    raise KeyboardInterrupt


# ---- fits that fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PREDICTORS, ids=lambda model: type(model[-1] if hasattr(model, "steps") else model).__name__)
def test_failed_fit_leaves_model(model: Any) -> None:
    model = clone(model)
    with pytest.raises((IndexError, ValueError)):
        model.fit(X[:, :2], Y[1:])
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    assert not [name for name in vars(model) if name.endswith("_") or name == "_skimp"]
    want = model.fit(X, Y).predict(X)
    before = dict(vars(model))
    with pytest.raises((IndexError, ValueError)):
        model.fit(X[:, :2], Y[1:])
    assert vars(model).keys() == before.keys() and all(vars(model)[name] is before[name] for name in before)
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict(X), want)


@pytest.mark.parametrize("chunks, error", [(broken, OSError), (interrupted, KeyboardInterrupt)])
@pytest.mark.parametrize("make", [LogisticRegression, lambda: make_pipeline(StandardScaler(), LogisticRegression())])
def test_chunks_that_raise(make: Any, chunks: Any, error: type[BaseException]) -> None:
    model = make()
    with pytest.raises(error):
        model.fit(chunks())
    with pytest.raises(NotFittedError):
        model.predict(X)
    want = model.fit(X, Y).predict(X)
    with pytest.raises(error):
        model.fit(chunks())
    np.testing.assert_array_equal(model.predict(X), want)


def test_refused_for_budget() -> None:
    model = LogisticRegression().fit(X, Y)
    want = model.predict_proba(X)
    with skimp.config_context(max_memory="1 MiB"), pytest.raises(skimp.BudgetError):
        model.fit(X[:, :2], Y)
    np.testing.assert_array_equal(model.predict_proba(X), want)


def test_steps_of_failed_pipeline() -> None:
    model = make_pipeline(SklearnStandardScaler(), LogisticRegression()).fit(X, Y)
    mean = model[0].mean_
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X[:, :2] + 1, Y[1:])  # the first step is fitted before the second fails
    assert model[0].mean_ is mean


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler, MaxAbsScaler, SimpleImputer])
def test_failed_transformers(make: Any) -> None:
    scaler = make()
    bad = np.where(X[:, :2] > 3, np.inf, X[:, :2])
    bad[0] = np.inf
    with pytest.raises(ValueError):
        scaler.fit(bad)
    with pytest.raises(NotFittedError):
        scaler.transform(X)
    want = scaler.fit(X).transform(X)
    with pytest.raises(ValueError):
        scaler.fit(bad)
    np.testing.assert_array_equal(scaler.transform(X), want)


def test_failed_columns(tmp_path: Path) -> None:
    for model in (ColumnTransformer([("scale", StandardScaler(), ["a", "b"])]), OneHotEncoder()):
        known = FRAME if isinstance(model, ColumnTransformer) else FRAME[["g"]]
        before = dict(vars(model.fit(known)))
        with pytest.raises((OSError, ValueError)):
            model.fit(str(tmp_path / "none.csv"))
        assert vars(model).keys() == before.keys() and all(vars(model)[name] is before[name] for name in before)


def test_failed_partial_fit() -> None:
    model = SGDClassifier()
    with pytest.raises(ValueError, match="inconsistent"):
        model.partial_fit(X, Y[1:], classes=[0, 1])
    with pytest.raises(NotFittedError):
        model.predict(X)
    coef = model.partial_fit(X, Y, classes=[0, 1]).coef_.copy()
    with pytest.raises(ValueError, match="inconsistent"):
        model.partial_fit(X, Y[1:])
    np.testing.assert_array_equal(model.coef_, coef)


def test_warnings_name_the_users_line() -> None:
    for model in (LogisticRegression(max_iter=1), make_pipeline(StandardScaler(), LogisticRegression(max_iter=1))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, Y)
        assert [w.filename for w in caught if w.category is ConvergenceWarning] == [__file__]
    assert list(inspect.signature(LogisticRegression.fit).parameters) == ["self", "X", "y", "sample_weight"]


# ---- a target by name, weights beside it -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [LogisticRegression, Ridge])
@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas", "polars"])
def test_name_of_target_with_weights(make: Any, kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"k.{kind}")
    given: Any = {"pandas": FULL, "polars": pl.from_pandas(FULL)}.get(kind, path)
    if kind in ("csv", "parquet"):
        getattr(FULL, f"to_{kind}")(path, index=False)
    want = make().fit(FRAME, Y, sample_weight=W)
    model = make().fit(given, "y", sample_weight=W)
    np.testing.assert_allclose(model.coef_, want.coef_, rtol=1e-4, atol=1e-6)


def test_target_keeps_its_name_beside_weights(tmp_path: Path) -> None:
    path = str(tmp_path / "t.csv")
    frame = FRAME.assign(late=np.where(Y, "yes", "no"))
    frame.to_csv(path, index=False)
    model = LogisticRegression().fit(path, "late", sample_weight=W)
    assert list(model.classes_) == ["no", "yes"]
    assert model.score(path) == model.score(FRAME, frame.late)
    np.testing.assert_array_equal(model.predict(frame), model.predict(FRAME))
    plain, ones = (LogisticRegression().fit(path, "b>0.3", sample_weight=w) for w in (None, np.ones(N)))
    np.testing.assert_allclose(ones.coef_, plain.coef_, rtol=1e-6)
    np.testing.assert_array_equal(ones.classes_, plain.classes_)
    assert ones.score(path) == plain.score(path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_name_of_weights_with_targets(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"k.{kind}")
    getattr(FRAME.assign(w=W), f"to_{kind}")(path, index=False)
    model = LogisticRegression().fit(path, Y, sample_weight="w")
    want = LogisticRegression().fit(FRAME, Y, sample_weight=W)
    np.testing.assert_allclose(model.coef_, want.coef_, rtol=1e-4, atol=1e-6)


def test_weights_of_a_scaler_of_files(file: str) -> None:
    want = StandardScaler().fit(X, sample_weight=W).mean_
    np.testing.assert_allclose(StandardScaler().fit(file, "y", sample_weight=W).mean_, want, atol=1e-12)
    data = Dataset(file, target="y")
    np.testing.assert_allclose(StandardScaler().fit(data, sample_weight=W).mean_, want, atol=1e-12)


@pytest.mark.parametrize("make, metric", [(lambda: LogisticRegression(C=1e-3), accuracy_score), (Ridge, r2_score)])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_weighted_score(make: Any, metric: Any, in_pipeline: bool, file: str) -> None:
    model = make_pipeline(StandardScaler(), make()) if in_pipeline else make()
    model.fit(file, "y")
    want = metric(Y, model.predict(FRAME), sample_weight=W)
    assert abs(want - metric(Y, model.predict(FRAME))) > 1e-6
    data = Dataset(file, target="y")
    for given, y in (
        (data, None),
        (data, "y"),
        (file, "y"),
        (file, None),
        (file, Y),
        (FULL, "y"),
        (FULL, None),
        (pl.from_pandas(FULL), "y"),
        (lambda: iter([(FRAME, Y)]), None),
    ):
        assert model.score(given, y, sample_weight=W) == pytest.approx(want, abs=1e-6)
    assert model.score(data[::-1], sample_weight=W[::-1]) == pytest.approx(want, abs=1e-6)
    with pytest.raises(ValueError, match="no target"):
        model.score(Dataset(file, drop=["y"]), sample_weight=W)
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(data, sample_weight=W[1:])


# ---- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler, MaxAbsScaler])
def test_scaler_of_frame_with_text_and_target(make: Any, file: str) -> None:
    want = make().fit(file, "y")
    for frame in (FULL, pl.from_pandas(FULL)):
        scaler = make().fit(frame, "y")
        np.testing.assert_allclose(scaler.scale_, want.scale_, rtol=1e-12)
        assert list(scaler.feature_names_in_) == ["a", "b", "c", "g"]
        assert scaler.transform(FULL).shape == (N, 7)
    with pytest.raises(ValueError, match="could not convert"):
        make().fit(FRAME)
    assert make().fit(FULL.drop(columns="g"), "y").n_features_in_ == 3


def test_unknown_columns_without_the_target() -> None:
    model = LogisticRegression().fit(FULL, "y")
    for bad in (FULL.assign(extra=1), FULL.drop(columns="a")):
        with pytest.raises(ValueError, match="- (extra|a)\n") as raised:
            model.predict(bad)
        assert "- y" not in str(raised.value)
    shuffled = FULL[["y", "g", "c", "b", "a"]]
    np.testing.assert_array_equal(model.predict(shuffled), model.predict(FRAME))


def test_one_column_is_no_frame() -> None:
    model = LogisticRegression().fit(X, Y)
    for column, text in ((FULL.a, "Expected a 2-dimensional container"), (pl.Series(X[:, 0]), "Expected 2D array")):
        for use in (lambda given: LogisticRegression().fit(given, Y), model.predict, StandardScaler().fit):
            with pytest.raises(ValueError, match=text):
                use(column)
    with pytest.raises(ValueError, match="Expected a 2-dimensional container"):
        SklearnLogisticRegression().fit(FULL.a, Y)


def test_columns_of_lists_and_dates() -> None:
    with pytest.raises(ValueError, match=r"column 'c' holds list \(\[1\]\), which is neither numbers nor text"):
        LogisticRegression().fit(FRAME.assign(c=[[1]] * N), Y)
    for kind in ("M8[s]", "m8[s]"):
        times = (X * 1e6).astype("i8").astype(kind)
        for use in (lambda given: LogisticRegression().fit(given, Y), lambda given: Ridge().fit(iter([(given, Y)]))):
            with pytest.raises(ValueError, match="X holds dates or times"):
                use(times)
        with pytest.raises(ValueError, match="X holds dates or times"):
            StandardScaler().fit(times)
