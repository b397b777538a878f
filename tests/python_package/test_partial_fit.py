# SPDX-License-Identifier: BSD-3-Clause
"""`partial_fit` and `warm_start`: scalers as scikit-learn's to the last digits, SGD as good as one epoch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.linear_model
import sklearn.preprocessing
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skimp.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler


def theirs(estimator: Any) -> Any:
    module = sklearn.preprocessing if hasattr(sklearn.preprocessing, type(estimator).__name__) else sklearn.linear_model
    return getattr(module, type(estimator).__name__)(**estimator.get_params())


def in_parts(estimator: Any, X: Any, y: Any, size: int, **first: Any) -> Any:
    for i in range(0, X.shape[0], size):
        estimator.partial_fit(X[i : i + size], y[i : i + size], **(first if i == 0 else {}))
    return estimator


# ---- scalers ---------------------------------------------------------------------------------------------------------

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-2, 3)),
    MaxAbsScaler(),
]


def assert_same_attributes(ours: Any, other: Any) -> None:
    for name in ours._attributes:
        mine, expected = getattr(ours, name), getattr(other, name)
        if expected is None:
            assert mine is None
        else:
            np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=0)
            assert np.shape(mine) == np.shape(expected)


def with_gaps() -> np.ndarray:
    X = load_breast_cancer().data.copy()
    X[::7, 3] = np.nan
    X[2::5, 4] = np.nan
    X[:, 5] = 3.25  # constant
    return X


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@pytest.mark.parametrize("size", [1, 100, 569])
def test_scalers(scaler: Any, size: int) -> None:
    X = with_gaps() if size > 1 else load_breast_cancer().data[:40]
    ours, other = clone(scaler), theirs(scaler)
    for i in range(0, len(X), size):
        assert ours.partial_fit(X[i : i + size]) is ours
        other.partial_fit(X[i : i + size])
        assert_same_attributes(ours, other)
    np.testing.assert_allclose(ours.transform(X), other.transform(X), rtol=1e-9, atol=1e-12)
    whole = clone(scaler).fit(X)
    assert_same_attributes(ours, whole)


@pytest.mark.parametrize("scaler", [StandardScaler(with_mean=False), MaxAbsScaler()], ids=str)
def test_scalers_of_sparse_data(scaler: Any) -> None:
    X = sp.random_array((300, 20), density=0.2, format="csr", rng=np.random.default_rng(1))
    ours, other = clone(scaler), theirs(scaler)
    for i in range(0, 300, 60):
        ours.partial_fit(X[i : i + 60])
        other.partial_fit(X[i : i + 60])
    assert_same_attributes(ours, other)
    ours.partial_fit(X.toarray())  # a table after sparse rows
    other.partial_fit(X.toarray())
    assert_same_attributes(ours, other)


def test_weights_of_a_scaler() -> None:
    X = load_breast_cancer().data
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    ours, other = StandardScaler(), sklearn.preprocessing.StandardScaler()
    for i in range(0, len(X), 150):
        ours.partial_fit(X[i : i + 150], sample_weight=weight[i : i + 150])
        other.partial_fit(X[i : i + 150], sample_weight=weight[i : i + 150])
    assert_same_attributes(ours, other)


def test_scalers_after_fit_and_with_changed_attributes() -> None:
    X = load_breast_cancer().data
    ours, other = StandardScaler().fit(X[:200]), sklearn.preprocessing.StandardScaler().fit(X[:200])
    for scaler in (ours, other):
        scaler.mean_ = scaler.mean_ + 1
        scaler.partial_fit(X[200:])
    assert_same_attributes(ours, other)
    assert_same_attributes(ours.fit(X), other.fit(X))  # fit begins anew
    with pytest.raises(ValueError, match="X has 3 features, but StandardScaler is expecting 30 features as input"):
        ours.partial_fit(X[:, :3])
    with pytest.raises(TypeError, match="MinMaxScaler does not support sparse input"):
        MinMaxScaler().partial_fit(sp.csr_array(X))


def test_scaler_of_files(tmp_path: Path) -> None:
    frame = load_breast_cancer(as_frame=True).data
    for i in range(2):
        frame[i::2].to_csv(tmp_path / f"{i}.csv", index=False)
    ours = StandardScaler().partial_fit(tmp_path / "0.csv").partial_fit(tmp_path / "1.csv")
    np.testing.assert_allclose(ours.mean_, frame.mean(), rtol=1e-7)
    np.testing.assert_allclose(ours.var_, frame.var(ddof=0), rtol=1e-6)
    assert ours.n_samples_seen_ == len(frame)
    assert list(ours.feature_names_in_) == list(frame.columns)


# ---- SGD -------------------------------------------------------------------------------------------------------------


def split(load: Any, scaled: bool, seed: int) -> Any:
    X, y = load(return_X_y=True)
    parts = train_test_split(X.astype(float), y, test_size=0.3, random_state=seed)
    if scaled:
        scaler = sklearn.preprocessing.StandardScaler().fit(parts[0])
        parts[0], parts[1] = scaler.transform(parts[0]), scaler.transform(parts[1])
    return parts


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("size", [20, 150])
def test_sgd_parts_are_as_good_as_one_epoch(load: Any, scaled: bool, size: int) -> None:
    ours, one, other = [], [], []
    for seed in range(2):
        X, held, y, expected = split(load, scaled, seed)
        params = {"loss": "log_loss", "random_state": seed}
        classes = {"classes": np.unique(y)}
        for losses, model, rows in [
            (ours, SGDClassifier(**params), size),
            (one, SGDClassifier(shuffle=False, **params), len(y)),
            (other, sklearn.linear_model.SGDClassifier(**params), size),
        ]:
            in_parts(model, X, y, rows, **classes)
            losses.append(log_loss(expected, model.predict_proba(held)))
            assert model.t_ == len(y) + 1
            assert model.n_iter_ == 1
    assert np.mean(ours) < (1.15 if size > 20 else 1.3) * np.mean(one)
    assert np.mean(ours) < np.mean(other)


def test_sgd_rows_one_by_one() -> None:
    X, held, y, expected = split(load_breast_cancer, False, 0)
    model = in_parts(SGDClassifier(loss="log_loss"), X, y, 1, classes=[0, 1])
    assert log_loss(expected, model.predict_proba(held)) < 0.2


def test_sgd_regressor() -> None:
    X, held, y, expected = split(load_diabetes, True, 0)
    for params in ({}, {"learning_rate": "optimal"}, {"loss": "huber", "epsilon": 10.0, "learning_rate": "constant"}):
        ours = SGDRegressor(random_state=0, **params)
        one = SGDRegressor(shuffle=False, **params)
        for _ in range(5):
            in_parts(ours, X, y, 40)
            in_parts(one, X, y, len(y))
        assert ours.score(held, expected) > one.score(held, expected) - 0.03
        assert ours.t_ == 5 * len(y) + 1
        assert isinstance(ours.t_, float) and isinstance(ours.n_iter_, int)


@pytest.mark.parametrize("average", [True, 300])
def test_averages(average: Any) -> None:
    X, _, y, _ = split(load_breast_cancer, True, 0)
    params = {"average": average, "learning_rate": "constant", "eta0": 0.001, "shuffle": False, "penalty": None}
    ours, other = SGDClassifier(**params), sklearn.linear_model.SGDClassifier(**params)
    X = sp.csr_array(X / abs(X).max(axis=0))  # sparse and no value over 1: the same steps as scikit-learn's
    for i in range(0, X.shape[0], 100):
        for model in (ours, other):
            model.partial_fit(X[i : i + 100], y[i : i + 100], classes=[0, 1])
        np.testing.assert_allclose(ours.coef_, other.coef_, rtol=0.15, atol=0.002)
        assert ours.t_ == other.t_


def test_fit_then_parts() -> None:
    X, held, y, expected = split(load_breast_cancer, False, 1)
    for form in (np.asarray, sp.csr_array):
        model = SGDClassifier(loss="log_loss").fit(form(X[:200]), y[:200])
        before, t = log_loss(expected, model.predict_proba(held)), model.t_
        in_parts(model, form(X[200:]), y[200:], 20)
        assert model.t_ == t + len(y) - 200
        assert log_loss(expected, model.predict_proba(held)) < before + 0.03


def test_tables_and_sparse_data_take_turns() -> None:
    X, held, y, expected = split(load_breast_cancer, False, 1)
    model = SGDClassifier(loss="log_loss").fit(X, y)
    for form in (sp.csr_array, np.asarray, sp.csc_array, np.asarray):
        model.partial_fit(form(X), y)
        assert log_loss(expected, model.predict_proba(held)) < 0.2


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["benign", "malignant", "never"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-5, 0, 7], dtype=np.int8),
        np.array([1.0, 2.0, 3.0]),
        np.array([2**60, 2**60 + 1, 2**60 + 2]),
    ],
)
def test_labels(labels: np.ndarray) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = sklearn.preprocessing.scale(X)
    order = np.argsort(y, kind="stable")  # the first part shows one class alone
    model = in_parts(SGDClassifier(), X[order], labels[y[order]], 150, classes=labels)
    np.testing.assert_array_equal(model.classes_, labels)
    assert model.coef_.shape == (3, 30)
    model = in_parts(SGDClassifier(), X, labels[y], 150, classes=labels)
    assert model.score(X, labels[y]) > 0.9
    assert model.predict(X).dtype == model.classes_.dtype
    again = pickle.loads(pickle.dumps(model)).partial_fit(X, labels[y])
    np.testing.assert_array_equal(again.coef_, model.partial_fit(X, labels[y]).coef_)


def test_weights() -> None:
    X, _, y, _ = split(load_breast_cancer, True, 0)
    weight = np.where(y == 0, 0.0, 1.0)
    model = SGDClassifier().partial_fit(X, y, classes=[0, 1], sample_weight=weight)
    assert (model.predict(X) == 1).mean() > (y == 1).mean() + 0.05
    model = SGDClassifier(class_weight={0: 100, 1: 0.01}).partial_fit(X, y, classes=[0, 1])
    assert (model.predict(X) == 0).mean() > (y == 0).mean()


def test_messages() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = SGDClassifier().partial_fit(X, y, classes=[0, 1])
    for call, words in [
        (lambda: SGDClassifier().partial_fit(X, y), "classes must be passed on the first call to partial_fit"),
        (lambda: model.partial_fit(X, y, classes=[0, 2]), "is not the same as on last call to partial_fit"),
        (lambda: model.partial_fit(X, y + 1), "classes should include all valid labels that can be in y: 2 is none"),
        (lambda: model.partial_fit(X[:, :5], y), "X has 5 features, but SGDClassifier is expecting 30 features"),
        (lambda: SGDClassifier().partial_fit(X, y, classes=[1]), "number of classes has to be greater than one; got 1"),
        (lambda: SGDClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1]), "early_stopping should be"),
        (lambda: SGDClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1]), "class_weight 'balanced'"),
        (lambda: SGDRegressor(early_stopping=True).partial_fit(X, y), "early_stopping should be False"),
        (lambda: SGDClassifier().fit(X, y, coef_init=np.zeros(3)), "Provided coef_init does not match dataset"),
        (lambda: SGDClassifier().fit(X, y, intercept_init=np.zeros(3)), "Provided intercept_init does not match"),
        (lambda: SGDRegressor().fit(X, y, coef_init=np.zeros(3)), "Provided coef_init does not match dataset"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
    fitted = model.coef_.copy()
    with pytest.raises(ValueError):
        model.partial_fit(X, y + 1)
    np.testing.assert_array_equal(model.coef_, fitted)


def test_names_and_text() -> None:
    frame = pd.DataFrame({"a": np.arange(60.0), "t": ["x", "y", "z"] * 20})
    y = (frame["a"] > 30).astype(int)
    model = SGDClassifier().partial_fit(frame, y, classes=[0, 1])
    model.partial_fit(frame[:30], y[:30])
    assert list(model.encoded_feature_names_) == ["a", "t_x", "t_y", "t_z"]
    with pytest.raises(ValueError, match="has not the categories"):
        model.partial_fit(frame[frame["t"] != "z"], y[frame["t"] != "z"])
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame.rename(columns={"a": "b"}), y)


def test_sgd_of_files(tmp_path: Path) -> None:
    data = load_breast_cancer(as_frame=True)
    frame = data.data.assign(kind=np.where(data.target == 0, "malignant", "benign"))
    for i in range(3):
        frame[i::3].to_csv(tmp_path / f"{i}.csv", index=False)
    model = SGDClassifier(loss="log_loss")
    for i in range(3):
        model.partial_fit(tmp_path / f"{i}.csv", "kind", classes=["benign", "malignant"])
    assert model.score(tmp_path / "*.csv", "kind") > 0.9
    assert model.t_ == len(frame) + 1
    arrays = SGDClassifier(loss="log_loss")
    for i in range(3):
        arrays.partial_fit(data.data[i::3], frame["kind"][i::3], classes=["benign", "malignant"])
    np.testing.assert_allclose(model.coef_, arrays.coef_, rtol=1e-3, atol=1e-4)


# ---- warm_start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_warm_start_of_logistic_regression(load: Any) -> None:
    X, _, y, _ = split(load, True, 0)
    model = LogisticRegression(warm_start=True, max_iter=1000).fit(X, y)
    cold, coef, passes = model.n_iter_[0], model.coef_, model.memory_report_.passes
    model.fit(X, y)
    assert model.n_iter_[0] < cold / 2
    assert model.memory_report_.passes < passes / 2
    np.testing.assert_allclose(model.predict_proba(X), sigmoid_or_softmax(X @ coef.T + model.intercept_), atol=5e-3)
    model.set_params(C=2.0).fit(X, y)
    anew = LogisticRegression(C=2.0, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), anew.predict_proba(X), atol=1e-2)


def sigmoid_or_softmax(z: np.ndarray) -> np.ndarray:
    z = np.hstack([-z / 2, z / 2]) if z.shape[1] == 1 else z
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_warm_start_of_sgd() -> None:
    X, _, y, _ = split(load_breast_cancer, True, 0)
    model = SGDClassifier(loss="log_loss", warm_start=True).fit(X, y)
    before = log_loss(y, model.predict_proba(X))
    model.fit(X, y)
    assert model.t_ == model.n_iter_ * len(y) + 1  # steps begin anew, as in scikit-learn
    assert log_loss(y, model.predict_proba(X)) < before
    # One epoch of short steps: it is still where it was.
    short = {"learning_rate": "constant", "eta0": 1e-9, "max_iter": 1, "tol": None}
    coef = model.coef_.copy()
    np.testing.assert_allclose(model.set_params(**short).fit(X, y).coef_, coef, rtol=1e-3, atol=1e-6)
    given = SGDClassifier(loss="log_loss", **short).fit(X, y, coef_init=coef, intercept_init=model.intercept_)
    np.testing.assert_allclose(given.coef_, coef, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(given.intercept_, model.intercept_, rtol=1e-3)
    assert abs(SGDClassifier(**short).fit(X, y).coef_).max() < 1e-6


def test_coefficients_given_to_a_regressor() -> None:
    X, y = load_diabetes(return_X_y=True)
    best = sklearn.linear_model.LinearRegression().fit(X, y)
    short = {"learning_rate": "constant", "eta0": 1e-9, "max_iter": 1, "tol": None}
    model = SGDRegressor(**short).fit(X, y, coef_init=best.coef_, intercept_init=best.intercept_)
    assert model.score(X, y) == pytest.approx(best.score(X, y), abs=1e-4)
