# SPDX-License-Identifier: BSD-3-Clause
"""Models of several estimators: what a job of steps and an estimator leaves, in parts, and put together again.

The library's model holds a step's arrays under ``<index>.<name>.``; here each step gets its own as attributes, and with
them what makes it a model by itself, so that it can be used alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from skimp import _core, _registry
from skimp._arrays import DTYPES, made_up_names, number_columns
from skimp._base import Fitted, in_form


def step_names(steps: list[Any]) -> list[str]:
    """Return what the library calls steps: the second of a kind is ``name-2``."""
    names: list[str] = []
    for step in steps:
        n = 1 + sum(name.split("-")[0] == step._core_name for name in names)
        names.append(step._core_name if n == 1 else f"{step._core_name}-{n}")
    return names


def _shape(name: str, array: np.ndarray) -> tuple[str, str, tuple[int, ...]]:
    dtype = next(key for key, kind in DTYPES.items() if np.dtype(kind) == array.dtype)
    return name, dtype, array.shape


def part(whole: Fitted, own: dict[str, np.ndarray], meta: dict[str, str], names: list[str]) -> Fitted:
    """Return the library's side of one estimator of a model, over columns of numbers with these names.

    Parameters
    ----------
    whole : Fitted
        Of the model.
    own : dict
        The estimator's arrays, by the names that they have in a model of its own.
    meta : dict
        What its metadata say otherwise.
    """
    is_sparse = whole.meta.get("data") == "sparse"
    arrays = {**number_columns([] if is_sparse else names), **own}
    shapes = [_shape(name, array) for name, array in arrays.items()]
    about = {**whole.meta, "hash_bits": "0", "n_features_in": str(len(names)), **meta}
    about.pop("feature_names", None)
    return Fitted(about, shapes, arrays)


def one_step(whole: Fitted, i: int, name: str) -> str:
    """Return what the metadata say of the steps, of step i as the only one, under this name."""
    return json.dumps([{**json.loads(whole.meta["steps"])[i], "name": name}])


def estimator_of(model: Any, pipeline: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Return the fitted estimator that a model of the library is, or what `pipeline` makes of several."""
    meta = model.meta()
    classes = _registry.estimators()
    steps = [(step["name"], _unfitted(classes[step["estimator"]], step["params"])) for step in json.loads(meta["steps"])]
    if meta["estimator"] in classes:
        last = _unfitted(classes[meta["estimator"]], json.loads(meta["params"]))
        if not steps:
            return _fitted(last, model)
        steps.append((meta["estimator"], last))
    elif len(steps) == 1:
        return _fitted(steps[0][1], model)
    whole = pipeline(steps)
    _fitted(whole, model)
    return whole


def _fitted(estimator: Any, model: Any) -> Any:
    estimator._take(model, None)
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    names = list(getattr(first, "feature_names_in_", ()))
    if names and names == made_up_names(len(names)):
        del first.feature_names_in_  # what columns without names are called
    return estimator


def _unfitted(kind: type[Any], params: dict[str, Any]) -> Any:
    estimator = kind()
    for name, default in estimator.get_params(deep=False).items():
        if name in params:
            setattr(estimator, name, _value(params[name], default))
    return estimator


def _value(value: Any, default: Any) -> Any:
    """Return a parameter as Python has it: infinity and NaN are texts in JSON, tuples are lists, and 1 may be 1.0."""
    if value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return default if default is None and value == 0 and not isinstance(value, bool) else value


def whole_model(fitted: Fitted, stages: list[tuple[str, Any]], sparse: bool | None = None) -> Any:
    """Return the library's model of several estimators.

    Parameters
    ----------
    stages : list of (prefix, estimator)
        Whose attributes are the arrays under the prefix.
    sparse : bool, default=None
        Whether it is to be of sparse data, whatever it was fitted on; None: as it was.
    """
    arrays = []
    for name, dtype, shape in fitted.shapes:
        array = fitted.arrays.get(name)
        for prefix, stage in stages:
            own = name.removeprefix(prefix)
            if array is None and name.startswith(prefix) and own in stage._attributes:
                value = stage._get_attribute(own, shape)
                array = np.ascontiguousarray(value, dtype=DTYPES[dtype]).reshape(shape)
        if array is None:
            raise RuntimeError(f"the model's array {name!r} is neither kept nor an attribute")
        arrays.append((name, array))
    return _core.Model(*in_form(fitted.meta, arrays, sparse))
