# SPDX-License-Identifier: BSD-3-Clause
"""Parquet files, some rows at a time, in little memory.

pyarrow reads the footer, and the columns that are text, or of a type or encoding that is rare.  Columns of numbers are
read by the library: it holds a page and a dictionary of each, about half of what pyarrow does, and takes two thirds of
the time.  Where that is too much for all columns at once, some are read ahead for each row group, and their values wait
in an unnamed file in the spill directory until the others are read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from skimp import _config, _core
from skimp._ahead import Ahead
from skimp._columns import Column, Table, arrow_table, is_arrow_text
from skimp._paths import pyarrow

BUFFER_BYTES = 16 << 10  # of a column's file bytes, that pyarrow reads at once
PAGE_BYTES = 9 << 17  # of a page or a dictionary, about; writers end them at 1 MiB
GROUP_BYTES = 64 << 20  # that columns may hold at once, at most, as `_held` has it, which is twice what most files take
LARGE_BUDGET = 60 << 20  # in which they may hold that; in a smaller one a share of it
FEWEST_ROWS = 1 << 10  # of a batch

PHYSICAL = {"INT32": "int32", "INT64": "int64", "FLOAT": "float32", "DOUBLE": "float64"}
CODECS = {"UNCOMPRESSED", "SNAPPY", "ZSTD"}
ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}

Rows = tuple[int, list[Column]]  # how many, and their columns


@dataclass
class _File:
    """A file's footer.

    Attributes
    ----------
    place : dict
        Of each column, where it is in the lists of the footer.
    kinds : dict
        Of each column, its type as Arrow has it.
    """

    path: str
    metadata: Any
    place: dict[str, int]
    kinds: dict[str, Any]

    def chunk(self, group: int, name: str) -> Any:
        """Return what the footer says of a column of a row group."""
        return self.metadata.row_group(group).column(self.place[name])

    def chunks(self, name: str) -> list[Any]:
        """Return the same of all row groups."""
        return [self.chunk(group, name) for group in range(self.metadata.num_row_groups)]

    def rows(self, group: int) -> int:
        """Return how many rows a row group has."""
        n: int = self.metadata.row_group(group).num_rows
        return n


def _open(path: str, names: list[str]) -> _File:
    pyarrow()
    from pyarrow import parquet

    metadata = parquet.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    paths = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}")
    place = {name: paths[name] for name in names if name in paths}
    return _File(path, metadata, place, {name: schema.field(name).type for name in names})


# ---- columns of numbers ----------------------------------------------------------------------------------------------


def _is_plain(file: _File, name: str) -> bool:
    """Can the library read the column?"""
    types = pyarrow().types
    kind = file.kinds[name]
    is_number = types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind)
    if not is_number or name not in file.place:
        return False
    column = file.metadata.schema.column(file.place[name])
    if column.max_repetition_level != 0 or column.max_definition_level > 1 or column.physical_type not in PHYSICAL:
        return False
    return all(
        chunk.compression in CODECS and set(chunk.encodings) <= ENCODINGS and not chunk.file_path
        for chunk in file.chunks(name)
    )


def _layout(file: _File, group: int, name: str) -> tuple[str, int, int, int, str, str, bool]:
    """Return where a column of a row group is, as the library takes it."""
    chunk = file.chunk(group, name)
    column = file.metadata.schema.column(file.place[name])
    first = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        first = min(first, chunk.dictionary_page_offset)
    size, text = chunk.total_compressed_size, chunk.total_uncompressed_size
    dtype = PHYSICAL[column.physical_type]
    return (name, first, size, text, dtype, chunk.compression, column.max_definition_level > 0)


def _numbers(file: _File, names: list[str], groups: range, n_rows: int) -> Iterator[Rows]:
    """Yield rows of columns that the library reads."""
    reader = _core.Parquet(file.path, len(names), 0)
    wanted = [np.dtype(file.kinds[name].to_pandas_dtype()) for name in names]
    for group in groups:
        layout = tuple(_layout(file, group, name) for name in names)
        reader.group(layout)
        for first in range(0, file.rows(group), n_rows):
            n = min(n_rows, file.rows(group) - first)
            values = tuple(np.empty(n, dtype=column[4]) for column in layout)
            bits = tuple(np.empty((n + 7) // 8, dtype=np.uint8) if column[6] else None for column in layout)
            missing = reader.read(n, values, bits)
            yield (
                n,
                [
                    (names[c], _typed(values[c], wanted[c]), None, (bits[c], 0) if missing[c] else None)
                    for c in range(len(names))
                ],
            )


def _typed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return integers as their own type, which the file holds in 32 or 64 bits."""
    if values.dtype == dtype:
        return values
    return values.view(dtype) if values.dtype.itemsize == dtype.itemsize else values.astype(dtype)


