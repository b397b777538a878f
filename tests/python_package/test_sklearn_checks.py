# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's own checks of what an estimator must do, over every class that the package has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sklearn.linear_model
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from skimp.impute import SimpleImputer
from skimp.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from skimp.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, StandardScaler

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
    OneHotEncoder(),
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


def test_expected_failures_are_scikit_learns_own_and_listed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "site" / "how_it_is_tested.md").read_text()
    listed = page[page.index("## Checks that are expected to fail") :]
    for kind, checks in EXPECTED_FAILURES.items():
        theirs = PER_ESTIMATOR_XFAIL_CHECKS[getattr(sklearn.linear_model, kind.__name__)]
        assert checks.keys() <= theirs.keys()
        assert all(f"`{name}`" in listed for name in (kind.__name__, *checks))
    named = {check for checks in EXPECTED_FAILURES.values() for check in checks}
    assert set(re.findall(r"`(check_\w+)`", listed)) == named


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(type(estimator), {}))
def test_check(estimator: Any, check: Any) -> None:
    check(estimator)
