# SPDX-License-Identifier: BSD-3-Clause
"""What fitted estimators make of data: scikit-learn's results, for every form of the data."""

from __future__ import annotations

import csv
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import scipy.sparse as sp
from sklearn import impute, linear_model, preprocessing
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError

import skimp
from skimp.impute import SimpleImputer
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

SCALERS = [StandardScaler, MinMaxScaler, MaxAbsScaler]
FORMS: dict[str, Any] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "slice": lambda X: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "float32": lambda X: X.astype(np.float32),
    "csr": sp.csr_array,
    "csc": sp.csc_array,
    "csr64": lambda X: with_wide_indices(sp.csr_array(X)),
    "list": lambda X: X.tolist(),
}


def with_wide_indices(X: sp.csr_array) -> sp.csr_array:
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def theirs(estimator: Any) -> Any:
    """Return scikit-learn's estimator with the same parameters."""
    module = {"skimp.linear_model": linear_model, "skimp.preprocessing": preprocessing, "skimp.impute": impute}
    return getattr(module[type(estimator).__module__], type(estimator).__name__)(**estimator.get_params())


def dense(X: Any) -> np.ndarray:
    return X.toarray() if sp.issparse(X) else np.asarray(X)


def scaled(load: Any) -> tuple[np.ndarray, np.ndarray]:
    X, y = load(return_X_y=True)
    return preprocessing.scale(X), y


# ---- predictors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
@pytest.mark.parametrize("form", FORMS)
def test_logistic_regression(load: Any, form: str) -> None:
    X, y = scaled(load)
    ours = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y)
    other = theirs(ours).fit(X, y)
    given = FORMS[form](X)
    tolerance = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(ours.decision_function(given), other.decision_function(X), **tolerance)
    np.testing.assert_allclose(ours.predict_proba(given), other.predict_proba(X), **tolerance)
    np.testing.assert_allclose(ours.predict_log_proba(given), np.log(ours.predict_proba(given)))
    predicted = ours.predict(given)
    np.testing.assert_array_equal(predicted, other.predict(X))
    assert predicted.dtype == y.dtype
    assert ours.score(given, y) == pytest.approx(other.score(X, y))
    weight = np.arange(len(y)) % 3
    assert ours.score(given, y, weight) == pytest.approx(other.score(X, y, weight))


@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(alpha=2.0)])
@pytest.mark.parametrize("form", FORMS)
def test_least_squares(estimator: Any, form: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    ours = clone(estimator).fit(X, y)
    other = theirs(ours).fit(X, y)
    given = FORMS[form](X)
    np.testing.assert_allclose(ours.predict(given), other.predict(X), rtol=1e-5 if form == "float32" else 1e-6)
    assert ours.score(given, y) == pytest.approx(other.score(X, y), abs=1e-6)
    assert ours.predict(given).shape == y.shape


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_sgd_classifier(load: Any) -> None:
    X, y = scaled(load)
    ours = SGDClassifier(loss="log_loss", random_state=1).fit(X, y)
    other = theirs(ours).fit(X, y)
    assert abs(ours.score(X, y) - other.score(X, y)) < 0.05
    np.testing.assert_allclose(ours.predict_proba(X).sum(axis=1), 1)
    scores = ours.decision_function(X)
    np.testing.assert_allclose(scores, (X @ ours.coef_.T + ours.intercept_).reshape(scores.shape), rtol=1e-9, atol=1e-9)
    assert not hasattr(SGDClassifier(), "predict_proba")


def test_sgd_regressor() -> None:
    X, y = scaled(load_diabetes)
    ours = SGDRegressor(random_state=1).fit(X, y)
    assert abs(ours.score(X, y) - theirs(ours).fit(X, y).score(X, y)) < 0.05
    np.testing.assert_allclose(ours.predict(X), X @ ours.coef_ + ours.intercept_, rtol=1e-9)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["setosa", "versicolor", "virginica"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-5, 0, 7], dtype=np.int8),
        np.array([1.0, 2.0, 3.0]),
        np.array([2**60, 2**60 + 1, 2**60 + 2]),
    ],
)
def test_labels(labels: np.ndarray) -> None:
    X, y = load_iris(return_X_y=True)
    ours = LogisticRegression(max_iter=500).fit(X, labels[y])
    np.testing.assert_array_equal(ours.classes_, labels)
    assert ours.classes_.dtype == labels.dtype
    predicted = ours.predict(X)
    assert predicted.dtype == labels.dtype
    assert (predicted == labels[y]).mean() > 0.95


def test_changed_attributes_count() -> None:
    X, y = load_diabetes(return_X_y=True)
    ours = Ridge().fit(X, y)
    ours.coef_ = np.zeros_like(ours.coef_)
    ours.intercept_ = 3.0
    np.testing.assert_array_equal(ours.predict(X), np.full(len(y), 3.0))


