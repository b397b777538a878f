# SPDX-License-Identifier: BSD-3-Clause
"""Models of several estimators: what a job of steps and an estimator leaves, in parts, and put together again.

The library's model holds a step's arrays under ``<index>.<name>.``; here each step gets its own as attributes, and with
them what makes it a model by itself, so that it can be used alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from skimp import _core, _registry
from skimp._arrays import COLUMN_ARRAYS, DTYPES, FEATURE_ARRAYS, made_up_names, number_columns, read
from skimp._base import Fitted, in_form
from skimp._chain import step_names
from skimp._data import PART, Data
from skimp._traced import Traced
from skimp._transformer import Transformer

ALONE = "pipeline"  # what the models of steps alone name as their estimator


class Steps(Transformer):
    """Steps that are one model.

    Attributes
    ----------
    _order : ndarray or None
        Where the features that come out are among the library's.
    """

    _core_name = ALONE
    _order: np.ndarray | None = None

    def _apply_data(self, data: Data, kind: str, dtype: str = "float64", row_bytes: int = 0) -> Any:
        result = super()._apply_data(data, kind, dtype, row_bytes)
        if self._order is None or isinstance(result, tuple):
            return result
        values = np.asarray(result)
        for i in range(0, len(values), PART):
            values[i : i + PART] = values[i : i + PART][:, self._order]
        return values


def is_of_columns(name: str) -> bool:
    """Say whether an array of a model is of its columns or steps, and not of its last estimator."""
    return name in COLUMN_ARRAYS or re.match(r"categories\.\d|\d+\.", name) is not None


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
    about = {key: value for key, value in whole.meta.items() if key != "feature_names"}
    return Fitted({**about, "hash_bits": "0", "n_features_in": str(len(names)), **meta}, shapes, arrays)


# ---- from a model to what was fitted ---------------------------------------------------------------------------------


def _take_step(step: Any, whole: Fitted, own: dict[str, np.ndarray], i: int, prefix: str, names: list[str]) -> None:
    """Give a step its arrays, as those of a model of its own over columns of numbers."""
    alone = {step._prefix + key.removeprefix(prefix): array for key, array in own.items()}
    alone[f"{step._prefix}columns"] = np.arange(0 if whole.meta["data"] == "sparse" else len(names), dtype=np.uint32)
    steps = json.dumps([{**json.loads(whole.meta["steps"])[i], "name": step._core_name}])
    about = {"estimator": "pipeline", "params": "{}", "steps": steps}
    step._take_part(alone, part(whole, alone, about, names))
    step._skimp.meta["n_features"] = str(step._n_outputs())


def take_steps(
    whole: Fitted, arrays: dict[str, np.ndarray], steps: list[Any], named: bool, n: int
) -> tuple[Traced | None, set[str]]:
    """Give each step what is its own of a model.

    Parameters
    ----------
    arrays : dict
        All of the model.
    named : bool
        The input columns have names.
    n : int
        How many there are, of sparse data.

    Returns
    -------
    traced : Traced or None
        The columns after the steps; None: the data is sparse.
    taken : set of str
        Names of the arrays that are attributes of steps now.
    """
    traced = None if whole.meta["data"] == "sparse" else Traced(whole.meta, arrays)
    taken: set[str] = set()
    for i, (name, step) in enumerate(zip(step_names(steps), steps, strict=True)):
        prefix = f"{i}.{name}."
        own = {key: array for key, array in arrays.items() if key.startswith(prefix)}
        inputs = None if traced is None else traced.inputs(prefix)
        names = made_up_names(n) if traced is None or inputs is None else traced.input_names(inputs)
        step.__dict__.pop("feature_names_in_", None)
        step.n_features_in_ = len(names)
        if inputs is not None and inputs.is_text:
            step._take_texts({key.removeprefix(prefix): array for key, array in own.items()})
        else:
            _take_step(step, whole, own, i, prefix, names)
            taken |= {key for key in own if key.removeprefix(prefix) in step._attributes}
        if traced is not None and inputs is not None:
            if named:
                step.feature_names_in_ = np.array(names, dtype=object)
            traced.advance(step, inputs)
        n = step._n_outputs()
    return traced, taken


def estimator_of(model: Any, pipeline: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Return the fitted estimator that a model of the library is, or what `pipeline` makes of several."""
    meta = model.meta()
    classes = _registry.estimators()
    steps = [
        (step["name"], _unfitted(classes[step["estimator"]], step["params"])) for step in json.loads(meta["steps"])
    ]
    last = _unfitted(classes[meta["estimator"]], json.loads(meta["params"])) if meta["estimator"] in classes else None
    head = _head(model, meta, steps)
    if head is None and last is None and len(steps) == 1:
        return _fitted(steps[0][1], model)
    if head is None and last is not None and not steps:
        return _fitted(last, model)
    steps = steps if head is None else [("columns", head)]
    return _fitted(pipeline(steps if last is None else [*steps, (meta["estimator"], last)]), model)


