# SPDX-License-Identifier: BSD-3-Clause
"""Text and categories through Pipelines and ColumnTransformers: in one job, and as scikit-learn's objects."""

from __future__ import annotations

import copy
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn.compose
import sklearn.impute
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

import skimp
from skimp.compose import ColumnTransformer, make_column_selector, make_column_transformer
from skimp.impute import SimpleImputer
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from skimp.pipeline import Pipeline, make_pipeline
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, StandardScaler

N = 300


def make_frame() -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with holes, text with holes, booleans, in an order that mixes them."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "num": random.normal(size=N),
            "colour": random.choice(np.array(["red", "green", "blue"], dtype=object), N),
            "count": random.integers(0, 9, N),
            "town": random.choice(np.array(["x", "y", None], dtype=object), N),
            "flag": random.integers(0, 2, N).astype(bool),
            "half": random.normal(size=N).astype(np.float32),
        }
    )
    frame.loc[::7, "num"] = np.nan
    label = (frame["num"].fillna(0) + (frame["colour"] == "red") + random.normal(size=N) > 0).astype(int)
    return frame, label.to_numpy()


FRAME, Y = make_frame()
STRANGE = FRAME.copy()
STRANGE.loc[3, "colour"] = "violet"
STRANGE.loc[5, "town"] = None
STRANGE.loc[6, "num"] = np.nan
NAMES = ["num", "colour", "count", "town", "flag", "half"]
ENCODED = ["num", "colour_blue", "colour_green", "colour_red", "count", "town_x", "town_y", "town_nan", "flag", "half"]


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"colour": "category", "town": "category"})


FORMS = {
    "object": lambda frame: frame.astype({"colour": object, "town": object}),
    "category": categories,
    "string": lambda frame: frame.astype({"colour": "string", "town": "string"}),
    "string[pyarrow]": lambda frame: frame.astype({"colour": "string[pyarrow]", "town": "string[pyarrow]"}),
    "str": lambda frame: frame.astype({"colour": "str", "town": "str"}),
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow types": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col("colour").cast(pl.Categorical)),
    "pyarrow": pa.Table.from_pandas,
}
CHAINS = {
    "fill and scale": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(tol=1e-8)),
    "indicators": lambda: make_pipeline(
        SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(tol=1e-8)
    ),
    "sgd": lambda: make_pipeline(SimpleImputer(strategy="median"), MaxAbsScaler(), SGDClassifier()),
    "regression": lambda: make_pipeline(SimpleImputer(), MinMaxScaler(), Ridge(tol=1e-8)),
}


def scores(model: Any, X: Any) -> np.ndarray:
    """Return the finest that a model says of rows."""
    names = ("predict_proba", "decision_function", "predict")
    return np.asarray(getattr(model, next(name for name in names if hasattr(model, name)))(X))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("form", FORMS)
def test_text_at_the_head_of_a_pipeline(form: str, chain: str) -> None:
    X, strange = FORMS[form](FRAME), FORMS[form](STRANGE)
    model, first = CHAINS[chain]().fit(X, Y), CHAINS[chain]().fit(FRAME, Y)
    assert model.n_features_in_ == 6
    assert list(model.feature_names_in_) == NAMES
    expected = ENCODED + (["missingindicator_num"] if chain == "indicators" else [])
    assert list(model.encoded_feature_names_) == list(model[-1].encoded_feature_names_) == expected
    assert list(model[:-1].get_feature_names_out()) == expected
    assert model[-1].coef_.shape[-1] == len(expected)
    assert list(model[0].feature_names_in_) == ["num", "count", "flag", "half"]
    assert model[0].n_features_in_ == 4
    np.testing.assert_allclose(scores(model, X), scores(first, FRAME), rtol=2e-5)
    np.testing.assert_allclose(scores(model[-1], model[:-1].transform(X)), scores(model, X), atol=1e-6)
    known = np.asarray(model[:-1].transform(strange), dtype=np.float64)
    assert not known[3, 1:4].any()
    assert known[5, 7] == 1
    if form == "pyarrow":
        return  # scikit-learn's ColumnTransformer does not take its tables
    other = model.to_sklearn()
    assert b"skimp" not in pickle.dumps(other)
    for rows in (X, strange):
        np.testing.assert_allclose(scores(other, rows), scores(model, rows), atol=1e-7)
        np.testing.assert_array_equal(other.predict(rows), model.predict(rows)) if chain != "regression" else None
    assert len(other[:-1].get_feature_names_out()) == len(expected)


