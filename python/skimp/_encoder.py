# SPDX-License-Identifier: BSD-3-Clause
"""Chunks of a store as arrays: numbers as doubles, text one-hot."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from skimp._columns import Table

MOST_DENSE = 4096  # encoded columns of a chunk that is an array


def values_of(pair: tuple[str, bytes]) -> np.ndarray:
    """Return the values of a column of a chunk."""
    return np.frombuffer(pair[1], dtype=pair[0])


def narrow(values: np.ndarray) -> np.ndarray:
    """Return numbers as integers, where they all are."""
    is_whole = np.isfinite(values).all() and bool((values == np.floor(values)).all())
    return values.astype(np.int64) if is_whole else values


def csr_table(chunk: dict[str, Any]) -> Table:
    """Return a chunk of sparse data as a table."""
    indices, indptr = values_of(chunk["indices"]), values_of(chunk["indptr"])
    values = None if chunk["values"] is None else values_of(chunk["values"])
    shape = (chunk["n_rows"], chunk["n_columns"])
    return {"kind": "csr", "shape": shape, "values": values, "indices": indices, "indptr": indptr}


class Encoder:
    """Makes arrays of chunks: numbers as doubles, text one-hot, its texts in ascending order."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.n_columns = first["n_columns"]
        self.ranks: list[np.ndarray | None] = []
        self.first: list[int] = []
        at = 0
        for given in first["texts"]:
            self.first.append(at)
            if given is None:
                self.ranks.append(None)
                at += 1
            else:
                rank = np.empty(len(given), dtype=np.int64)
                rank[sorted(range(len(given)), key=[text.encode() for text in given].__getitem__)] = np.arange(len(given))
                self.ranks.append(rank)
                at += len(given)
        self.n_encoded = at

    def __call__(self, chunk: dict[str, Any]) -> Any:
        n = chunk["n_rows"]
        if "indptr" in chunk:
            table = csr_table(chunk)
            values = np.ones(len(table["indices"])) if table["values"] is None else table["values"].astype(np.float64)
            return sp.csr_array((values, table["indices"].copy(), table["indptr"].copy()), shape=table["shape"])
        rows = np.arange(n)
        if self.n_encoded <= MOST_DENSE:
            X = np.zeros((n, self.n_encoded))
            for pair, rank, first in zip(chunk["columns"], self.ranks, self.first, strict=True):
                values = values_of(pair)
                if rank is None:
                    X[:, first] = values
                else:
                    known = values >= 0
                    X[rows[known], first + rank[values[known]]] = 1
            return X
        parts = []
        for pair, rank, first in zip(chunk["columns"], self.ranks, self.first, strict=True):
            values = values_of(pair)
            known = values >= 0 if rank is not None else np.ones(n, dtype=bool)
            places = first + (rank[values[known]] if rank is not None else np.zeros(n, dtype=np.int64))
            parts.append((np.ones(len(places)) if rank is not None else values, rows[known], places))
        data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sp.coo_array((data, (row, column)), shape=(n, self.n_encoded)).tocsr()
