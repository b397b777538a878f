# SPDX-License-Identifier: BSD-3-Clause
"""From scikit-learn's unfitted estimators to skimp's."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer as TheirColumnTransformer
from sklearn.pipeline import Pipeline as TheirPipeline
from sklearn.preprocessing import OneHotEncoder as TheirOneHotEncoder

from skimp import _registry
from skimp._base import SkimpEstimator
from skimp._to_sklearn import configured
from skimp.compose import ColumnTransformer
from skimp.pipeline import Pipeline
from skimp.preprocessing import OneHotEncoder


def _convert(estimator: Any, place: str, left: list[str]) -> Any:
    if isinstance(estimator, (str, type(None))):
        return estimator
    if isinstance(estimator, (SkimpEstimator, Pipeline, ColumnTransformer, OneHotEncoder)):
        return clone(estimator)
    within = f"{place}__" if place else ""
    if type(estimator) is TheirPipeline:
        steps = [(name, _convert(step, f"{within}{name}", left)) for name, step in estimator.steps]
        return configured(Pipeline(steps, **_others(estimator, "steps")), estimator)
    if type(estimator) is TheirColumnTransformer:
        parts = [
            (name, _convert(part, f"{within}{name}", left), columns) for name, part, columns in estimator.transformers
        ]
        rest = _convert(estimator.remainder, f"{within}remainder", left)
        others = _others(estimator, "transformers", "remainder")
        return configured(ColumnTransformer(parts, remainder=rest, **others), estimator)
    own = OneHotEncoder if type(estimator) is TheirOneHotEncoder else _registry.ours(estimator)
    if own is None:
        left.append(f"{place or 'the estimator'} ({type(estimator).__name__})")
        return clone(estimator)
    return configured(own(**clone(estimator).get_params(deep=False)), estimator)


def _others(estimator: Any, *parts: str) -> dict[str, Any]:
    return {name: value for name, value in clone(estimator).get_params(deep=False).items() if name not in parts}


def from_sklearn(estimator: BaseEstimator) -> Any:
    """Turn an estimator, Pipeline or ColumnTransformer of scikit-learn into skimp's.

    Parameters
    ----------
    estimator : estimator
        Of scikit-learn; what was fitted of it is not taken over.

    Returns
    -------
    estimator : estimator
        Unfitted, with the same parameters, and told the same by `set_output`, `set_fit_request` and their like.  Parts that
        skimp does not have stay scikit-learn's, and a warning names them.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> import skimp
    >>> skimp.from_sklearn(LogisticRegression(C=10))
    LogisticRegression(C=10)
    >>> type(skimp.from_sklearn(LogisticRegression())).__module__
    'skimp.linear_model'
    """
    left: list[str] = []
    own = _convert(estimator, "", left)
    if left:
        warnings.warn(
            f"skimp does not have, and leaves as they are: {', '.join(left)}; "
            "with them, data is arrays and frames, not files",
            UserWarning,
            stacklevel=2,
        )
    return own
