# SPDX-License-Identifier: BSD-3-Clause
"""simple_imputer against scikit-learn's: columns it drops, indicators it adds, text columns; through fit, predict and score."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from run_skimp import EXIT_DATA, EXIT_USAGE, ok, predictions, skimp, tensors

STRATEGIES = ["mean", "median", "most_frequent", "constant"]


def make_frame(n: int, seed: int) -> pd.DataFrame:
    """Numbers a, b (holes), c; e without any value; text u (holes), v (holes, ties), w (none missing); y."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": random.integers(-40, 40, size=n) / 8,
            "u": random.choice(["red", "green", "blue", "dark, blue"], size=n, p=[0.2, 0.4, 0.3, 0.1]),
            "b": random.integers(0, 12, size=n).astype(float),
            "e": np.full(n, np.nan),
            "v": np.resize(["zoe", "ann", "max"], n),
            "c": random.integers(-800, 800, size=n) / 64,
            "w": random.choice(["x", "y"], size=n),
        }
    )
    score = frame["a"] - frame["b"] / 4 + (frame["u"] == "red") * 2 + (frame["w"] == "x") + random.logistic(size=n)
    for name, share in (("a", 0.15), ("b", 0.1), ("u", 0.2), ("v", 0.1)):
        hole = random.random(n) < share
        score += hole * 0.7
        frame[name] = frame[name].mask(hole)
    frame["v"] = frame["v"].where(frame["v"].notna() & (frame.index < n // 3 * 3))
    frame["y"] = (score > score.median()).astype(int)
    return frame


@pytest.fixture(scope="module")
def train() -> pd.DataFrame:
    return make_frame(1200, 50)


@pytest.fixture(scope="module")
def test() -> pd.DataFrame:
    """New rows: holes where training had none, a text that it never saw, values in a column that had none."""
    frame = make_frame(300, 51)
    frame.loc[3, "c"] = np.nan
    frame.loc[4, "w"] = None
    frame.loc[5, "u"] = "purple"
    frame.loc[6:20, "e"] = 7.0
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def names_and_coef(model: Path) -> dict[str, float]:
    names = ok("info", model, "--json").json["metadata"]["feature_names"]
    return dict(zip(names, tensors(model)["coef_"].ravel(), strict=True))


def fit_ours(train: pd.DataFrame, directory: Path, *words: object, estimator: str = "ridge") -> Path:
    path = write(train, directory / "train.csv")
    ok("fit", estimator, path, "-t", "y", "-o", directory / "m", "-q", *words)
    return directory / "m"


def predict_ours(model: Path, frame: pd.DataFrame, directory: Path, *words: object) -> np.ndarray:
    path = write(frame, directory / "new.csv")
    ok("predict", model, path, "-o", directory / "p.csv", "-q", *words)
    return predictions(directory / "p.csv")[1][:, -1]


def encoder() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def peer_of(columns: list[tuple[str, Any, list[str]]], estimator: Any, train: pd.DataFrame) -> tuple[Any, dict[str, float]]:
    """A pipeline of scikit-learn's and its coefficients by feature."""
    pipeline = make_pipeline(ColumnTransformer(columns, verbose_feature_names_out=False), estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(train.drop(columns="y"), train["y"])
        names = pipeline[0].get_feature_names_out()
    return pipeline, dict(zip(names, np.ravel(pipeline[-1].coef_), strict=True))


def peer_predictions(peer: Any, frame: pd.DataFrame) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(peer.predict(frame.drop(columns="y")))


def assert_same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert set(ours) == set(theirs)
    np.testing.assert_allclose([ours[name] for name in theirs], list(theirs.values()), rtol=1e-6, atol=1e-8)


NUMBERS = ["a", "b", "e", "c"]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("keep_empty", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_indicators_and_empty_columns(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path, strategy: str, keep_empty: bool, scaled: bool) -> None:
    columns = [*NUMBERS, "y"]
    train, test = train[columns], test[columns]
    more = ["--step", "standard_scaler"] if scaled else []
    model = fit_ours(
        train, tmp_path, "--step", "simple_imputer", "-p", f"simple_imputer__strategy={strategy}", "-p", "simple_imputer__add_indicator=true",
        "-p", f"simple_imputer__keep_empty_features={keep_empty}", *more,
    )  # fmt: skip
    imputer = SimpleImputer(strategy=strategy, add_indicator=True, keep_empty_features=keep_empty)
    peer, coef = peer_of([("n", make_pipeline(imputer, StandardScaler()) if scaled else imputer, NUMBERS)], Ridge(), train)
    ours = names_and_coef(model)
    assert_same(ours, coef)
    assert list(ours) == list(coef)  # in scikit-learn's order too
    assert list(ours)[: 4 if keep_empty else 3] == [name for name in NUMBERS if keep_empty or name != "e"]
    assert list(ours)[-3:] == ["missingindicator_a", "missingindicator_b", "missingindicator_e"]
    found = tensors(model)
    fitted = peer[0].transformers_[0][1]
    fitted = fitted[0] if scaled else fitted
    np.testing.assert_allclose(found["0.simple_imputer.statistics_"], fitted.statistics_.astype(float))
    np.testing.assert_array_equal(found["0.simple_imputer.indicator_.features_"], fitted.indicator_.features_)
    np.testing.assert_allclose(predict_ours(model, test, tmp_path), peer_predictions(peer, test), atol=1e-6)
    score = ok("score", model, tmp_path / "new.csv", "--json").json
    assert score["metrics"]["r2"] == pytest.approx(r2_score(test["y"], peer_predictions(peer, test)), abs=1e-6)


def test_one_warning_names_the_columns_that_go(train: pd.DataFrame, tmp_path: Path) -> None:
    frame = train[["a", "e", "y"]].assign(f=np.nan, g=np.nan)
    path = write(frame, tmp_path / "train.csv")
    found = ok("fit", "ridge", path, "-t", "y", "--step", "simple_imputer", "-o", tmp_path / "m", "--json").json
    assert found["warnings"] == ["columns without any value are left out: e, f, g"]
    assert found["features"] == 1
    assert list(names_and_coef(tmp_path / "m")) == ["a"]
    found = ok(
        "fit", "ridge", path, "-t", "y", "--step", "simple_imputer", "-p", "simple_imputer__keep_empty_features=true", "-o", tmp_path / "m", "--json"
    ).json
    assert not any("left out" in warning for warning in found["warnings"])
    assert found["features"] == 4
    result = skimp("fit", "ridge", write(train[["e", "y"]], tmp_path / "empty.csv"), "-t", "y", "--step", "simple_imputer", "-o", tmp_path / "n")
    assert result.code == EXIT_DATA
    assert "no feature" in result.err
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("number", [0, -1])
def test_a_number_that_stands_for_missing(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path, number: int) -> None:
    columns = ["a", "b", "c", "y"]
    train, test = (frame[columns].fillna(number) for frame in (train, test))
    model = fit_ours(
        train, tmp_path, "--step", "simple_imputer", "-p", f"simple_imputer__missing_values={number}", "-p", "simple_imputer__add_indicator=true",
        "-p", "simple_imputer__strategy=median",
    )  # fmt: skip
    peer, coef = peer_of([("n", SimpleImputer(missing_values=number, strategy="median", add_indicator=True), ["a", "b", "c"])], Ridge(), train)
    assert_same(names_and_coef(model), coef)
    np.testing.assert_allclose(predict_ours(model, test, tmp_path), peer_predictions(peer, test), atol=1e-6)


def test_added_columns_go_on(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path) -> None:
    """Steps on named columns; one after another that adds columns; columns in between that no step touches."""
    columns = ["a", "b", "c", "e", "y"]
    train, test = train[columns], test[columns].assign(e=np.nan, c=test["c"].fillna(1))
    words = [
        "--step", "simple_imputer@b,a", "-p", "simple_imputer__add_indicator=true", "--step", "standard_scaler@c",
        "--step", "simple_imputer", "-p", "simple_imputer-2__add_indicator=true", "--step", "max_abs_scaler@e,b",
    ]  # fmt: skip
    model = fit_ours(train, tmp_path, *words)
    peer, coef = peer_of(
        [
            ("n", SimpleImputer(add_indicator=True), ["a", "b"]),
            ("c", StandardScaler(), ["c"]),
            ("e", SimpleImputer(add_indicator=True), ["e"]),
        ],
        Ridge(),
        train,
    )
    # Scaling b moves its coefficient alone when nothing is penalised.
    ours = names_and_coef(model)
    assert set(ours) == set(coef)
    assert list(ours) == ["a", "b", "c", "missingindicator_a", "missingindicator_b", "missingindicator_e"]
    free = fit_ours(train, tmp_path, *words, estimator="linear_regression")
    from sklearn.linear_model import LinearRegression

    peer, coef = peer_of(
        [("n", SimpleImputer(add_indicator=True), ["a", "b"]), ("c", StandardScaler(), ["c"]), ("e", SimpleImputer(add_indicator=True), ["e"])],
        LinearRegression(),
        train,
    )
    ours = names_and_coef(free)
    coef["b"] *= train["b"].abs().max()
    del ours["missingindicator_e"], coef["missingindicator_e"]  # constant: no coefficient of its own
    assert_same(ours, coef)
    np.testing.assert_allclose(predict_ours(free, test, tmp_path), peer_predictions(peer, test), atol=1e-6)


TEXTS = ["u", "v", "w"]


@pytest.mark.parametrize(
    ("strategy", "given"), [("most_frequent", None), ("constant", None), ("constant", "zoe"), ("constant", "~last"), ("constant", "0 first")]
)
def test_text(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path, strategy: str, given: str | None) -> None:
    columns = ["c", *TEXTS, "y"]
    train, test = train[columns], test[columns].assign(c=test["c"].fillna(0))
    fill = [] if given is None else ["-p", f"simple_imputer__fill_value={given}"]
    model = fit_ours(train, tmp_path, "--step", "simple_imputer@text", "-p", f"simple_imputer__strategy={strategy}", *fill)
    imputer = SimpleImputer(strategy=strategy, **({} if given is None else {"fill_value": given}))
    objects = train.astype({name: object for name in TEXTS})
    peer, coef = peer_of([("t", make_pipeline(imputer, encoder()), TEXTS), ("c", "passthrough", ["c"])], Ridge(), objects)
    fitted = peer[0].transformers_[0][1]
    ours = names_and_coef(model)
    assert_same(ours, coef)
    found = tensors(model)
    assert found["0.simple_imputer.statistics_"].tobytes().decode() == "".join(f"{text}\0" for text in fitted[0].statistics_)
    if strategy == "most_frequent":
        counts = train["v"].value_counts()
        assert counts["ann"] == counts.max() or fitted[0].statistics_[1] != "ann"
    for n, categories in enumerate(fitted[1].categories_):
        assert found[f"categories.{n}"].tobytes().decode() == "".join(f"{text}\0" for text in categories)
    assert not found["category_missing"].any()
    np.testing.assert_allclose(predict_ours(model, test, tmp_path), peer_predictions(peer, test.astype({name: object for name in TEXTS})), atol=1e-6)
    # Unseen: purple, and the constant in w, which no row of training got.
    unknown = 1 + (strategy == "constant")
    assert ok("score", model, tmp_path / "new.csv", "--json").json["unknown_categories"] == unknown


def test_ties_go_to_the_first_text(tmp_path: Path) -> None:
    """As many of each, in an order that no dictionary has by chance."""
    texts = ["zoe", "max", "ann", "Émile", "zoe", "ann", "Émile", "max", None, None]
    frame = pd.DataFrame({"t": texts, "y": np.arange(10.0)})
    model = fit_ours(frame, tmp_path, "--step", "simple_imputer@t", "-p", "simple_imputer__strategy=most_frequent")
    peer = SimpleImputer(strategy="most_frequent").fit(frame[["t"]].astype(object))
    assert tensors(model)["0.simple_imputer.statistics_"].tobytes().decode() == f"{peer.statistics_[0]}\0" == "ann\0"


def test_text_with_indicators_and_a_text_for_missing(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path) -> None:
    columns = ["c", *TEXTS, "y"]
    train, test = (frame[columns].fillna({"u": "?", "v": "?", "w": "?", "c": 0.0}) for frame in (train, test))
    model = fit_ours(
        train, tmp_path, "--step", "simple_imputer@text", "-p", "simple_imputer__strategy=most_frequent", "-p", "simple_imputer__missing_values=?",
        "-p", "simple_imputer__add_indicator=true",
    )  # fmt: skip
    # scikit-learn's own indicator would be encoded as text: here it is a number, as beside numbers.
    imputer = SimpleImputer(strategy="most_frequent", missing_values="?")
    marks = [f"missingindicator_{name}" for name in ("u", "v")]

    def marked(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.astype({name: object for name in TEXTS}).assign(**{f"missingindicator_{name}": (frame[name] == "?") * 1.0 for name in ("u", "v")})

    peer, coef = peer_of([("t", make_pipeline(imputer, encoder()), TEXTS), ("c", "passthrough", ["c", *marks])], Ridge(), marked(train))
    ours = names_and_coef(model)
    assert_same(ours, coef)
    assert list(ours)[-2:] == marks
    np.testing.assert_allclose(predict_ours(model, test, tmp_path), peer_predictions(peer, marked(test)), atol=1e-6)
    holes = write(train.mask(train == "red"), tmp_path / "holes.csv")
    result = skimp("fit", "ridge", holes, "-t", "y", "--step", "simple_imputer@u", "-p", "simple_imputer__strategy=most_frequent", "-p", "simple_imputer__missing_values=?", "-o", tmp_path / "n")
    assert result.code == EXIT_DATA
    assert "missing_values is '?'" in result.err


def test_steps_on_text_one_after_the_other(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path) -> None:
    """What one step fills in, the next one takes for missing; categories are those of the end."""
    columns = ["u", "w", "y"]
    train, test = train[columns], test[columns]
    constant = ["-p", "{0}__strategy=constant", "-p", "{0}__fill_value={1}"]
    words = [
        *(word.format("simple_imputer", "hole") for word in constant),
        *(word.format("simple_imputer-2", "other") for word in constant), "-p", "simple_imputer-2__missing_values=hole",
        *(word.format("simple_imputer-3", "red") for word in constant), "-p", "simple_imputer-3__missing_values=other",
    ]  # fmt: skip
    model = fit_ours(train, tmp_path, "--step", "simple_imputer@text", "--step", "simple_imputer@u,w", "--step", "simple_imputer@u", *words)
    steps = [SimpleImputer(strategy="constant", fill_value=fill, missing_values=missing) for missing, fill in ((np.nan, "hole"), ("hole", "other"), ("other", "red"))]
    objects = {name: object for name in ("u", "w")}
    peer, coef = peer_of([("u", make_pipeline(*steps, encoder()), ["u"]), ("w", make_pipeline(*steps[:2], encoder()), ["w"])], Ridge(), train.astype(objects))
    assert_same(names_and_coef(model), coef)
    np.testing.assert_allclose(predict_ours(model, test, tmp_path), peer_predictions(peer, test.astype(objects)), atol=1e-6)


def test_hashed_text(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path) -> None:
    """A constant is hashed as if it had been there."""
    words = ["--hash-bits", "6", "--step", "simple_imputer", "--step", "simple_imputer@u", "-p", "simple_imputer-2__strategy=constant"]
    columns = ["c", "u", "w", "y"]
    filled = train[columns].assign(u=train["u"].fillna("missing_value"))
    plain = fit_ours(filled, tmp_path, *words[:4])
    expected = predict_ours(plain, test[columns].assign(u=test["u"].fillna("missing_value")), tmp_path)
    model = fit_ours(train[columns], tmp_path, *words)
    np.testing.assert_array_equal(predict_ours(model, test[columns], tmp_path), expected)
    for more, word in (("most_frequent", "most frequent"), ("mean", "strategy mean")):
        result = skimp("fit", "ridge", tmp_path / "train.csv", "-t", "y", *words[:-1], f"simple_imputer-2__strategy={more}", "-o", tmp_path / "n")
        assert result.code == EXIT_USAGE
        assert word in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--step", "simple_imputer@text"], "most_frequent or constant"),
        (["--step", "simple_imputer@u", "-p", "simple_imputer__strategy=median"], "most_frequent or constant"),
        (["--step", "simple_imputer@a,u"], "'a' holds numbers and 'u' text"),
        (["--step", "simple_imputer@w,c"], "'c' holds numbers and 'w' text"),
        (["--step", "standard_scaler@text"], "works on numbers"),
        (["--step", "standard_scaler@u"], "holds text"),
        (["--step", "simple_imputer", "-p", "simple_imputer__strategy=constant", "-p", "simple_imputer__fill_value=word"], "simple_imputer@text"),
    ],
)
def test_refused(train: pd.DataFrame, tmp_path: Path, words: list[str], said: str) -> None:
    path = write(train, tmp_path / "train.csv")
    for command in ("plan", "fit"):
        result = skimp(command, "ridge", path, "-t", "y", *words, *(["-o", tmp_path / "m"] if command == "fit" else []))
        assert result.code == EXIT_USAGE
        assert said in result.err
        assert not (tmp_path / "m").exists()


def test_no_text_columns(train: pd.DataFrame, tmp_path: Path) -> None:
    path = write(train[["a", "y"]], tmp_path / "train.csv")
    result = skimp("fit", "ridge", path, "-t", "y", "--step", "simple_imputer@text", "-p", "simple_imputer__strategy=constant", "-o", tmp_path / "m")
    assert result.code == EXIT_USAGE
    assert "there is no text column" in result.err


@pytest.mark.parametrize("keep_empty", [False, True])
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_sparse(tmp_path: Path, strategy: str, keep_empty: bool) -> None:
    """Features 0 (missing in all rows), 1 and 5 (in some), 2 … 4 (in none); indicators after the others."""
    random = np.random.default_rng(52)
    x = random.integers(1, 9, size=(400, 6)) * (random.random((400, 6)) < 0.5)
    x = x.astype(float)
    x[:, 0] = np.nan
    for j in (1, 5):
        x[random.random(400) < 0.2, j] = np.nan
    y = np.nan_to_num(x) @ random.normal(size=6) + random.normal(size=400)

    def write_sparse(path: Path, rows: np.ndarray) -> Path:
        with path.open("w") as file:
            for row, label in zip(rows, y, strict=False):
                print(repr(float(label)), *(f"{j}:{value:g}" for j, value in enumerate(row) if value != 0), file=file)
        return path

    path, new = write_sparse(tmp_path / "t.svm", x), write_sparse(tmp_path / "n.svm", x[::-1][:100])
    words = [
        "--zero-based", "true", "--step", "simple_imputer", "-p", "simple_imputer__add_indicator=true", "-p", f"simple_imputer__strategy={strategy}",
        "-p", f"simple_imputer__keep_empty_features={keep_empty}", "--step", "max_abs_scaler",
    ]  # fmt: skip
    found = ok("fit", "ridge", path, "-o", tmp_path / "m", "--json", *words).json
    assert [text for text in found["warnings"] if "left out" in text] == ([] if keep_empty else ["a feature without any value is left out: 0"])
    csr = scipy.sparse.csr_array(x)
    from sklearn.preprocessing import MaxAbsScaler

    imputer = SimpleImputer(strategy=strategy, add_indicator=True, keep_empty_features=keep_empty)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = make_pipeline(imputer, MaxAbsScaler(), Ridge(tol=1e-12)).fit(csr, y)
        expected = peer.predict(csr[::-1][:100])
    np.testing.assert_allclose(tensors(tmp_path / "m")["coef_"].ravel(), peer[-1].coef_, atol=1e-6)
    np.testing.assert_array_equal(tensors(tmp_path / "m")["0.simple_imputer.indicator_.features_"], imputer.indicator_.features_)
    ok("predict", tmp_path / "m", new, "--zero-based", "true", "-o", tmp_path / "p.csv", "-q")
    np.testing.assert_allclose(predictions(tmp_path / "p.csv")[1][:, 0], expected, atol=1e-6)
    ok("convert", path, "--zero-based", "true", "-o", tmp_path / "t.skimp", "-q")
    ok("fit", "ridge", tmp_path / "t.skimp", "-o", tmp_path / "s", "-q", *words[2:])
    np.testing.assert_array_equal(tensors(tmp_path / "m")["coef_"], tensors(tmp_path / "s")["coef_"])
    ok("predict", tmp_path / "m", path, "--zero-based", "true", "-o", tmp_path / "p1.csv", "-q")
    ok("predict", tmp_path / "m", tmp_path / "t.skimp", "-o", tmp_path / "p2.csv", "-q")
    assert (tmp_path / "p1.csv").read_bytes() == (tmp_path / "p2.csv").read_bytes()


WORDS = [
    "--step", "simple_imputer", "-p", "simple_imputer__add_indicator=true", "--step", "simple_imputer@text",
    "-p", "simple_imputer-2__strategy=constant", "-p", "simple_imputer-2__add_indicator=true", "--step", "standard_scaler",
]  # fmt: skip


def test_logistic_regression_on_all_of_it(train: pd.DataFrame, test: pd.DataFrame, tmp_path: Path) -> None:
    columns = [*NUMBERS, *TEXTS, "y"]
    train, test = train[columns], test[columns]
    model = fit_ours(train, tmp_path, *WORDS, "-p", "tol=1e-9", estimator="logistic_regression")

    def marked(frame: pd.DataFrame) -> pd.DataFrame:
        """Indicators of text as numbers; they are scaled with the others."""
        holes = {f"missingindicator_{name}": frame[name].isna() * 1.0 for name in ("u", "v")}
        return frame.astype({name: object for name in TEXTS}).assign(**holes)

    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="constant"), encoder())
    peer, coef = peer_of(
        [("n", numbers, NUMBERS), ("m", StandardScaler(), ["missingindicator_u", "missingindicator_v"]), ("t", texts, TEXTS)],
        LogisticRegression(tol=1e-10, max_iter=10_000),
        marked(train),
    )
    ours = names_and_coef(model)
    assert set(ours) == set(coef)
    np.testing.assert_allclose([ours[name] for name in coef], list(coef.values()), rtol=1e-4, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peer.predict_proba(marked(test).drop(columns="y"))[:, 1]
    np.testing.assert_allclose(predict_ours(model, test, tmp_path, "--proba"), expected, atol=1e-5)


@pytest.mark.parametrize("estimator", ["ridge", "logistic_regression", "sgd_classifier"])
def test_same_bits(tmp_path: Path, estimator: str) -> None:
    """Of threads, of a store on disk, of a kept store, of an interrupted fit that goes on: the same model."""
    frame = make_frame(60_000, 53)
    path = write(frame, tmp_path / "t.csv")
    plan = ok("plan", estimator, path, "-t", "y", "--json", "-j", "1", "--holdout", "0.1", *WORDS).json["plan"]
    smallest = plan["minimum_bytes"]
    models = []
    for k, words in enumerate(
        (["-j", "1"], ["-j", "2"], ["-j", "5"], ["-j", "1", "-m", smallest, "--spill-dir", tmp_path, "--spill-to-memory"], ["--checkpoint", tmp_path / "c"])
    ):
        found = ok("fit", estimator, path, "-t", "y", "-o", tmp_path / f"m{k}", "--json", "--holdout", "0.1", *WORDS, *words).json
        assert found["actual"]["peak_bytes"] <= found["plan"]["peak_bytes"]
        models.append((tmp_path / f"m{k}").read_bytes())
    ok("convert", path, "-t", "y", "-o", tmp_path / "t.skimp", "-q")
    found = ok("fit", estimator, tmp_path / "t.skimp", "-o", tmp_path / "m", "--json", "--holdout", "0.1", *WORDS).json
    assert found["plan"]["exact"]
    models.append((tmp_path / "m").read_bytes())
    assert len(set(models)) == 1
    assert found["metrics"] is not None


@pytest.mark.parametrize("keep_empty", [False, True])
@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_the_plan_of_a_store_knows_the_features(train: pd.DataFrame, tmp_path: Path, strategy: str, keep_empty: bool) -> None:
    path = write(train, tmp_path / "t.csv")
    ok("convert", path, "-t", "y", "-o", tmp_path / "t.skimp", "-q")
    words = [*(word.replace("constant", strategy) for word in WORDS), "-p", f"simple_imputer__keep_empty_features={keep_empty}"]
    words += ["--step", "simple_imputer", "-p", "simple_imputer-3__add_indicator=true"]  # finds nothing missing
    plan = ok("plan", "ridge", tmp_path / "t.skimp", "--json", *words).json["plan"]
    found = ok("fit", "ridge", tmp_path / "t.skimp", "-o", tmp_path / "m", "--json", *words).json
    assert plan["exact"]
    assert plan["features"] == found["features"] == len(names_and_coef(tmp_path / "m"))


def test_rows_are_kept_where_a_step_fills_them(train: pd.DataFrame, tmp_path: Path) -> None:
    """--on-missing drop: a missing text drops its row unless a step fills it in; in a file and in a store alike."""
    path = write(train.drop(columns="e"), tmp_path / "t.csv")
    n_numbers = int(train[["a", "b"]].isna().any(axis=1).sum())
    n_all = int(train[["a", "b", *TEXTS]].isna().any(axis=1).sum())
    words = ["fit", "ridge", path, "-t", "y", "--on-missing", "drop", "-o", tmp_path / "m", "--json"]
    assert ok(*words).json["rows_missing"] == n_all
    assert ok(*words, "--step", "simple_imputer@text", "-p", "simple_imputer__strategy=constant").json["rows_missing"] == n_numbers
    ok("convert", path, "-t", "y", "-o", tmp_path / "t.skimp", "-q")
    for source in (path, tmp_path / "t.skimp"):
        found = ok("predict", tmp_path / "m", source, "-o", tmp_path / "p.csv", "--on-missing", "drop", "--json").json
        assert (found["rows_missing"], found["rows"]) == (n_numbers, len(train) - n_numbers)
        result = skimp("predict", tmp_path / "m", source, "-o", tmp_path / "q.csv")
        assert result.code == EXIT_DATA
        assert "missing value" in result.err
