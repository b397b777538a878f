# SPDX-License-Identifier: BSD-3-Clause
"""What transformers share."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin

from skimp._base import SkimpEstimator


class Transformer(TransformerMixin, SkimpEstimator):
    """An estimator that changes columns."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from X.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        y : None
            Ignored.
        sample_weight : array or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self
        """
        self._fit(X, None, sample_weight)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return X transformed: an array of the same float type (float64 of integers)."""
        return self._apply(X, "transform")