def _head(model: Any, meta: dict[str, str], steps: list[tuple[str, Any]]) -> Any:
    """Return a ColumnTransformer of steps that are not all on all numbers; None: they are, or none would do."""
    from skimp.compose import ColumnTransformer

    if meta["data"] == "sparse" or (not steps and meta["estimator"] != ALONE):
        return None
    traced = Traced(meta, read(model, ("columns", "column_types", "category_missing")))
    names = [f"{i}.{name}." for i, (name, _) in enumerate(steps)]
    own = read(model, {f"{name}{kind}columns" for name in names for kind in ("", "text_")})
    parts: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    is_flat, before = bool(steps), None
    for prefix, step in zip(names, steps, strict=True):
        text = own.get(f"{prefix}text_columns")
        ids = own[f"{prefix}columns"] if text is None else text
        is_flat &= text is None and {*range(traced.n_inputs)} <= {*ids.tolist()}
        if text is None and (ids >= traced.n_inputs).any():
            return None
        columns = tuple((traced.numbers if text is None else traced.texts)[i] for i in ids)
        if before is not None and columns != before and columns in parts:
            return None
        parts.setdefault(columns, []).append(step)
        before = columns
    chosen = [name for columns in parts for name in columns]
    if is_flat or len(set(chosen)) < len(chosen) or any("," in name for name in chosen):
        return None
    given = [
        (inner[0][0], inner[0][1] if len(inner) == 1 else _pipeline(inner), list(columns))
        for columns, inner in parts.items()
    ]
    return ColumnTransformer(given, remainder="passthrough", verbose_feature_names_out=False)


def _pipeline(steps: list[tuple[str, Any]]) -> Any:
    from skimp.pipeline import Pipeline

    return Pipeline(steps)


def _fitted(estimator: Any, model: Any) -> Any:
    estimator._take(model, None)
    names = list(vars(estimator).get("feature_names_in_", ()))
    if names and names == made_up_names(len(names)):
        del estimator.feature_names_in_  # what columns without names are called
    return estimator


def _unfitted(kind: type[Any], params: dict[str, Any]) -> Any:
    estimator = kind()
    for name, default in estimator.get_params(deep=False).items():
        if name in params:
            setattr(estimator, name, _value(params[name], default))
    return estimator


def _value(value: Any, default: Any) -> Any:
    """Return a parameter as Python has it: infinity and NaN are texts in JSON, tuples are lists, and 1 may be 1.0."""
    if isinstance(value, str) and value.lower() in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return default if default is None and value == 0 and not isinstance(value, bool) else value


def put_back(array: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return values of features in the library's order; order: where each is there."""
    back = np.empty_like(array)
    back[..., order] = array
    return back


def whole_model(
    fitted: Fitted, stages: list[tuple[str, Any]], sparse: bool | None = None, order: np.ndarray | None = None
) -> Any:
    """Return the library's model of several estimators.

    Parameters
    ----------
    stages : list of (prefix, estimator)
        Whose attributes are the arrays under the prefix.
    sparse : bool, default=None
        Whether it is to be of sparse data, whatever it was fitted on; None: as it was.
    order : ndarray, default=None
        Where the features of the last estimator are among the library's; None: they are the same.
    """
    arrays = []
    for name, dtype, shape in fitted.shapes:
        array = fitted.arrays.get(name)
        for prefix, stage in stages:
            own = name.removeprefix(prefix)
            if array is None and name.startswith(prefix) and own in stage._attributes:
                value = stage._get_attribute(own, shape)
                array = np.ascontiguousarray(value, dtype=DTYPES[dtype]).reshape(shape)
                if order is not None and own in FEATURE_ARRAYS and not prefix:
                    array = put_back(array, order)
        if array is None:
            raise RuntimeError(f"the model's array {name!r} is neither kept nor an attribute")
        arrays.append((name, array))
    return _core.Model(*in_form(fitted.meta, arrays, sparse))
