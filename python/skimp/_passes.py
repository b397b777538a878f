# SPDX-License-Identifier: BSD-3-Clause
"""Chunks of a function that is called once a pass, for estimators that learn from one chunk at a time.

Rows come in the function's own order.  Shuffled, they are mixed within a window of several chunks: more than that
is not in memory at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing

from skimp._batches import Part, called, chunk_parts
from skimp._columns import Column, Table
from skimp._encoder import joined

Chunk = tuple[Any, Any, Any]
WINDOW = 4  # chunks whose rows are mixed


def _bits(pair: tuple[Any, int], n_rows: int) -> np.ndarray:
    """Return Arrow's bits, the first of which has a place, as booleans."""
    buffer, first = pair
    bits = np.unpackbits(np.frombuffer(buffer, dtype=np.uint8), bitorder="little")
    return bits[first : first + n_rows].astype(bool)


def _numbers(column: Column, n_rows: int) -> np.ndarray:
    values = _bits(column[1], n_rows) if isinstance(column[1], tuple) else np.asarray(column[1])
    validity = column[3] if len(column) > 3 else None
    if validity is None:
        return values
    return np.where(_bits(validity, n_rows), values, np.nan)


def rows_of(table: Table) -> Any:
    """Return a table as an array, or CSR; None: it has columns of text."""
    if table["kind"] == "matrix":
        return table["values"]
    if table["kind"] == "csr":
        values = np.ones(len(table["indices"])) if table["values"] is None else table["values"]
        return sp.csr_array((values, table["indices"], table["indptr"]), shape=table["shape"])
    if any(column[2] is not None for column in table["columns"]):
        return None
    columns = [_numbers(column, table["n_rows"]) for column in table["columns"]]
    return np.column_stack(columns).astype(np.float64, copy=False)


class Passes:
    """What a function of chunks gives, pass by pass; the rows must be the same each time.

    Parameters
    ----------
    function : callable
        Returns an iterator of ``X``, ``(X, y)`` or ``(X, y, sample_weight)``.
    y, sample_weight : array-like, str or None
        Of all rows; or the name of a column; None: what comes with the chunks.
    """

    def __init__(self, function: Callable[[], Any], y: Any = None, sample_weight: Any = None) -> None:
        self._function = function
        self._names = [given if isinstance(given, str) else None for given in (y, sample_weight)]
        arrays = [None if isinstance(given, str) else given for given in (y, sample_weight)]
        self._given = [None if given is None else np.asarray(given) for given in arrays]
        self.n_rows: int | None = None
        self._parts: Iterator[Part] = chunk_parts(called(function))
        first = next(self._parts, None)
        if first is None:
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: there is no chunk.")
        self._first: Part | None = first
        sample = self._without_roles(first[0])[0]
        self.sample = rows_of(sample)
        self.is_numbers = self.sample is not None

    @property
    def target(self) -> np.ndarray | None:
        """Targets of all rows, where they were given."""
        return self._given[0]

    def _without_roles(self, table: Table) -> tuple[Table, list[np.ndarray | None]]:
        """Return a table without the columns that are target and weight by name, and their values."""
        found: list[np.ndarray | None] = [None, None]
        if not any(self._names):
            return table, found
        own = [column[0] for column in table.get("columns", ())]
        for k, name in enumerate(self._names):
            if name is None:
                continue
            if name not in own:
                known = own or "the chunks have no names of columns"
                raise ValueError(f"there is no column {name!r}: {known}")
            column = table["columns"][own.index(name)]
            values = _numbers(column, table["n_rows"])
            if column[2] is not None:
                text, ends = column[2]
                kinds = [bytes(text[a:b]).decode() for a, b in zip(ends[:-1], ends[1:], strict=True)]
                values = np.array([*kinds, None], dtype=object)[values]
            found[k] = values
        rest = tuple(column for column in table["columns"] if column[0] not in self._names)
        return {**table, "columns": rest}, found

    def _pass(self) -> Iterator[Part]:
        """Yield the parts of the next pass: of the first, those that the first call gives."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
            yield from self._parts
        else:
            yield from chunk_parts(called(self._function))

    def rows(self) -> Iterator[Chunk]:
        """Yield (X, y, sample_weight) of all rows once, as the function cuts them."""
        at = 0
        for table, own_y, own_weight in self._pass():
            rest, named = self._without_roles(table)
            X = rows_of(rest)
            if X is None:
                raise ValueError("a chunk has text where the first one has numbers")
            n = X.shape[0]
            roles = []
            for given, from_column, own in zip(self._given, named, (own_y, own_weight), strict=True):
                part = given[at : at + n] if given is not None else from_column if from_column is not None else own
                if part is not None and len(part) != n:
                    found = f"[{at + n} or more, {at + len(part)}]"
                    raise ValueError(f"Found input variables with inconsistent numbers of samples: {found}")
                roles.append(part)
            at += n
            if n > 0:
                yield X, roles[0], roles[1]
        for given in self._given:
            if given is not None and len(given) != at:
                raise ValueError(f"Found input variables with inconsistent numbers of samples: [{at}, {len(given)}]")
        if self.n_rows not in (None, at):
            raise ValueError(f"the function gave {self.n_rows} rows the first time it was called, and now {at}")
        self.n_rows = at

    def chosen(self, share: float, seed: int, is_out: bool) -> Iterator[Chunk]:
        """Yield the rows of a pass that are kept out for a score, or the others: the same ones in every pass."""
        random = np.random.RandomState(seed)
        for X, y, weight in self.rows():
            if share == 0:
                yield X, y, weight
                continue
            mask = (random.random_sample(X.shape[0]) < share) == is_out
            if mask.any():
                yield X[mask], None if y is None else y[mask], None if weight is None else weight[mask]


def in_chunks(rows: Iterator[Chunk], n_rows: int, random: np.random.RandomState | None) -> Iterator[Chunk]:
    """Yield rows in chunks of at most `n_rows`; random: mixed within a window of several of them."""
    window = n_rows if random is None else WINDOW * n_rows
    held: list[Chunk] = []
    n_held = 0

    def given_out() -> Iterator[Chunk]:
        X, y, weight = (joined([chunk[k] for chunk in held]) for k in range(3))
        order = np.arange(X.shape[0]) if random is None else random.permutation(X.shape[0])
        for first in range(0, len(order), n_rows):
            own = slice(first, first + n_rows) if random is None else order[first : first + n_rows]
            X_part, y_part, own_weight = (None if part is None else _safe_indexing(part, own) for part in (X, y, weight))
            yield X_part, y_part, own_weight

    for X, y, weight in rows:
        first = 0
        while first < X.shape[0]:
            own = slice(first, min(X.shape[0], first + window - n_held))
            # Copies: the function may use the memory of a chunk for its next one.
            held.append((X[own].copy(), None if y is None else y[own].copy(), None if weight is None else weight[own].copy()))
            n_held += own.stop - own.start
            first = own.stop
            if n_held == window:
                yield from given_out()
                held.clear()
                n_held = 0
    if held:
        yield from given_out()
