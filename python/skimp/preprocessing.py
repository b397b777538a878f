# SPDX-License-Identifier: BSD-3-Clause
"""Scalers, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import Tags

from skimp._transformer import Transformer

__all__ = ["MaxAbsScaler", "MinMaxScaler", "StandardScaler"]


class _Scaler(OneToOneFeatureMixin, Transformer):
    _allow_nan = True

    n_samples_seen_: int | np.ndarray

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        if name == "n_samples_seen_" and (array == array.flat[0]).all():
            self.n_samples_seen_ = int(array.flat[0])
        else:
            super()._set_attribute(name, array)

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        if name == "n_samples_seen_":
            return np.broadcast_to(self.n_samples_seen_, shape)
        return super()._get_attribute(name, shape)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class StandardScaler(_Scaler):
    """Remove the mean and scale to unit variance; missing values stay missing.

    Parameters
    ----------
    copy : bool, default=True
        Accepted; X is never changed.
    with_mean : bool, default=True
        Remove the mean (not possible on sparse data).
    with_std : bool, default=True
        Scale to unit variance.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,)
    n_samples_seen_ : int or ndarray of shape (n_features,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport

    Examples
    --------
    >>> from skimp.preprocessing import StandardScaler
    >>> StandardScaler().fit_transform([[0.0], [2.0]])
    array([[-1.],
           [ 1.]])
    """

    _core_name = "standard_scaler"
    _attributes = ("mean_", "var_", "scale_", "n_samples_seen_")

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        return tags


class MinMaxScaler(_Scaler):
    """Scale each column to a range.

    Parameters
    ----------
    feature_range : tuple (min, max), default=(0, 1)
        The range.
    copy : bool, default=True
        Accepted; X is never changed.
    clip : bool, default=False
        Cut values of other data to the range.

    Attributes
    ----------
    min_, scale_, data_min_, data_max_, data_range_ : ndarray of shape (n_features,)
    n_samples_seen_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
    """

    _core_name = "min_max_scaler"
    _attributes = ("min_", "scale_", "data_min_", "data_max_", "data_range_", "n_samples_seen_")

    def __init__(self, feature_range: tuple[float, float] = (0, 1), *, copy: bool = True, clip: bool = False) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip


class MaxAbsScaler(_Scaler):
    """Scale each column by its largest absolute value.

    Parameters
    ----------
    copy : bool, default=True
        Accepted; X is never changed.
    clip : bool, default=False
        Cut values of other data to [-1, 1].

    Attributes
    ----------
    max_abs_, scale_ : ndarray of shape (n_features,)
    n_samples_seen_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
    """

    _core_name = "max_abs_scaler"
    _attributes = ("max_abs_", "scale_", "n_samples_seen_")

    def __init__(self, *, copy: bool = True, clip: bool = False) -> None:
        self.copy = copy
        self.clip = clip

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
