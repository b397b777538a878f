# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines that are fitted: which step has what of the library's model, and what columns and features are called."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline as _Pipeline
from sklearn.utils.validation import _check_feature_names_in

from skimp._arrays import FEATURE_ARRAYS, made_up_names, read, strings
from skimp._base import Fitted, SkimpEstimator, noted
from skimp._chain import Chain, bind, chain_of, flat, is_columns, step_names
from skimp._data import Data
from skimp._model import ALONE, is_of_columns, part, take_steps, whole_model
from skimp._report import MemoryReport
from skimp._traced import Traced, order_of
from skimp._transformer import Transformer


def inputs_of(stage: Any) -> Any:
    """Return an estimator like the first step, that knows of the input columns."""
    inputs = object.__new__(type(stage))
    vars(inputs).update(stage.get_params(deep=False))
    return inputs


class FittedPipeline(_Pipeline):
    """What `skimp.pipeline.Pipeline` does with a model of all its steps."""

    _is_skimp_pipeline = True

    _skimp: Fitted
    _inputs: Any  # what the input columns are, as an estimator has it
    _order: np.ndarray | None  # where the last step's features are among the library's
    _job_steps: list[Any]  # of a ColumnTransformer at the head
    memory_report_: MemoryReport

    # ---- steps ----

    def _stages(self) -> list[Any]:
        return list(flat(step for _, step in self.steps))

    def _has_no_settings(self) -> bool:
        return self.memory is None and not self.verbose and self.transform_input is None

    def _chain(self) -> Chain | None:
        """Return what a job is to do; None: it takes several."""
        return chain_of(self._stages()) if self._has_no_settings() else None

    def _known_chain(self) -> Chain:
        """Return what the job has done that made the model."""
        chain = chain_of(self._stages())
        if chain is None:
            raise TypeError("the steps are not those of the model any more: fit them")
        return chain

    # ---- models ----

    def _take(self, model: Any, data: Data | None, chain: Chain | None = None) -> None:
        """Give each step what is its own of a model."""
        whole, arrays = Fitted(noted(model.meta(), data), model.arrays(), {}), read(model)
        if chain is None:
            chain = self._known_chain()
            columns = (
                zip(strings(arrays["columns"]), arrays["column_types"], strict=True) if chain.head is not None else ()
            )
            bind(chain, [(name, bool(is_text)) for name, is_text in columns], None)
        steps, last = [step for step, _ in chain.steps], chain.last
        self._take_inputs(whole, arrays, data, chain)
        named = hasattr(self._inputs, "feature_names_in_")
        traced, taken = take_steps(whole, arrays, steps, named, self._inputs.n_features_in_)
        self._order, names = None, None
        self.__dict__.pop("_job_steps", None)
        if chain.head is not None and traced is not None:
            self._job_steps = steps
            self._order = order_of(traced.runs(), chain.wanted_runs(traced))
            chain.head._take_blocks(chain, traced, named)
            names = chain.head.get_feature_names_out()
        elif traced is not None:
            names = traced.feature_names()
        if last is not None:
            names = made_up_names(int(whole.meta["n_features"])) if names is None else list(map(str, names))
            taken |= self._take_last(last, whole, arrays, names, data)
            if named:
                last.feature_names_in_ = np.array(names, dtype=object)
        self._skimp = Fitted(
            whole.meta, whole.shapes, {key: array for key, array in arrays.items() if key not in taken}
        )

    def _take_inputs(self, whole: Fitted, arrays: dict[str, np.ndarray], data: Data | None, chain: Chain) -> None:
        if data is None:
            self._inputs = inputs_of(self._stages()[0])
        inputs = self._inputs
        inputs._skimp = Fitted(whole.meta, [], {})
        if hasattr(inputs, "n_features_in_"):
            return
        SkimpEstimator._set_columns(inputs, arrays, data)
        names = list(getattr(inputs, "feature_names_in_", ()))
        if names and data is None and names == made_up_names(len(names)):
            del inputs.feature_names_in_  # what columns without names are called
        if chain.names:
            inputs.n_features_in_ = len(chain.names)
            if names:
                inputs.feature_names_in_ = np.array(chain.names, dtype=object)

    def _take_last(
        self, last: Any, whole: Fitted, arrays: dict[str, np.ndarray], names: list[str], data: Data | None
    ) -> set[str]:
        own = {key: array for key, array in arrays.items() if key in last._attributes or key == "classes_"}
        if self._order is not None:
            own |= {key: own[key][..., self._order] for key in FEATURE_ARRAYS if key in own}
        about = {"steps": "[]"} | ({"feature_names": json.dumps(names)} if "columns" in arrays else {})
        last.__dict__.pop("feature_names_in_", None)
        last.n_features_in_ = len(names)
        last._take_part(own, part(whole, own, about, names), data)
        return {key for key in arrays if key in last._attributes}

    def _fitted_steps(self) -> list[Any]:
        own = vars(self).get("_job_steps")
        return own if own is not None else [stage for stage in self._stages() if isinstance(stage, Transformer)]

    def _model(self, sparse: bool | None = None) -> Any:
        """Return the library's model, made of the steps' attributes as they are now."""
        return whole_model(self._skimp, self._named_stages(), sparse, self._order)

    def _named_stages(self) -> list[tuple[str, Any]]:
        steps, last = self._fitted_steps(), self._stages()[-1]
        named = [(f"{i}.{name}.", step) for i, (name, step) in enumerate(zip(step_names(steps), steps, strict=True))]
        return named if isinstance(last, Transformer) or is_columns(last) else [*named, ("", last)]

    def _check_report(self, report: dict[str, Any]) -> None:
        """Raise what encoders raise of unknown categories."""
        head = self._stages()[0]
        if report["unknown_categories"] and is_columns(head):
            head._tell_unknown(report["unknown_categories"])

    # ---- columns ----

    @property
    def n_features_in_(self) -> int:
        """Number of input columns."""
        own = vars(self).get("_inputs")
        return int(super().n_features_in_ if own is None else own.n_features_in_)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the input columns."""
        own = vars(self).get("_inputs")
        return np.asarray(super().feature_names_in_ if own is None else own.feature_names_in_)

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the features that the last step is given, or gives if it is a transformer."""
        last = self.steps[-1][1] if self.steps else None
        if last is None or not self.__sklearn_is_fitted__():
            raise AttributeError(f"this {type(self).__name__} has no names of encoded features")
        if "_skimp" in vars(self) and "columns" in self._skimp.arrays:
            return self._names()
        if hasattr(last, "transform"):
            return self.get_feature_names_out()
        return np.asarray(self[:-1].get_feature_names_out() if len(self.steps) > 1 else last.encoded_feature_names_)

    def _names(self) -> np.ndarray:
        head = self._stages()[0]
        if is_columns(head):
            return np.asarray(head.get_feature_names_out())
        return np.array(self._traced().feature_names(), dtype=object)

    def _library_names(self) -> list[str]:
        """Return the names of the features in the library's order."""
        if "columns" not in self._skimp.arrays:
            return list(map(str, self.get_feature_names_out()))
        return self._traced().feature_names()

    def _traced(self) -> Traced:
        """Return the columns of the model after its steps."""
        traced, steps = Traced(self._skimp.meta, self._skimp.arrays), self._fitted_steps()
        for i, (name, step) in enumerate(zip(step_names(steps), steps, strict=True)):
            traced.advance(step, traced.inputs(f"{i}.{name}."))
        return traced

    def _is_on_all_numbers(self) -> bool:
        """Say whether each step works on all columns of numbers that there are."""
        traced, steps = Traced(self._skimp.meta, self._skimp.arrays), self._fitted_steps()
        for i, (name, step) in enumerate(zip(step_names(steps), steps, strict=True)):
            own = traced.inputs(f"{i}.{name}.")
            if own.is_text or own.ids.tolist() != traced.there:
                return False
            traced.advance(step, own)
        return True

    def _has_text(self) -> bool:
        """Say whether the steps alone would not do what the model does: one-hot encode."""
        return "_skimp" in vars(self) and any(self._skimp.arrays.get("column_types", ()))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that come out of the steps.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns that go in; by default those of the fit, else ``x0``, ``x1``, ….

        Returns
        -------
        names : ndarray of str
            One a feature.
        """
        if not self._has_text() or is_columns(self._stages()[0]):
            return np.asarray(super().get_feature_names_out(input_features))
        _check_feature_names_in(self, input_features)
        return self._names()

    def __getitem__(self, ind: Any) -> Any:
        """Return a step, or a Pipeline of some; what comes before the last step encodes text as the whole does."""
        part_of = super().__getitem__(ind)
        is_head = isinstance(ind, slice) and len(part_of.steps) > 0 and part_of._stages() == self._stages()[:-1]
        chain = self._chain() if is_head and self._has_text() else None
        if chain is None or chain.last is None:
            return part_of
        meta = {**self._skimp.meta, "estimator": ALONE, "params": "{}"}
        shapes = [shape for shape in self._skimp.shapes if is_of_columns(shape[0])]
        part_of._skimp = Fitted(meta, shapes, {key: a for key, a in self._skimp.arrays.items() if is_of_columns(key)})
        part_of._inputs, part_of._order = self._inputs, self._order
        if "_job_steps" in vars(self):
            part_of._job_steps = self._job_steps
        return part_of
