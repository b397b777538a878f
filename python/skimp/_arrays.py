# SPDX-License-Identifier: BSD-3-Clause
"""Arrays of the library's models, as its model files lay them out."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "I64": np.int64,
    "U64": np.uint64,
    "I32": np.int32,
    "U32": np.uint32,
    "U8": np.uint8,
}
# Which columns a table's model has: see number_columns.
COLUMN_ARRAYS = ("columns", "column_types", "column_places", "category_missing")

FEATURE_ARRAYS = ("coef_",)  # attributes of estimators with a value for each feature


def read(model: Any, names: Container[str] | None = None) -> dict[str, np.ndarray]:
    """Return copies of arrays of a model, by name; names: those that are wanted, None: all."""
    arrays: dict[str, np.ndarray] = {}
    for i, (name, dtype, shape) in enumerate(model.arrays()):
        if names is not None and name not in names:
            continue
        arrays[name] = np.empty(shape, dtype=DTYPES[dtype])
        model.copy(i, arrays[name])
    return arrays


def strings(array: np.ndarray) -> list[str]:
    """Return the strings of an array of bytes that are each ended by NUL."""
    return array.tobytes().decode().split("\0")[:-1]


def made_up_names(n: int) -> list[str]:
    """Return what columns without names are called."""
    return [f"x{i}" for i in range(n)]


def number_columns(names: list[str]) -> dict[str, np.ndarray]:
    """Return the arrays that say that a model's columns are numbers with these names."""
    n = len(names)
    parts = (
        np.frombuffer("".join(f"{name}\0" for name in names).encode(), dtype=np.uint8),
        np.zeros(n, dtype=np.uint8),
        np.arange(n, dtype=np.uint32),
        np.zeros(0, dtype=np.uint8),
    )
    return dict(zip(COLUMN_ARRAYS, parts, strict=True))
