# SPDX-License-Identifier: BSD-3-Clause
"""From fitted estimators to scikit-learn's own, with the same predictions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from skimp._arrays import FEATURE_ARRAYS
from skimp._encoder import MOST_DENSE, Encoding
from skimp._registry import theirs
from skimp._traced import Run, Traced, order_of

OWN = ("memory_report_", "encoded_feature_names_")  # what scikit-learn's classes do not have
PASSED = ("passthrough", "drop")
CONFIGURED = ("_sklearn_output_config", "_metadata_request")  # by set_output, and by set_fit_request and its like


def configured(other: Any, estimator: Any) -> Any:
    """Return `other`, told what an estimator was besides its parameters: what comes out, what is routed to it."""
    for name in CONFIGURED:
        if name in vars(estimator):
            setattr(other, name, deepcopy(vars(estimator)[name]))
    return other


def _gives_frames(step: Any) -> bool:
    """Say whether a step was told to give frames, whose columns have names."""
    while hasattr(step, "steps"):
        step = step.steps[-1][1]
    return getattr(step, "_sklearn_output_config", {}).get("transform") in ("pandas", "polars")


# ---- one estimator ---------------------------------------------------------------------------------------------------


def plain(estimator: Any) -> Any:
    """Return scikit-learn's estimator with the attributes of a fitted one."""
    other = theirs(type(estimator))(**estimator.get_params(deep=False))
    for name, value in vars(estimator).items():
        if name.endswith("_") and not name.startswith("_") and name not in OWN:
            setattr(other, name, value)
    for name, value in estimator._sklearn_state().items():
        setattr(other, name, value)
    return configured(other, estimator)


def to_sklearn(estimator: Any) -> Any:
    """Return scikit-learn's estimator, after an encoder of the text columns where there are some."""
    if getattr(estimator, "_fills_texts", False):
        other = plain(estimator)
        other.missing_values = _pandas().NA  # which is None and NaN too
        return other
    if "_skimp" not in vars(estimator) or not any(estimator._skimp.arrays.get("column_types", ())):
        return plain(estimator)
    arrays = estimator._skimp.arrays
    traced = Traced(estimator._skimp.meta, arrays)
    named = hasattr(estimator, "feature_names_in_")
    if hasattr(estimator, "transform"):
        traced.advance(estimator, traced.inputs(estimator._prefix))
        encoding = _encoding(traced, [_step(estimator, traced, named)], named)
        return _told_frames(_in_order(encoding, traced, _gives_frames(estimator)), estimator)
    other = _without_columns(plain(estimator), traced)
    return Pipeline([("encode", _encoding(traced, [], named)), (type(other).__name__.lower(), other)])


def _step(estimator: Any, traced: Traced, named: bool) -> Any:
    """Return a step over the columns of numbers alone."""
    other = _of_arrays(plain(estimator))
    other.__dict__.pop("feature_names_in_", None)
    other.n_features_in_ = traced.n_inputs
    if named:
        other.feature_names_in_ = np.array(traced.numbers[: traced.n_inputs], dtype=object)
    return other


def _without_columns(other: Any, traced: Traced) -> Any:
    """Make an estimator one over the features that `_encoding` gives."""
    runs = traced.runs()
    order = order_of(runs, _arranged(runs))
    for name in FEATURE_ARRAYS:
        setattr(other, name, np.asarray(getattr(other, name))[..., order])
    other.__dict__.pop("feature_names_in_", None)
    other.n_features_in_ = len(order)
    return other


# ---- columns ---------------------------------------------------------------------------------------------------------


def _arranged(runs: list[Run]) -> list[Run]:
    """Return the features of columns of numbers first, then those of text: as `_encoding` has them."""
    return [run for run in runs if run.kind == "number"] + [run for run in runs if run.kind != "number"]


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "to_sklearn() of a model over text columns needs pandas: scikit-learn tells missing text by it"
        ) from error
    return pandas


def _filler(n: int, names: list[str] | None) -> SimpleImputer:
    """Return what makes None of NaN and pandas.NA, as the library sees no difference."""
    filler = SimpleImputer(missing_values=_pandas().NA, strategy="constant", fill_value="", keep_empty_features=True)
    filler.fit(np.full((1, n), "", dtype=object))
    filler.statistics_ = np.full(n, None, dtype=object)  # (with NaN it would have no names of features)
    if names is not None:
        filler.feature_names_in_ = np.array(names, dtype=object)
    return filler


