# SPDX-License-Identifier: BSD-3-Clause
"""Functions of chunks: called once a pass, nothing kept, the same model as from any other form of the rows."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import SGDClassifier as SklearnSGD
from sklearn.linear_model import SGDRegressor as SklearnSGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import scale

import skimp
from skimp import Incremental
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from skimp.pipeline import make_pipeline
from skimp.preprocessing import StandardScaler


class Source:
    """Chunks of arrays, which counts how often it is called and what it has given."""

    def __init__(self, *arrays: Any, step: int = 500) -> None:
        self.arrays = arrays
        self.step = step
        self.calls = 0
        self.rows = 0

    def __call__(self) -> Iterator[Any]:
        self.calls += 1
        n = self.arrays[0].shape[0]
        for first in range(0, n, self.step):
            parts = tuple(array[first : first + self.step] for array in self.arrays)
            self.rows += parts[0].shape[0]
            yield parts if len(parts) > 1 else parts[0]


def tables(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 12)).astype(np.float32)
    return X, (X @ random.normal(size=12) + random.logistic(size=n) > 0).astype(int)


# ---- fit ----


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        LogisticRegression(C=0.01, l1_ratio=1, solver="saga"),
        Ridge(),
        LinearRegression(),
        SGDClassifier(shuffle=False, max_iter=5, tol=None),
        StandardScaler(),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_function_is_called_once_a_pass(estimator: Any, tmp_path: Path) -> None:
    X, y = tables()
    source = Source(X, y)
    of_function, of_iterator = clone(estimator), clone(estimator)
    (tmp_path / "gone").mkdir()
    with skimp.config_context(spill_dir=tmp_path / "gone"):
        (tmp_path / "gone").rmdir()
        of_function.fit(source)
    of_iterator.fit(Source(X, y)())
    report = of_function.memory_report_
    assert report.plan.store == "source"
    assert report.plan.disk_bytes == report.disk_bytes == 0
    # A pass over a sample is a call, too, and counts by its share of the rows.
    assert source.calls >= report.passes > 1
    if report.passes == int(report.passes):
        assert source.calls == report.passes
        assert source.rows == source.calls * len(X)
    for name, value in vars(of_iterator[-1] if hasattr(of_iterator, "steps") else of_iterator).items():
        if isinstance(value, np.ndarray):
            own = of_function[-1] if hasattr(of_function, "steps") else of_function
            np.testing.assert_array_equal(getattr(own, name), value, err_msg=name)


def test_nothing_is_kept() -> None:
    X, y = tables(200_000)
    of_function = LogisticRegression().fit(Source(X, y, step=10_000))
    of_iterator = LogisticRegression().fit(Source(X, y, step=10_000)())
    kept = of_iterator.memory_report_.charged_peak_bytes
    assert of_iterator.memory_report_.plan.store == "memory"
    assert of_function.memory_report_.charged_peak_bytes < 4 << 20 < 8 << 20 < kept
    # In the smallest budget that works, on any number of threads: the same bits.
    for threads in (1, 2, 4):
        source = Source(X, y, step=777)
        with skimp.config_context(n_threads=threads):
            minimum = skimp.plan(LogisticRegression(), source).minimum_bytes
            with skimp.config_context(max_memory=minimum):
                small = LogisticRegression().fit(source)
        np.testing.assert_array_equal(small.coef_, of_iterator.coef_)
        assert small.memory_report_.charged_peak_bytes <= minimum


def test_sgd_that_shuffles_keeps_its_chunks(tmp_path: Path) -> None:
    X, y = tables()
    source = Source(X, y)
    model = SGDClassifier(max_iter=5, tol=None).fit(source)
    assert source.calls == 1
    assert model.memory_report_.plan.store == "memory"
    other = SGDClassifier(max_iter=5, tol=None).fit(Source(X, y)())
    np.testing.assert_array_equal(model.coef_, other.coef_)


def test_every_kind_of_chunk() -> None:
    X, y = tables(3000)
    labels = np.array(["no", "yes"])[y]
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    expected = LogisticRegression().fit(X, labels, weight)
    sparse = sp.csr_matrix(X * (X > 0))
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(12)]).assign(kind=labels[::-1], label=labels)

    of_arrays = LogisticRegression().fit(Source(X, labels, weight))
    np.testing.assert_allclose(of_arrays.coef_, expected.coef_, atol=1e-7)
    assert of_arrays.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(LogisticRegression().fit(Source(X), labels, weight).coef_, expected.coef_, atol=1e-7)

    of_sparse = LogisticRegression().fit(Source(sparse, y))
    np.testing.assert_allclose(of_sparse.coef_, LogisticRegression().fit(sparse, y).coef_, atol=1e-6)

    of_frames = LogisticRegression().fit(lambda: (frame[i : i + 700] for i in range(0, 3000, 700)), "label")
    whole = LogisticRegression().fit(frame, "label")
    np.testing.assert_allclose(of_frames.coef_, whole.coef_, atol=1e-6)
    assert of_frames.encoded_feature_names_.tolist() == whole.encoded_feature_names_.tolist()
    assert of_frames.memory_report_.plan.store == "source"

    for use in (of_arrays.predict, of_arrays.predict_proba, of_arrays.decision_function):
        source = Source(X)
        np.testing.assert_array_equal(use(source), use(X))
        assert source.calls == 1
    source = Source(X, labels)
    assert of_arrays.score(source) == pytest.approx(of_arrays.score(X, labels))
    assert source.calls == 1


def test_other_chunks_than_the_first_time() -> None:
    X, y = tables()
    names = np.array(["a", "b", "c"])[np.arange(len(y)) % 2]

    def later(first: tuple[Any, ...], others: tuple[Any, ...]) -> Callable[[], Iterator[Any]]:
        calls: list[int] = []

        def give() -> Iterator[Any]:
            calls.append(1)
            return Source(*(first if len(calls) == 1 else others))()

        return give

    changed = X.copy()
    changed[15_000, 3] += 1e-3
    wider = np.column_stack([X, X[:, 0]])
    unknown = names.copy()
    unknown[777] = "c"
    relabelled = y.copy()
    relabelled[0] = 1 - y[0]
    for others, words in (
        ((changed, y), r"rows \d+ to \d+ of the batches are not what they were the first time"),
        ((X, relabelled), r"rows 0 to \d+ of the batches are not"),
        ((X[:-1], y[:-1]), "first time"),
        ((np.vstack([X, X]), np.concatenate([y, y])), "more rows than the 20000"),
        ((wider, y), "is a table of 13 columns, the first one is a table of 12"),
        ((X[:0], y[:0]), "have 0 rows, and had 20000 the first time"),
        ((X,), "only one has a target"),
    ):
        with pytest.raises(ValueError, match=words):
            LogisticRegression().fit(later((X, y), others))
    with pytest.raises(ValueError, match="have 'c', which the batches did not have the first time"):
        LogisticRegression().fit(later((X, names), (X, unknown)))
    once = Source(X, y)()
    with pytest.raises(ValueError, match="have 0 rows, and had 20000 the first time"):
        LogisticRegression().fit(lambda: once)


def test_what_the_function_raises_and_returns() -> None:
    X, y = tables(3000)

    class Trouble(Source):
        def __call__(self) -> Iterator[Any]:
            if self.calls == 3:
                raise KeyError("the fourth call")
            yield from super().__call__()

    source = Trouble(X, y)
    estimator = LogisticRegression()
    with pytest.raises(KeyError, match="the fourth call"):
        estimator.fit(source)
    assert not hasattr(estimator, "coef_")
    for wrong in (lambda: X, lambda: 3, lambda: None):
        with pytest.raises(TypeError, match="is to return an iterator of chunks"):
            estimator.fit(wrong)
    with pytest.raises(ValueError, match="there is no chunk"):
        estimator.fit(lambda: iter(()))


def test_a_budget_that_is_too_small_names_the_smallest() -> None:
    X, y = tables()
    with pytest.raises(skimp.BudgetError) as refused, skimp.config_context(max_memory="64KB"):
        LogisticRegression().fit(Source(X, y))
    minimum = refused.value.minimum_bytes
    assert minimum is not None
    with skimp.config_context(max_memory=minimum):
        LogisticRegression().fit(Source(X, y))


def test_plan_says_where_rows_come_from() -> None:
    X, y = tables()
    source = Source(X, y)
    plan = skimp.plan(Ridge(), source)
    assert plan.store == "source" and plan.has_source and plan.disk_bytes == 0
    assert source.calls == 1 and source.rows <= 2 * source.step


# ---- Incremental ----


class Seen(SklearnSGDRegressor):
    """Keeps the first column of what it has learnt from, call by call."""

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.seen = [*getattr(self, "seen", []), np.array(X[:, 0])]
        np.testing.assert_array_equal(X[:, 0], y)
        return super().partial_fit(X / 10_000, y / 10_000)


def test_incremental_calls_once_a_pass() -> None:
    X = np.column_stack([np.arange(5000.0), np.ones(5000)])
    source = Source(X, X[:, 0], step=333)
    model = Incremental(Seen(), n_passes=3, chunk_rows=200, shuffle=False).fit(source)
    assert source.calls == 3
    np.testing.assert_array_equal(np.concatenate(model.estimator_.seen), np.tile(X[:, 0], 3))
    assert {len(part) for part in model.estimator_.seen} == {200}
    shuffled = Incremental(Seen(), n_passes=2, chunk_rows=200, random_state=1).fit(Source(X, X[:, 0], step=333)).estimator_.seen
    first, second = np.concatenate(shuffled[:25]), np.concatenate(shuffled[25:])
    assert sorted(first) == sorted(second) == X[:, 0].tolist()
    assert (first != second).any()
    # Rows of four chunks are mixed.
    assert set(first[:800]) == set(range(800)) and first[:200].max() > 700
    again = Incremental(Seen(), n_passes=2, chunk_rows=200, random_state=1).fit(Source(X, X[:, 0], step=17)).estimator_.seen
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(shuffled))


def test_incremental_leaves_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    opened: list[str] = []

    class Watched(GaussianNB):
        def partial_fit(self, *args: Any, **kwargs: Any) -> Any:
            links = map("/proc/self/fd/{}".format, os.listdir("/proc/self/fd"))
            opened.extend(os.readlink(link) for link in links if os.path.islink(link))
            return super().partial_fit(*args, **kwargs)

    X, y = tables(3000)
    Incremental(Watched(), chunk_rows=500).fit(Source(X, y))
    assert not [name for name in opened if name.startswith(str(tmp_path))]


def test_incremental_finds_classes_and_stops_early() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    whole = GaussianNB().fit(X, y)
    source = Source(X, y, step=50)
    model = Incremental(GaussianNB(), chunk_rows=64).fit(source)
    assert source.calls == 2  # the classes, the pass
    np.testing.assert_allclose(model.estimator_.theta_, whole.theta_, atol=1e-9)
    np.testing.assert_array_equal(model.classes_, [0, 1])
    source = Source(X, step=50)
    Incremental(GaussianNB(), chunk_rows=64).fit(source, y)
    assert source.calls == 1
    source = Source(X, y, step=50)
    stopped = Incremental(
        SklearnSGD(random_state=0), n_passes=40, early_stopping=True, n_iter_no_change=3, chunk_rows=64, random_state=0
    ).fit(source)
    assert 4 <= stopped.n_passes_ < 40
    assert len(stopped.validation_scores_) == stopped.n_passes_
    assert source.calls == 1 + 2 * stopped.n_passes_
    source = Source(X, y, step=50)
    assert stopped.score(source) == pytest.approx(stopped.score(X, y)) and stopped.score(X, y) > 0.9
    np.testing.assert_array_equal(stopped.predict(Source(X, step=50)), stopped.predict(X))
    assert source.calls == 1


def test_incremental_over_every_kind_of_chunk() -> None:
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))

    def fitted(*arrays: Any, **kwargs: Any) -> np.ndarray:
        model = Incremental(SklearnSGDRegressor(random_state=0), n_passes=3, chunk_rows=50, shuffle=False)
        return model.fit(Source(*arrays, step=70), **kwargs).estimator_.coef_

    expected = Incremental(SklearnSGDRegressor(random_state=0), n_passes=3, chunk_rows=50, shuffle=False).fit(X, y, weight)
    np.testing.assert_array_equal(fitted(X, y, weight), expected.estimator_.coef_)
    np.testing.assert_array_equal(fitted(X, y=y, sample_weight=weight), expected.estimator_.coef_)
    of_sparse = clone(expected).fit(sp.csr_matrix(X), y, weight)  # scikit-learn's SGD is another one over sparse data
    np.testing.assert_allclose(fitted(sp.csr_matrix(X), y, weight), of_sparse.estimator_.coef_)
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]).assign(y=y, w=weight)
    np.testing.assert_allclose(fitted(frame, y="y", sample_weight="w"), expected.estimator_.coef_)
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_pandas(frame)
    arrow = Incremental(SklearnSGDRegressor(random_state=0), n_passes=3, chunk_rows=50, shuffle=False).fit(
        lambda: iter(table.to_batches(max_chunksize=60)), "y", "w"
    )
    np.testing.assert_allclose(arrow.estimator_.coef_, expected.estimator_.coef_)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted(X, y=y[:-1])
    with pytest.raises(ValueError, match="there is no column 'z'"):
        fitted(frame, y="z")


def test_incremental_wants_the_same_rows_each_time() -> None:
    X, y = load_diabetes(return_X_y=True)
    calls: list[int] = []

    def shorter() -> Iterator[Any]:
        calls.append(1)
        yield X[: 442 - len(calls)], y[: 442 - len(calls)]

    with pytest.raises(ValueError, match="gave 441 rows the first time it was called, and now 440"):
        Incremental(SklearnSGDRegressor(), n_passes=2).fit(shorter)