@pytest.mark.parametrize("kind", [Ridge, LinearRegression, LogisticRegression, SGDClassifier])
def test_predictors_of_text_have_names(kind: type[Any]) -> None:
    X = FRAME.fillna({"num": 0.0})
    model = kind().fit(X, Y)
    assert list(model.feature_names_in_) == NAMES
    assert list(model.encoded_feature_names_) == ENCODED
    strange = STRANGE.fillna({"num": 0.0})
    np.testing.assert_allclose(scores(model.to_sklearn(), strange), scores(model, strange), atol=1e-9)
    few = np.random.default_rng(0).normal(size=(9, 3))
    assert list(kind().fit(few, [0, 1, 0] * 3).encoded_feature_names_) == ["x0", "x1", "x2"]
    with pytest.raises(AttributeError, match="no names of encoded features"):
        _ = kind().encoded_feature_names_


@pytest.mark.parametrize("n", [3, 200])
def test_names_of_wide_text(n: int) -> None:
    """Where a model has no list of names, they are made of its categories."""
    texts = [f"c{i % n:03d}" for i in range(600)]
    X = pd.DataFrame({"t": texts, "x": np.arange(600.0)})
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, np.arange(600.0))
    assert list(model.encoded_feature_names_) == [*sorted({f"t_{text}" for text in texts}), "x"]
    model._skimp.meta.pop("feature_names")
    model[-1]._skimp.meta.pop("feature_names")
    assert list(model.encoded_feature_names_) == list(model[-1].encoded_feature_names_)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The frame as files; without the booleans, which are text in a CSV."""
    directory = tmp_path_factory.mktemp("columns")
    frame = FRAME.drop(columns="flag").assign(label=Y)
    frame.to_csv(directory / "t.csv", index=False)
    frame.to_parquet(directory / "t.parquet")
    return {"csv": directory / "t.csv", "parquet": directory / "t.parquet", "frame": frame.drop(columns="label")}


def ours(handle_unknown: str = "ignore") -> Pipeline:
    """Parts of all kinds, in another order than the data's."""
    columns = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown=handle_unknown), ["colour", "town"]),
            ("fill", make_pipeline(SimpleImputer(), StandardScaler()), ["num", "half"]),
            ("left out", "drop", ["flag"]),
        ],
        remainder="passthrough",
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(tol=1e-8))])


