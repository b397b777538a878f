# SPDX-License-Identifier: BSD-3-Clause
"""SGD's stop rule is scikit-learn's: whatever the weights are measured in, a fit does not end above its objective."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_skimp import ok, tensors, write_csv
from sklearn import datasets
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

LOSSES = {
    "hinge": lambda margin: np.maximum(0, 1 - margin),
    "log_loss": lambda margin: np.logaddexp(0, -margin),
}


def objective(params: dict[str, Any], x: np.ndarray, y: np.ndarray, weight: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> float:
    """Of all classes against the rest, or of one against the other."""
    labels = np.unique(y)
    total = 0.0
    for k, (w, b) in enumerate(zip(coef, intercept, strict=True)):
        sign = np.where(y == labels[1 if len(labels) == 2 else k], 1, -1)
        penalty = np.abs(w).sum() if params["penalty"] == "l1" else w @ w / 2
        total += (weight * LOSSES[params["loss"]](sign * (x @ w + b))).mean() + params["alpha"] * penalty
    return float(total)


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 5.0])
def test_weights_of_any_unit(tmp_path: Path, name: str, unit: float) -> None:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    weight = unit * np.random.default_rng(7).exponential(size=len(y))
    path = write_csv(tmp_path / "d.csv", ["y", "w", *(f"x{i}" for i in range(x.shape[1]))], [y, weight, *x.T])
    for loss, penalty, schedule in itertools.product(LOSSES, ["l2", "l1"], ["optimal", "invscaling", "adaptive"]):
        params = {"loss": loss, "penalty": penalty, "learning_rate": schedule, "alpha": 1e-4}
        theirs, ours = [], []
        for seed in range(3):
            peer = SGDClassifier(random_state=seed, **params).fit(x, y, sample_weight=weight)
            theirs.append(objective(params, x, y, weight, peer.coef_, peer.intercept_))
            words = [word for key, value in {**params, "random_state": seed}.items() for word in ("-p", f"{key}={value if isinstance(value, str) else json.dumps(value)}")]
            ok("fit", "sgd_classifier", path, "-t", "y", "--weight", "w", "-o", tmp_path / "m", *words)
            model = tensors(tmp_path / "m")
            ours.append(objective(params, x, y, weight, model["coef_"], model["intercept_"]))
        assert np.median(ours) <= max(theirs) * 1.03, (params, ours, theirs)
