# SPDX-License-Identifier: BSD-3-Clause
"""Chunks of a store as arrays: numbers as doubles, text one-hot."""

from __future__ import annotations

from dataclasses import dataclass
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


def joined(parts: list[Any]) -> Any:
    """Return the rows, targets or weights of several chunks as one; of None None."""
    if len(parts) == 1 or parts[0] is None:
        return parts[0]
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.concatenate(parts)


@dataclass(frozen=True)
class Encoding:
    """Which columns make which features.

    Attributes
    ----------
    columns : tuple of str or None
        Names of the input columns; None: sparse data.
    texts : tuple
        Of each column its texts in ascending order of their bytes; None: numbers.
    n_columns : int
        Of sparse data, how many.
    """

    columns: tuple[str, ...] | None
    texts: tuple[tuple[str, ...] | None, ...]
    n_columns: int

    def feature_names(self) -> list[str]:
        """Return the names of the features, of sparse data none."""
        names: list[str] = []
        for column, known in zip(self.columns or (), self.texts, strict=True):
            names += [column] if known is None else [f"{column}_{text}" for text in known]
        return names


def encoding_of(first: dict[str, Any], columns: list[str] | None) -> Encoding:
    """Return what a store's first chunk says: a feature for each text that it has."""
    if columns is None:
        return Encoding(None, (), first["n_columns"])
    ordered = [None if given is None else tuple(sorted(given, key=str.encode)) for given in first["texts"]]
    return Encoding(tuple(columns), tuple(ordered), first["n_columns"])


class Encoder:
    """Makes arrays of chunks: numbers as doubles, text one-hot.

    Parameters
    ----------
    first : dict
        The first chunk of a store.
    columns : list of str or None
        Its columns.
    encoding : Encoding
        The features to make.  Columns beyond its own are left out, texts that it does not know give zeros.
    """

    def __init__(self, first: dict[str, Any], columns: list[str] | None, encoding: Encoding) -> None:
        if (encoding.columns is None) != (columns is None):
            raise ValueError("the data was sparse in fit and is a table now, or the other way round")
        self.n_columns = encoding.n_columns
        self.places: list[int] = []
        self.ranks: list[np.ndarray | None] = []
        self.first: list[int] = []
        at = 0
        for name, known in zip(encoding.columns or (), encoding.texts, strict=True):
            if name not in (columns or ()):
                raise ValueError(f"column {name!r} was there in fit and is missing now")
            self.places.append((columns or []).index(name))
            given = first["texts"][self.places[-1]]
            if (given is None) != (known is None):
                raise ValueError(f"column {name!r} held {'numbers' if known is None else 'text'} in fit, and does not now")
            self.first.append(at)
            if given is None or known is None:
                self.ranks.append(None)
                at += 1
            else:
                ranks = {text: rank for rank, text in enumerate(known)}
                self.ranks.append(np.array([ranks.get(text, -1) for text in given], dtype=np.int64))
                at += len(known)
        self.n_encoded = at

    def __call__(self, chunk: dict[str, Any]) -> Any:
        """Return the rows of a chunk."""
        return self._sparse(chunk) if "indptr" in chunk else self._table(chunk)

    def _sparse(self, chunk: dict[str, Any]) -> Any:
        table = csr_table(chunk)
        values = np.ones(len(table["indices"])) if table["values"] is None else table["values"].astype(np.float64)
        X = sp.csr_array((values, table["indices"].copy(), table["indptr"].copy()), shape=table["shape"])
        if X.shape[1] > self.n_columns:
            return X[:, : self.n_columns]
        X.resize((X.shape[0], self.n_columns))
        return X

    def _table(self, chunk: dict[str, Any]) -> Any:
        n = chunk["n_rows"]
        rows = np.arange(n)
        is_dense = self.n_encoded <= MOST_DENSE
        X = np.zeros((n, self.n_encoded if is_dense else 0))
        parts = []
        for place, rank, first in zip(self.places, self.ranks, self.first, strict=True):
            values = values_of(chunk["columns"][place])
            if rank is None:
                known, feature, found = rows, np.full(n, first), values
            else:
                code = np.append(rank, -1)[values.astype(np.int64)]  # a missing text is code -1
                known = rows[code >= 0]
                feature, found = first + code[known], np.ones(len(known))
            if is_dense:
                X[known, feature] = found
            else:
                parts.append((found, known, feature))
        if is_dense:
            return X
        data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        if max(n, self.n_encoded, len(data)) <= np.iinfo(np.int32).max:  # many estimators take no wider indices
            row, column = row.astype(np.int32), column.astype(np.int32)
        return sp.coo_array((data, (row, column)), shape=(n, self.n_encoded)).tocsr()
