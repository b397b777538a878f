# SPDX-License-Identifier: BSD-3-Clause
"""What a job is to do, of a Pipeline: steps, each on some columns, and the estimator at the end.

Steps of a Pipeline work on all columns of numbers; text is one-hot encoded for what comes after them.  A
ColumnTransformer at the head gives each step its columns, and the features an order of its own: that of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._indexing import _determine_key_type

from skimp import _core
from skimp._arrays import made_up_names
from skimp._base import SkimpEstimator
from skimp._data import Data
from skimp._traced import Run, Traced
from skimp._transformer import Transformer

PASSED = ("passthrough", None)


class NotOneJobError(Exception):
    """Why what is asked for cannot be one job."""


@dataclass
class Block:
    """A part of a ColumnTransformer.

    Attributes
    ----------
    name : str
    given : estimator, "passthrough" or "drop"
        A copy of what it was given, to be fitted.
    columns : list of int
        Places of its columns, ascending.
    steps : list of Transformer
        Of `given`, in their order.
    encoder : OneHotEncoder or None
        Which of `given` encodes text.
    """

    name: str
    given: Any
    columns: list[int]
    steps: list[Transformer] = field(default_factory=list)
    encoder: Any = None


@dataclass
class Chain:
    """What a job is to do.

    Attributes
    ----------
    steps : list of (Transformer, names or None)
        And the columns that each works on; None: all numbers.
    last : SkimpEstimator or None
        None: the steps are all.
    head : estimator or None
        What chooses columns for steps.
    blocks : list of Block
        Of the head.
    names : list of str
        Of the input columns, where there is a head.
    """

    steps: list[tuple[Transformer, list[str] | None]]
    last: SkimpEstimator | None
    head: Any = None
    blocks: list[Block] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> list[str]:
        """Names of columns that are not read."""
        return [self.names[i] for block in self.blocks if block.given == "drop" for i in block.columns]

    def step_options(self) -> tuple[str, ...]:
        """Return the steps as a job takes them."""
        named = zip(step_names([step for step, _ in self.steps]), self.steps, strict=True)
        return tuple(
            step._core_name
            if columns is None
            else f"{step._core_name}@{','.join(columns)}{',' if columns == ['text'] else ''}"
            for _, (step, columns) in named
        )

    def wanted_blocks(self, traced: Traced) -> list[list[Run]]:
        """Return the features of each of the head's parts that is not dropped."""
        of_column = {}
        runs = traced.runs()
        for run in runs:
            names = traced.texts if run.kind == "text" else traced.numbers
            of_column[(traced.owners[run.id] if run.kind == "number" else -1, names[run.id])] = run
        wanted, at = [], 0
        for block in self.blocks:
            if block.given == "drop":
                continue
            own = [of_column[(-1, self.names[i])] for i in block.columns if (-1, self.names[i]) in of_column]
            for _ in block.steps:
                own += [run for run in runs if run.kind == "number" and traced.owners[run.id] == at]
                at += 1
            wanted.append(own)
        return wanted

    def wanted_runs(self, traced: Traced) -> list[Run]:
        """Return the features in the order of the head's parts."""
        return [run for own in self.wanted_blocks(traced) for run in own]


def step_names(steps: list[Any]) -> list[str]:
    """Return what the library calls steps: the second of a kind is ``name-2``."""
    names: list[str] = []
    for step in steps:
        n = 1 + sum(name.split("-")[0] == step._core_name for name in names)
        names.append(step._core_name if n == 1 else f"{step._core_name}-{n}")
    return names


# ---- what is there ---------------------------------------------------------------------------------------------------


