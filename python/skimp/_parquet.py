# SPDX-License-Identifier: BSD-3-Clause
"""Parquet files, some rows at a time, in little memory.

A reader of Parquet holds for each column a page and its dictionary, about 3 MiB: of many columns at once that is more
than the rest of a job.  So where it would be, a few columns of a row group are read at a time, and their values wait in
an unnamed file in the spill directory until the last columns are read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from skimp import _config
from skimp._columns import Column, Table, arrow_table, is_arrow_text
from skimp._paths import pyarrow

BUFFER_BYTES = 256 << 10  # of a column's file bytes, read at once
COLUMN_BYTES = 11 << 18  # that a reader holds of a column: a page of 1 MiB, decompressed too, and a dictionary
GROUP_BYTES = 16 << 20  # that readers may hold at once


def _open(path: str, metadata: Any, texts: list[str]) -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(
        path,
        metadata=metadata,
        pre_buffer=False,
        memory_map=False,
        buffer_size=BUFFER_BYTES,
        read_dictionary=texts or None,
    )


def _held(metadata: Any, names: list[str]) -> dict[str, int]:
    """Return what a reader holds of each column, about."""
    held = dict.fromkeys(names, 0)
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        for c in range(group.num_columns):
            column = group.column(c)
            if column.path_in_schema in held:
                size = min(column.total_uncompressed_size, COLUMN_BYTES)
                held[column.path_in_schema] = max(held[column.path_in_schema], size)
    return held


def _groups(held: dict[str, int], last: list[str]) -> list[list[str]]:
    """Divide columns; those of `last` are in the last group, with others that fit."""
    groups: list[list[str]] = [list(last)]
    size = sum(held[name] for name in last)
    for name in held:
        if name not in last:
            if size + held[name] > GROUP_BYTES and groups[-1]:
                groups.append([])
                size = 0
            groups[-1].append(name)
            size += held[name]
    return groups[::-1]


def parquet_tables(path: str, names: list[str], n_rows: int) -> Iterator[Table]:
    """Yield columns of a file, so many rows at a time.

    Parameters
    ----------
    names : list of str
        Which columns, and their order.
    """
    pyarrow()
    from pyarrow import parquet

    metadata = parquet.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    texts = [name for name in names if is_arrow_text(schema.field(name).type)]
    held = _held(metadata, names)
    plain = [name for name in names if not _waits(schema.field(name).type)]
    groups = _groups(held, plain)
    if len(groups) == 1:
        with _open(path, metadata, texts) as file:
            for batch in file.iter_batches(batch_size=n_rows, columns=names, use_threads=False):
                yield arrow_table(batch)
        return
    directory = _config.effective({})["spill_dir"] or os.environ.get("TMPDIR") or "/var/tmp"
    with tempfile.TemporaryFile(prefix="skimp-", dir=directory) as file:
        for g in range(metadata.num_row_groups):
            waiting = _Waiting(file.fileno(), metadata.row_group(g).num_rows)
            for group in groups[:-1]:
                with _open(path, metadata, []) as reader:
                    for batch in reader.iter_batches(n_rows, row_groups=[g], columns=group, use_threads=False):
                        waiting.add(arrow_table(batch))
            at = 0
            with _open(path, metadata, texts) as reader:
                for batch in reader.iter_batches(n_rows, row_groups=[g], columns=groups[-1], use_threads=False):
                    columns = {column[0]: column for column in arrow_table(batch)["columns"]}
                    columns |= waiting.rows(at, batch.num_rows)
                    at += batch.num_rows
                    yield {
                        "kind": "columns",
                        "n_rows": batch.num_rows,
                        "columns": tuple(columns[name] for name in names),
                    }


def _waits(kind: Any) -> bool:
    """Can values of this type wait in a file?"""
    pa = pyarrow()
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


class _Waiting:
    """Values of a row group's columns, in a file."""

    def __init__(self, fd: int, n_rows: int) -> None:
        self.fd = fd
        self.n_rows = n_rows
        self.place: dict[str, tuple[int, np.dtype]] = {}
        self.done: dict[str, int] = {}
        self.end = 0

    def add(self, table: Table) -> None:
        """Put rows away: those after the last ones of the same columns."""
        for column in table["columns"]:
            name, values = column[0], _without_gaps(column)
            if name not in self.place:
                # As doubles, where they may miss values or cannot be kept otherwise: gaps are NaN there.
                dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
                self.place[name] = self.end, dtype
                self.done[name] = 0
                self.end += self.n_rows * dtype.itemsize
            place, dtype = self.place[name]
            data = np.ascontiguousarray(values, dtype=dtype)
            _write(self.fd, data, place + self.done[name] * dtype.itemsize)
            self.done[name] += len(data)

    def rows(self, first: int, n: int) -> dict[str, Column]:
        """Return rows of all columns."""
        return {
            name: (name, _read(self.fd, n, dtype, place + first * dtype.itemsize), None, None)
            for name, (place, dtype) in self.place.items()
        }


def _without_gaps(column: Column) -> np.ndarray:
    """Return numbers with NaN where they are missing."""
    values, validity = column[1], column[3]
    if validity is None:
        return values
    bits, offset = validity
    is_there = np.unpackbits(bits, bitorder="little", count=offset + len(values))[offset:].astype(bool)
    values = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    values[~is_there] = np.nan
    return values


def _write(fd: int, data: np.ndarray, at: int) -> None:
    left = memoryview(data).cast("B")
    while len(left) > 0:
        n = os.pwrite(fd, left, at)
        left = left[n:]
        at += n


def _read(fd: int, n: int, dtype: np.dtype, at: int) -> np.ndarray:
    out = np.empty(n, dtype=dtype)
    left = memoryview(out).cast("B")
    while len(left) > 0:
        got = os.preadv(fd, [left], at)
        if got == 0:
            raise OSError("the spill file is shorter than what was written to it")
        left = left[got:]
        at += got
    return out
