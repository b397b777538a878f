# SPDX-License-Identifier: BSD-3-Clause
"""What goes from scikit-learn's estimators to skimp's and back: settings, encoders of text, and what cannot go."""

import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest
import sklearn
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skimp
from skimp import Incremental
from skimp.impute import SimpleImputer
from skimp.preprocessing import OneHotEncoder


@pytest.fixture
def frame() -> pandas.DataFrame:
    """Numbers and texts in turn; the numbers have few digits, so that a store keeps them as they are."""
    random, n = np.random.RandomState(0), 400
    found = pandas.DataFrame(
        {
            "a": random.randint(-8, 9, n) / 4,
            "b": random.choice(["x", "y", "zé"], n).astype(object),
            "c": random.randint(-8, 9, n) / 4,
            "d": random.randint(-8, 9, n) / 4,
            "e": random.choice(["p", "q"], n).astype(object),
        }
    )
    found["y"] = ((found.a > 0) ^ (found.b == "x")).astype(int)
    return found


# ---- Incremental -----------------------------------------------------------------------------------------------------


def test_incremental_takes_its_encoder_along(frame: pandas.DataFrame, tmp_path: Path) -> None:
    path = str(tmp_path / "k.csv")
    frame.loc[::50, "b"] = None
    frame.to_csv(path, index=False)
    model = Incremental(SGDClassifier(random_state=0)).fit(path, "y")
    X = frame.drop(columns="y")
    X.loc[3, "e"] = "never seen"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = model.to_sklearn()
        assert type(plain) is Pipeline and type(plain[-1]) is SGDClassifier
        np.testing.assert_allclose(plain.decision_function(X), model.decision_function(X), rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(plain.decision_function(X[list("edcba")]), model.decision_function(X), atol=1e-9)
    encoded = plain[0].transform(X)
    assert list(plain[0].get_feature_names_out()) == list(model.encoded_feature_names_)
    assert encoded[3, 6:].tolist() == [0, 0]  # unknown
    assert encoded[50, 1:4].tolist() == [0, 0, 0]  # missing
    assert encoded[51, 1:4].sum() == 1
    clone(plain).fit(X, frame.y)


def test_incremental_takes_an_encoder_of_many_texts_along(tmp_path: Path) -> None:
    random = np.random.RandomState(1)
    X = pandas.DataFrame({"t": [f"t{i % 5000}" for i in range(6000)], "n": random.randint(0, 9, 6000) / 2})
    model = Incremental(SGDClassifier(random_state=0)).fit(X, np.arange(6000) % 2)
    plain = model.to_sklearn()
    assert hasattr(plain[0].transform(X), "indptr")
    np.testing.assert_allclose(plain.decision_function(X), model.decision_function(X), atol=1e-9)


def test_incremental_over_numbers_stays_the_estimator(frame: pandas.DataFrame) -> None:
    model = Incremental(GaussianNB()).fit(frame[["a", "c"]], frame.y)
    assert model.to_sklearn() is model.estimator_


def test_incremental_forgets_texts_of_an_earlier_fit(frame: pandas.DataFrame) -> None:
    model = Incremental(GaussianNB()).fit(frame.drop(columns="y"), frame.y)
    X, y = frame[["a", "c"]].to_numpy(), frame.y.to_numpy()
    model.fit(lambda: iter([(X, y)]))
    assert type(model.to_sklearn()) is GaussianNB
    assert (model.predict(X) == model.to_sklearn().predict(X)).all()


def test_fit_and_use_at_once(tmp_path: Path) -> None:
    X = np.random.RandomState(0).randint(-8, 9, (500, 5)) / 4
    reduce = Incremental(IncrementalPCA(2))
    assert (reduce.fit_transform(X) == clone(reduce).fit(X).transform(X)).all()
    group = Incremental(MiniBatchKMeans(3, random_state=0, n_init=1))
    wanted = clone(group).fit(iter([X[:200], X[200:]])).predict(X)
    assert (group.fit_predict(iter([X[:200], X[200:]])) == wanted).all()  # which are there once
    assert not hasattr(Incremental(GaussianNB()), "fit_transform")
    assert not hasattr(Incremental(GaussianNB()), "fit_predict")


def test_plan_of_an_incremental_says_why_there_is_none(frame: pandas.DataFrame) -> None:
    with pytest.raises(TypeError, match=r"no plan of Incremental\(GaussianNB.*its own.*A chunk has at most"):
        skimp.plan(Incremental(GaussianNB()), frame[["a"]], frame.y)


# ---- set_output and metadata requests --------------------------------------------------------------------------------


def _told() -> Pipeline:
    scale, last = StandardScaler(), LogisticRegression()
    with sklearn.config_context(enable_metadata_routing=True):
        scale.set_fit_request(sample_weight=True)
        last.set_fit_request(sample_weight="mass")
    return make_pipeline(scale, last).set_output(transform="pandas")


def test_requests_go_there_and_back(frame: pandas.DataFrame) -> None:
    theirs = _told()
    own = skimp.from_sklearn(theirs)
    back = own.fit(frame[["a", "c"]], frame.y).to_sklearn()
    for i, wanted in ((0, {"sample_weight": True}), (1, {"sample_weight": "mass"})):
        assert own[i].get_metadata_routing().fit.requests == back[i].get_metadata_routing().fit.requests == wanted
        assert vars(own[i])["_metadata_request"] is not vars(theirs[i])["_metadata_request"]


@pytest.mark.parametrize(("columns", "has_two"), [("acd", False), ("acd", True), ("abcde", True)])
def test_output_goes_there_and_back(frame: pandas.DataFrame, columns: str, has_two: bool) -> None:
    X = frame[list(columns)]
    theirs = make_pipeline(StandardScaler(), StandardScaler()) if has_two else StandardScaler()
    own = skimp.from_sklearn(theirs.set_output(transform="pandas")).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = own.to_sklearn().transform(X)
    assert isinstance(found, pandas.DataFrame)
    pandas.testing.assert_frame_equal(found, own.transform(X))


def test_output_of_a_model_goes_back(frame: pandas.DataFrame) -> None:
    for columns in (list("acd"), list("abcde")):
        own = skimp.from_sklearn(_told()).fit(frame[columns], frame.y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (own.to_sklearn().predict(frame[columns]) == own.predict(frame[columns])).all()


def test_output_of_columns_goes_there_and_back(frame: pandas.DataFrame) -> None:
    X = frame[list("acd")]
    theirs = make_column_transformer((StandardScaler(), ["a", "c"]), remainder="passthrough").set_output(transform="pandas")
    own = skimp.from_sklearn(theirs).fit(X)
    pandas.testing.assert_frame_equal(own.transform(X), theirs.fit_transform(X))
    pandas.testing.assert_frame_equal(own.to_sklearn().transform(X), theirs.transform(X))


def test_output_of_an_encoder_goes_back(frame: pandas.DataFrame, tmp_path: Path) -> None:
    X = frame[["b", "e"]]
    X.to_csv(tmp_path / "k.csv", index=False)
    own = OneHotEncoder(sparse_output=False).set_output(transform="pandas").fit(str(tmp_path / "k.csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pandas.testing.assert_frame_equal(own.to_sklearn().transform(X[::-1]), own.transform(X[::-1]))


# ---- model files -----------------------------------------------------------------------------------------------------


def test_why_an_imputer_of_objects_is_no_model_file(frame: pandas.DataFrame, tmp_path: Path) -> None:
    X = frame.drop(columns="y")
    imputer = SimpleImputer(strategy="most_frequent").fit(X)
    with pytest.raises(TypeError, match="this SimpleImputer was fitted in Python, column by column.*fit it on a file"):
        skimp.save(imputer, tmp_path / "m.safetensors")
    X.to_csv(tmp_path / "k.csv", index=False)
    skimp.save(imputer.fit(str(tmp_path / "k.csv")), tmp_path / "m.safetensors")
    assert type(skimp.load(tmp_path / "m.safetensors")) is SimpleImputer
