# SPDX-License-Identifier: BSD-3-Clause
"""Columns of frames and of Arrow as the extension module takes them: (name, values, categories, validity).

Numbers are views of what is there, with Arrow's bitmaps of what is missing; text becomes codes and the texts that they
stand for.  Nothing larger than the rows that are given is made.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Column = tuple[Any, ...]
Table = dict[str, Any]  # "kind" and what goes with it; without "target" and "weight"

NONE = np.zeros(1, dtype=np.uint8)


def texts(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return strings as UTF-8 bytes one after the other, and where each begins and ends."""
    encoded = [str(value).encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded) or b"\0", dtype=np.uint8), offsets


def native(X: Any) -> Any:
    """Return an array or sparse matrix as the library takes it: in this machine's byte order, long doubles as doubles."""
    if hasattr(X, "indptr"):
        parts = (X.data, X.indices, X.indptr)
        mended = tuple(map(native, parts))
        is_as_it_was = all(a is b for a, b in zip(parts, mended, strict=True))
        return X if is_as_it_was else type(X)(mended, shape=X.shape)
    if X.dtype.kind == "f" and X.dtype.itemsize > 8:
        return X.astype(np.float64)
    return X if X.dtype.isnative or X.dtype.kind not in "biuf" else X.astype(X.dtype.newbyteorder("="))


def refuse_dates(name: Any, kind: Any) -> None:
    """Raise the error for a column of dates."""
    raise ValueError(
        f"column {str(name)!r} holds dates or times ({kind}): drop it (skimp.Dataset(..., drop=[{str(name)!r}])), "
        "or make numbers of it"
    )


def refuse_times(X: Any) -> None:
    """Raise the error for an array of dates or times."""
    if X.dtype.kind in "mM":
        raise ValueError(f"X holds dates or times ({X.dtype}): make numbers of it (as X.astype('int64') does)")


def _is_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


# ---- pandas ----------------------------------------------------------------------------------------------------------


def is_pandas(X: Any) -> bool:
    """Say whether this is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def pandas_names(X: Any) -> list[str | None]:
    """Return the names of a frame's columns; None each where they are not all different strings."""
    names = list(X.columns)
    is_named = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return names if is_named else [None] * len(names)


def has_text(X: Any) -> bool:
    """Say whether a pandas frame has columns of text or categories."""
    return any(
        dtype.kind in "OUT"
        or str(dtype) in ("category", "str", "string")
        or getattr(dtype, "name", "").startswith("string")
        for dtype in X.dtypes
    )


def _factors(name: Any, values: Any, is_text: bool | None) -> Column:
    """Return a column of Python objects: text as codes, numbers as doubles."""
    import pandas as pd

    try:
        codes, kinds = pd.factorize(values, use_na_sentinel=True)
    except TypeError:
        found = next((value for value in values if getattr(type(value), "__hash__", None) is None), values[0])
        raise ValueError(
            f"column {str(name)!r} holds {type(found).__name__} ({found!r:.40}), which is neither numbers nor text: "
            "drop it, or make columns of numbers of it"
        ) from None
    kinds = list(kinds)
    if _is_text(kinds) and (is_text or kinds):
        return (name, codes.astype(np.int32, copy=False), texts(kinds), None)
    if any(isinstance(kind, str) for kind in kinds):
        first = next(kind for kind in kinds if isinstance(kind, str))
        raise ValueError(f"column {str(name)!r} mixes text ({first!r}) and numbers: make it one of them")
    try:
        return (name, pd.to_numeric(pd.Series(values)).to_numpy(np.float64, na_value=np.nan), None, None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {str(name)!r}: {error}") from None


def pandas_column(name: Any, series: Any, is_text: bool | None = None) -> Column:
    """Return a column of a pandas frame.

    Parameters
    ----------
    is_text : bool or None
        What the column was in the rows before; None: nothing was seen of it.
    """
    import pandas as pd

    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return (name, series.array.codes, texts(dtype.categories), None)
    if dtype.kind in "mM" or isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.DatetimeTZDtype)):
        refuse_dates(name, dtype)
    if isinstance(dtype, pd.ArrowDtype):
        return arrow_column(name, _one_array(series.array.__arrow_array__()))
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return (name, native(series.to_numpy()), None, None)
    if dtype.kind == "c":
        raise ValueError("Complex data not supported")
    if dtype.kind in "biuf":  # nullable
        if not series.hasnans:
            return (name, series.to_numpy(dtype.numpy_dtype, copy=False), None, None)
        return (name, series.to_numpy(np.float64, na_value=np.nan), None, None)
    return _factors(name, series.to_numpy(object), is_text)


