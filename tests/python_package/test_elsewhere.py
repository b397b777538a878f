# SPDX-License-Identifier: BSD-3-Clause
"""Models from and to elsewhere: scikit-learn's objects, and the command's model files."""

import subprocess
from pathlib import Path

import numpy as np
import pandas
import pytest
import sklearn.compose
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError

import skimp
from skimp.impute import SimpleImputer
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from skimp.pipeline import make_pipeline
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
PREDICTORS = [
    (LogisticRegression(), IRIS),
    (LogisticRegression(), load_breast_cancer(return_X_y=True)),
    (SGDClassifier(loss="log_loss"), IRIS),
    (LinearRegression(), DIABETES),
    (Ridge(), DIABETES),
    (SGDRegressor(), DIABETES),
]


@pytest.mark.parametrize(("estimator", "data"), PREDICTORS, ids=lambda value: type(value).__name__)
def test_predictors_to_scikit_learn(estimator, data) -> None:
    X, y = data
    fitted = estimator.fit(X, y)
    other = fitted.to_sklearn()
    assert type(other).__module__.startswith("sklearn.linear_model")
    assert type(other).__name__ == type(fitted).__name__
    assert other.get_params() == fitted.get_params()
    if hasattr(fitted, "predict_proba"):
        np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
        np.testing.assert_allclose(other.predict_proba(X), fitted.predict_proba(X), atol=1e-12)
    else:
        np.testing.assert_allclose(other.predict(X), fitted.predict(X), rtol=1e-10)


@pytest.mark.parametrize("estimator", [StandardScaler(), MinMaxScaler(clip=True), MaxAbsScaler(), SimpleImputer(add_indicator=True)])
def test_transformers_to_scikit_learn(estimator) -> None:
    X = DIABETES[0].copy()
    X[::5, 2] = np.nan
    fitted = estimator.fit(X)
    other = fitted.to_sklearn()
    assert type(other).__module__.startswith("sklearn")
    np.testing.assert_allclose(other.transform(2 * X), fitted.transform(2 * X), atol=1e-12)


def test_text_columns_to_scikit_learn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "size": random.normal(size=400),
            "colour": random.choice(["red", "green", "blue"], size=400),
            "age": random.normal(size=400),
            "town": random.choice(["a", "b", None], size=400),
        }
    )
    frame["label"] = (frame["size"] + (frame["colour"] == "red") + random.logistic(size=400) > 0.5).astype(int)
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    fitted = LogisticRegression().fit(path, "label")
    other = fitted.to_sklearn()
    assert isinstance(other, sklearn.pipeline.Pipeline)
    features = frame.drop(columns="label").astype({"town": object})
    np.testing.assert_allclose(other.predict_proba(features), fitted.predict_proba(path), atol=1e-12)
    features.loc[0, "colour"] = "violet"
    assert np.isfinite(other.predict_proba(features)).all()


def test_pipelines_to_scikit_learn() -> None:
    X, y = IRIS
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    other = fitted.to_sklearn()
    assert type(other) is sklearn.pipeline.Pipeline
    assert type(other[0]) is sklearn.preprocessing.StandardScaler
    np.testing.assert_allclose(other.predict_proba(X), fitted.predict_proba(X), atol=1e-12)
    with pytest.raises(NotFittedError):
        LogisticRegression().to_sklearn()


def test_from_scikit_learn() -> None:
    theirs = sklearn.pipeline.Pipeline(
        [
            (
                "columns",
                sklearn.compose.ColumnTransformer([("scale", sklearn.preprocessing.StandardScaler(with_mean=False), [0, 1])]),
            ),
            ("model", sklearn.linear_model.LogisticRegression(C=3)),
        ]
    )
    own = skimp.from_sklearn(theirs)
    assert type(own).__module__ == "skimp.pipeline"
    assert type(own[0]).__module__ == "skimp.compose"
    assert own.get_params()["columns__scale__with_mean"] is False
    assert own.get_params()["model__C"] == 3
    assert type(own[1]).__module__ == "skimp.linear_model"
    X, y = IRIS
    np.testing.assert_allclose(own.fit(X, y).predict_proba(X), theirs.fit(X, y).predict_proba(X), atol=1e-3)


def test_what_could_not_be_turned_is_named() -> None:
    theirs = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), RandomForestClassifier(n_estimators=3))
    with pytest.warns(UserWarning, match=r"randomforestclassifier \(RandomForestClassifier\)"):
        own = skimp.from_sklearn(theirs)
    assert type(own[0]).__module__ == "skimp.preprocessing"
    assert type(own[1]) is RandomForestClassifier
    X, y = IRIS
    assert own.fit(X, y).score(X, y) > 0.9


# ---- model files ----


@pytest.mark.parametrize(("estimator", "data"), PREDICTORS, ids=lambda value: type(value).__name__)
def test_saved_and_loaded(estimator, data, tmp_path: Path) -> None:
    X, y = data
    fitted = estimator.fit(X, y)
    skimp.save(fitted, tmp_path / "m.safetensors")
    loaded = skimp.load(tmp_path / "m.safetensors")
    assert repr(loaded) == repr(fitted)
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(loaded.coef_, fitted.coef_)


def test_pipelines_saved_and_loaded(tmp_path: Path) -> None:
    X, y = IRIS
    fitted = make_pipeline(StandardScaler(), MinMaxScaler(feature_range=(0, 2)), LogisticRegression(C=2.5)).fit(X, y)
    skimp.save(fitted, tmp_path / "m")
    loaded = skimp.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert loaded[1].feature_range == (0, 2)
    assert loaded[2].C == 2.5
    scaler = StandardScaler().fit(X)
    skimp.save(scaler, tmp_path / "s")
    np.testing.assert_array_equal(skimp.load(tmp_path / "s").transform(X), scaler.transform(X))


def test_the_command_and_python_share_models(tmp_path: Path, command: str) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    path = tmp_path / "t.csv"
    frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    frame.assign(label=y).to_csv(path, index=False)
    run = [command, "fit", "logistic_regression", path, "-t", "label", "-s", "standard_scaler", "-o", tmp_path / "m", "-q"]
    subprocess.run(run, check=True)
    loaded = skimp.load(tmp_path / "m")
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(path, "label")
    np.testing.assert_array_equal(loaded[-1].coef_, fitted[-1].coef_)
    np.testing.assert_array_equal(loaded.predict_proba(path), fitted.predict_proba(path))
    skimp.save(fitted, tmp_path / "p")
    for model in ("m", "p"):
        subprocess.run([command, "predict", tmp_path / model, path, "--proba", "-o", tmp_path / f"{model}.csv", "-q"], check=True)
    assert (tmp_path / "m.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    np.testing.assert_array_equal(pandas.read_csv(tmp_path / "m.csv").to_numpy()[:, 1:], fitted.predict_proba(path))


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(skimp.DataError):
        skimp.load(tmp_path / "m")
    with pytest.raises(OSError, match="No such file"):
        skimp.load(tmp_path / "none")
    with pytest.raises(TypeError, match="no estimator of skimp"):
        skimp.save(sklearn.linear_model.Ridge(), tmp_path / "r")
