# SPDX-License-Identifier: BSD-3-Clause
"""What a job reads of data that is given with the names, or the values, of its target and weight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import scipy.sparse as sp

from skimp import _core
from skimp._batches import Batches, Part, file_parts, is_polars, is_stream, label_column, mapped_file, parts_of
from skimp._columns import Column, is_pandas, native, table_names
from skimp._paths import arrow_format, arrow_names, is_path, paths_of


@dataclass
class Source:
    """What a job reads.

    Attributes
    ----------
    options : dict
        What it adds to the options of a job.
    has_names : bool
        The data's columns have names of their own.
    held : list
        What must live as long as the job.
    names : list of str or None
        Of the columns that come in batches, where they have any.
    """

    options: dict[str, Any]
    has_names: bool = True
    held: list[Any] = field(default_factory=list)
    names: list[str] | None = None


@dataclass(frozen=True)
class Reading:
    """How rows are read, as `skimp.Dataset` takes it."""

    on_missing: str = "error"
    on_bad_row: str = "error"
    delimiter: str | None = None
    header: bool | None = None
    zero_based: bool | None = None
    index64: bool = False
    hash_bits: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("on_missing", ("error", "drop")), ("on_bad_row", ("error", "skip"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {choices}, not {getattr(self, name)!r}")
        if self.delimiter is not None and len(self.delimiter.encode()) != 1:
            raise ValueError(f"delimiter is one character of ASCII, not {self.delimiter!r}")

    def options(self) -> dict[str, Any]:
        """Return what differs from the usual, as a job takes it."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["drop_missing"] = given.pop("on_missing") == "drop"
        given["skip_bad_rows"] = given.pop("on_bad_row") == "skip"
        return {name: value for name, value in given.items() if value is not None}


def kept_store(given: Any) -> str | None:
    """Return the path of a chunk store; None: that is not what is given."""
    if not is_path(given):
        return None
    paths = paths_of(given)
    is_store = len(paths) == 1 and os.path.isfile(paths[0]) and _core.file_kind(paths[0]) == "store"
    return paths[0] if is_store else None


def _given_paths(given: Any) -> tuple[str, ...] | None:
    """Return the files that are given by name; None: it is other data."""
    if is_path(given):
        return paths_of(given)
    is_list = isinstance(given, (list, tuple)) and len(given) > 0 and all(is_path(item) for item in given)
    return tuple(os.fspath(item) for item in given) if is_list else None


def column_names(given: Any) -> list[str] | None:
    """Return the names of the columns of files; None: they have none, or it is no file."""
    paths = _given_paths(given)
    if paths is None or kept_store(given) is not None:
        return None
    kind = arrow_format(paths)
    if kind is not None:
        return arrow_names(paths, kind)
    return [name for name, kind, _ in _core.Job({"inputs": paths}).columns() if kind != "sparse"]


def role_arrays(target: Any, weight: Any) -> tuple[Column | None, Column | None]:
    """Return target and weight as columns of values, where they are given by these."""
    has_target, has_weight = (given is not None and not isinstance(given, str) for given in (target, weight))
    return (
        label_column("y", np.asarray(target)) if has_target else None,
        ("sample_weight", np.asarray(weight, dtype=np.float64), None) if has_weight else None,
    )


def source_of(
    given: Any,
    target: Any = None,
    weight: Any = None,
    drop: Sequence[str] = (),
    format: str | None = None,
    wanted: list[str] | None = None,
    max_memory: int | None = None,
    reading: Reading | None = None,
) -> Source:
    """Return what a job reads.

    Parameters
    ----------
    given : path, list of paths, frame, array, stream or iterator of chunks
    target, weight : str, array-like or None
        Name of a column, or values.
    wanted : list of str, default=None
        Columns that are needed: where a Parquet or Arrow file or a stream has them all, others are not read.
    max_memory : int, default=None
        Budget of parsing files that are given a target or weight of their own.
    reading : Reading, default=None
        How rows are read.
    """
    reading = reading if reading is not None else Reading()
    names: dict[str, Any] = {
        **reading.options(),
        "target": target if isinstance(target, str) else None,
        "weight": weight if isinstance(weight, str) else None,
        "drop": tuple(drop),
    }
    arrays = role_arrays(target, weight)
    paths = _given_paths(given)
    if paths is not None:
        kind = arrow_format(paths, format)
        if kind is not None:
            batches = Batches(*file_parts(paths, kind, frozenset(drop), wanted), *arrays)
            return Source({**names, "drop": (), "data": batches.options()}, names=table_names(batches.table))
        if arrays != (None, None):
            from skimp.dataset import Dataset

            plain = Dataset(list(paths), drop=drop, format=format, max_memory=max_memory, **asdict(reading))
            return with_arrays(plain, arrays)
        has_names = format != "npy" and not all(path.endswith(".npy") for path in paths)
        return Source({**names, "inputs": paths, "format": format}, has_names)
    if is_pandas(given) or is_polars(given) or mapped_file(given) or is_stream(given):
        batches = Batches(*parts_of(given, wanted), *arrays)
        found = table_names(batches.table)
        return Source({**names, "data": batches.options()}, found is not None, names=found)
    if not sp.issparse(given):
        given = np.asarray(given)
    elif given.format not in ("csr", "csc"):
        given = given.tocsr()
    given = native(given)
    own: dict[str, Any] = {"kind": "matrix", "values": given, "names": None}
    if sp.issparse(given):
        own = {"kind": given.format, "shape": given.shape, "values": given.data}
        own |= {"indices": given.indices, "indptr": given.indptr}
    return Source({**names, "data": {**own, "target": arrays[0], "weight": arrays[1]}}, False)


def with_arrays(data: Any, arrays: tuple[Column | None, Column | None]) -> Source:
    """Return a Dataset with another target or weight: in batches, to be stored once more."""
    parts: Iterator[Part] = ((table, None, None) for table in data._tables())
    return Source({"data": Batches(parts, len(data), *arrays).options()}, data._has_names, [data])
