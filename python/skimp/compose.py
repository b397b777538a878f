# SPDX-License-Identifier: BSD-3-Clause
"""Column transformers: scikit-learn's, over skimp's transformers."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer as _ColumnTransformer
from sklearn.compose import make_column_transformer as _make_column_transformer

__all__ = ["ColumnTransformer", "make_column_transformer"]


class ColumnTransformer(_ColumnTransformer):
    """Transform columns by different transformers, and put what comes side by side; scikit-learn's, by its parameters.

    It works on arrays and frames, as scikit-learn's.  Over files, a `skimp.pipeline.Pipeline` of skimp's transformers
    is one job, which encodes columns of text and transforms columns of numbers.

    Parameters
    ----------
    transformers : list of (str, transformer, columns)
        Transformers of skimp or others, "passthrough" or "drop"; columns by name, place, slice or mask.
    remainder : "drop", "passthrough" or transformer, default="drop"
        What becomes of the other columns.
    sparse_threshold : float, default=0.3
        If fewer values than this share are not zero, and some are sparse already, what comes out is sparse.
    n_jobs : int, default=None
        Processes of joblib.
    transformer_weights : dict, default=None
        What is multiplied by, by the transformers' names.
    verbose : bool, default=False
        Print how long each takes.
    verbose_feature_names_out : bool, str or callable, default=True
        Put the transformers' names before those of the features.

    Attributes
    ----------
    transformers_ : list of (str, transformer, columns)
        Fitted.
    named_transformers_ : Bunch
        The same, by name.
    output_indices_ : dict
        Slices of the columns that come out, by the transformers' names.
    sparse_output_ : bool
        Whether what comes out is sparse.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.compose import ColumnTransformer
    >>> from skimp.preprocessing import MinMaxScaler
    >>> columns = ColumnTransformer([("scale", MinMaxScaler(), [0])], remainder="passthrough")
    >>> columns.fit_transform(np.array([[1.0, 7.0], [3.0, 8.0]]))
    array([[0., 7.],
           [1., 8.]])
    """


def make_column_transformer(*transformers: Any, **options: Any) -> ColumnTransformer:
    """Return a ColumnTransformer of these transformers, named after their classes.

    Parameters
    ----------
    *transformers : tuple of (transformer, columns)
        As of ColumnTransformer, without names.
    **options : dict
        `remainder` and the other parameters of ColumnTransformer.

    Returns
    -------
    transformer : ColumnTransformer
        Not fitted.

    Examples
    --------
    >>> from skimp.compose import make_column_transformer
    >>> from skimp.preprocessing import MaxAbsScaler, MinMaxScaler
    >>> columns = make_column_transformer((MinMaxScaler(), [0]), (MaxAbsScaler(), [1]))
    >>> [name for name, _, _ in columns.transformers]
    ['minmaxscaler', 'maxabsscaler']
    """
    made = _make_column_transformer(*transformers, **options)
    return ColumnTransformer(**made.get_params(deep=False))
