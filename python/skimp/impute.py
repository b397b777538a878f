# SPDX-License-Identifier: BSD-3-Clause
"""Imputation, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Tags

from skimp._transformer import Transformer

__all__ = ["SimpleImputer"]


class SimpleImputer(Transformer):
    """Fill missing values in, column by column.

    Parameters
    ----------
    missing_values : float, default=np.nan
        What stands for a missing value.
    strategy : {"mean", "median", "most_frequent", "constant"}, default="mean"
        What is filled in.
    fill_value : float, default=None
        The constant; None is 0.
    copy : bool, default=True
        Accepted; X is never changed.
    add_indicator : bool, default=False
        Add columns that say where values were missing.
    keep_empty_features : bool, default=False
        Keep columns without any value.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,)
        What is filled in.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
    """

    _core_name = "simple_imputer"
    _attributes = ("statistics_",)
    _allow_nan = True

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        strategy: str = "mean",
        fill_value: Any = None,
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        self.missing_values = missing_values
        self.strategy = strategy
        self.fill_value = fill_value
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
