# SPDX-License-Identifier: BSD-3-Clause
"""Data in batches: frames by slices, streams of Arrow, chunks of an iterator, mapped files; with target and weight.

The extension module asks for one batch after the other, from a thread of its own, and holds each until it asks for the
next.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array

from skimp._columns import (
    Column,
    Table,
    arrow_table,
    has_text,
    is_pandas,
    native,
    own_columns,
    pandas_names,
    pandas_table,
    refuse_times,
    table_shape,
    texts,
)
from skimp._paths import arrow_file_tables, arrow_names, arrow_rows, rows_at_once, short_batches, slices

PREAD_BYTES = 512 << 10  # of a mapped file, read at once

Part = tuple[Table, Any, Any]  # rows, their targets, their weights


# ---- what is what ----------------------------------------------------------------------------------------------------


def is_polars(X: Any) -> bool:
    """Say whether this is a Polars DataFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def holds_text(X: Any) -> bool:
    """Say whether this is a frame of pandas or Polars with columns of text or categories."""
    if is_polars(X):
        return any(not (dtype.is_numeric() or dtype.is_temporal() or str(dtype) == "Boolean") for dtype in X.dtypes)
    return is_pandas(X) and has_text(X)


def is_series(X: Any) -> bool:
    """Say whether this is one column, of pandas or Polars.  (A relation of DuckDB must not be asked for its shape: it runs.)"""
    kinds = (sys.modules[name].Series for name in ("pandas", "polars") if name in sys.modules)
    return isinstance(X, tuple(kinds))


def is_arrow_source(X: Any) -> bool:
    """Say whether batches of Arrow come from this: a table, a reader, a dataset, a relation, a lazy frame."""
    return not (is_pandas(X) or is_series(X)) and (
        hasattr(X, "__arrow_c_stream__")
        or hasattr(X, "__arrow_c_array__")
        or hasattr(X, "collect_batches")
        or (hasattr(X, "to_batches") and hasattr(X, "schema"))
    )


def is_chunks(X: Any) -> bool:
    """Say whether this is an iterator of chunks, or a function that returns one."""
    return isinstance(X, Iterator) or is_called(X)


def is_called(X: Any) -> bool:
    """Say whether this is a function that returns chunks anew each time."""
    if not callable(X) or isinstance(X, (type, Iterator)):
        return False
    return not (hasattr(X, "shape") or hasattr(X, "__array__") or is_arrow_source(X))


def called(X: Callable[[], Any]) -> Iterator[Any]:
    """Call a function of the user for chunks."""
    chunks = X()
    if not hasattr(chunks, "__iter__") or hasattr(chunks, "shape"):
        raise TypeError(f"X is a function that is to return an iterator of chunks, and returned {type(chunks).__name__}")
    return iter(chunks)


def is_stream(X: Any) -> bool:
    """Say whether rows of this come one batch after the other, and no array can be had of it."""
    return is_chunks(X) or (is_arrow_source(X) and not is_polars(X))


def mapped_file(X: Any) -> bool:
    """Say whether this is an unmodified memmap of the file that has its name, which is better read than mapped."""
    if not (isinstance(X, np.memmap) and X.ndim == 2 and X.mode == "r" and _lies_in_order(X)) or X.filename is None:
        return False
    try:
        return mapped_at(X, os.stat(X.filename)) is not None
    except OSError:
        return False


# ---- rows ------------------------------------------------------------------------------------------------------------


def pandas_parts(X: Any) -> Iterator[Table]:
    """Yield a pandas frame, some rows at a time."""
    names = pandas_names(X)
    kinds: list[bool | None] = [None] * X.shape[1]
    for rows in slices(X.shape[0], rows_at_once(X.shape[1])):
        table = pandas_table(X.iloc[rows], names, kinds)
        kinds = [column[2] is not None for column in table["columns"]]
        yield table