def theirs() -> Any:
    """The same of scikit-learn."""
    columns = sklearn.compose.ColumnTransformer(
        [
            ("text", sklearn.preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour", "town"]),
            (
                "fill",
                sklearn.pipeline.make_pipeline(sklearn.impute.SimpleImputer(), sklearn.preprocessing.StandardScaler()),
                ["num", "half"],
            ),
            ("left out", "drop", ["flag"]),
        ],
        remainder="passthrough",
    )
    return sklearn.pipeline.Pipeline(
        [("columns", columns), ("model", sklearn.linear_model.LogisticRegression(tol=1e-9, max_iter=10_000))]
    )


@pytest.mark.parametrize("form", FORMS)
def test_columns_in_one_job(form: str) -> None:
    X, strange = FORMS[form](FRAME), FORMS[form](STRANGE)
    model, other = ours().fit(X, Y), theirs().fit(FRAME, Y)
    assert model.memory_report_.plan.peak_bytes > 0
    assert list(model[0].get_feature_names_out()) == list(other[0].get_feature_names_out())
    assert list(model.encoded_feature_names_) == list(other[0].get_feature_names_out())
    assert model[0].output_indices_ == other[0].output_indices_
    assert model[0].sparse_output_ == other[0].sparse_output_
    assert [name for name, _, _ in model[0].transformers_] == [name for name, _, _ in other[0].transformers_]
    assert list(model.feature_names_in_) == NAMES
    np.testing.assert_allclose(model[-1].coef_, other[-1].coef_, atol=1e-4)
    fill = model[0].named_transformers_["fill"]
    np.testing.assert_allclose(fill[1].mean_, other[0].named_transformers_["fill"][1].mean_, atol=1e-7)
    np.testing.assert_allclose(scores(model, X), scores(other, FRAME), atol=1e-4)
    np.testing.assert_allclose(np.asarray(model[:-1].transform(X)), other[:-1].transform(FRAME), atol=1e-7)
    if form != "pyarrow":
        np.testing.assert_allclose(np.asarray(model[0].transform(X)), other[0].transform(FRAME), atol=1e-7)
        plain = model.to_sklearn()
        assert b"skimp" not in pickle.dumps(plain)
        for rows in (X, strange):
            np.testing.assert_allclose(scores(plain, rows), scores(model, rows), atol=1e-7)
            np.testing.assert_array_equal(plain.predict(rows), model.predict(rows))
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(scores(again, X), scores(model, X))


def test_columns_in_one_job_over_files(files: dict[str, Any], tmp_path: Path) -> None:
    frame = files["frame"]
    model = ours()
    model[0].transformers.pop()
    other = clone(model).fit(frame, Y)
    stream = pa.RecordBatchReader.from_stream(pa.Table.from_pandas(frame.assign(label=Y)))
    with skimp.Dataset(files["csv"], target="label") as data:
        for X, y in ((files["csv"], "label"), (str(files["parquet"]), "label"), (stream, "label"), (data, None)):
            own = clone(model).fit(X, y)
            assert own.memory_report_.plan.peak_bytes > 0
            np.testing.assert_array_equal(own.encoded_feature_names_, other.encoded_feature_names_)
            np.testing.assert_allclose(own[-1].coef_, other[-1].coef_, atol=1e-4)
            np.testing.assert_allclose(own.predict_proba(frame), other.predict_proba(frame), atol=1e-5)
            np.testing.assert_array_equal(own.predict(files["csv"]), own.predict(frame))
            assert own.score(files["csv"]) == own.score(frame, Y)
    skimp.save(own, tmp_path / "m")
    loaded = skimp.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(frame), own.predict_proba(frame))
    assert isinstance(loaded[0], ColumnTransformer)
    assert sorted(loaded[-1].coef_[0]) == sorted(own[-1].coef_[0])
    np.testing.assert_allclose(loaded.to_sklearn().predict_proba(frame), own.predict_proba(frame), atol=1e-7)


def test_the_plan_of_columns_holds(files: dict[str, Any]) -> None:
    model = ours()
    model[0].transformers.pop()
    plan = skimp.plan(model, files["csv"], "label")
    with skimp.config_context(max_memory=plan.minimum_bytes):
        tight = clone(model).fit(files["csv"], "label")
    np.testing.assert_array_equal(tight[-1].coef_, model.fit(files["csv"], "label")[-1].coef_)
    with skimp.config_context(max_memory=plan.minimum_bytes // 2), pytest.raises(skimp.BudgetError) as caught:
        clone(model).fit(files["csv"], "label")
    assert caught.value.minimum_bytes <= plan.minimum_bytes


def test_columns_alone_over_files(files: dict[str, Any]) -> None:
    frame = files["frame"]
    columns = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number"))],
        remainder=SimpleImputer(),
    )
    other = clone(columns).fit(frame)
    own = clone(columns).fit(files["csv"], "label")
    assert list(own.get_feature_names_out()) == list(other.get_feature_names_out())
    np.testing.assert_allclose(np.asarray(own.transform(frame)), np.asarray(other.transform(frame)), atol=1e-6)
    data = own.transform(files["csv"])
    assert isinstance(data, skimp.Dataset)
    assert data.shape[0] == N
    assert LogisticRegression().fit(data, Y).score(data, Y) > 0.6
    np.testing.assert_allclose(
        np.asarray(own.to_sklearn().transform(frame)), np.asarray(other.transform(frame)), atol=1e-6
    )
    with pytest.raises(TypeError, match="fitted on arrays"):
        other.transform(files["csv"])