def input_columns(data: Data) -> list[tuple[str, bool]]:
    """Return the names of the input columns, and which hold text.

    Raises
    ------
    NotOneJobError
        The data is sparse.
    """
    own = data.options.get("data")
    if own is None:
        found = _core.Job(dict(data.options)).columns()
        roles = (data.options.get("target"), data.options.get("weight"))
        if any(kind == "sparse" for _, kind, _ in found):
            raise NotOneJobError("sparse data has no columns to choose from")
        return [(name, kind != "number") for name, kind, role in found if role == "feature" and name not in roles]
    table = own["next"].table if own["kind"] == "batches" else own
    if table["kind"] not in ("matrix", "columns"):
        raise NotOneJobError("sparse data has no columns to choose from")
    if table["kind"] == "matrix":
        names = table["names"] or made_up_names(table["values"].shape[1])
        columns = [(name, False) for name in names]
    else:
        made_up = made_up_names(len(table["columns"]))
        columns = [
            (made_up[i] if column[0] is None else column[0], column[2] is not None)
            for i, column in enumerate(table["columns"])
        ]
    roles = (data.options.get("target"), data.options.get("weight"))
    return [column for column in columns if column[0] not in roles]


def _probe(columns: list[tuple[str, bool]], X: Any) -> Any:
    """Return a frame of no rows for functions that choose columns."""
    if hasattr(X, "iloc"):
        return X
    try:
        import pandas
    except ImportError as error:
        raise ImportError("functions that choose columns are given a frame: install pandas") from error
    text = pandas.Series(["a"]).dtype
    return pandas.DataFrame({name: pandas.Series([], dtype=text if is_text else float) for name, is_text in columns})


def _places(key: Any, names: list[str]) -> list[int]:
    """Return the places of columns that a key of a ColumnTransformer means, as scikit-learn reads them."""
    if isinstance(key, (list, tuple)) and not key:
        return []
    if np.isscalar(key):
        raise NotOneJobError(f"{key!r} alone is one column as a list of values: write [{key!r}]")
    kind = _determine_key_type(key)
    if kind == "str":
        if isinstance(key, slice):
            first = 0 if key.start is None else names.index(key.start)
            return list(range(first, len(names) if key.stop is None else names.index(key.stop) + 1))
        unknown = [name for name in key if name not in names]
        if unknown:
            raise ValueError(f"Some column names are not columns of the dataframe: {set(unknown)}")
        return [names.index(name) for name in key]
    try:
        places: list[int] = np.arange(len(names))[key if isinstance(key, slice) else np.asarray(key)].tolist()
        return places
    except IndexError:
        raise ValueError(f"all features must be in [0, {len(names) - 1}] or [-{len(names)}, 0]") from None


# ---- making chains ---------------------------------------------------------------------------------------------------


def is_columns(stage: Any) -> bool:
    """Say whether this is a ColumnTransformer or an encoder, of skimp."""
    return hasattr(type(stage), "_is_skimp_head")


def _is_pipeline(stage: Any) -> bool:
    return hasattr(type(stage), "_is_skimp_pipeline")


def flat(stages: Iterator[Any] | list[Any]) -> Iterator[Any]:
    """Yield estimators, those of Pipelines among them one by one."""
    for stage in stages:
        if isinstance(stage, (str, type(None))) and stage in PASSED:
            continue
        if _is_pipeline(stage) and stage._has_no_settings():
            yield from flat(step for _, step in stage.steps)
        else:
            yield stage


def chain_of(stages: list[Any]) -> Chain | None:
    """Return what a job is to do; None: these are not all steps of skimp.  A head's columns are chosen by `bind`."""
    if not stages:
        return None
    last = None if isinstance(stages[-1], Transformer) or is_columns(stages[-1]) else stages[-1]
    steps = stages if last is None else stages[:-1]
    head = steps[0] if steps and is_columns(steps[0]) else None
    steps = steps if head is None else steps[1:]
    if last is not None and not isinstance(last, SkimpEstimator):
        return None
    if not all(isinstance(step, Transformer) for step in steps):
        return None
    return Chain([(step, None) for step in steps], last, head)


