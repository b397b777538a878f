# SPDX-License-Identifier: BSD-3-Clause
"""In which form a transformer returns what it makes: that of what it was given, unless `set_output` says otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn

from skimp._batches import is_polars
from skimp._columns import is_pandas
from skimp._data import is_data, is_dataset
from skimp._paths import ARROW_ENDINGS, is_path, paths_of

# What a file of such a name is taken for is not what is written.
NO_CSV = (*ARROW_ENDINGS, ".npy", ".npz", ".gz", ".zst", ".bz2", ".xz", ".zip")


def is_arrow_frame(X: Any) -> bool:
    """Say whether this is a table or record batch of pyarrow, in memory."""
    pa = sys.modules.get("pyarrow")
    return pa is not None and isinstance(X, (pa.Table, pa.RecordBatch))


def has_own_form(estimator: Any) -> bool:
    """Say whether results come in the form of what was given: nobody has set another."""
    is_set = "transform" in getattr(estimator, "_sklearn_output_config", {})
    return not is_set and sklearn.get_config()["transform_output"] == "default"


def is_lazy(estimator: Any, X: Any) -> bool:
    """Say whether what comes of X is a Dataset, to be computed when it is used."""
    return is_data(X) and not is_arrow_frame(X) and has_own_form(estimator)


def is_once(X: Any) -> bool:
    """Say whether X can be read only once."""
    return isinstance(X, Iterator) or hasattr(X, "read_next_batch")


def _names(estimator: Any, n: int) -> list[str]:
    names = list(estimator.get_feature_names_out())
    if len(names) != n:  # columns of text were encoded
        names = list(estimator.encoded_feature_names_)
    return list(map(str, names))


def _files_of(X: Any) -> tuple[Any, ...]:
    """Return the files that X is read from, as far as it tells."""
    if is_path(X):
        return paths_of(X)
    if is_dataset(X):
        return tuple(X._options()["inputs"])
    return (X.filename,) if isinstance(X, np.memmap) and X.filename is not None else ()


def check_out(out: str | os.PathLike[str], X: Any) -> None:
    """Refuse to write CSV text over what is read, or into a file whose name says that it is something else."""
    name = os.fspath(out)
    ending = os.path.splitext(name)[1].lower()
    if ending in NO_CSV:
        raise ValueError(f"out={name!r}: what is written is CSV text, not {ending}: give a name that ends in .csv")
    if not os.path.isfile(name):  # new, or a terminal or pipe, which may well be both
        return
    for path in _files_of(X):
        if os.path.exists(path) and os.path.samefile(path, name):
            raise ValueError(f"out={name!r} is the file that the rows are read from: give another name")


def framed(estimator: Any, result: Any, X: Any) -> Any:
    """Return an array as the kind of frame that X is: with the names of its columns, and of pandas the index."""
    is_frame = is_pandas(X) or is_polars(X) or is_arrow_frame(X)
    if not is_frame or sp.issparse(result) or not has_own_form(estimator):
        return result
    names = _names(estimator, result.shape[1])
    if is_pandas(X):
        import pandas as pd

        return pd.DataFrame(result, index=X.index, columns=names, copy=False)
    columns = {name: np.ascontiguousarray(result[:, j]) for j, name in enumerate(names)}
    if is_polars(X):
        import polars as pl

        return pl.DataFrame(columns)
    import pyarrow as pa

    return type(X).from_arrays([pa.array(column) for column in columns.values()], names=names)