def test_an_encoder_alone_over_files(tmp_path: Path) -> None:
    frame = FRAME[["colour", "town"]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    own, other = OneHotEncoder().fit(tmp_path / "t.csv"), sklearn.preprocessing.OneHotEncoder().fit(frame)
    assert list(own.get_feature_names_out()) == list(other.get_feature_names_out())
    assert [list(map(str, known)) for known in own.categories_] == [
        list(map(str, known)) for known in other.categories_
    ]
    np.testing.assert_array_equal(own.transform(frame).toarray(), other.transform(frame).toarray())
    np.testing.assert_array_equal(own.to_sklearn().transform(frame).toarray(), other.transform(frame).toarray())
    assert isinstance(own.transform(tmp_path / "t.csv"), skimp.Dataset)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, Y)
    assert model.memory_report_.plan.exact is not None
    np.testing.assert_array_equal(model.encoded_feature_names_, other.get_feature_names_out())
    np.testing.assert_allclose(
        scores(model.to_sklearn(), STRANGE[["colour", "town"]]), scores(model, STRANGE[["colour", "town"]])
    )


def test_unknown_categories_can_be_errors() -> None:
    model = ours("error").fit(FRAME, Y)
    np.testing.assert_allclose(scores(model, FRAME), scores(ours().fit(FRAME, Y), FRAME))
    with pytest.raises(ValueError, match="unknown categories in 1 values"):
        model.predict(STRANGE)
    with pytest.raises(ValueError, match="unknown categories"):
        model.to_sklearn().predict(STRANGE)
    warning = ours("warn").fit(FRAME, Y)
    with pytest.warns(UserWarning, match="all zeros"):
        found = warning.predict_proba(STRANGE)
    np.testing.assert_allclose(found, ours().fit(FRAME, Y).predict_proba(STRANGE))


def test_a_frame_may_have_more_columns_in_any_order() -> None:
    model = ours().fit(FRAME, Y)
    mixed = FRAME[FRAME.columns[::-1]].assign(more=1)
    np.testing.assert_array_equal(scores(model, mixed), scores(model, FRAME))
    with pytest.raises(ValueError, match="columns are missing: {'half'}"):
        model.predict(FRAME.drop(columns="half"))


def test_text_that_is_filled_in_or_passed() -> None:
    """Parts that scikit-learn would leave as text are encoded: in the job, and in what it leaves."""
    columns = make_column_transformer(
        (SimpleImputer(strategy="most_frequent"), ["town"]), (SimpleImputer(), ["num"]), remainder="passthrough"
    )
    model = make_pipeline(columns, Ridge(tol=1e-8)).fit(FRAME, Y)
    filled = FRAME.assign(
        town=FRAME["town"].fillna(FRAME["town"].mode()[0]), num=FRAME["num"].fillna(FRAME["num"].mean())
    )
    np.testing.assert_allclose(model.predict(FRAME), Ridge(tol=1e-8).fit(filled, Y).predict(filled), atol=1e-6)
    names = ["simpleimputer-1__town_x", "simpleimputer-1__town_y", "simpleimputer-2__num", "remainder__colour_blue"]
    assert list(model.encoded_feature_names_)[:4] == names
    np.testing.assert_allclose(
        np.asarray(model[0].transform(FRAME)) @ model[-1].coef_ + model[-1].intercept_, model.predict(FRAME)
    )
    for form in ("object", "string", "polars"):
        np.testing.assert_allclose(
            model.to_sklearn().predict(FORMS[form](STRANGE)), model.predict(FORMS[form](STRANGE)), atol=1e-9
        )


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([("a", StandardScaler(), ["half", "count"])], "not in the order of the data"),
        ([("a", StandardScaler(), ["count"]), ("b", MinMaxScaler(), ["count", "half"])], "column 'count' goes to two"),
        ([("a", OneHotEncoder(), ["count"])], "column 'count' holds numbers"),
        ([("a", OneHotEncoder(drop="first"), ["colour"])], "drop='first' of a OneHotEncoder"),
        ([("a", PCA(), ["count", "half"])], "a is PCA, which is no transformer of skimp"),
        ([("a", SimpleImputer(), ["num", "town"])], "works on numbers and text"),
        ([("a", OneHotEncoder(), ["colour"]), ("b", "passthrough", ["town"])], "unknown categories are one thing"),
    ],
)
def test_what_is_no_job_is_refused_over_files(parts: list[Any], why: str, files: dict[str, Any]) -> None:
    model = make_pipeline(ColumnTransformer(parts), Ridge())
    with pytest.raises(TypeError, match=why):
        model.fit(files["csv"], "label")
    with pytest.raises(TypeError, match=why):
        skimp.plan(model, files["csv"], "label")
    assert not hasattr(model, "memory_report_")


