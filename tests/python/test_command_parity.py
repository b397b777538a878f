# SPDX-License-Identifier: BSD-3-Clause
"""Models against scikit-learn's, on its own data sets: the same optimum, the same attributes, the same predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from sklearn import datasets
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import compute_class_weight

from run_skimp import ok, predictions, tensors, write_csv

Data = tuple[np.ndarray, np.ndarray, Path]


def single(x: np.ndarray) -> np.ndarray:
    """A column that float32 holds against its own spread is kept as float32: such columns are given as what is kept."""
    rounded = x.astype(np.float32).astype(float)
    return np.where(np.abs(rounded - x).max(axis=0) < 1e-6 * x.std(axis=0), rounded, x)


def make(name: str, directory: Path) -> Data:
    random = np.random.default_rng(30)
    if name == "scales":  # columns of very different scales and offsets
        x = random.normal(size=(800, 8)) * 10.0 ** np.arange(-4, 4) + 10.0 ** np.arange(8)[::-1]
        y = ((x - x.mean(axis=0)) / x.std(axis=0) @ random.normal(size=8) + random.logistic(size=800) > 0.5).astype(int)
    elif name == "binary":
        x = random.normal(size=(800, 8)) * np.arange(1, 9) + 5
        y = (x @ random.normal(size=8) / 5 + random.logistic(size=800) > 1).astype(int)
    elif name == "collinear":
        x = random.normal(size=(600, 5))
        x = np.column_stack([x, x[:, 0], x[:, 1] + x[:, 2], np.ones(600)])
        y = (x[:, 0] + random.logistic(size=600) > 0).astype(int)
    elif name == "wide":
        x = random.normal(size=(120, 300))
        y = (x[:, :10].sum(axis=1) + random.normal(size=120) > 0).astype(int)
    elif name == "regression":
        x, y = datasets.make_regression(1500, 25, noise=5, random_state=31)
    else:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = single(x)
    columns: list[Any] = [*x.T, y.astype(int) if name not in ("diabetes", "regression") else y]
    return x, y, write_csv(directory / f"{name}.csv", [*(f"x{i}" for i in range(x.shape[1])), "y"], columns)


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    directory = tmp_path_factory.mktemp("sets")
    names = ["iris", "breast_cancer", "wine", "digits", "diabetes", "binary", "scales", "collinear", "wide", "regression"]
    return {name: make(name, directory) for name in names}


def fit(estimator: str, path: Path, model: Path, params: dict[str, Any], *more: object) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    words = [word for name, value in params.items() for word in ("-p", f"{name}={value if isinstance(value, str) else json.dumps(value)}")]
    found = ok("fit", estimator, path, "-t", "y", "-o", model, "--json", *words, *more).json
    return found, tensors(model)


def logistic_objective(x: np.ndarray, y: np.ndarray, weight: np.ndarray, coef: np.ndarray, intercept: np.ndarray, C: float, l1_ratio: float) -> float:
    """C Σ wᵢ lossᵢ + penalty, as the user guide of scikit-learn writes it."""
    classes = np.unique(y)
    margin = x @ coef.T + intercept
    if classes.size == 2:
        margin = np.column_stack([np.zeros(len(y)), margin[:, 0]])
    losses = scipy.special.logsumexp(margin, axis=1) - margin[np.arange(len(y)), np.searchsorted(classes, y)]
    penalty = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * (coef**2).sum()
    return float(C * (weight @ losses) + penalty)


@pytest.mark.parametrize(
    ("name", "C"),
    [("digits", 0.05), *((name, C) for C in (0.05, 1.0) for name in ("iris", "breast_cancer", "wine", "scales", "collinear", "wide"))],
)
def test_logistic_regression(sets: dict[str, Data], tmp_path: Path, name: str, C: float) -> None:
    x, y, path = sets[name]
    found, model = fit("logistic_regression", path, tmp_path / "m", {"C": C, "tol": 1e-8, "max_iter": 1000}, "--step", "standard_scaler")
    assert found["converged"]
    scaled = StandardScaler().fit_transform(x)
    peer = LogisticRegression(C=C, tol=1e-10, max_iter=1000, solver="newton-cholesky").fit(scaled, y)
    ones = np.ones(len(y))
    ours = logistic_objective(scaled, y, ones, model["coef_"], model["intercept_"], C, 0)
    theirs = logistic_objective(scaled, y, ones, peer.coef_, peer.intercept_, C, 0)
    assert ours <= theirs * (1 + 1e-6)
    assert found["objective"] == pytest.approx(ours, rel=1e-6)
    np.testing.assert_array_equal(model["classes_"], peer.classes_)
    if name != "scales":  # a mean of 1e7 beside a deviation of 1e-4 has too few digits in either
        np.testing.assert_allclose(model["coef_"], peer.coef_, rtol=1e-4, atol=1e-5)
    ok("predict", tmp_path / "m", path, "--proba", "-o", tmp_path / "p.csv", "-q")
    header, values = predictions(tmp_path / "p.csv")
    assert header == ["prediction", *(f"probability_{k}" for k in np.unique(y))]
    np.testing.assert_allclose(values[:, 1:], peer.predict_proba(scaled), atol=1e-4)
    assert (values[:, 0] == peer.predict(scaled)).mean() >= 1 - 1 / len(y)


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "scales", "wide"])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_logistic_regression_with_l1(sets: dict[str, Data], tmp_path: Path, name: str, l1_ratio: float) -> None:
    x, y, path = sets[name]
    C = 0.1
    found, model = fit("logistic_regression", path, tmp_path / "m", {"C": C, "l1_ratio": l1_ratio, "tol": 1e-7, "max_iter": 2000}, "--step", "standard_scaler")
    scaled = StandardScaler().fit_transform(x)
    peer = LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-6, max_iter=3000, random_state=0).fit(scaled, y)
    ones = np.ones(len(y))
    ours = logistic_objective(scaled, y, ones, model["coef_"], model["intercept_"], C, l1_ratio)
    theirs = logistic_objective(scaled, y, ones, peer.coef_, peer.intercept_, C, l1_ratio)
    assert ours <= theirs * (1 + 1e-6)
    assert found["objective"] == pytest.approx(ours, rel=1e-6)
    assert (model["coef_"] == 0).sum() >= 0.8 * (np.abs(peer.coef_) < 1e-6).sum()


@pytest.mark.parametrize(
    ("params", "peer"),
    [
        ({"fit_intercept": False}, {"fit_intercept": False}),
        ({"class_weight": "balanced"}, {"class_weight": "balanced"}),
        ({"class_weight": {"0": 1, "1": 5}}, {"class_weight": {0: 1, 1: 5}}),
        ({"C": "inf"}, {"C": np.inf}),
        ({"solver": "liblinear"}, {"solver": "liblinear", "tol": 1e-10}),
    ],
    ids=["no-intercept", "balanced", "class-weights", "no-penalty", "liblinear"],
)
def test_parameters_of_logistic_regression(sets: dict[str, Data], tmp_path: Path, params: dict[str, Any], peer: dict[str, Any]) -> None:
    x, y, path = sets["binary"]
    _, model = fit("logistic_regression", path, tmp_path / "m", {"tol": 1e-9, "max_iter": 1000, **params}, "--step", "standard_scaler")
    expected = LogisticRegression(**{"tol": 1e-10, "max_iter": 100_000, **peer}).fit(StandardScaler().fit_transform(x), y)
    np.testing.assert_allclose(model["coef_"], expected.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model["intercept_"].reshape(-1), expected.intercept_, rtol=1e-4, atol=1e-6)


def test_weights(table: Path, tmp_path: Path) -> None:
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    x = np.array([[float(v) for v in row[:6]] for row in rows])
    label, value, weight = (np.array([float(row[i]) for row in rows]) for i in (6, 8, 9))
    kind = np.array([row[7] for row in rows])
    for estimator, target, drop, y, peer in [
        ("logistic_regression", "label", "kind,value", label, LogisticRegression(tol=1e-10, max_iter=10_000)),
        ("logistic_regression", "kind", "label,value", kind, LogisticRegression(tol=1e-10, max_iter=10_000)),
        ("ridge", "value", "kind,label", value, Ridge()),
        ("linear_regression", "value", "kind,label", value, LinearRegression()),
    ]:
        params = ["-p", "tol=1e-9"] if estimator != "ridge" and estimator != "linear_regression" else []
        ok("fit", estimator, table, "-t", target, "-d", drop, "-w", "weight", "-o", tmp_path / "m", "-q", *params)
        peer.fit(x, y, sample_weight=weight)
        np.testing.assert_allclose(tensors(tmp_path / "m")["coef_"].reshape(peer.coef_.shape), peer.coef_, rtol=1e-5, atol=1e-7)
    # Text classes come out as they went in.
    ok("fit", "logistic_regression", table, "-t", "kind", "-d", "label,value,weight", "-p", "tol=1e-9", "-o", tmp_path / "m", "-q")
    out = ok("predict", tmp_path / "m", table, "--proba", "-q").out.splitlines()
    assert out[0] == "prediction,probability_a,probability_b,probability_c"
    peer = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, kind)
    predicted = np.array([line.split(",")[0] for line in out[1:]])
    assert (predicted == peer.predict(x)).mean() > 0.999


@pytest.mark.parametrize("name", ["diabetes", "regression", "wide", "scales", "collinear"])
@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares(sets: dict[str, Data], tmp_path: Path, name: str, intercept: bool) -> None:
    x, y, path = sets[name]
    for alpha in [0.1, 10.0] if name != "scales" or intercept else []:  # offsets of 1e7 beside them: nobody's digits
        _, model = fit("ridge", path, tmp_path / "m", {"alpha": alpha, "fit_intercept": intercept})
        peer = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(x, y)
        scale = x.std(axis=0) + np.abs(x.mean(axis=0)) * (not intercept) + 1e-300
        np.testing.assert_allclose(model["coef_"].reshape(-1) * scale, peer.coef_ * scale, rtol=1e-6, atol=1e-6 * np.abs(peer.coef_ * scale).max())
    if name == "collinear" and not intercept:
        return  # many solutions: the least one is judged with an intercept
    _, model = fit("linear_regression", path, tmp_path / "m", {"fit_intercept": intercept})
    peer = LinearRegression(fit_intercept=intercept).fit(x, y)
    ok("predict", tmp_path / "m", path, "-o", tmp_path / "p.csv", "-q")
    _, values = predictions(tmp_path / "p.csv")
    residual, expected = ((values[:, 0] - y) ** 2).sum(), ((peer.predict(x) - y) ** 2).sum()
    assert residual <= expected * (1 + 1e-6) + 1e-10 * (y**2).sum()
    if name in ("diabetes", "regression"):
        np.testing.assert_allclose(model["coef_"].reshape(-1), peer.coef_, rtol=1e-7, atol=1e-7 * np.abs(peer.coef_).max())
        np.testing.assert_allclose(model["intercept_"].reshape(-1), [peer.intercept_], rtol=1e-7, atol=1e-9)


def sgd_objective(peer: SGDClassifier | SGDRegressor, x: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: float) -> float:
    """Mean loss + alpha × penalty, of a binary classifier or a regressor."""
    margin = x @ coef + intercept
    sign = 2 * y - 1
    losses = {
        "hinge": lambda: np.maximum(0, 1 - sign * margin),
        "log_loss": lambda: np.logaddexp(0, -sign * margin),
        "squared_hinge": lambda: np.maximum(0, 1 - sign * margin) ** 2,
        "modified_huber": lambda: np.where(sign * margin >= -1, np.maximum(0, 1 - sign * margin) ** 2, -4 * sign * margin),
        "squared_error": lambda: (y - margin) ** 2 / 2,
        "huber": lambda: np.where(np.abs(y - margin) <= peer.epsilon, (y - margin) ** 2 / 2, peer.epsilon * np.abs(y - margin) - peer.epsilon**2 / 2),
        "epsilon_insensitive": lambda: np.maximum(0, np.abs(y - margin) - peer.epsilon),
    }
    l1 = {"l1": 1.0, "l2": 0.0, "elasticnet": peer.l1_ratio}[peer.penalty]
    penalty = l1 * np.abs(coef).sum() + (1 - l1) / 2 * (coef**2).sum()
    return float(losses[peer.loss]().mean() + peer.alpha * penalty)


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_sgd_classifier(sets: dict[str, Data], tmp_path: Path, loss: str, penalty: str) -> None:
    x, y, path = sets["breast_cancer"]
    params = {"loss": loss, "penalty": penalty, "alpha": 0.01, "max_iter": 200, "tol": 1e-5}
    found, model = fit("sgd_classifier", path, tmp_path / "m", params, "--step", "standard_scaler")
    scaled = StandardScaler().fit_transform(x)
    theirs = []
    for seed in range(3):
        peer = SGDClassifier(loss=loss, penalty=penalty, alpha=0.01, max_iter=200, tol=1e-5, random_state=seed).fit(scaled, y)
        theirs.append(sgd_objective(peer, scaled, y, peer.coef_[0], peer.intercept_[0]))
    ours = sgd_objective(peer, scaled, y, model["coef_"].reshape(-1), float(model["intercept_"].reshape(-1)[0]))
    assert ours <= max(theirs) * 1.02 + 1e-3
    assert found["objective"] is None or found["objective"] == pytest.approx(ours, rel=0.1)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
def test_sgd_regressor(sets: dict[str, Data], tmp_path: Path, loss: str) -> None:
    x, y, path = sets["regression"]
    params = {"loss": loss, "alpha": 0.001, "max_iter": 300, "tol": 1e-6}
    _, model = fit("sgd_regressor", path, tmp_path / "m", params, "--step", "standard_scaler")
    scaled = StandardScaler().fit_transform(x)
    theirs = []
    for seed in range(3):
        peer = SGDRegressor(loss=loss, alpha=0.001, max_iter=300, tol=1e-6, random_state=seed).fit(scaled, y)
        theirs.append(sgd_objective(peer, scaled, y, peer.coef_, peer.intercept_[0]))
    ours = sgd_objective(peer, scaled, y, model["coef_"].reshape(-1), float(model["intercept_"].reshape(-1)[0]))
    assert ours <= max(theirs) * 1.05 + 1e-3


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_sgd_classifier_with_more_classes(sets: dict[str, Data], tmp_path: Path, name: str) -> None:
    x, y, path = sets[name]
    fit("sgd_classifier", path, tmp_path / "m", {"loss": "log_loss"}, "--step", "standard_scaler")
    accuracy = ok("score", tmp_path / "m", path, "--json").json["metrics"]["accuracy"]
    peer = SGDClassifier(loss="log_loss", random_state=0).fit(StandardScaler().fit_transform(x), y)
    assert accuracy >= peer.score(StandardScaler().fit_transform(x), y) - 0.03


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weighted-rows"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 8.0, 1: 0.5, 2: 2.0}], ids=["balanced", "named"])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_class_weights_of_sgd_classifier(
    sets: dict[str, Data], tmp_path: Path, name: str, class_weight: str | dict[int, float], weighted: bool
) -> None:
    """Of several classes each weighs in its own problem only, and the rest 1 there; balanced counts rows."""
    x, y, _ = sets[name]
    x = single(StandardScaler().fit_transform(x))
    classes = np.unique(y)
    weight = np.random.default_rng(42).integers(1, 6, size=len(y)) * np.where(y == 0, 3.0, 1.0)  # other proportions than the rows
    weight /= weight.mean()
    named = class_weight if isinstance(class_weight, str) else {k: v for k, v in class_weight.items() if k in classes}
    path = write_csv(tmp_path / "scaled.csv", [*(f"x{i}" for i in range(x.shape[1])), "y", "weight"], [*x.T, y, weight])
    params = {"loss": "log_loss", "alpha": 0.01, "max_iter": 300, "tol": 1e-5}
    given = named if isinstance(named, str) else {str(k): v for k, v in named.items()}
    found, model = fit("sgd_classifier", path, tmp_path / "m", {**params, "class_weight": given}, *(["-w", "weight"] if weighted else ["-d", "weight"]))
    rows = weight if weighted else np.ones(len(y))
    own = compute_class_weight(named, classes=classes, y=y)

    def objective(coef: np.ndarray, intercept: np.ndarray) -> float:
        problems = [(classes[1], own[1], own[0])] if classes.size == 2 else [(k, own[i], 1.0) for i, k in enumerate(classes)]
        total = 0.0
        for w, b, (label, positive, rest) in zip(coef, intercept, problems, strict=True):
            losses = np.logaddexp(0, np.where(y == label, -1, 1) * (x @ w + b))
            total += (rows * np.where(y == label, positive, rest) * losses).mean() + 0.01 / 2 * (w**2).sum()
        return float(total)

    theirs = []
    for seed in range(3):
        peer = SGDClassifier(**params, class_weight=named, random_state=seed).fit(x, y, sample_weight=rows)
        theirs.append(objective(peer.coef_, peer.intercept_))
    ours = objective(model["coef_"].reshape(peer.coef_.shape), model["intercept_"].reshape(-1))
    assert found["objective"] == pytest.approx(ours, rel=1e-6)
    assert ours <= max(theirs) * 1.02 + 1e-3


def test_sgd_needs_no_shuffled_rows_and_no_scaled_columns(tmp_path: Path) -> None:
    """Sorted by label, and columns of scales from 0.1 to 1e4: as good as on scaled and shuffled data, nearly."""
    random = np.random.default_rng(40)
    x = random.normal(size=(20_000, 6))
    y = (x @ [1, -2, 3, 0.5, 0, -1] + random.logistic(size=20_000) > 0).astype(int)
    best = LogisticRegression().fit(x, y).score(x, y)
    order = np.argsort(y, kind="stable")
    path = write_csv(tmp_path / "sorted.csv", [*"abcdef", "y"], [*(x * 10.0 ** np.arange(-1, 5) + 3)[order].T, y[order]])
    fit("sgd_classifier", path, tmp_path / "m", {"loss": "log_loss"})
    assert ok("score", tmp_path / "m", path, "--json").json["metrics"]["accuracy"] >= best - 0.02


STEPS: list[tuple[str, dict[str, Any], Any, list[str]]] = [
    ("standard_scaler", {}, StandardScaler(), ["mean_", "var_", "scale_"]),
    ("standard_scaler", {"with_mean": False}, StandardScaler(with_mean=False), ["scale_"]),
    ("standard_scaler", {"with_std": False}, StandardScaler(with_std=False), ["mean_"]),
    ("min_max_scaler", {}, MinMaxScaler(), ["data_min_", "data_max_", "scale_", "min_"]),
    ("min_max_scaler", {"feature_range": [-1, 2]}, MinMaxScaler((-1, 2)), ["scale_", "min_"]),
    ("max_abs_scaler", {}, MaxAbsScaler(), ["max_abs_", "scale_"]),
]


@pytest.mark.parametrize(("step", "params", "peer", "names"), STEPS, ids=[f"{s[0]}{len(s[1])}-{i}" for i, s in enumerate(STEPS)])
@pytest.mark.parametrize("name", ["wine", "scales", "digits"])
def test_steps(sets: dict[str, Data], tmp_path: Path, name: str, step: str, params: dict[str, Any], peer: Any, names: list[str]) -> None:
    x, y, path = sets[name]
    _, model = fit("ridge", path, tmp_path / "m", {f"{step}__{key}": value for key, value in params.items()}, "--step", step)
    changed = peer.fit_transform(x)
    for attribute in names:
        expected = np.asarray(getattr(peer, attribute))
        np.testing.assert_allclose(model[f"0.{step}.{attribute}"].reshape(expected.shape), expected, rtol=1e-9, atol=1e-12, err_msg=attribute)
    expected = Ridge().fit(changed, y).predict(changed)
    ok("predict", tmp_path / "m", path, "-o", tmp_path / "p.csv", "-q")
    np.testing.assert_allclose(predictions(tmp_path / "p.csv")[1][:, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("params", "peer"),
    [
        ({}, SimpleImputer()),
        ({"strategy": "median"}, SimpleImputer(strategy="median")),
        ({"strategy": "most_frequent"}, SimpleImputer(strategy="most_frequent")),
        ({"strategy": "constant", "fill_value": 7}, SimpleImputer(strategy="constant", fill_value=7.0)),
    ],
    ids=["mean", "median", "most_frequent", "constant"],
)
def test_simple_imputer(sets: dict[str, Data], tmp_path: Path, params: dict[str, Any], peer: SimpleImputer) -> None:
    x, y, _ = sets["wine"]
    random = np.random.default_rng(41)
    x = x.copy()
    x[random.random(x.shape) < 0.1] = np.nan
    path = write_csv(tmp_path / "holes.csv", [*(f"x{i}" for i in range(x.shape[1])), "y"], [*x.T, y])
    path.write_text(path.read_text().replace("nan", ""))
    _, model = fit("ridge", path, tmp_path / "m", {f"simple_imputer__{key}": value for key, value in params.items()}, "--step", "simple_imputer", "--step", "standard_scaler")
    filled = peer.fit_transform(x).astype(float)
    np.testing.assert_allclose(model["0.simple_imputer.statistics_"], peer.statistics_.astype(float), rtol=1e-7)
    scaled = StandardScaler().fit_transform(filled)
    np.testing.assert_allclose(model["1.standard_scaler.mean_"], filled.mean(axis=0), rtol=1e-7)
    ok("predict", tmp_path / "m", path, "-o", tmp_path / "p.csv", "-q")
    np.testing.assert_allclose(predictions(tmp_path / "p.csv")[1][:, 0], Ridge().fit(scaled, y).predict(scaled), atol=1e-6)


def test_steps_on_named_columns(sets: dict[str, Data], tmp_path: Path) -> None:
    x, y, path = sets["wine"]
    _, model = fit("ridge", path, tmp_path / "m", {"min_max_scaler__feature_range": [0, 5]}, "--step", "standard_scaler@x1,x3", "--step", "min_max_scaler@x0")
    changed = x.copy()
    changed[:, [1, 3]] = StandardScaler().fit_transform(x[:, [1, 3]])
    changed[:, [0]] = MinMaxScaler((0, 5)).fit_transform(x[:, [0]])
    np.testing.assert_allclose(model["0.standard_scaler.mean_"], x[:, [1, 3]].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model["coef_"].reshape(-1), Ridge().fit(changed, y).coef_, rtol=1e-6, atol=1e-9)


def test_one_hot(holes: Path, tmp_path: Path) -> None:
    """Sorted categories, a missing one the last; a category that training did not see is all zeros."""
    import csv

    with holes.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    numbers = np.array([[float(a), float(b) if b else np.nan] for a, b, _, _ in rows])
    colour = np.array([[c if c else "~missing"] for _, _, c, _ in rows])
    y = np.array([int(label) for *_, label in rows])
    ok(
        "fit", "logistic_regression", holes, "-t", "label", "--step", "simple_imputer", "--step", "standard_scaler", "-p", "tol=1e-9",
        "-o", tmp_path / "m", "-q",
    )  # fmt: skip
    encoder = OneHotEncoder().fit(colour)
    x = np.hstack([StandardScaler().fit_transform(SimpleImputer().fit_transform(numbers)), encoder.transform(colour).toarray()])
    peer = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(tensors(tmp_path / "m")["coef_"], peer.coef_, rtol=1e-4, atol=1e-6)
    names = ok("info", tmp_path / "m", "--json").json["metadata"]["feature_names"]
    assert names[:6] == ["a", "b", "colour_blue", "colour_dark, blue", "colour_green", "colour_red"]
    assert len(names) == 7

    new = tmp_path / "new.csv"
    new.write_text("colour,a,b,label\npurple,50,3,0\nred,50,3,1\n")
    found = ok("score", tmp_path / "m", new, "--json").json
    assert found["unknown_categories"] == 1
    mean, scale = tensors(tmp_path / "m")["1.standard_scaler.mean_"], tensors(tmp_path / "m")["1.standard_scaler.scale_"]
    ok("predict", tmp_path / "m", new, "--proba", "-o", tmp_path / "p.csv", "-q")
    zeros = np.hstack([([50, 3] - mean) / scale, np.zeros(5)])
    np.testing.assert_allclose(predictions(tmp_path / "p.csv")[1][0, 1:], peer.predict_proba([zeros])[0], rtol=1e-5)


def test_hashing(holes: Path, tmp_path: Path) -> None:
    found = ok(
        "fit", "logistic_regression", holes, "-t", "label", "--step", "simple_imputer", "--hash-bits", "6", "-o", tmp_path / "m", "--json"
    ).json
    assert found["features"] == 2 + 64
    coef = tensors(tmp_path / "m")["coef_"][0]
    assert np.count_nonzero(coef[2:]) in range(1, 6)
    one_hot = ok("fit", "logistic_regression", holes, "-t", "label", "--step", "simple_imputer", "-o", tmp_path / "o", "--json").json
    if np.count_nonzero(coef[2:]) == 5:  # no two categories met
        assert found["objective"] == pytest.approx(one_hot["objective"], rel=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_offsets(tmp_path: Path, l1_ratio: float) -> None:
    """Columns far from zero: the fit of the same columns at zero, in as many passes, but for the intercept."""
    random = np.random.default_rng(32)
    x = np.round(random.normal(size=(20_000, 3)), 3)
    y = (x @ [1.0, -2.0, 0.5] + random.logistic(size=len(x)) > 0).astype(int)
    for offset, settings in ((2.0**30, ()), (2.0**30, ("--holdout", "0.2")), (1e9, ("-p", "C=inf"))):
        far = write_csv(tmp_path / "far.csv", ["a", "t", "id", "y"], [x[:, 0], x[:, 1] + offset, x[:, 2] * 1000 + 2.0**53 - 1e7, y])
        params = {"l1_ratio": l1_ratio, "tol": 1e-6}
        near = write_csv(tmp_path / "near.csv", ["a", "t", "id", "y"], [x[:, 0], x[:, 1], x[:, 2] * 1000, y])
        wanted, model = fit("logistic_regression", near, tmp_path / "n", params, *settings)
        found, moved = fit("logistic_regression", far, tmp_path / "f", params, *settings)
        assert found["converged"]
        assert found["actual"]["passes"] <= min(wanted["actual"]["passes"] + 2, found["plan"]["passes_max"])
        assert found["objective"] == pytest.approx(wanted["objective"], rel=1e-6)
        np.testing.assert_allclose(moved["coef_"], model["coef_"], rtol=1e-4, atol=1e-7)
        for name in ("t", "id"):
            assert any(f"column '{name}' is" in warning for warning in found["warnings"])
        assert not wanted["warnings"]
        if found["metrics"] is not None:  # of held-out rows, as the model gives them back
            assert found["metrics"]["log_loss"] == pytest.approx(wanted["metrics"]["log_loss"], rel=1e-4)
        ours = ok("score", tmp_path / "f", far, "--json").json["metrics"]["log_loss"]
        assert ours == pytest.approx(ok("score", tmp_path / "n", near, "--json").json["metrics"]["log_loss"], rel=1e-4)


def test_offsets_without_an_intercept(tmp_path: Path) -> None:
    """Nothing can be taken off: the fit ends in a few passes, and names a column."""
    random = np.random.default_rng(33)
    x = random.normal(size=(2000, 3))
    path = write_csv(tmp_path / "x.csv", ["a", "b", "c", "y"], [*(x + 1e9).T, (x[:, 0] - x[:, 1] > 0).astype(int)])
    for params in ({"fit_intercept": False}, {"fit_intercept": False, "l1_ratio": 1.0}, {"solver": "liblinear"}):
        found, _ = fit("logistic_regression", path, tmp_path / "m", params)
        assert found["actual"]["passes"] <= 30
        assert any("out of reach of double precision" in warning and "of column '" in warning for warning in found["warnings"])


@pytest.mark.parametrize("estimator", ["ridge", "linear_regression"])
def test_a_constant_regression_target(tmp_path: Path, estimator: str) -> None:
    x = np.random.default_rng(34).normal(size=(300, 4))
    for columns, constant in ((1, 0.1), (4, 2.5), (4, 0.1)):
        path = write_csv(tmp_path / "x.csv", [*(f"x{j}" for j in range(columns)), "y"], [*x[:, :columns].T, np.full(300, constant)])
        found, model = fit(estimator, path, tmp_path / "m", {})
        assert found["converged"]
        assert not found["warnings"]
        np.testing.assert_allclose(model["coef_"], 0, atol=1e-14)


def test_ridge_on_a_total_in_cents(tmp_path: Path) -> None:
    """Columns that are collinear as they are written, and not quite so as floats."""
    random = np.random.default_rng(35)
    a, b = np.round(random.gamma(2, 50, size=(2, 2000)), 2)
    x = np.column_stack([a, b, np.round(a + b, 2)])
    y = 0.3 * a - 0.1 * b + random.normal(size=2000)
    path = write_csv(tmp_path / "x.csv", ["a", "b", "total", "y"], [*x.T, y])
    for alpha in (1.0, 1e-3, 1e-6):
        found, model = fit("ridge", path, tmp_path / "m", {"alpha": alpha})
        peer = Ridge(alpha=alpha, solver="svd").fit(x, y)
        np.testing.assert_allclose(model["coef_"], peer.coef_, rtol=1e-3)
        ours, theirs = (
            ((y - x @ coef - intercept) ** 2).sum() + alpha * (coef @ coef)
            for coef, intercept in ((model["coef_"], model["intercept_"]), (peer.coef_, peer.intercept_))
        )
        assert ours <= theirs * (1 + 1e-9)
        assert not found["warnings"]


def test_a_comparison_as_target(sets: dict[str, Data], tmp_path: Path) -> None:
    x, y, path = sets["diabetes"]
    ok("fit", "logistic_regression", path, "-t", "y>140", "-p", "tol=1e-9", "-p", "max_iter=1000", "-o", tmp_path / "m", "-q")
    peer = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, y > 140)
    np.testing.assert_allclose(tensors(tmp_path / "m")["coef_"], peer.coef_, rtol=1e-4)
    assert ok("score", tmp_path / "m", path, "--json").json["metrics"]["accuracy"] == pytest.approx(peer.score(x, y > 140))


def test_every_parameter_of_the_peers_exists() -> None:
    """Names and defaults of the constructors."""
    for entry in ok("estimators", "--json").json["estimators"]:
        module = __import__(f"sklearn.{entry['module']}", fromlist=[entry["class_name"]])
        defaults = getattr(module, entry["class_name"])().get_params()
        ours = {param["name"]: param["default"] for param in entry["params"]}
        assert set(defaults) <= set(ours), entry["name"]
        for name, value in defaults.items():
            if isinstance(value, bool) or value is None:
                assert json.loads(ours[name]) is value, (entry["name"], name)
            elif isinstance(value, int | float) and not np.isnan(value):
                assert float(ours[name]) == value, (entry["name"], name)
            elif isinstance(value, str):
                assert ours[name].strip('"') == value, (entry["name"], name)
