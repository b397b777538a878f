# SPDX-License-Identifier: BSD-3-Clause
"""Which target data is to be scored by: that of the model, where the data has it."""

from __future__ import annotations

import re
from typing import Any

from skimp._batches import is_polars, is_stream
from skimp._columns import is_pandas
from skimp._paths import arrow_format, arrow_names, is_path, paths_of


def target_column(target: str) -> str:
    """Return the name of the column that a target is, or is a comparison with."""
    return re.split(r"[<>=!]", target)[0].strip()


def own_target(X: Any, meta: dict[str, str]) -> str | None:
    """Return the target of a model where X has it and must be read with it: a frame, a stream, what pyarrow reads."""
    target = meta.get("target")
    return target if target is not None and target_column(target) in _names_in(X) else None


def _names_in(X: Any) -> list[str]:
    """Return the names of the columns of a frame, of Parquet and Arrow files, and of streams that tell them."""
    if is_path(X):
        paths = paths_of(X)
        kind = arrow_format(paths)
        return [] if kind is None else arrow_names(paths, kind)
    if is_pandas(X) or is_polars(X):
        return list(map(str, X.columns))
    if not is_stream(X):
        return []
    schema: Any = X.collect_schema() if hasattr(X, "collect_schema") else getattr(X, "schema", None)
    names = schema.names if hasattr(schema, "names") else getattr(X, "columns", ())
    return list(names() if callable(names) else names)


def is_target(X: Any, meta: dict[str, str]) -> bool:
    """Say whether a Dataset's target is what a model was trained on, as far as names tell."""
    target = meta.get("target")
    return X.target_name is None or (target is not None and X.target_name == target_column(target))