def test_what_is_no_job_goes_scikit_learns_way_over_frames() -> None:
    own = make_pipeline(
        ColumnTransformer([("a", OneHotEncoder(), ["count"]), ("b", PCA(1), ["half", "flag"])]), Ridge(tol=1e-8)
    ).fit(FRAME, Y)
    other = sklearn.pipeline.make_pipeline(
        sklearn.compose.ColumnTransformer(
            [("a", sklearn.preprocessing.OneHotEncoder(), ["count"]), ("b", PCA(1), ["half", "flag"])]
        ),
        sklearn.linear_model.Ridge(),
    ).fit(FRAME, Y)
    np.testing.assert_allclose(own.predict(FRAME), other.predict(FRAME), atol=1e-4)
    np.testing.assert_allclose(own.to_sklearn().predict(FRAME), own.predict(FRAME), atol=1e-9)
    assert not hasattr(own, "memory_report_")
    assert own.n_features_in_ == 6


def test_steps_after_columns_are_refused_over_files(files: dict[str, Any]) -> None:
    columns = ColumnTransformer([("text", OneHotEncoder(), ["colour", "town"]), ("num", SimpleImputer(), ["num"])])
    with pytest.raises(TypeError, match="put it into the ColumnTransformer"):
        make_pipeline(columns, MaxAbsScaler(), Ridge()).fit(files["csv"], "label")
    assert make_pipeline(columns, MaxAbsScaler(), Ridge()).fit(FRAME, Y).score(FRAME, Y) > 0


def test_columns_in_searches() -> None:
    grid = {"model__C": [0.01, 1], "columns__fill__simpleimputer__strategy": ["mean", "median"]}
    own, other = GridSearchCV(ours(), grid, cv=3).fit(FRAME, Y), GridSearchCV(theirs(), grid, cv=3).fit(FRAME, Y)
    np.testing.assert_allclose(own.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"], atol=1e-9)


def test_columns_of_arrays_by_place() -> None:
    X = FRAME[["count", "half", "flag"]].to_numpy(np.float64)
    own = make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [1]), ("b", "drop", [0])], remainder="passthrough"), Ridge(tol=1e-8)
    )
    own.fit(X, Y)
    other = skimp.from_sklearn(
        sklearn.pipeline.make_pipeline(
            sklearn.compose.ColumnTransformer(
                [("a", sklearn.preprocessing.StandardScaler(), [1]), ("b", "drop", [0])], remainder="passthrough"
            ),
            sklearn.linear_model.Ridge(),
        )
    ).fit(X, Y)
    assert own.n_features_in_ == 3
    assert list(own.encoded_feature_names_) == ["a__x1", "remainder__x2"]
    np.testing.assert_allclose(own.predict(X), other.predict(X), atol=1e-5)
    np.testing.assert_allclose(own.to_sklearn().predict(X), own.predict(X), atol=1e-9)
    with pytest.raises(ValueError, match="X has 2 features"):
        own.predict(X[:, :2])


def test_names_of_wide_columns_over_files(tmp_path: Path) -> None:
    """The rows of a file through more features than models list names of."""
    texts = [f"a category with quite a long name {i:05d}" for i in range(30000)]
    frame = pd.DataFrame({"x": np.arange(30000.0), "t": texts})
    frame.to_csv(tmp_path / "t.csv", index=False)
    columns = ColumnTransformer([("text", OneHotEncoder(), ["t"])], remainder=StandardScaler()).fit(tmp_path / "t.csv")
    assert "feature_names" not in columns._job._skimp.meta
    assert columns.get_feature_names_out()[0] == f"text__t_{texts[0]}"
    with columns.transform(tmp_path / "t.csv") as data:
        assert data.columns == ["x", "t"]
        assert data.shape == (30000, 2)