def test_pickled() -> None:
    X, y = load_iris(return_X_y=True)
    for estimator in (LogisticRegression(max_iter=500), SGDClassifier(random_state=0)):
        ours = estimator.fit(X, y)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours)).predict(X), ours.predict(X))


# ---- transformers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SCALERS)
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer, load_diabetes])
@pytest.mark.parametrize("form", FORMS)
def test_scalers(kind: Any, load: Any, form: str) -> None:
    X = load(return_X_y=True)[0]
    given = FORMS[form](X)
    is_sparse = sp.issparse(given)
    estimator = kind(with_mean=False) if kind is StandardScaler and is_sparse else kind()
    if kind is MinMaxScaler and is_sparse:
        with pytest.raises(TypeError, match="[Ss]parse"):
            estimator.fit(given)
        return
    other = theirs(estimator).fit(given)
    ours = estimator.fit(given)
    expected, found = other.transform(given), ours.transform(given)
    assert type(found) is (type(given) if is_sparse else np.ndarray)
    assert found.dtype == expected.dtype
    # Columns of CSC go through a store, which keeps numbers to the digits that they need.
    tolerance = 1e-5 if form in ("float32", "csc") else 1e-9
    np.testing.assert_allclose(dense(found), dense(expected), rtol=tolerance, atol=tolerance)
    back = ours.inverse_transform(found)
    assert type(back) is type(found)
    np.testing.assert_allclose(dense(back), dense(given), rtol=1e-4 if form == "float32" else 1e-7, atol=1e-6)
    for name in ours._attributes:
        np.testing.assert_allclose(getattr(ours, name), getattr(other, name), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours.get_feature_names_out(), other.get_feature_names_out())