def _arrow_reader(X: Any) -> Iterator[Any]:
    import pyarrow as pa

    if isinstance(X, pa.RecordBatch):
        return iter([X])
    if hasattr(X, "to_arrow_reader"):  # DuckDB: as it runs, not when it has run
        return iter(X.to_arrow_reader(1 << 14))
    if hasattr(X, "fetch_record_batch"):
        return iter(X.fetch_record_batch(1 << 14))
    if hasattr(X, "collect_batches"):  # a lazy frame of Polars
        return chain.from_iterable(_arrow_reader(frame) for frame in X.collect_batches(chunk_size=1 << 14))
    if hasattr(X, "scanner"):  # a dataset of pyarrow
        n = rows_at_once(len(X.schema.names))
        return iter(X.scanner(batch_size=n, batch_readahead=0, fragment_readahead=0, use_threads=False).to_batches())
    if hasattr(X, "__arrow_c_stream__"):
        return iter(pa.RecordBatchReader.from_stream(X))
    if hasattr(X, "__arrow_c_array__"):
        return iter([pa.record_batch(X)])
    return iter(X.to_batches())


def arrow_parts(batches: Iterator[Any], names: list[str] | None = None) -> Iterator[Table]:
    """Yield record batches as tables; names: of these columns, in this order; None: of all but an index of pandas."""
    for batch in short_batches(batches):
        if names is None:
            names = own_columns(batch.schema)
        yield arrow_table(batch if names == batch.schema.names else batch.select(names))


def _memmap_root(X: np.ndarray) -> Any:
    root: Any = X
    while isinstance(root, np.ndarray) and not isinstance(root.base, mmap.mmap):
        root = root.base
    return root if isinstance(root, np.memmap) else None


def _lies_in_order(X: np.ndarray) -> bool:
    item = X.itemsize
    in_rows = X.strides[1] == item and X.strides[0] >= item * X.shape[1]
    in_columns = X.strides[0] == item and X.strides[1] >= item * X.shape[0]
    return _memmap_root(X) is not None and X.size > 0 and X.dtype.kind in "biuf" and (in_rows or in_columns)


def mapped_at(X: np.memmap, found: os.stat_result) -> int | None:
    """Return the offset of a memmap's first value in the file that was found under its name.

    None: it is not the file that is mapped, which was removed, or which another has replaced since; or the system does
    not say.
    """
    first: int = X.__array_interface__["data"][0]
    last = first + sum((n - 1) * stride for n, stride in zip(X.shape, X.strides, strict=True)) + X.itemsize
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            # from-to, access, offset, device, inode, path
            fields = line.rstrip("\n").split(maxsplit=5)
            start, end = (int(address, 16) for address in fields[0].split("-"))
            if start <= first and last <= end:
                break
        else:
            return None
    major, minor = (int(number, 16) for number in fields[3].split(":"))
    # Of some file systems (btrfs, overlays) the kernel names another device here than in os.stat: then the path tells,
    # which it keeps up to date.
    is_same_device = found.st_dev == os.makedev(major, minor)
    is_same_path = len(fields) == 6 and X.filename is not None and fields[5] == os.path.realpath(X.filename)
    if int(fields[4]) != found.st_ino or not (is_same_device or is_same_path):
        return None
    return int(fields[2], 16) + first - start


def _read(fd: int, n_bytes: int, offset: int) -> np.ndarray:
    out = np.empty(n_bytes, dtype=np.uint8)
    done = 0
    while done < n_bytes:
        got = os.preadv(fd, [out[done:].data], offset + done)
        if got == 0:
            raise OSError("the mapped file is shorter than its array")
        done += got
    return out


