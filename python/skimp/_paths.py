# SPDX-License-Identifier: BSD-3-Clause
"""Files by name: a path, or a glob.  Parquet and Arrow, which the library does not read, come in batches by pyarrow."""

from __future__ import annotations

import errno
import glob
import importlib
import os
from collections.abc import Iterator
from typing import Any

from skimp._columns import Table, arrow_table, own_columns

ARROW_ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
BATCH_BYTES = 4 << 20  # of numbers in a batch, about
PARQUET_ROWS = 1 << 13  # of a batch: its columns stay in the caches


def is_path(X: Any) -> bool:
    """Say whether this names files: a str or path."""
    return isinstance(X, (str, os.PathLike))


def paths_of(X: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the files that a path or a glob names, in order."""
    name = os.fspath(X)
    if os.path.exists(name) or not glob.has_magic(name):
        return (name,)
    found = tuple(sorted(glob.glob(name)))
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no file matches", name)
    return found


def arrow_format(paths: tuple[str, ...], format: str | None = None) -> str | None:
    """Return "parquet" or "arrow" where pyarrow is to read files; None: the library does."""
    if format is not None:
        return format if format in ARROW_ENDINGS.values() else None
    kinds = {ARROW_ENDINGS.get(os.path.splitext(path)[1].lower()) for path in paths}
    if len(kinds) > 1:
        raise ValueError(f"files of several kinds are no data set: {', '.join(paths)}")
    return kinds.pop()


def pyarrow() -> Any:
    """Return the module pyarrow, which Parquet and Arrow files need."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ImportError("Parquet and Arrow files are read by pyarrow: pip install pyarrow") from None


def rows_at_once(n_columns: int) -> int:
    """Return how many rows of so many columns make a batch."""
    return max(1 << 10, min(1 << 16, BATCH_BYTES // (8 * max(n_columns, 1))))


def slices(n_rows: int, step: int) -> Iterator[slice]:
    """Yield so many rows, `step` at a time."""
    return (slice(first, min(first + step, n_rows)) for first in range(0, n_rows, step))


def short_batches(batches: Iterator[Any]) -> Iterator[Any]:
    """Cut record batches, without a copy: what is made of texts is to be small."""
    for batch in batches:
        n = rows_at_once(batch.num_columns)
        if batch.num_rows <= n:
            yield batch
        else:
            for rows in slices(batch.num_rows, n):
                yield batch.slice(rows.start, rows.stop - rows.start)


def _arrow_batches(path: str) -> Iterator[Any]:
    pa = pyarrow()
    with pa.OSFile(path) as source:
        try:
            reader = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from pa.ipc.open_stream(source)
            return
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)


def arrow_names(paths: tuple[str, ...], kind: str) -> list[str]:
    """Return the names of the columns of Arrow or Parquet files, without those of an index of pandas."""
    pa = pyarrow()
    if kind == "parquet":
        from pyarrow import parquet

        return own_columns(parquet.read_schema(paths[0]))
    with pa.OSFile(paths[0]) as source:
        try:
            return own_columns(pa.ipc.open_file(source).schema)
        except pa.ArrowInvalid:
            source.seek(0)
            return own_columns(pa.ipc.open_stream(source).schema)


def arrow_rows(paths: tuple[str, ...], kind: str) -> int:
    """Return the number of rows, where the files tell it at once; else 0."""
    if kind != "parquet":
        return 0
    pyarrow()
    from pyarrow import parquet

    return sum(parquet.read_metadata(path).num_rows for path in paths)


def arrow_file_tables(paths: tuple[str, ...], kind: str, names: list[str]) -> Iterator[Table]:
    """Yield these columns of Parquet or Arrow files, some rows at a time, one file after the other."""
    for path in paths:
        if kind == "parquet":
            from skimp._parquet import parquet_tables

            yield from parquet_tables(path, names, min(PARQUET_ROWS, rows_at_once(len(names))))
        else:
            for batch in short_batches(batch.select(names) for batch in _arrow_batches(path)):
                yield arrow_table(batch)