def encoder(fitted: Any) -> Any:
    """Return scikit-learn's of a fitted encoder."""
    other = OneHotEncoder(**fitted.get_params(deep=False))
    own = ("_of_job", "_job", "_skimp_config")
    vars(other).update({name: value for name, value in vars(fitted).items() if name not in own})
    other.categories_ = [known.copy() for known in fitted.categories_]
    if not fitted._of_job:
        return other
    for known in other.categories_:
        known[[value != value for value in known]] = None
    configured(other, fitted)
    names = getattr(other, "feature_names_in_", None)
    filler = _filler(other.n_features_in_, None if names is None else list(names))
    if _gives_frames(other):
        filler._sklearn_output_config = deepcopy(other._sklearn_output_config)
    else:
        other.__dict__.pop("feature_names_in_", None)
    return Pipeline([("missing", filler), ("encode", other)])


def _encoding(traced: Traced, steps: list[Any], named: bool) -> ColumnTransformer:
    """Return the fitted transformer that does what steps do to columns of numbers, and one-hot encodes text."""
    from skimp._one_hot import known_values

    if traced.hash_bits:
        raise ValueError("to_sklearn(): scikit-learn has no encoder that hashes texts as this model does")
    texts = [run.id for run in traced.runs() if run.kind == "text"]
    parts: list[tuple[str, Any, list[int]]] = []
    numbers = [i for i, is_text in enumerate(traced.is_text) if not is_text]
    if numbers:
        other = steps[0] if len(steps) == 1 else Pipeline([(type(step).__name__.lower(), step) for step in steps])
        parts.append(("numbers", other if steps else "passthrough", numbers))
    places = [i for i, is_text in enumerate(traced.is_text) if is_text]
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode.fit(known_values([traced.categories(i) for i in texts], None))
    filler = _filler(len(texts), [traced.texts[i] for i in texts] if named else None)
    parts.append(("text", Pipeline([("missing", filler), ("encode", encode)]), [places[i] for i in texts]))
    return side_by_side(ColumnTransformer, parts, traced.names, named)


def _in_order(encoding: ColumnTransformer, traced: Traced, named: bool) -> Any:
    """Return an encoding whose features are in the library's order; named: it is to give frames."""
    runs = traced.runs()
    places = np.argsort(order_of(runs, _arranged(runs))).tolist()
    if places == sorted(places):
        return encoding
    names = list(map(str, encoding.get_feature_names_out(traced.names)))
    return Pipeline(
        [
            ("encode", encoding),
            ("order", side_by_side(ColumnTransformer, [("order", "passthrough", places)], names, named)),
        ]
    )


def _of_arrays(step: Any) -> Any:
    """Return a part of an encoding, which gives arrays: what the whole gives is made of them."""
    step.__dict__.pop("_sklearn_output_config", None)
    return step


def _told_frames(encoding: Any, last: Any) -> Any:
    """Return an encoding that gives what its last step was told to, by `set_output`."""
    steps = [step for _, step in encoding.steps] if isinstance(encoding, Pipeline) else [encoding]
    config = vars(last).get("_sklearn_output_config")
    for step in steps if config is not None else ():
        step._sklearn_output_config = deepcopy(config)
    return encoding


def before(encoding: Encoding, named: bool) -> ColumnTransformer:
    """Return the fitted transformer that makes the features of an encoding in their order, of unknown text zeros."""
    from skimp._one_hot import known_values

    names = list(encoding.columns or ())
    is_dense = len(encoding.feature_names()) <= MOST_DENSE
    parts: list[tuple[str, Any, list[int]]] = []
    for place, (name, known) in enumerate(zip(names, encoding.texts, strict=True)):
        if known:
            encode = OneHotEncoder(handle_unknown="ignore", sparse_output=not is_dense)
            encode.fit(known_values([(list(known), False)], None))
            filler = _filler(1, [name] if named else None)
            parts.append((f"text_{place}", Pipeline([("missing", filler), ("encode", encode)]), [place]))
        elif known is None and parts and parts[-1][1] == "passthrough":
            parts[-1][2].append(place)
        elif known is None:
            parts.append((f"numbers_{place}", "passthrough", [place]))
    columns = side_by_side(ColumnTransformer, parts, names, named)
    columns.sparse_output_ = not is_dense
    return columns