# ---- others ----------------------------------------------------------------------------------------------------------


def _others(file: _File, names: list[str], groups: range, n_rows: int) -> Iterator[Rows]:
    """Yield rows of columns that pyarrow reads."""
    from pyarrow import parquet

    texts = [name for name in names if is_arrow_text(file.kinds[name])]
    with parquet.ParquetFile(
        file.path,
        metadata=file.metadata,
        pre_buffer=False,
        memory_map=False,
        buffer_size=BUFFER_BYTES,
        read_dictionary=texts or None,
    ) as reader:
        for batch in reader.iter_batches(n_rows, row_groups=list(groups), columns=names, use_threads=False):
            yield batch.num_rows, list(arrow_table(batch)["columns"])


# ---- beside one another ----------------------------------------------------------------------------------------------


def _part(column: Column, first: int, n: int) -> Column:
    """Return some rows of a column."""
    name, values, texts, validity = (*column, None)[:4]
    own = (values[0], values[1] + first) if isinstance(values, tuple) else values[first : first + n]
    return (name, own, texts, None if validity is None else (validity[0], validity[1] + first))


def _beside(sources: list[Iterator[Rows]]) -> Iterator[Rows]:
    """Yield rows of all columns, from sources of some of them that need not end their rows at the same places."""
    heads: list[Rows] = [(0, [])] * len(sources)
    at = [0] * len(sources)
    while True:
        for i, source in enumerate(sources):
            if at[i] == heads[i][0]:
                heads[i], at[i] = next(source, (0, [])), 0
        n = min(head[0] - first for head, first in zip(heads, at, strict=True))
        if n == 0:
            return
        columns: list[Column] = []
        for (have, own), first in zip(heads, at, strict=True):
            columns += own if n == have else [_part(column, first, n) for column in own]
        yield n, columns
        at = [first + n for first in at]


def _threads() -> int:
    given = _config.effective({})["n_threads"]
    return min(2, given if given is not None else len(os.sched_getaffinity(0)))


def _rows(file: _File, names: list[str], groups: range, n_rows: int, threads: int) -> Iterator[Rows]:
    """Yield rows of columns, read by threads of their own while the ones before are in use."""
    plain = [name for name in names if _is_plain(file, name)]
    others = [name for name in names if name not in plain]
    parts = [plain[i::threads] for i in range(threads)]
    with ExitStack() as stack:
        sources: list[Iterator[Rows]] = [
            stack.enter_context(closing(Ahead(_numbers(file, part, groups, n_rows)))) for part in parts if part
        ]
        if others:
            sources.append(stack.enter_context(closing(Ahead(_others(file, others, groups, n_rows)))))
        yield from _beside(sources)


# ---- columns that wait -----------------------------------------------------------------------------------------------


def _held(file: _File, name: str) -> int:
    """Return what a column holds while it is read, about."""
    return max((min(chunk.total_uncompressed_size, 2 * PAGE_BYTES) for chunk in file.chunks(name)), default=0)


