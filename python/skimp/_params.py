# SPDX-License-Identifier: BSD-3-Clause
"""Parameters of estimators as the library takes them: names and JSON."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state


def _plain(value: Any) -> Any:
    """Return a value made of what JSON has."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    return value


def _key(key: Any) -> str:
    """Return the text of a label: of True and 1.0 the number 1, as labels are in the data."""
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, bool):
        return str(int(key))
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return str(key)


def _text(name: str, value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if name == "random_state":
        if value is None:
            return "0"
        if not isinstance(value, numbers.Integral):
            value = int(check_random_state(value).randint(np.iinfo(np.int32).max))
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    try:
        return json.dumps(_plain(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={value!r}: not a value that this parameter can have") from error


def settings(params: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Return parameters as pairs of name and text; `prefix` is a step's name and two underscores."""
    return tuple((prefix + name, _text(name, value)) for name, value in params.items())