def side_by_side(kind: type[Any], parts: list[tuple[str, Any, list[int]]], names: list[str], named: bool) -> Any:
    """Return a ColumnTransformer of fitted parts (or "passthrough"): columns by name, where they have names."""
    from skimp.compose import passed

    keys = [[names[i] for i in places] if named else places for _, _, places in parts]
    given = [part if part == "passthrough" else clone(part) for _, part, _ in parts]
    columns = kind(
        [(name, part, key) for (name, _, _), part, key in zip(parts, given, keys, strict=True)],
        verbose_feature_names_out=False,
    )
    columns.n_features_in_ = len(names)
    if named:
        columns.feature_names_in_ = np.array(names, dtype=object)
    columns._columns = keys
    columns._transformer_to_input_indices = {name: places for name, _, places in parts}
    columns._validate_remainder(None)
    fitted = [
        passed(len(key), [names[i] for i in places] if named else None) if part == "passthrough" else part
        for (_, part, places), key in zip(parts, keys, strict=True)
    ]
    columns._update_fitted_transformers(fitted)
    at = 0
    columns.output_indices_ = {"remainder": slice(0, 0)}
    for (name, _, places), part in zip(parts, fitted, strict=True):
        n = len(part.get_feature_names_out([names[i] for i in places]))
        columns.output_indices_[name] = slice(at, at + n)
        at += n
    columns.sparse_output_ = False
    return columns


def _turned(part: Any) -> Any:
    """Return scikit-learn's of anything fitted."""
    return part.to_sklearn() if hasattr(part, "to_sklearn") else part


def _unnamed(step: Any) -> Any:
    """Return a step that is new, to be given arrays: columns have names before the first step alone."""
    first = step.steps[0][1] if isinstance(step, Pipeline) else step
    first.__dict__.pop("feature_names_in_", None)
    return step


def _chained(steps: list[Any]) -> list[Any]:
    """Return scikit-learn's of steps that follow one another."""
    turned: list[Any] = []
    for step in steps:
        is_first = all(isinstance(other, (str, type(None))) for other in turned)
        other = _turned(step)
        is_named = any(_gives_frames(other) for other in turned[-1:] if not isinstance(other, (str, type(None))))
        turned.append(other if is_first or is_named or other is step else _unnamed(other))
    return turned


def _turned_params(part: Any) -> Any:
    """Return scikit-learn's of anything that is not fitted."""
    if isinstance(part, str) or not hasattr(part, "to_sklearn"):
        return part
    if hasattr(part, "steps"):
        steps = [(name, _turned_params(step)) for name, step in part.steps]
        settings = {name: getattr(part, name) for name in ("transform_input", "memory", "verbose")}
        return configured(Pipeline(steps, **settings), part)
    if hasattr(part, "transformers"):
        parts = [(name, _turned_params(own), key) for name, own, key in part.transformers]
        given = {**part.get_params(deep=False), "transformers": parts, "remainder": _turned_params(part.remainder)}
        return configured(ColumnTransformer(**given), part)
    return configured(theirs(type(part))(**part.get_params(deep=False)), part)


def columns(fitted: Any) -> ColumnTransformer:
    """Return scikit-learn's of a fitted ColumnTransformer."""
    other = _turned_params(fitted)
    own = ("_job", "_skimp_config", "transformers_", *other.get_params(deep=False))
    vars(other).update({name: value for name, value in vars(fitted).items() if name not in own})
    other.transformers_ = [(name, _turned(part), key) for name, part, key in fitted.transformers_]
    name, _, rest = fitted._remainder
    other._remainder = (name, other.remainder, rest)
    return other


# ---- Pipelines -------------------------------------------------------------------------------------------------------


def pipeline(fitted: Any) -> Pipeline:
    """Return scikit-learn's of a fitted Pipeline.

    Where text was encoded, its steps over numbers are a part of a ColumnTransformer, and its features have their order.
    """
    settings = {name: getattr(fitted, name) for name in ("transform_input", "memory", "verbose")}
    is_encoded = fitted._has_text() and not hasattr(fitted.steps[0][1], "_is_skimp_head")
    if not is_encoded:
        turned = _chained([step for _, step in fitted.steps])
        named_steps = [(name, step) for (name, _), step in zip(fitted.steps, turned, strict=True)]
        return configured(Pipeline(named_steps, **settings), fitted)
    traced = fitted._traced()
    if not fitted._is_on_all_numbers():
        raise ValueError("to_sklearn(): steps of this model are on columns that no ColumnTransformer tells apart")
    steps = [_of_arrays(plain(step)) for step in fitted._fitted_steps()]
    steps = [*steps[:1], *map(_unnamed, steps[1:])]
    encode = _encoding(traced, steps, hasattr(fitted, "feature_names_in_"))
    last = fitted._stages()[-1]
    if hasattr(last, "transform"):
        ordered = _told_frames(_in_order(encode, traced, _gives_frames(last)), last)
        whole = Pipeline(ordered.steps if isinstance(ordered, Pipeline) else [("encode", encode)], **settings)
    else:
        whole = Pipeline([("encode", encode), (fitted.steps[-1][0], _without_columns(plain(last), traced))], **settings)
    return configured(whole, fitted)
