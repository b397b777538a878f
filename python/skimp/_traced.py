# SPDX-License-Identifier: BSD-3-Clause
"""The columns of a model: which there are, step by step, and the features that they are encoded to.

It follows what the library does (``src/engine/frame.c``, ``design.c``): columns keep their order, a number is one
feature and a text one for each category, and what steps add comes after all that.  Columns of numbers have ids, which
they keep when others go: those of the input, then those that steps add.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from skimp._arrays import made_up_names, strings


class Run(NamedTuple):
    """Features that lie side by side, of one column.

    Attributes
    ----------
    kind : {"number", "text", "hash"}
    id : int
        Of a number its id; of a text its place among the text columns.
    n : int
        How many features.
    """

    kind: str
    id: int
    n: int


class Inputs(NamedTuple):
    """What a step works on: ids of numbers, or places among the text columns."""

    is_text: bool
    ids: np.ndarray


class Traced:
    """The columns of a model on their way through its steps.

    Parameters
    ----------
    meta : dict
        Of the model.
    arrays : dict
        Its arrays, by name.

    Attributes
    ----------
    names : list of str
        Of the input columns.
    numbers : list of str
        Names of the columns of numbers, by id.
    texts : list of str
        Names of the text columns.
    owners : list of int
        Which step added a column of numbers, by its id: -1, it is of the input.
    there : list of int
        Ids of the columns of numbers that no step has left out, ascending.
    """

    def __init__(self, meta: dict[str, str], arrays: dict[str, np.ndarray]) -> None:
        self.names = strings(arrays["columns"])
        self.is_text = arrays["column_types"].astype(bool).tolist()
        self.numbers = [name for name, is_text in zip(self.names, self.is_text, strict=True) if not is_text]
        self.texts = [name for name, is_text in zip(self.names, self.is_text, strict=True) if is_text]
        self.n_inputs = len(self.numbers)
        self.owners = [-1] * self.n_inputs
        self.hash_bits = int(meta.get("hash_bits", "0"))
        self._arrays = arrays
        self.there = list(range(self.n_inputs))
        self._texts_there = list(range(len(self.texts)))
        self._n_steps = 0

    # ---- through the steps ----

    def inputs(self, prefix: str) -> Inputs:
        """Return what the next step works on; prefix: of its arrays."""
        text = self._arrays.get(f"{prefix}text_columns")
        return Inputs(True, text) if text is not None else Inputs(False, self._arrays[f"{prefix}columns"])

    def input_names(self, own: Inputs) -> list[str]:
        """Return the names of what a step works on."""
        names = self.texts if own.is_text else self.numbers
        return [names[i] for i in own.ids]

    def advance(self, step: Any, own: Inputs) -> None:
        """Take a fitted step into account: which columns it leaves out, and which it adds."""
        left_out = step._left_out_columns()
        dropped = set() if left_out is None else set(own.ids[left_out].tolist())
        there = [i for i in (self._texts_there if own.is_text else self.there) if i not in dropped]
        if own.is_text:
            self._texts_there = there
        else:
            self.there = there
        for name in step._added_names(self.input_names(own)):
            self.there.append(len(self.numbers))
            self.numbers.append(name)
            self.owners.append(self._n_steps)
        self._n_steps += 1

    # ---- what comes out ----

    def categories(self, text: int) -> tuple[list[str], bool]:
        """Return the categories of a text column, and whether a missing value is one more."""
        return strings(self._arrays[f"categories.{text}"]), bool(self._arrays["category_missing"][text])

    def _n_categories(self, text: int) -> int:
        array = self._arrays[f"categories.{text}"]
        return int((array == 0).sum()) + int(self._arrays["category_missing"][text])

    def runs(self) -> list[Run]:
        """Return the features that the library has, in its order."""
        runs, number, text = [], 0, 0
        there, texts_there = set(self.there), set(self._texts_there)
        for is_text in self.is_text:
            if is_text:
                if text in texts_there and not self.hash_bits:
                    runs.append(Run("text", text, self._n_categories(text)))
                text += 1
            else:
                if number in there:
                    runs.append(Run("number", number, 1))
                number += 1
        if self.hash_bits and texts_there:
            runs.append(Run("hash", 0, 1 << self.hash_bits))
        return runs + [Run("number", i, 1) for i in self.there if i >= self.n_inputs]

    def run_names(self, run: Run) -> list[str]:
        """Return the names of the features of a column."""
        if run.kind == "number":
            return [self.numbers[run.id]]
        if run.kind == "hash":
            return [f"hash_{i}" for i in range(run.n)]
        known, has_missing = self.categories(run.id)
        return [f"{self.texts[run.id]}_{text}" for text in [*known, *(["nan"] if has_missing else [])]]

    def feature_names(self) -> list[str]:
        """Return the names of all features, in the library's order."""
        return [name for run in self.runs() for name in self.run_names(run)]


def order_of(runs: list[Run], wanted: list[Run]) -> np.ndarray:
    """Return where features are, among those of `runs`, that are wanted in another order."""
    first, at = {}, 0
    for run in runs:
        first[run[:2]] = at
        at += run.n
    parts = [np.arange(first[run[:2]], first[run[:2]] + run.n) for run in wanted]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)


def encoded_names(meta: dict[str, str], arrays: dict[str, np.ndarray]) -> list[str]:
    """Return the names of the features of a model without steps."""
    if "feature_names" in meta:
        names: list[str] = json.loads(meta["feature_names"])
        return names
    if "columns" not in arrays:
        return made_up_names(int(meta["n_features"]))
    return Traced(meta, arrays).feature_names()
