# SPDX-License-Identifier: BSD-3-Clause
"""From fitted estimators to scikit-learn's own, with the same predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from skimp._arrays import strings
from skimp._registry import theirs

OWN = ("memory_report_", "encoded_feature_names_")  # what scikit-learn's classes do not have


def _encoder(categories: list[str], has_missing: bool, column: str) -> OneHotEncoder:
    """Return a fitted encoder of one text column; None and NaN, where they are a category, come last."""
    import pandas

    known = np.array([*categories, *([np.nan] if has_missing else [])], dtype=object)
    return OneHotEncoder(categories=[known], handle_unknown="ignore").fit(pandas.DataFrame({column: known}))


def _encoding(arrays: dict[str, np.ndarray]) -> ColumnTransformer:
    """Return the fitted transformer that encodes the input columns as the library does: in their order, text one-hot."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_sklearn() of a model over text columns needs pandas: scikit-learn names columns by it") from error
    names = strings(arrays["columns"])
    is_text = arrays["column_types"]
    parts: list[tuple[str, Any, Any]] = []
    row: dict[str, list[Any]] = {}
    n_text = 0
    for name, text in zip(names, is_text, strict=True):
        if not text:
            row[name] = [0.0]
            if parts and parts[-1][1] == "passthrough":
                parts[-1][2].append(name)
            else:
                parts.append((name, "passthrough", [name]))
            continue
        categories = strings(arrays[f"categories.{n_text}"])
        encoder = _encoder(categories, bool(arrays["category_missing"][n_text]), name)
        row[name] = [categories[0] if categories else None]
        parts.append((name, encoder, [name]))
        n_text += 1
    columns = ColumnTransformer(parts, remainder="drop")
    columns.fit(pandas.DataFrame(row))
    # What it fitted to one row is replaced by what was fitted to all of them.
    columns.transformers_ = [
        (name, fitted if part == "passthrough" else part, chosen)
        for (name, part, chosen), (_, fitted, _) in zip(parts, columns.transformers_, strict=False)
    ]
    return columns


def plain(estimator: Any) -> Any:
    """Return scikit-learn's estimator with the attributes of a fitted one."""
    other = theirs(type(estimator))(**estimator.get_params(deep=False))
    for name, value in vars(estimator).items():
        if name.endswith("_") and not name.startswith("_") and name not in OWN:
            setattr(other, name, value)
    for name, value in estimator._sklearn_state().items():
        setattr(other, name, value)
    return other


def to_sklearn(estimator: Any) -> Any:
    """Return scikit-learn's estimator, after an encoder of the text columns where there are some."""
    other = plain(estimator)
    arrays = estimator._skimp.arrays
    if not any(arrays.get("column_types", ())):
        return other
    if estimator._skimp.meta.get("hash_bits", "0") != "0":
        raise ValueError("to_sklearn(): scikit-learn has no encoder that hashes texts as this model does")
    for name in ("feature_names_in_", "n_features_in_"):
        if hasattr(other, name):
            delattr(other, name)
    other.n_features_in_ = int(estimator._skimp.meta["n_features"])
    return Pipeline([("encode", _encoding(arrays)), (type(other).__name__.lower(), other)])
