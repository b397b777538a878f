# SPDX-License-Identifier: BSD-3-Clause
"""In which form results come: of arrays arrays, of frames frames, of what may be large Datasets that are computed when used."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import sklearn
from joblib import Parallel, delayed
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.preprocessing import StandardScaler as SklearnScaler

import skimp
from skimp.impute import SimpleImputer
from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
from skimp.pipeline import make_pipeline
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

N = 3000
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Numbers with a target that they tell of."""
    random = np.random.default_rng(3)
    X = pd.DataFrame(random.normal([1, 50, -3], [1, 20, 0.1], size=(N, 3)), columns=NAMES)
    X["label"] = np.where(X.a + X.b / 20 + random.normal(size=N) > 3.5, "yes", "no")
    return X


@pytest.fixture(scope="module")
def texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with a column of text, and gaps."""
    X = frame.copy()
    X.insert(1, "day", np.random.default_rng(4).choice(["mon", "tue", "wed"], N))
    X.loc[::9, "a"] = np.nan
    X.loc[::13, "day"] = None
    return X


def written(directory: Path, X: pd.DataFrame, kind: str) -> str:
    """Write a frame to a file of a kind, and return its path."""
    path = str(directory / f"data.{kind}")
    match kind:
        case "csv":
            X.to_csv(path, index=False)
        case "parquet":
            X.to_parquet(path, row_group_size=700)
        case "arrow":
            X.to_feather(path, compression="uncompressed")
        case "skimp":
            X.to_csv(directory / "of-store.csv", index=False)
            with skimp.Dataset(directory / "of-store.csv", target="label") as data:
                Path(path).write_bytes(Path(data._path).read_bytes())
    return path


def rows_of(data: skimp.Dataset) -> np.ndarray:
    """Return all rows of a Dataset."""
    X = data.take(slice(None))[0]
    return X.toarray() if sp.issparse(X) else X


# ---- Datasets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "skimp"])
def test_of_a_file_comes_a_lazy_dataset(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, frame, kind)
    scaler = StandardScaler().fit(frame[NAMES])
    if kind != "skimp":
        scaler = StandardScaler().fit(path, "label")
    data = scaler.transform(path)
    assert isinstance(data, skimp.Dataset)
    assert "_path" not in vars(data)
    assert "not computed yet" in repr(data)
    expected = SklearnScaler().fit_transform(frame[NAMES])
    np.testing.assert_allclose(rows_of(data), expected, atol=2e-5)
    assert data.columns == NAMES
    assert data.shape == (N, 3)
    assert data.target_name == "label"
    assert data.target is not None
    assert (data.target == frame.label).all()
    assert f"{N:,} rows" in repr(data)


def test_nothing_is_read_until_it_is_used(tmp_path: Path, frame: pd.DataFrame) -> None:
    scaler = StandardScaler().fit(frame[NAMES])
    data = scaler.transform(str(tmp_path / "later.csv"))
    frame.to_csv(tmp_path / "later.csv", index=False)
    assert len(data) == N
    called: list[int] = []

    def chunks() -> Iterator[Any]:
        called.append(1)
        yield frame[NAMES].to_numpy(), frame.label.to_numpy()

    data = scaler.transform(chunks)
    assert not called
    assert (data.target == frame.label).all()
    assert len(called) == 1
    assert rows_of(data).shape == (N, 3)
    assert len(called) == 1  # it is kept


def test_the_model_is_that_of_the_transform(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = written(tmp_path, frame[NAMES], "csv")
    scaler = MinMaxScaler().fit(frame[NAMES])
    data = scaler.transform(path)
    scaler.fit(frame[NAMES] * 10)
    assert rows_of(data).max() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["csv", "parquet", "dataset", "view", "chunks"])
def test_models_after_a_lazy_transform_are_those_of_a_pipeline(kind: str, texts: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, texts, "csv" if kind in ("dataset", "view") else kind if kind != "chunks" else "parquet")
    steps = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    X: Any = path
    y: Any = "label"
    if kind in ("dataset", "view"):
        X, y = skimp.Dataset(path, target="label"), None
        X = X if kind == "dataset" else X[N // 3 :]
    if kind == "chunks":
        y = None
        X = lambda: ((part.drop(columns="label"), part.label) for part in (texts[:1000], texts[1000:]))  # noqa: E731
    data = steps.fit_transform(X, y)
    assert isinstance(data, skimp.Dataset)
    assert data.columns == ["a", "day", "b", "c", "missingindicator_a"]
    after = LogisticRegression(C=0.5, tol=1e-8).fit(data)
    whole = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(C=0.5, tol=1e-8)).fit(X, y)
    np.testing.assert_allclose(after.coef_, whole[-1].coef_, atol=2e-4)
    np.testing.assert_array_equal(after.encoded_feature_names_, whole[-1].encoded_feature_names_)
    assert list(after.feature_names_in_) == data.columns
    assert after.score(data) == pytest.approx(whole.score(X, y), abs=1e-3)
    np.testing.assert_allclose(after.predict_proba(steps.transform(X)), whole.predict_proba(X), atol=1e-4)


def test_texts_that_are_unknown_and_missing(tmp_path: Path) -> None:
    (tmp_path / "fit.csv").write_text("a,day\n1,mon\n2,tue\n3,\n")
    (tmp_path / "new.csv").write_text("a,day\n1,sun\n2,\n3,tue\n")
    scaler = MaxAbsScaler().fit(tmp_path / "fit.csv")
    train, new = scaler.transform(tmp_path / "fit.csv"), scaler.transform(tmp_path / "new.csv")
    model = Ridge().fit(train, np.array([1.0, 5.0, 9.0]))
    assert list(model.encoded_feature_names_) == ["a", "day_mon", "day_tue", "day_nan"]
    none, missing, _ = model.predict(new)
    assert none == pytest.approx(model.intercept_ + model.coef_[0] / 3, abs=1e-6)
    assert missing == pytest.approx(model.intercept_ + model.coef_[0] * 2 / 3 + model.coef_[3], abs=1e-6)


def test_sparse_stays_sparse(tmp_path: Path) -> None:
    X = sp.random_array((2000, 300), density=0.02, rng=np.random.default_rng(0), format="csr")
    y = np.asarray(X.sum(axis=1) > X.sum(axis=1).mean()).astype(int)
    with open(tmp_path / "x.svm", "w") as file:
        for i in range(2000):
            row = X.indptr[i], X.indptr[i + 1]
            pairs = " ".join(f"{j + 1}:{v!r}" for j, v in zip(X.indices[slice(*row)], X.data[slice(*row)].tolist(), strict=True))
            file.write(f"{y[i]} {pairs}\n")
    scaler = MaxAbsScaler().fit(tmp_path / "x.svm")
    data = scaler.transform(tmp_path / "x.svm")
    part = data.take(slice(0, 50))[0]
    assert sp.issparse(part)
    np.testing.assert_allclose(part.toarray(), scaler.transform(X)[:50].toarray(), atol=1e-6)
    assert data.columns is None
    assert (data.target == y).all()
    model = LogisticRegression().fit(data)
    assert model.score(data) == pytest.approx(LogisticRegression().fit(scaler.transform(X), y).score(scaler.transform(X), y))


def test_weights_and_other_targets_go_along(frame: pd.DataFrame) -> None:
    X, weight = frame[NAMES].to_numpy(), np.arange(N) % 4 + 1.0
    data = skimp.Dataset(X, target=frame.label.to_numpy(), weight=weight)
    scaled = StandardScaler().fit(X).transform(data)
    assert scaled.shape == (N, 3)
    assert scaled.target is not None and "_path" not in vars(scaled)  # known without computing a row
    assert (scaled.weight == weight).all()
    again = StandardScaler().fit_transform(data, np.arange(N) % 3)
    assert (again.target == np.arange(N) % 3).all()
    model = LogisticRegression().fit(again)
    assert list(model.classes_) == [0, 1, 2]
    np.testing.assert_allclose(
        Ridge().fit(scaled, np.arange(N) * 1.0).coef_,
        Ridge().fit(StandardScaler().fit_transform(X), np.arange(N) * 1.0, sample_weight=weight).coef_,
        rtol=1e-3,
    )


def test_views_keep_their_order(frame: pd.DataFrame) -> None:
    data = skimp.Dataset(frame[NAMES].to_numpy(), target=np.arange(N))
    rows = np.array([7, 3, 2999, 3])
    scaler = StandardScaler().fit(data)
    view = scaler.transform(data[rows])
    expected = scaler.transform(frame[NAMES].to_numpy())[rows]
    np.testing.assert_allclose(rows_of(view), expected, atol=1e-5)
    assert list(view.target) == list(rows)
    np.testing.assert_allclose(rows_of(scaler.transform(data)[rows]), expected, atol=1e-5)
    np.testing.assert_allclose(Ridge().fit(data).predict(data[rows]), rows, atol=N)
    twice = scaler.transform(scaler.transform(data[rows[:3]]))
    np.testing.assert_allclose(rows_of(twice), scaler.transform(expected[:3]), rtol=1e-4)


def test_inside_scikit_learns_pipeline(frame: pd.DataFrame) -> None:
    X, y = frame[NAMES].to_numpy(), frame.label.to_numpy()
    with skimp.Dataset(X, target=y) as data:
        steps = [("scale", StandardScaler()), ("classify", LogisticRegression(tol=1e-8))]
        over = SklearnPipeline(steps).fit(data, data.target)
        arrays = sklearn.clone(SklearnPipeline(steps)).fit(X, y)
        np.testing.assert_allclose(over[-1].coef_, arrays[-1].coef_, atol=1e-4)
        assert (over.predict(data) == arrays.predict(X)).mean() > 0.999


def test_an_iterator_is_kept(frame: pd.DataFrame) -> None:
    parts = ((frame[NAMES][i : i + 500], frame.label[i : i + 500]) for i in range(0, N, 500))
    data = StandardScaler().fit_transform(parts)
    assert (data.target == frame.label).all()
    np.testing.assert_allclose(rows_of(data), SklearnScaler().fit_transform(frame[NAMES]), atol=2e-5)
    reader = pa.Table.from_pandas(frame).to_reader(500)
    data = make_pipeline(StandardScaler(), MaxAbsScaler()).fit_transform(reader, "label")
    assert (data.target == frame.label).all()


def test_streams_that_have_the_target(frame: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(frame)
    scaler = StandardScaler().fit(table.to_reader(), "label")
    assert list(scaler.feature_names_in_) == NAMES
    data = scaler.transform(table.to_reader(700))
    assert (data.target == frame.label).all()
    assert scaler.transform(pl.from_pandas(frame).lazy()).target_name == "label"
    assert scaler.transform(table.select(NAMES).to_reader()).target_name is None


def _sum(data: skimp.Dataset) -> float:
    return float(sum(X.sum() for X, _, _ in data.chunks()))


def test_workers_and_pickles_get_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    data = MinMaxScaler().fit(frame[NAMES]).transform(written(tmp_path, frame[NAMES], "csv"))
    copy = pickle.loads(pickle.dumps(data))
    assert _sum(copy) == _sum(data)
    assert Parallel(n_jobs=2)(delayed(_sum)(part) for part in (data, data[:10]))[0] == _sum(data)


def test_its_end(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, frame[NAMES], "csv")
    scaler = MinMaxScaler().fit(path)
    with scaler.transform(path) as data:
        fd = int(data._path.split("/")[-1])
        assert len(data) == N
    with pytest.raises(ValueError, match="closed"):
        data.take(slice(0, 1))
    never = scaler.transform(path)
    never.close()
    with pytest.raises(ValueError, match="closed"):
        next(never.chunks())
    with pytest.raises(AttributeError, match="nothing"):
        _ = never.nothing
    del data
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_goes_wrong_leaves_nothing(tmp_path: Path, frame: pd.DataFrame) -> None:
    spill = tmp_path / "spill"
    spill.mkdir(mode=0o700)
    scaler = MinMaxScaler().fit(frame[NAMES])
    (tmp_path / "bad.csv").write_text("a,b,c\n1,2,3\n1,inf,3\n")
    with skimp.config_context(spill_dir=spill):
        data = scaler.transform(tmp_path / "bad.csv")
        with pytest.raises(skimp.DataError, match="infinite"):
            len(data)
        with pytest.raises(OSError, match="none"):
            len(scaler.transform(tmp_path / "none.csv"))
        (tmp_path / "bad.csv").write_text("a,b,c\n1,2,3\n")
        assert len(data) == 1  # the object is usable again
    assert not list(spill.iterdir())
    imputer = SimpleImputer(strategy=lambda values: values[0]).fit(frame[NAMES])
    with pytest.raises(TypeError, match="fitted in Python"):
        imputer.transform(tmp_path / "bad.csv")
    with skimp.Dataset(frame[NAMES].to_numpy(), target=np.zeros(N)) as plain, pytest.raises(ValueError, match="chosen"):
        scaler.fit_transform(plain, "other")


def test_a_wide_source_fits_a_small_budget(tmp_path: Path) -> None:
    """In a process of its own: what is written, read and fitted never takes more than the budget."""
    code = """if True:
    import sys
    import numpy as np, skimp
    from skimp.linear_model import Ridge
    from skimp.preprocessing import StandardScaler
    def grown():
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    path = sys.argv[1]
    StandardScaler().fit_transform(path, "x24")
    Ridge().fit(StandardScaler().fit_transform(path, "x24"))
    open("/proc/self/clear_refs", "w").write("5")
    before = grown()
    with skimp.config_context(max_memory="24MiB", n_threads=2):
        data = StandardScaler().fit_transform(path, "x24")
        model = Ridge(solver="cholesky").fit(data)
    print(grown() - before, data.shape, round(model.score(data), 3))
    """
    random = np.random.default_rng(0)
    X = random.normal(size=(200_000, 25))
    X[:, 24] = X[:, :24].sum(axis=1)
    np.save(tmp_path / "x.npy", X)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.npy")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    grown, rest = done.stdout.split(" ", 1)
    assert rest.strip() == "(200000, 24) 1.0"
    assert int(grown) <= (24 << 20) + (2 << 20)


# ---- arrays and frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), SimpleImputer()])
def test_frames_come_back_as_frames(scaler: Any, frame: pd.DataFrame) -> None:
    X = frame[NAMES].set_axis([f"row {i}" for i in range(N)])
    out = scaler.fit_transform(X)
    values = sklearn.clone(scaler).fit_transform(X.to_numpy())
    assert isinstance(values, np.ndarray)
    assert isinstance(out, pd.DataFrame)
    assert list(out.columns) == NAMES
    assert (out.index == X.index).all()
    np.testing.assert_allclose(out.to_numpy(), values)
    polars = scaler.transform(pl.from_pandas(X.reset_index(drop=True)))
    assert isinstance(polars, pl.DataFrame)
    assert polars.columns == NAMES
    np.testing.assert_allclose(polars.to_numpy(), values)
    table = scaler.transform(pa.Table.from_pandas(X, preserve_index=False))
    assert isinstance(table, pa.Table)
    assert table.column_names == NAMES
    np.testing.assert_allclose(table.to_pandas().to_numpy(), values)


def test_set_output_says_otherwise(frame: pd.DataFrame, tmp_path: Path) -> None:
    X, path = frame[NAMES], written(tmp_path, frame[NAMES], "csv")
    scaler = StandardScaler().fit(X)
    assert isinstance(sklearn.clone(scaler).set_output(transform="default").fit_transform(X), np.ndarray)
    assert isinstance(sklearn.clone(scaler).set_output(transform="polars").fit_transform(X), pl.DataFrame)
    made = sklearn.clone(scaler).set_output(transform="pandas").fit(X).transform(path)
    assert isinstance(made, pd.DataFrame)
    assert list(made.columns) == NAMES
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(scaler.transform(X.to_numpy()), pd.DataFrame)
        assert isinstance(scaler.transform(path), pd.DataFrame)
    assert isinstance(scaler.transform(path), skimp.Dataset)


def test_frames_of_text_are_encoded_by_name(texts: pd.DataFrame) -> None:
    scaler = make_pipeline(SimpleImputer(), StandardScaler()).fit(texts, "label")
    out = scaler.transform(texts.drop(columns="label"))
    assert isinstance(out, pd.DataFrame)
    assert list(out.columns) == ["a", "day_mon", "day_tue", "day_wed", "day_nan", "b", "c"]


# ---- score and predict -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "skimp", "dataset", "table", "reader", "lazy", "pandas", "polars"])
def test_score_finds_the_target(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    model = LogisticRegression().fit(written(tmp_path, frame, "csv"), "label")
    expected = model.score(frame[NAMES], frame.label)
    data: Any = {
        "dataset": lambda: skimp.Dataset(written(tmp_path, frame, "csv"), target="label"),
        "table": lambda: pa.Table.from_pandas(frame),
        "reader": lambda: pa.Table.from_pandas(frame).to_reader(),
        "lazy": lambda: pl.from_pandas(frame).lazy(),
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
    }.get(kind, lambda: written(tmp_path, frame, kind))()
    assert model.score(data) == pytest.approx(expected)
    whole = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, "label")
    if kind != "reader":
        assert whole.score(data) == pytest.approx(whole.score(frame[NAMES], frame.label))


def test_score_by_a_comparison(frame: pd.DataFrame, tmp_path: Path) -> None:
    model = LogisticRegression().fit(written(tmp_path, frame[NAMES], "parquet"), "b>50")
    assert model.score(str(tmp_path / "data.parquet")) == model.score(frame[["a", "c"]], (frame.b > 50).astype(int))


def test_score_of_a_dataset_with_a_target_of_its_own_name(frame: pd.DataFrame, tmp_path: Path) -> None:
    model = LogisticRegression().fit(written(tmp_path, frame, "csv"), "label")
    with skimp.Dataset(frame[NAMES], target=frame.label) as data:
        assert model.score(data) == model.score(frame[NAMES], frame.label)


@pytest.mark.parametrize("piped", [False, True])
def test_predictions_are_written(piped: bool, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, frame, "parquet")
    model: Any = make_pipeline(StandardScaler(), LogisticRegression()) if piped else LogisticRegression()
    model.fit(path, "label")
    assert model.predict(path, out=tmp_path / "out.csv") is None
    assert (pd.read_csv(tmp_path / "out.csv").prediction == model.predict(path)).all()
    assert model.predict_proba(frame[NAMES], out=tmp_path / "out.csv") is None
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out.columns) == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_allclose(out.to_numpy()[:, 1:].astype(float), model.predict_proba(path))
    with skimp.Dataset(frame[NAMES].to_numpy()) as data, pytest.raises(ValueError, match="sort them"):
        (model if not piped else model[-1]).predict(data[[2, 1]], out=tmp_path / "out.csv")


# ---- what it takes ---------------------------------------------------------------------------------------------------


def least(work: Any) -> int:
    """Return the smallest budget of some work, which is what refusals name; none smaller does."""
    budget = 1 << 20
    for _ in range(3):
        try:
            with skimp.config_context(max_memory=budget, n_threads=1):
                work()
            break
        except skimp.BudgetError as error:
            assert error.minimum_bytes is not None and error.minimum_bytes > budget
            budget = error.minimum_bytes
    with skimp.config_context(max_memory=budget - 4096, n_threads=1), pytest.raises(skimp.BudgetError):
        work()
    return budget


def test_returned_arrays_count(frame: pd.DataFrame) -> None:
    X = np.random.default_rng(0).normal(size=(400_000, 4))
    y = (X[:, 0] > 0).astype(np.int64)
    numbers, words = SGDClassifier().fit(X, y), SGDClassifier().fit(X, np.where(y, "positive", "negative"))
    narrow = least(lambda: numbers.predict(X))
    assert narrow >= 8 * len(X)
    # Of texts, what numbers them and they themselves.
    assert least(lambda: words.predict(X)) - narrow >= (4 * 8 - 8) * len(X)
    scaler = StandardScaler().fit(X)
    assert least(lambda: scaler.transform(X)) >= X.nbytes
    with skimp.Dataset(X) as data:
        in_order = least(lambda: numbers.predict(data))
        shuffled = data[np.random.default_rng(1).permutation(len(X))]
        assert least(lambda: numbers.predict(shuffled)) - in_order >= 8 * len(X)
        # What is lazy is not returned: it is on disk.
        assert least(lambda: scaler.transform(data).columns) < X.nbytes


# ---- where it is put -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no directory in memory")
def test_memory_is_no_place_to_spill_to(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, frame[NAMES], "csv")
    lazy = MinMaxScaler().fit(path).transform(path)
    with skimp.config_context(spill_dir="/dev/shm"):
        for work in (lambda: skimp.Dataset(path), lambda: len(lazy)):
            with pytest.raises(OSError, match=r"is memory, not a disk.*spill_dir"):
                work()
    assert len(lazy) == N


def test_names_of_the_reports() -> None:
    X = np.zeros((100, 2))
    assert isinstance(skimp.plan(Ridge(), X, X[:, 0]), skimp.Plan)
    assert isinstance(Ridge().fit(X, X[:, 0]).memory_report_, skimp.MemoryReport)
    assert {"Plan", "MemoryReport"} <= set(dir(skimp))
