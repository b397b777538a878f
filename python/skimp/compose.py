# SPDX-License-Identifier: BSD-3-Clause
"""Column transformers: scikit-learn's, over skimp's transformers."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer as _ColumnTransformer
from sklearn.compose import make_column_transformer as _make_column_transformer

__all__ = ["ColumnTransformer", "make_column_transformer"]


class ColumnTransformer(_ColumnTransformer):
    """Transform columns by different transformers, and put what comes side by side; scikit-learn's, by its parameters.

    Parameters
    ----------
    transformers : list of (str, transformer, columns)
        Transformers of skimp or others, "passthrough" or "drop"; columns by name, place, slice or mask.
    remainder : "drop", "passthrough" or transformer, default="drop"
        What becomes of the other columns.
    sparse_threshold, n_jobs, transformer_weights, verbose, verbose_feature_names_out, force_int_remainder_cols
        As in scikit-learn.

    Attributes
    ----------
    transformers_, named_transformers_, output_indices_, sparse_output_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from skimp.compose import ColumnTransformer
    >>> from skimp.preprocessing import MinMaxScaler
    >>> columns = ColumnTransformer([("scale", MinMaxScaler(), [0])], remainder="passthrough")
    >>> columns.fit_transform([[1.0, 7.0], [3.0, 8.0]])
    array([[0., 7.],
           [1., 8.]])
    """


def make_column_transformer(*transformers: Any, **options: Any) -> ColumnTransformer:
    """Return a ColumnTransformer of these transformers, named after their classes.

    Parameters
    ----------
    *transformers : tuples of (transformer, columns)
        As in scikit-learn.
    **options
        `remainder` and the other parameters of ColumnTransformer.

    Returns
    -------
    ColumnTransformer
    """
    made = _make_column_transformer(*transformers, **options)
    return ColumnTransformer(**made.get_params(deep=False))
