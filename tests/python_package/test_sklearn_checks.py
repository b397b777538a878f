# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's own checks of what an estimator must do, over every class that the package has."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from skimp.impute import SimpleImputer
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

ESTIMATORS = [
    LinearRegression(),
    LogisticRegression(),
    LogisticRegression(l1_ratio=1, solver="saga"),
    Ridge(),
    SGDClassifier(),
    SGDClassifier(loss="log_loss"),
    SGDRegressor(),
    MaxAbsScaler(),
    MinMaxScaler(),
    StandardScaler(),
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="most_frequent"),
]

# What scikit-learn's own class fails too.
SGD = {
    check: "a row of weight 2 is one step, not the two of a row that is there twice"
    for check in ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
}
EXPECTED_FAILURES = {SGDClassifier: SGD, SGDRegressor: SGD}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(type(estimator), {}))
def test_check(estimator: Any, check: Any) -> None:
    check(estimator)