def bind(chain: Chain, columns: list[tuple[str, bool]], X: Any) -> None:
    """Choose the columns of the head's parts.

    Raises
    ------
    NotOneJobError
        What the parts do is no job.
    """
    if chain.head is None:
        return
    if chain.steps:
        names = ", ".join(type(step).__name__ for step, _ in chain.steps)
        raise NotOneJobError(
            f"{names} after a {type(chain.head).__name__} would work on one-hot columns too: put it into the "
            "ColumnTransformer, in a Pipeline with what comes before it"
        )
    chain.names = [name for name, _ in columns]
    if len(set(chain.names)) < len(chain.names):
        raise NotOneJobError("two columns have the same name")
    chain.blocks = chain.head._blocks(columns, X)
    is_text = [text for _, text in columns]
    seen: set[int] = set()
    for block in chain.blocks:
        if seen & set(block.columns):
            twice = chain.names[min(seen & set(block.columns))]
            raise NotOneJobError(f"column {twice!r} goes to two transformers")
        seen |= set(block.columns)
        chain.steps += [(step, [chain.names[i] for i in block.columns]) for step in block.steps]
        _check_block(block, chain.names, is_text)
    _check_unknown(chain, is_text)
    if seen == {i for block in chain.blocks if block.given == "drop" for i in block.columns}:
        raise NotOneJobError("no column is left")


def _check_block(block: Block, names: list[str], is_text: list[bool]) -> None:
    if block.steps and (odd := next((names[i] for i in block.columns if "," in names[i]), None)):
        raise NotOneJobError(f"the name of column {odd!r} has a comma")
    kinds = {is_text[i] for i in block.columns}
    if block.steps and len(kinds) == 2:
        raise NotOneJobError(f"{block.name} works on numbers and text: give each kind a transformer of its own")
    if block.encoder is not None and False in kinds:
        number = next(names[i] for i in block.columns if not is_text[i])
        raise NotOneJobError(
            f"{block.name}: the OneHotEncoder of a job encodes text, but column {number!r} holds numbers"
        )
    for step in block.steps[:-1]:
        if getattr(step, "add_indicator", False):
            raise NotOneJobError(
                f"{block.name}: what comes after a SimpleImputer with add_indicator would work on its columns too"
            )


def _check_unknown(chain: Chain, is_text: list[bool]) -> None:
    """A job counts unknown categories of all columns together, so either all encoders tell of them or none."""
    texts = [block for block in chain.blocks if block.given != "drop" and any(is_text[i] for i in block.columns)]
    ways = {block.encoder.handle_unknown if block.encoder is not None else "ignore" for block in texts}
    ways = {"ignore" if way == "infrequent_if_exist" else way for way in ways}
    if len(ways) > 1:
        raise NotOneJobError(
            f"unknown categories are one thing in one part and another in the next: {', '.join(sorted(ways))}"
        )


def column_block(name: str, given: Any, key: Any, names: list[str]) -> Block:
    """Return a part of a ColumnTransformer as a job can do it."""
    places = _places(key, names)
    if given in ("drop", "passthrough") if isinstance(given, str) else False:
        return Block(name, given, sorted(set(places)))
    if places != sorted(set(places)):
        raise NotOneJobError(f"{name}: its columns are not in the order of the data")
    own = clone(given)
    steps = list(flat([own]))
    encoder = steps.pop() if steps and getattr(steps[-1], "_encodes_text", False) else None
    if encoder is not None:
        encoder._check_job()
    others = [step for step in steps if not isinstance(step, Transformer)]
    if others:
        raise NotOneJobError(f"{name} is {type(others[0]).__name__}, which is no transformer of skimp that a job has")
    return Block(name, own, places, steps, encoder)


def choose(key: Any, columns: list[tuple[str, bool]], X: Any) -> Any:
    """Return what a function chooses, or the key."""
    return key(_probe(columns, X)) if callable(key) else key