def memmap_parts(X: np.memmap) -> Iterator[Table]:
    """Yield a memmap, some rows at a time, read from its file: mapped pages would count as memory."""
    assert X.filename is not None
    n_rows, n_columns = X.shape
    step = max(1, PREAD_BYTES // (X.itemsize * n_columns))
    fd = os.open(X.filename, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = mapped_at(X, os.fstat(fd))
        if first is None:
            raise OSError(f"{X.filename} was replaced by another file while it was read: load it again")
        for rows in slices(n_rows, step):
            n = rows.stop - rows.start
            if X.strides[1] == X.itemsize:
                raw = _read(fd, (n - 1) * X.strides[0] + n_columns * X.itemsize, first + rows.start * X.strides[0])
                part = np.ndarray((n, n_columns), X.dtype, raw, strides=X.strides)
            else:
                part = np.empty((n, n_columns), X.dtype, order="F")
                for j in range(n_columns):
                    at = first + rows.start * X.itemsize + j * X.strides[1]
                    part[:, j] = _read(fd, n * X.itemsize, at).view(X.dtype)
            yield {"kind": "matrix", "values": native(part), "names": None}
    finally:
        os.close(fd)


# ---- chunks ----------------------------------------------------------------------------------------------------------


def _chunk_tables(X: Any, kinds: list[bool | None]) -> Iterator[tuple[Table, int]]:
    """Yield the rows of a chunk as tables: one, but of frames of Arrow perhaps several; and how many rows each has."""
    if is_pandas(X):
        table = pandas_table(X, pandas_names(X), kinds if len(kinds) == X.shape[1] else None)
        if not kinds:
            kinds.extend(column[2] is not None for column in table["columns"])
        yield table, X.shape[0]
    elif is_arrow_source(X):
        for table in arrow_parts(_arrow_reader(X)):
            yield table, table["n_rows"]
    elif sp.issparse(X):
        csr = native(X.tocsr())
        own = {"kind": "csr", "shape": csr.shape, "values": csr.data, "indices": csr.indices, "indptr": csr.indptr}
        yield own, csr.shape[0]
    else:
        values = check_array(X, dtype="numeric", copy=False, ensure_all_finite=False, ensure_min_samples=0)
        refuse_times(values)
        yield {"kind": "matrix", "values": native(values), "names": None}, values.shape[0]


def chunk_parts(chunks: Iterator[Any]) -> Iterator[Part]:
    """Yield chunks ``X``, ``(X, y)`` or ``(X, y, weight)`` of an iterator."""
    kinds: list[bool | None] = []
    for chunk in chunks:
        if not isinstance(chunk, tuple):
            chunk = (chunk,)
        if not 1 <= len(chunk) <= 3:
            raise ValueError(f"a chunk is X, (X, y) or (X, y, sample_weight), not {len(chunk)} things")
        X, y, weight = (*chunk, None, None)[:3]
        y = None if y is None else np.asarray(y)
        weight = None if weight is None else np.asarray(weight)
        at = 0
        for table, n in _chunk_tables(X, kinds):
            for name, values in (("y", y), ("sample_weight", weight)):
                if values is not None and (values.ndim != 1 or len(values) < at + n):
                    raise ValueError(f"{name} of a chunk has shape {values.shape}, its X has {at + n} rows or more")
            rows = slice(at, at + n)
            yield table, None if y is None else y[rows], None if weight is None else weight[rows]
            at += n
        if y is not None and len(y) != at:
            raise ValueError(f"Found input variables with inconsistent numbers of samples: [{at}, {len(y)}]")


# ---- targets ---------------------------------------------------------------------------------------------------------


def label_column(name: str, values: np.ndarray) -> Column:
    """Return targets of some rows: numbers as they are, text as codes."""
    if values.dtype.kind not in "OUST":
        return (name, native(values), None)
    is_there = np.array([value is not None and value == value for value in values.tolist()], dtype=bool)
    kinds, found = np.unique([str(value) for value in values[is_there].tolist()], return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[is_there] = found
    return (name, codes, texts(kinds))


class Batches:
    """Batches for a job.

    Parameters
    ----------
    parts : iterator of Part
        Rows with what comes with them.
    n_rows : int
        How many rows there are; 0: not known.
    target, weight : Column or None
        Of all rows, in place of what comes with them.
    again : callable or None
        Gives the parts anew: the job reads them once a pass, and keeps nothing.  None: they come once.
    """

    def __init__(
        self,
        parts: Iterator[Part],
        n_rows: int = 0,
        target: Column | None = None,
        weight: Column | None = None,
        again: Callable[[], Iterator[Part]] | None = None,
    ) -> None:
        self.parts = parts
        self.n_rows = n_rows
        self.again = again
        self.target = target
        self.weight = weight
        self.at = 0
        first = next(parts, None)
        if first is None:
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: there is no chunk.")
        self.first: Part | None = first
        self.table, self.y = first[0], first[1]
        self.has_target = target is not None or first[1] is not None

    def _slice(self, column: Column | None, n: int) -> Column | None:
        if column is None:
            return None
        values = column[1][self.at : self.at + n]
        if len(values) < n:
            self._refuse_length(len(column[1]))
        return (column[0], values, *column[2:])

    def _refuse_length(self, n: int) -> None:
        more = "" if self.n_rows else " or more"
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{self.n_rows or self.at}{more}, {n}]"
        )

    def __call__(self) -> dict[str, Any] | None:
        """Return the next batch as the extension module takes it; None: there is no more."""
        part = self.first if self.first is not None else next(self.parts, None)
        self.first = None
        if part is None:
            for column in (self.target, self.weight):
                if column is not None and len(column[1]) != self.at:
                    self._refuse_length(len(column[1]))
            return None
        table, y, weight = part
        n = table_shape(table)[0]
        target = self._slice(self.target, n) if self.target is not None else None if y is None else label_column("y", y)
        weights = self._slice(self.weight, n)
        if weights is None and weight is not None:
            weights = ("sample_weight", np.asarray(weight, dtype=np.float64), None)
        self.at += n
        return {**table, "target": target, "weight": weights}

    def begin_again(self) -> None:
        """Have the first batch come next."""
        assert self.again is not None
        self.parts = self.again()
        self.first = None
        self.at = 0

    def options(self) -> dict[str, Any]:
        """Return the data of a job."""
        again = None if self.again is None else self.begin_again
        return {"kind": "batches", "next": self, "n_rows": self.n_rows, "again": again}


def _alone(tables: Iterator[Table]) -> Iterator[Part]:
    return ((table, None, None) for table in tables)


def parts_of(X: Any, wanted: list[str] | None = None) -> tuple[Iterator[Part], int]:
    """Return what is no array as parts, and how many rows there are (0: not known).

    Parameters
    ----------
    wanted : list of str or None
        Columns that a model knows: where all are there, those alone are read.
    """
    if is_pandas(X):
        return _alone(pandas_parts(X)), X.shape[0]
    if isinstance(X, np.memmap):
        return _alone(memmap_parts(X)), X.shape[0]
    if is_arrow_source(X):
        n_rows = X.height if is_polars(X) else getattr(X, "num_rows", 0)
        return _alone(_chosen(_arrow_reader(X), wanted)), n_rows
    return chunk_parts(called(X) if is_called(X) else X), 0


def parts_again(X: Any) -> Callable[[], Iterator[Part]] | None:
    """Return what gives the parts of X once more; None: they come once."""
    return (lambda: chunk_parts(called(X))) if is_called(X) else None


def _chosen(batches: Iterator[Any], wanted: list[str] | None) -> Iterator[Table]:
    first = next(batches, None)
    if first is None:
        return iter(())
    names = list(first.schema.names)
    chosen = wanted if wanted is not None and set(wanted) <= set(names) else None
    return arrow_parts(chain([first], batches), chosen)


def file_parts(
    paths: tuple[str, ...], kind: str, drop: frozenset[str] = frozenset(), wanted: list[str] | None = None
) -> tuple[Iterator[Part], int]:
    """Return Parquet or Arrow files as parts, and how many rows there are (0: not known)."""
    names = [name for name in arrow_names(paths, kind) if name not in drop]
    if wanted is not None and set(wanted) <= set(names):
        names = wanted
    return _alone(arrow_file_tables(paths, kind, names)), arrow_rows(paths, kind)