COMMANDS = {
    "numbers": ["-s", "simple_imputer", "-s", "standard_scaler"],
    "chosen": ["-s", "simple_imputer@num", "-s", "standard_scaler@num"],
    "indicators": [
        "-s",
        "simple_imputer@num",
        "-p",
        "simple_imputer__add_indicator=true",
        "-s",
        "min_max_scaler@count",
    ],
    "text": ["-s", "simple_imputer", "-s", "simple_imputer@text", "-p", "simple_imputer-2__strategy=most_frequent"],
    "both": [
        *("-s", "simple_imputer@num", "-s", "simple_imputer@town", "-p", "simple_imputer-2__strategy=constant"),
        *("-p", "simple_imputer-2__fill_value=none", "-s", "min_max_scaler@half"),
    ],
    "overlapping": ["-s", "simple_imputer@num", "-s", "standard_scaler@num,half"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_models_of_the_command_with_steps_on_columns(name: str, files: dict[str, Any], tmp_path: Path, command: str) -> None:
    path = files["csv"]
    fit = ["fit", "logistic_regression", path, "-t", "label", *COMMANDS[name], "-o", tmp_path / "m", "-q"]
    subprocess.run([command, *fit], check=True)
    loaded = skimp.load(tmp_path / "m")
    skimp.save(loaded, tmp_path / "p")
    for model in ("m", "p"):
        predict = ["predict", tmp_path / model, path, "--proba", "-o", tmp_path / f"{model}.csv", "-q"]
        subprocess.run([command, *predict], check=True)
    own = loaded.predict_proba(path)
    assert (tmp_path / "m.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "m.csv").to_numpy()[:, 1:].astype(float), own)
    np.testing.assert_array_equal(skimp.load(tmp_path / "p").predict_proba(path), own)
    assert len(loaded.encoded_feature_names_) == loaded[-1].coef_.shape[1]
    assert isinstance(loaded[0], ColumnTransformer) == (name not in ("numbers", "overlapping"))
    if name == "overlapping":
        with pytest.raises(ValueError, match="no ColumnTransformer tells apart"):
            loaded.to_sklearn()
    else:
        np.testing.assert_allclose(loaded.to_sklearn().predict_proba(files["frame"]), own, atol=1e-7)


def test_from_scikit_learn_with_parts_within_parts() -> None:
    within = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.PowerTransformer(), sklearn.preprocessing.StandardScaler()
    )
    parts = [
        ("n", within, sklearn.compose.make_column_selector(dtype_include="number")),
        ("p", "passthrough", ["town"]),
    ]
    columns = sklearn.compose.ColumnTransformer(
        parts, remainder=sklearn.preprocessing.OneHotEncoder(handle_unknown="ignore")
    )
    given = sklearn.pipeline.make_pipeline(columns, PCA(), sklearn.linear_model.Ridge(alpha=3))
    with pytest.warns(UserWarning) as told:
        own = skimp.from_sklearn(given)
    assert [str(warning.message) for warning in told] == [
        "skimp does not have, and leaves as they are: columntransformer__n__powertransformer (PowerTransformer), pca (PCA); "
        "with them, data is arrays and frames, not files"
    ]
    assert isinstance(own, Pipeline)
    assert isinstance(own[0].remainder, OneHotEncoder)
    assert own[0].remainder.handle_unknown == "ignore"
    assert isinstance(own[0].transformers[0][1][1], StandardScaler)
    assert own[0].transformers[1][1:] == ("passthrough", ["town"])
    assert own[-1].alpha == 3
    assert type(given[0].remainder) is sklearn.preprocessing.OneHotEncoder
    again = skimp.from_sklearn(theirs())
    np.testing.assert_allclose(scores(again.fit(FRAME, Y), FRAME), scores(theirs().fit(FRAME, Y), FRAME), atol=1e-3)
    assert again.memory_report_.plan.peak_bytes > 0


def test_transformers_of_text_alone(files: dict[str, Any]) -> None:
    """Fitted over files they encode text too, and say so; their features keep their order elsewhere."""
    frame = files["frame"]
    encoded = [name for name in ENCODED if name != "flag"]
    for own in (SimpleImputer(), make_pipeline(SimpleImputer(), StandardScaler()), make_pipeline(StandardScaler())):
        own.fit(files["csv"], "label")
        assert list(own.get_feature_names_out()) == list(own.encoded_feature_names_) == encoded
        expected = own.transform(frame)
        assert list(expected.columns) == encoded
        np.testing.assert_allclose(own.to_sklearn().transform(frame), expected, atol=1e-6)
        assert len(own.to_sklearn().get_feature_names_out()) == len(encoded)
        data = own.transform(files["csv"])
        assert data.columns == list(frame.columns)


def test_arrays_of_objects_are_scikit_learns_matter() -> None:
    X = FRAME[["colour", "town"]].to_numpy(object)
    with pytest.raises(ValueError, match="could not convert string to float"):
        make_pipeline(SimpleImputer(), Ridge()).fit(X, Y)
    model = make_pipeline(ColumnTransformer([("text", OneHotEncoder(), [0, 1])]), Ridge(tol=1e-8)).fit(X, Y)
    np.testing.assert_allclose(model.to_sklearn().predict(X), model.predict(X), atol=1e-9)


def test_fitted_anew_on_other_columns() -> None:
    model = make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["count", "colour"]], Y)
    model.fit(FRAME[["count", "half"]].to_numpy(), Y)
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")
    assert not hasattr(model[-1], "feature_names_in_")
    assert list(model.encoded_feature_names_) == ["x0", "x1"]