def _most_held() -> int:
    """Return what columns may hold at once: of a small budget an eighth, since the job may need the rest."""
    budget = _config.budget_bytes({})
    return GROUP_BYTES if budget >= LARGE_BUDGET else min(GROUP_BYTES, budget // 8)


def _groups(file: _File, names: list[str], most: int) -> list[list[str]]:
    """Divide columns; those that cannot wait are in the last group, with others that fit into `most` bytes."""
    groups = [[name for name in names if not _waits(file.kinds[name])]]
    size = sum(_held(file, name) for name in groups[0])
    for name in names:
        if _waits(file.kinds[name]):
            held = _held(file, name)
            if size + held > most and groups[-1]:
                groups.append([])
                size = 0
            groups[-1].append(name)
            size += held
    return groups[::-1]


def _waits(kind: Any) -> bool:
    """Can values of this type wait in a file?"""
    types = pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


class _Waiting:
    """Values of a row group's columns, in a file."""

    def __init__(self, fd: int, n_rows: int) -> None:
        self.fd = fd
        self.n_rows = n_rows
        self.place: dict[str, tuple[int, np.dtype]] = {}
        self.done: dict[str, int] = {}
        self.end = 0

    def add(self, columns: list[Column]) -> None:
        """Put rows away: those after the last ones of the same columns."""
        for column in columns:
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

    def rows(self, first: int, n: int) -> list[Column]:
        """Return rows of all columns."""
        return [
            (name, _read(self.fd, n, dtype, place + first * dtype.itemsize), None, None)
            for name, (place, dtype) in self.place.items()
        ]


def _without_gaps(column: Column) -> np.ndarray:
    """Return numbers with NaN where they are missing."""
    values: np.ndarray = column[1]
    validity = column[3]
    if validity is None:
        return values
    bits, offset = validity
    is_there = np.unpackbits(bits, bitorder="little", count=offset + len(values))[offset:].astype(bool)
    values = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    values[~is_there] = np.nan
    return values


def _write(fd: int, data: np.ndarray, at: int) -> None:
    left = data.data.cast("B")
    while len(left) > 0:
        n = os.pwrite(fd, left, at)
        left = left[n:]
        at += n


def _read(fd: int, n: int, dtype: np.dtype, at: int) -> np.ndarray:
    out = np.empty(n, dtype=dtype)
    left = out.data.cast("B")
    while len(left) > 0:
        got = os.preadv(fd, [left], at)
        if got == 0:
            raise OSError("the spill file is shorter than what was written to it")
        left = left[got:]
        at += got
    return out


def _with_waiting(file: _File, groups: list[list[str]], n_rows: int, threads: int) -> Iterator[Rows]:
    """Yield rows of groups of columns, of which all but the last wait for it, one row group at a time."""
    directory = _config.effective({})["spill_dir"] or os.environ.get("TMPDIR") or "/var/tmp"
    with tempfile.TemporaryFile(prefix="skimp-", dir=directory) as spill:
        for g in range(file.metadata.num_row_groups):
            waiting = _Waiting(spill.fileno(), file.rows(g))
            for group in groups[:-1]:
                for _, columns in _rows(file, group, range(g, g + 1), n_rows, threads):
                    waiting.add(columns)
            at = 0
            for n, columns in _rows(file, groups[-1], range(g, g + 1), n_rows, threads):
                yield n, columns + waiting.rows(at, n)
                at += n


def parquet_tables(path: str, names: list[str], n_rows: int) -> Iterator[Table]:
    """Yield columns of a file, so many rows at a time; the next rows are read while the last ones are in use.

    Parameters
    ----------
    names : list of str
        Which columns, and their order.
    """
    file = _open(path, names)
    most = _most_held()
    groups = _groups(file, names, most)
    n_rows = min(n_rows, max(FEWEST_ROWS, most // (32 * max(len(names), 1))))  # a quarter of it, of doubles
    threads = _threads()
    rows: Any
    if len(groups) == 1:
        rows = _rows(file, names, range(file.metadata.num_row_groups), n_rows, threads)
    else:
        rows = _with_waiting(file, groups, n_rows, threads)
    with closing(rows):
        for n, columns in rows:
            own = {column[0]: column for column in columns}
            yield {"kind": "columns", "n_rows": n, "columns": tuple(own[name] for name in names)}
