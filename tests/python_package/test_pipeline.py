# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines: one job where every step is skimp's, scikit-learn's where not; the same results both ways."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.impute
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import skimp
from skimp.compose import ColumnTransformer, make_column_transformer
from skimp.impute import SimpleImputer
from skimp.linear_model import LogisticRegression, Ridge
from skimp.pipeline import Pipeline, make_pipeline
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler


@pytest.fixture(scope="module")
def holes() -> tuple[np.ndarray, np.ndarray]:
    """Breast cancer with missing values in two columns."""
    X, y = load_breast_cancer(return_X_y=True)
    X = X.copy()
    X[::7, 3] = X[::5, 10] = np.nan
    return X, y


def ours() -> Pipeline:
    """Impute, mark, scale, classify."""
    return make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(tol=1e-8))


def theirs() -> sklearn.pipeline.Pipeline:
    """The same of scikit-learn, to the end."""
    return sklearn.pipeline.make_pipeline(
        sklearn.impute.SimpleImputer(add_indicator=True),
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(tol=1e-9, max_iter=10_000),
    )


def test_one_job_gives_scikit_learns_results(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    own, other = ours().fit(X, y), theirs().fit(X, y)
    assert own.memory_report_.plan.peak_bytes > 0
    np.testing.assert_allclose(own.predict_proba(X), other.predict_proba(X), atol=2e-5)
    np.testing.assert_allclose(own.decision_function(X), other.decision_function(X), atol=2e-4)
    np.testing.assert_array_equal(own.predict(X), other.predict(X))
    assert own.score(X, y) == other.score(X, y)
    assert own.n_features_in_ == 30
    np.testing.assert_array_equal(own.classes_, [0, 1])


def test_steps_can_be_used_alone(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    own, other = ours().fit(X, y), theirs().fit(X, y)
    np.testing.assert_allclose(own[0].transform(X), other[0].transform(X))
    np.testing.assert_allclose(own[:2].transform(X), other[:2].transform(X), atol=1e-6)
    np.testing.assert_allclose(own[-1].decision_function(own[:2].transform(X)), own.decision_function(X), atol=1e-6)
    assert [step.n_features_in_ for _, step in own.steps] == [30, 32, 32]
    np.testing.assert_allclose(own[1].mean_, other[1].mean_)


def test_an_attribute_that_is_changed_counts(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    own = ours().fit(X, y)
    before = own.decision_function(X)
    own[-1].intercept_ = own[-1].intercept_ + 1
    np.testing.assert_allclose(own.decision_function(X), before + 1)


def test_sparse_data_and_floats() -> None:
    X, y = load_diabetes(return_X_y=True)
    X[np.abs(X) < 0.03] = 0
    for kind in (sp.csr_matrix, sp.csc_array, np.float32, np.asfortranarray):
        data = kind(X)
        own = make_pipeline(MaxAbsScaler(), Ridge(tol=1e-8)).fit(data, y)
        other = sklearn.pipeline.make_pipeline(sklearn.preprocessing.MaxAbsScaler(), sklearn.linear_model.Ridge()).fit(X, y)
        np.testing.assert_allclose(own.predict(data), other.predict(X), rtol=1e-4)


def test_a_file_is_read_once(tmp_path, holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    names = [f"x{i}" for i in range(30)]
    path = tmp_path / "train.csv"
    lines = [",".join([*("" if np.isnan(v) else repr(float(v)) for v in row), str(label)]) for row, label in zip(X, y, strict=True)]
    path.write_text("\n".join([",".join([*names, "label"]), *lines, ""]))
    own, from_file = ours().fit(X, y), ours()
    assert skimp.plan(from_file, path, "label").peak_bytes > 0
    from_file.fit(path, "label")
    np.testing.assert_allclose(from_file.predict_proba(X), own.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(from_file.predict(str(path)), own.predict(X))
    assert from_file.score(path) == own.score(X, y)
    assert list(from_file.feature_names_in_) == names


def test_other_steps_go_one_after_the_other(holes: tuple[np.ndarray, np.ndarray], tmp_path) -> None:
    X, y = holes
    mixed = make_pipeline(SimpleImputer(), StandardScaler(), PCA(5), LogisticRegression()).fit(X, y)
    assert mixed.score(X, y) > 0.9
    assert not hasattr(mixed, "memory_report_")
    with pytest.raises(TypeError, match="steps of skimp only, which pca is not"):
        mixed.fit(tmp_path / "any.csv", "label")
    with pytest.raises(TypeError, match="no model file"):
        skimp.save(mixed, tmp_path / "m")


def test_weights_are_the_last_steps(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    weight = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    own = ours().fit(X, y, logisticregression__sample_weight=weight)
    other = theirs().fit(X, y, logisticregression__sample_weight=weight)
    np.testing.assert_allclose(own.predict_proba(X), other.predict_proba(X), atol=2e-5)


def test_in_searches_and_clones(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = holes
    search = GridSearchCV(ours(), {"logisticregression__C": [0.01, 1]}, cv=3).fit(X, y)
    other = GridSearchCV(theirs(), {"logisticregression__C": [0.01, 1]}, cv=3).fit(X, y)
    assert search.best_params_ == other.best_params_
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"], atol=1e-3)
    assert cross_val_score(ours(), X, y, cv=3).min() > 0.9
    with pytest.raises(NotFittedError):
        clone(ours().fit(X, y)).predict(X)


def test_a_transformer_at_the_end(holes: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = holes
    own = make_pipeline(SimpleImputer(), MinMaxScaler())
    other = sklearn.pipeline.make_pipeline(sklearn.impute.SimpleImputer(), sklearn.preprocessing.MinMaxScaler())
    np.testing.assert_allclose(own.fit_transform(X), other.fit_transform(X), atol=1e-12)
    np.testing.assert_array_equal(own.get_feature_names_out(), other.get_feature_names_out())


def test_column_transformer() -> None:
    X, y = load_diabetes(return_X_y=True)
    parts = [("scale", StandardScaler(), [0, 1, 2]), ("range", MinMaxScaler(), slice(3, 6))]
    own = ColumnTransformer(parts, remainder="passthrough").fit_transform(X)
    other = sklearn.compose.ColumnTransformer(
        [("scale", sklearn.preprocessing.StandardScaler(), [0, 1, 2]), ("range", sklearn.preprocessing.MinMaxScaler(), slice(3, 6))],
        remainder="passthrough",
    ).fit_transform(X)
    np.testing.assert_allclose(own, other, atol=1e-12)
    model = make_pipeline(make_column_transformer((StandardScaler(), [0, 1]), remainder="passthrough"), Ridge()).fit(X, y)
    assert model.score(X, y) > 0.4