def in_place(X: Any) -> bool:
    """Say whether the columns of a pandas frame can be read where they lie."""
    import pandas as pd

    return all(
        isinstance(dtype, pd.CategoricalDtype)
        or (isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.isnative)
        for dtype in X.dtypes
    )


def pandas_table(X: Any, names: list[str | None], kinds: list[bool | None] | None = None) -> Table:
    """Return a pandas frame; kinds: of each column, whether it was text before."""
    kinds = kinds if kinds is not None else [None] * X.shape[1]
    columns = tuple(pandas_column(names[i], X.iloc[:, i], kinds[i]) for i in range(X.shape[1]))
    return {"kind": "columns", "n_rows": X.shape[0], "columns": columns}


# ---- Arrow -----------------------------------------------------------------------------------------------------------


def _one_array(array: Any) -> Any:
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return array


def _bits(buffer: Any, offset: int) -> tuple[np.ndarray, int]:
    return (NONE, 0) if buffer is None else (np.frombuffer(buffer, dtype=np.uint8), offset)


def _values(array: Any, dtype: Any) -> np.ndarray:
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype)[array.offset : array.offset + len(array)]


def _validity(array: Any) -> tuple[np.ndarray, int] | None:
    return _bits(array.buffers()[0], array.offset) if array.null_count else None


def _arrow_texts(dictionary: Any) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa

    if not (pa.types.is_string(dictionary.type) or pa.types.is_large_string(dictionary.type)):
        dictionary = dictionary.cast(pa.large_string())
    wide = pa.types.is_large_string(dictionary.type)
    _, offsets, text = dictionary.buffers()
    if offsets is None or len(dictionary) == 0:
        return NONE, np.zeros(1, dtype=np.int64)
    ends = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)
    return (
        np.frombuffer(text, dtype=np.uint8) if text is not None and text.size else NONE,
        ends[dictionary.offset : dictionary.offset + len(dictionary) + 1],
    )


def _arrow_codes(name: Any, array: Any) -> Column:
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            array = array.cast(pa.large_string())
        array = array.dictionary_encode()
    if array.dictionary.null_count:
        array = array.dictionary_decode().cast(pa.large_string()).dictionary_encode()
    indices = array.indices
    return (name, _values(indices, indices.type.to_pandas_dtype()), _arrow_texts(array.dictionary), _validity(indices))


def is_arrow_text(kind: Any) -> bool:
    """Say whether a type of Arrow is text or categories."""
    import pyarrow as pa

    is_view = getattr(pa.types, "is_string_view", lambda _: False)(kind)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view or pa.types.is_dictionary(kind)


def arrow_column(name: Any, array: Any) -> Column:
    """Return an array of Arrow as a column."""
    import pyarrow as pa

    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_boolean(kind):
        return (name, _bits(array.buffers()[1], array.offset), None, _validity(array))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return (name, _values(array, kind.to_pandas_dtype()), None, _validity(array))
    if is_arrow_text(kind):
        return _arrow_codes(name, array)
    if pa.types.is_temporal(kind):
        refuse_dates(name, kind)
    if pa.types.is_decimal(kind):
        return arrow_column(name, array.cast(pa.float64()))
    if pa.types.is_null(kind):
        return (name, np.full(len(array), np.nan), None, None)
    raise ValueError(f"column {str(name)!r} holds {kind}, which is neither numbers nor text: drop it")


def own_columns(schema: Any) -> list[str]:
    """Return the names of an Arrow schema's columns without those that pandas has made of a frame's index."""
    about = schema.pandas_metadata if schema.metadata else None
    index = {name for name in (about or {}).get("index_columns", ()) if isinstance(name, str)}
    return [name for name in schema.names if name not in index]


def arrow_table(batch: Any, drop: frozenset[str] = frozenset()) -> Table:
    """Return a record batch of Arrow without some columns."""
    columns = tuple(
        arrow_column(name, batch.column(i)) for i, name in enumerate(batch.schema.names) if name not in drop
    )
    return {"kind": "columns", "n_rows": batch.num_rows, "columns": columns}


def table_names(table: Table) -> list[str] | None:
    """Return the names of a table's columns; None: it has none."""
    if table["kind"] == "columns":
        own = [column[0] for column in table["columns"]]
        return own if own and None not in own else None
    names = table.get("names")
    return None if names is None else list(names)


def table_shape(table: Table) -> tuple[int, int]:
    """Return the numbers of rows and columns."""
    if table["kind"] == "columns":
        return table["n_rows"], len(table["columns"])
    n_rows, n_columns = table["values"].shape if table["kind"] == "matrix" else table["shape"]
    return n_rows, n_columns