@pytest.mark.parametrize("kind", SCALERS)
def test_scalers_bear_missing_values(kind: Any) -> None:
    X = load_iris(return_X_y=True)[0]
    X[::5, 1] = np.nan
    ours, other = kind().fit(X), theirs(kind()).fit(X)
    np.testing.assert_allclose(ours.transform(X), other.transform(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(ours.n_samples_seen_, other.n_samples_seen_)


@pytest.mark.parametrize("form", ["C", "csr"])
def test_weighted_scaler(form: str) -> None:
    X = load_iris(return_X_y=True)[0]
    X[::4, 2] = np.nan
    weight = np.random.RandomState(0).uniform(0, 3, len(X))
    given = FORMS[form](X)
    ours = StandardScaler(with_mean=form == "C").fit(given, sample_weight=weight)
    other = theirs(ours).fit(given, sample_weight=weight)
    np.testing.assert_allclose(ours.var_, other.var_)
    np.testing.assert_allclose(ours.n_samples_seen_, other.n_samples_seen_)
    np.testing.assert_allclose(dense(ours.transform(given)), dense(other.transform(given)), rtol=1e-9, atol=1e-9)


def test_without_mean_or_scale() -> None:
    X = load_iris(return_X_y=True)[0]
    for with_mean in (False, True):
        for with_std in (False, True):
            ours = StandardScaler(with_mean=with_mean, with_std=with_std).fit(X)
            other = theirs(ours).fit(X)
            assert (ours.mean_ is None, ours.scale_ is None, ours.var_ is None) == (
                other.mean_ is None,
                other.scale_ is None,
                other.var_ is None,
            )
            np.testing.assert_allclose(ours.transform(X), other.transform(X), rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_other_form_than_fitted() -> None:
    X = load_breast_cancer(return_X_y=True)[0]
    from_table, from_sparse = MaxAbsScaler().fit(X), MaxAbsScaler().fit(sp.csr_array(X))
    np.testing.assert_allclose(from_table.transform(sp.csr_array(X)).toarray(), from_sparse.transform(X))


    imputer = {"add_indicator": True}
    X = gappy()
    expected = SimpleImputer(**imputer).fit(X).transform(X)
    for fitted in (SimpleImputer(**imputer).fit(X), SimpleImputer(**imputer).fit(sp.csr_array(X))):
        for given in (X, sp.csr_array(X), sp.csc_array(X)):
            np.testing.assert_allclose(dense(fitted.transform(given)), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [StandardScaler, MinMaxScaler])
def test_dense_alone(kind: Any) -> None:
    X = load_iris(return_X_y=True)[0]
    ours, other = kind().fit(X), theirs(kind()).fit(X)
    for method in ("fit", "transform", "inverse_transform"):
        with pytest.raises((TypeError, ValueError)) as expected:
            getattr(other, method)(sp.csr_array(X))
        with pytest.raises(type(expected.value)):
            getattr(ours, method)(sp.csr_array(X))


def test_set_output() -> None:
    frame = load_iris(as_frame=True).data
    ours = StandardScaler().set_output(transform="pandas").fit(frame)
    out = ours.transform(frame)
    assert isinstance(out, pandas.DataFrame)
    assert list(out.columns) == list(frame.columns)
    assert list(ours.feature_names_in_) == list(frame.columns)


# ---- imputing -----------------------------------------------------------------------------------------------------------


def gappy() -> np.ndarray:
    X = load_iris(return_X_y=True)[0]
    X[::7, 1] = np.nan
    X[::3, 2] = np.nan
    X[:, 3] = np.nan
    return X


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant", np.ptp])
@pytest.mark.parametrize("form", ["C", "F", "float32", "csr", "csc"])
@pytest.mark.parametrize("add_indicator", [False, True])
@pytest.mark.parametrize("keep_empty_features", [False, True])
def test_imputer(strategy: Any, form: str, add_indicator: bool, keep_empty_features: bool) -> None:
    X = FORMS[form](gappy()[:, :3] if callable(strategy) else gappy())
    ours = SimpleImputer(strategy=strategy, add_indicator=add_indicator, keep_empty_features=keep_empty_features)
    other = theirs(ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = other.fit_transform(X), ours.fit_transform(X)
    np.testing.assert_allclose(dense(found), dense(expected), rtol=1e-5 if form in ("float32", "csc") else 1e-12)
    assert sp.issparse(found) == sp.issparse(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(ours.get_feature_names_out(), other.get_feature_names_out())
    np.testing.assert_allclose(ours.statistics_.astype(float), other.statistics_.astype(float), rtol=1e-5)
    if add_indicator:
        np.testing.assert_array_equal(ours.indicator_.features_, other.indicator_.features_)
        if not sp.issparse(X) and not callable(strategy) and not keep_empty_features:
            np.testing.assert_allclose(ours.inverse_transform(found), other.inverse_transform(found))
    else:
        assert ours.indicator_ is None


def test_imputer_says_what_it_skips() -> None:
    with pytest.warns(UserWarning, match=r"Skipping features without any observed values: \[3\]"):
        SimpleImputer().fit(gappy()).transform(gappy())


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
@pytest.mark.parametrize("missing", [np.nan, None, "", "b"])
def test_imputer_of_text(strategy: str, missing: Any) -> None:
    X = np.array([["a", "x"], [missing, "y"], ["b", missing], ["b", "y"], ["a", "x"]], dtype=object)
    ours = SimpleImputer(strategy=strategy, missing_values=missing, add_indicator=True)
    other = theirs(ours)
    np.testing.assert_array_equal(ours.fit_transform(X), other.fit_transform(X))
    np.testing.assert_array_equal(ours.statistics_, other.statistics_)


def test_imputer_of_pandas_na() -> None:
    frame = pandas.DataFrame({"a": pandas.array([1, None, 3], dtype="Int64"), "b": pandas.array([1, 2, None], dtype="Int64")})
    ours = SimpleImputer(missing_values=pandas.NA)
    np.testing.assert_array_equal(ours.fit_transform(frame), theirs(ours).fit_transform(frame))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_imputer_of_integers(dtype: Any, strategy: str) -> None:
    X = np.array([[1, 0, 5], [0, 2, 5], [3, 2, 0], [1, 0, 9]], dtype=dtype)
    ours = SimpleImputer(missing_values=0, strategy=strategy, fill_value=dtype(7))
    expected = theirs(ours).fit_transform(X)
    found = ours.fit_transform(X)
    np.testing.assert_allclose(found, expected)
    assert found.dtype == expected.dtype


def test_imputer_of_large_integers() -> None:
    X = np.array([[2**60 + 1, -1], [-1, 5], [2**60 + 1, 5]])
    found = SimpleImputer(missing_values=-1, strategy="most_frequent").fit_transform(X)
    np.testing.assert_array_equal(found[:, 1], [5, 5, 5])
    assert found[0, 0] == 2**60 + 1


@pytest.mark.parametrize(
    ("X", "params"),
    [
        (np.array([["a"], ["b"]], dtype=object), {}),
        (np.array([[1.0], [2.0]]), {"missing_values": "a"}),
        (np.array([[True], [False]]), {"strategy": "constant"}),
        (sp.csr_array([[1.0, 0.0]]), {"missing_values": 0}),
        (np.array([[1.0], [np.inf]]), {}),
        (np.array([[1.0], [np.nan]]), {"missing_values": -1}),
        (np.array([[1], [2]]), {"strategy": "constant", "fill_value": "x"}),
        (np.array([[1], [2]]), {"strategy": "constant", "fill_value": 1.5}),
    ],
)
def test_imputer_refuses(X: Any, params: dict[str, Any]) -> None:
    ours = SimpleImputer(**params)
    with pytest.raises(ValueError, match=".") as expected:
        theirs(ours).fit(X)
    with pytest.raises(ValueError, match=".") as found:
        ours.fit(X)
    assert str(found.value).split()[:4] == str(expected.value).split()[:4]


# ---- files ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    path = tmp_path / "iris.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "species"])
        writer.writerows([*row, ["setosa", "versicolor", "virginica"][label]] for row, label in zip(X.tolist(), y, strict=True))
    return str(path), X, y


def test_files(table: Any, tmp_path: Path) -> None:
    path, X, y = table
    ours = LogisticRegression(max_iter=500).fit(path, "species")
    predicted, proba = ours.predict(path), ours.predict_proba(path)
    assert (predicted == np.array(["setosa", "versicolor", "virginica"])[y]).mean() == ours.score(path)
    assert ours.score(path, "species") == ours.score(path)
    out = tmp_path / "out.csv"
    assert ours.predict_proba(path, out=out) is None
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == predicted.tolist()
    np.testing.assert_array_equal([float(row["probability_virginica"]) for row in rows], proba[:, 2])
    assert ours.predict(path, out=tmp_path / "labels.csv") is None
    assert (tmp_path / "labels.csv").read_text().split() == ["prediction", *predicted.tolist()]
    np.testing.assert_allclose(ours.decision_function(path), X @ ours.coef_.T + ours.intercept_, rtol=1e-9, atol=1e-9)


def test_transformers_of_files(tmp_path: Path) -> None:
    X = gappy()[:, :3]
    np.savetxt(path := tmp_path / "gaps.csv", X, delimiter=",", header="a,b,c", comments="")
    for estimator in (SimpleImputer(add_indicator=True), MinMaxScaler()):
        ours = clone(estimator).fit(path)
        out = ours.transform(path).take(slice(None))[0]
        np.testing.assert_allclose(out, theirs(estimator).fit_transform(X), rtol=1e-5, atol=1e-6)
        assert list(ours.feature_names_in_) == ["a", "b", "c"]


# ---- what goes wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LogisticRegression, Ridge, StandardScaler, SimpleImputer])
def test_messages(kind: Any) -> None:
    X, y = load_iris(return_X_y=True)
    method = "predict" if hasattr(kind, "predict") else "transform"
    with pytest.raises(NotFittedError):
        getattr(kind(), method)(X)
    ours = kind().fit(X, y)
    with pytest.raises(ValueError, match=f"X has 3 features, but {kind.__name__} is expecting 4 features as input"):
        getattr(ours, method)(X[:, :3])
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        getattr(ours, method)(X[0])
    with pytest.raises(ValueError, match="infinity"):
        getattr(ours, method)(np.full((2, 4), np.inf))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        getattr(ours, method)(X[:0])


def test_budget() -> None:
    X, y = load_iris(return_X_y=True)
    ours = StandardScaler().fit(X)
    wide = np.tile(X, (100_000, 1))
    with skimp.config_context(max_memory="64MB"), pytest.raises(skimp.BudgetError) as error:
        ours.transform(wide)
    assert error.value.minimum_bytes > wide.nbytes
    with skimp.config_context(max_memory=error.value.minimum_bytes):
        assert ours.transform(wide).shape == wide.shape
    with skimp.config_context(max_memory="64MB"):
        assert len(LogisticRegression(max_iter=200).fit(X, y).predict(np.tile(X, (10_000, 1)))) == 1_500_000


def test_threads_predict_at_once() -> None:
    X, y = load_iris(return_X_y=True)
    ours = LogisticRegression(max_iter=500).fit(X, y)
    many, found = np.tile(X, (500, 1)), {}

    def work(number: int) -> None:
        found[number] = ours.predict_proba(many)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(1, 4):
        np.testing.assert_array_equal(found[0], found[i])


def test_results_own_their_memory() -> None:
    X, y = load_iris(return_X_y=True)
    ours = LogisticRegression(max_iter=500).fit(X, y)
    proba = ours.predict_proba(np.tile(X, (2000, 1)))
    before = skimp._core.process_memory()[0]
    copy = proba[:150].copy()
    proba[:] = 0
    assert proba.flags.writeable
    del proba
    assert skimp._core.process_memory()[0] < before - 6_000_000
    np.testing.assert_allclose(copy, ours.predict_proba(X))


def test_progress_and_interruption() -> None:
    X = np.zeros((400_000, 30))
    seen: list[dict[str, Any]] = []

    def stop(progress: dict[str, Any]) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    ours = MaxAbsScaler().fit(X[:10])
    with skimp.config_context(progress=stop, n_threads=1), pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            ours.transform(X)
    assert seen[0]["phase"] == "transforming"
