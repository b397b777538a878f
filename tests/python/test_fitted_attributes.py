# SPDX-License-Identifier: BSD-3-Clause
"""Every attribute of a fitted scikit-learn estimator is in the model, or follows from it (docs/formats/model.md)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_skimp import ok, tensors, write_csv
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

FROM_COLUMNS = {"n_features_in_", "feature_names_in_"}
PATH_OF_ITS_OWN = {"n_iter_", "t_"}  # there, but another number: the way to the solution is skimp's

CASES: list[tuple[str, dict[str, Any], Any, float]] = [
    ("linear_regression", {}, LinearRegression(), 1e-9),
    ("linear_regression", {"fit_intercept": False}, LinearRegression(fit_intercept=False), 1e-9),
    ("linear_regression", {"positive": True}, LinearRegression(positive=True), 1e-6),
    ("ridge", {}, Ridge(), 1e-9),
    ("ridge", {"solver": "lsqr"}, Ridge(solver="lsqr", tol=1e-12), 1e-6),
    ("ridge", {"positive": True}, Ridge(positive=True, tol=1e-12), 1e-4),
    ("logistic_regression", {"tol": 1e-8}, LogisticRegression(tol=1e-10, max_iter=10_000), 1e-4),
    ("sgd_classifier", {"early_stopping": True}, SGDClassifier(early_stopping=True), np.inf),
    ("sgd_classifier", {"average": True}, SGDClassifier(average=True), np.inf),
    ("sgd_regressor", {"early_stopping": True}, SGDRegressor(early_stopping=True), np.inf),
    ("standard_scaler", {}, StandardScaler(), 1e-9),
    ("standard_scaler", {"with_std": False}, StandardScaler(with_std=False), 1e-9),
    ("standard_scaler", {"with_mean": False, "with_std": False}, StandardScaler(with_mean=False, with_std=False), 1e-9),
    ("min_max_scaler", {"feature_range": "[-1, 2]"}, MinMaxScaler((-1, 2)), 1e-9),
    ("max_abs_scaler", {}, MaxAbsScaler(), 1e-9),
]


@pytest.mark.parametrize(("name", "params", "peer", "close"), CASES)
def test_attributes(tmp_path: Path, name: str, params: dict[str, Any], peer: Any, close: float) -> None:
    x, y = (datasets.load_diabetes if name in ("linear_regression", "ridge", "sgd_regressor") else datasets.load_iris)(return_X_y=True)
    x = x.astype(np.float32).astype(float)  # what is kept of such columns
    path = write_csv(tmp_path / "d.csv", [*(f"x{i}" for i in range(x.shape[1])), "y"], [*x.T, y])
    words = [word for key, value in params.items() for word in ("-p", f"{name}__{key}={value}" if "scaler" in name else f"{key}={value}")]
    if "scaler" in name:
        estimator, prefix = ["ridge", path, "-t", "y", "--step", name], f"0.{name}."
    else:
        estimator, prefix = [name, path, "-t", "y"], ""
    ok("fit", *estimator, *words, "-o", tmp_path / "m")
    model = tensors(tmp_path / "m")
    peer.fit(x, y)
    attributes = {key: value for key, value in vars(peer).items() if key.endswith("_") and not key.startswith("_")}
    assert len(attributes) > len(FROM_COLUMNS)
    for key, value in attributes.items():
        if key in FROM_COLUMNS or value is None:
            continue
        assert prefix + key in model, f"{name} has no {key}"
        ours = model[prefix + key]
        if key == "solver_":
            assert ours.tobytes() == f"{value}\0".encode() or params.get("solver") == "lsqr"
            continue
        assert ours.shape == np.atleast_1d(value).shape, key
        assert np.isfinite(ours).all()
        if key not in PATH_OF_ITS_OWN and np.isfinite(close):
            np.testing.assert_allclose(ours, np.atleast_1d(value), rtol=close, atol=close * np.abs(value).max())
    if "t_" in attributes:
        assert model["t_"][0] == model["n_iter_"][0] * len(y) + 1  # as documented there
