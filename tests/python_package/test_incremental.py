# SPDX-License-Identifier: BSD-3-Clause
"""Any estimator with partial_fit, over arrays, files and Datasets, chunk by chunk."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

import skimp
from skimp import Incremental


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    X, y = load_breast_cancer(return_X_y=True)
    path = tmp_path_factory.mktemp("incremental") / "cancer.csv"
    pandas.DataFrame(scale(X), columns=[f"c{i}" for i in range(30)]).assign(label=y).to_csv(path, index=False)
    return path


def test_moments_are_those_of_all_rows() -> None:
    X, y = load_digits(return_X_y=True)
    whole = GaussianNB().fit(X, y)
    for options in ({}, {"shuffle": False}, {"chunk_rows": 37}, {"chunk_rows": 5000}):
        parts = Incremental(GaussianNB(), **options).fit(X, y)
        np.testing.assert_allclose(parts.estimator_.theta_, whole.theta_, atol=1e-9)
        np.testing.assert_allclose(parts.estimator_.class_count_, whole.class_count_)
        assert parts.n_passes_ == 1
        np.testing.assert_array_equal(parts.classes_, np.arange(10))


def test_each_row_is_seen_once_a_pass() -> None:
    class Counter(SGDRegressor):
        def partial_fit(self, X, y, sample_weight=None):
            self.seen = [*getattr(self, "seen", []), *X[:, 0].astype(int)]
            np.testing.assert_array_equal(X[:, 0], y)
            return super().partial_fit(X / 1000, y / 1000)

    X = np.column_stack([np.arange(1000.0), np.ones(1000)])
    shuffled = Incremental(Counter(), n_passes=2, chunk_rows=64, random_state=1).fit(X, X[:, 0]).estimator_.seen
    assert sorted(shuffled[:1000]) == sorted(shuffled[1000:]) == list(range(1000))
    assert shuffled[:1000] != shuffled[1000:]
    # A chunk is made of blocks from all over the data, and its rows are mixed.
    first = np.array(shuffled[:64])
    assert first.min() < 300 and first.max() > 700
    assert (np.diff(first) < 0).mean() > 0.3
    in_order = Incremental(Counter(), chunk_rows=64, shuffle=False).fit(X, X[:, 0]).estimator_.seen
    assert in_order == list(range(1000))


def test_files_datasets_and_arrays_agree(csv: Path) -> None:
    frame = pandas.read_csv(csv)
    X, y = frame.drop(columns="label").to_numpy(), frame["label"].to_numpy()
    model = Incremental(GaussianNB(), chunk_rows=100)
    of_array = clone(model).fit(X, y)
    of_file = clone(model).fit(csv, "label")
    with skimp.Dataset(csv, target="label") as data:
        of_dataset = clone(model).fit(data)
        assert of_dataset.score(data) == pytest.approx(of_array.score(X, y))
        np.testing.assert_array_equal(of_dataset.predict(data), of_array.predict(X))
    for other in (of_file, of_dataset):
        np.testing.assert_allclose(other.estimator_.theta_, of_array.estimator_.theta_, atol=1e-6)
    assert of_file.score(csv, "label") == pytest.approx(of_array.score(X, y))
    np.testing.assert_allclose(of_file.predict_proba(X).sum(axis=1), 1)


def test_early_stopping() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = Incremental(
        MLPClassifier((10,), learning_rate_init=0.01, random_state=0),
        n_passes=60,
        early_stopping=True,
        n_iter_no_change=3,
        chunk_rows=64,
        random_state=0,
    ).fit(scale(X), y)
    assert 4 <= model.n_passes_ < 60
    assert len(model.validation_scores_) == model.n_passes_
    assert model.score(scale(X), y) > 0.9
    with pytest.raises(ValueError, match="too few"):
        Incremental(GaussianNB(), early_stopping=True).fit(X[:2], [0, 1])


def test_regressors_are_scored_by_r2_of_all_rows() -> None:
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    model = Incremental(SGDRegressor(random_state=0), n_passes=5, chunk_rows=50, early_stopping=True, n_iter_no_change=9).fit(X, y)
    assert model.score(X, y) == pytest.approx(model.estimator_.score(X, y))
    assert -1 < model.validation_scores_[-1] < 1


def test_other_kinds_and_sparse_data() -> None:
    X, y = load_digits(return_X_y=True)
    means = Incremental(MiniBatchKMeans(3, random_state=0, n_init=1), chunk_rows=200).fit(X)
    assert set(means.predict(X)) == {0, 1, 2}
    parts = Incremental(IncrementalPCA(4), chunk_rows=300).fit(X)
    assert parts.transform(X).shape == (len(X), 4)
    sparse = Incremental(SGDClassifier(random_state=0), n_passes=3, chunk_rows=100).fit(sp.csr_matrix(X), y)
    assert sparse.score(sp.csr_matrix(X), y) > 0.85
    assert not hasattr(Incremental(GaussianNB()), "transform")


def test_weights_and_searches() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    whole = GaussianNB().fit(X, y, weight)
    parts = Incremental(GaussianNB(), chunk_rows=70).fit(X, y, weight)
    np.testing.assert_allclose(parts.estimator_.theta_, whole.theta_, rtol=1e-9)
    grid = GridSearchCV(Incremental(GaussianNB()), {"estimator__var_smoothing": [1e-9, 1e-3]}, cv=3).fit(X, y)
    assert grid.best_score_ > 0.85


def test_what_cannot_be() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ValueError, match="n_passes"):
        Incremental(GaussianNB(), n_passes=0).fit(X, y)
    with pytest.raises(ValueError, match="estimator"):
        Incremental(skimp.linear_model.Ridge()).fit(X, y)


def test_a_budget_makes_chunks_small(csv: Path) -> None:
    rows: list[int] = []

    class Watched(GaussianNB):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            rows.append(len(X))
            return super().partial_fit(X, y, classes)

    X = np.zeros((20_000, 100))
    X[::2] = 1
    with skimp.config_context(max_memory="4MB"):
        Incremental(Watched(var_smoothing=1)).fit(X, X[:, 0].astype(int))
    assert max(rows) * 800 <= 4_000_000 / 16 + 800 * 256
    assert sum(rows) == 20_000


def test_text_has_the_features_of_the_fit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"kind": random.choice(["b", "a", "ü"], 600), "size": random.normal(size=600), "colour": random.choice(["x", "y"], 600)}
    )
    frame["late"] = ((frame["kind"] == "a") & (frame["size"] > 0)).astype(int)
    path = tmp_path / "all.csv"
    frame.to_csv(path, index=False)
    model = Incremental(SGDClassifier(loss="log_loss", random_state=0), n_passes=3).fit(path, "late")
    assert list(model.feature_names_in_) == ["kind", "size", "colour"]
    assert model.n_features_in_ == 3
    assert list(model.encoded_feature_names_) == ["kind_a", "kind_b", "kind_ü", "size", "colour_x", "colour_y"]
    wanted = model.predict_proba(path)
    assert model.score(path) > 0.8

    # Of some rows, in another order of columns, without the label; with a text that was not there, and others missing.
    part = frame.loc[frame["kind"] != "b", ["colour", "size", "kind"]]
    part.to_csv(tmp_path / "part.csv", index=False)
    for given in (tmp_path / "part.csv", part, skimp.Dataset(part)):
        np.testing.assert_allclose(model.predict_proba(given), wanted[part.index], atol=1e-12)
    strange = frame.assign(kind="z").drop(columns="late")
    encoded = model.predict_proba(strange)
    none = strange.assign(kind=strange["kind"].where(np.arange(600) % 2 == 0, None))
    np.testing.assert_allclose(model.predict_proba(none), encoded, atol=1e-12)
    for given, message in ((frame.drop(columns="size"), "'size' was there in fit"), (frame.assign(kind=1.0), "held text in fit")):
        with pytest.raises(ValueError, match=message):
            model.predict(given)


def test_svmlight_of_other_widths(tmp_path: Path) -> None:
    wide, narrow = tmp_path / "wide.svm", tmp_path / "narrow.svm"
    rows = ["1 1:1 5:2", "0 2:1 4:1", "1 1:3", "0 3:1 5:1"] * 20
    wide.write_text("\n".join(rows) + "\n")
    narrow.write_text("1 1:1\n0 2:1\n")
    model = Incremental(SGDClassifier(random_state=0), n_passes=5).fit(wide)
    assert model.n_features_in_ == 5
    np.testing.assert_array_equal(model.predict(narrow), model.estimator_.predict(np.eye(5)[:2]))
    narrow.write_text("1 1:1 9:4\n0 2:1\n")
    np.testing.assert_array_equal(model.predict(narrow), model.estimator_.predict(np.eye(5)[:2]))