# ---- scikit-learn's checks ----


@pytest.mark.parametrize(
    "make",
    [
        lambda package: package["columns"]([("scale", package["scaler"](), [0, 1])]),
        lambda package: package["pipeline"](package["scaler"](), package["ridge"]()),
        lambda package: package["pipeline"](
            package["columns"]([("scale", package["scaler"](), [0])], remainder="passthrough"), package["ridge"]()
        ),
    ],
    ids=["columns", "pipeline", "both"],
)
def test_no_check_fails_but_those_that_scikit_learns_fail(make: Any) -> None:
    def failed(**package: Any) -> set[str]:
        checks = check_estimator(make(package), on_skip=None, on_fail=None)
        assert len(checks) > 40
        return {check["check_name"] for check in checks if check["status"] == "failed"}

    own = failed(columns=ColumnTransformer, scaler=StandardScaler, pipeline=make_pipeline, ridge=Ridge)
    assert own <= failed(
        columns=sklearn.compose.ColumnTransformer,
        scaler=sklearn.preprocessing.StandardScaler,
        pipeline=sklearn.pipeline.make_pipeline,
        ridge=sklearn.linear_model.Ridge,
    )


# ---- going on ----


@pytest.mark.parametrize("columns", [False, True])
def test_warm_start_of_the_last_step(columns: bool) -> None:
    """It goes on from its coefficients; the steps before it are fitted anew."""

    def make(**params: Any) -> Pipeline:
        last = LogisticRegression(**params)
        if not columns:
            return make_pipeline(SimpleImputer(), StandardScaler(), last)
        return Pipeline([("columns", ours()[0]), ("last", last)])

    cold = make(tol=1e-8).fit(FRAME, Y)
    warm = make(tol=1e-8, warm_start=True).fit(FRAME, Y)
    np.testing.assert_array_equal(warm[-1].coef_, cold[-1].coef_)
    first = warm[-1].n_iter_[0]
    warm.fit(FRAME, Y)
    assert warm[-1].n_iter_[0] < first
    np.testing.assert_allclose(warm[-1].coef_, cold[-1].coef_, atol=1e-4)
    half = FRAME[:150]
    scaler = warm.fit(half, Y[:150])[0]
    scaler = scaler.named_transformers_["fill"][1] if columns else warm[1]
    assert scaler.n_samples_seen_ == 150
    expected = (half[["num"]].fillna(half["num"].mean())).to_numpy().mean()
    np.testing.assert_allclose(scaler.mean_[0], expected, atol=1e-7)
    assert not hasattr(warm, "partial_fit")
