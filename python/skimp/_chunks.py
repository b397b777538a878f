# SPDX-License-Identifier: BSD-3-Clause
"""Data in chunks of rows, for estimators that learn from one at a time.

Shuffled at two levels: rows are cut into blocks; blocks are drawn in a random order, and the rows of the blocks that make a
chunk are mixed.  So a chunk has rows from all over the data, and reading stays nearly sequential.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing

from skimp.dataset import Dataset

Chunk = tuple[Any, Any, Any]
BLOCKS = 16  # that make a chunk


def row_bytes(X: Any) -> float:
    """Return what a row takes, in bytes."""
    n: int = max(X.shape[0], 1)
    if isinstance(X, Dataset):
        return 8.0 * X.shape[1]
    if sp.issparse(X):
        return float(X.data.nbytes + X.indices.nbytes) / n
    if hasattr(X, "memory_usage"):
        return float(X.memory_usage(index=False, deep=False).sum()) / n
    return float(getattr(X, "nbytes", 8 * n * X.shape[1])) / n


def _take(X: Any, y: Any, weight: Any, rows: np.ndarray) -> Chunk:
    if isinstance(X, Dataset):
        own_X, own_y, own_weight = X.take(rows)
        return own_X, own_y if y is None else _safe_indexing(y, rows), own_weight if weight is None else weight[rows]
    return (
        _safe_indexing(X, rows),
        None if y is None else _safe_indexing(y, rows),
        None if weight is None else _safe_indexing(weight, rows),
    )


def chunks(
    X: Any, y: Any, weight: Any, rows: np.ndarray, n_rows: int, random: np.random.RandomState | None
) -> Iterator[Chunk]:
    """Yield all of some rows, at most `n_rows` at a time.

    Parameters
    ----------
    X : array, sparse matrix, frame or Dataset
    rows : ndarray of int
        Which rows, ascending.
    random : RandomState or None
        None: in their order.
    """
    if random is None:
        for first in range(0, len(rows), n_rows):
            yield _take(X, y, weight, rows[first : first + n_rows])
        return
    size = max(1, n_rows // BLOCKS)
    starts = random.permutation(np.arange(0, len(rows), size))
    for first in range(0, len(starts), BLOCKS):
        parts = [rows[start : start + size] for start in np.sort(starts[first : first + BLOCKS])]
        there = np.concatenate(parts)
        own_X, own_y, own_weight = _take(X, y, weight, there)
        order = random.permutation(len(there))
        yield (
            _safe_indexing(own_X, order),
            None if own_y is None else _safe_indexing(own_y, order),
            None if own_weight is None else _safe_indexing(own_weight, order),
        )
