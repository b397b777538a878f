# SPDX-License-Identifier: BSD-3-Clause
"""Docstrings: their examples run, and they list the parameters, attributes and returns that there are, no others."""

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import numpydoc.docscrape
import numpydoc.validate
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

import skimp
from skimp import _config
from skimp._report import MemoryReport, Plan
from skimp.linear_model import Ridge, SGDClassifier
from skimp.preprocessing import StandardScaler

HOMES = ("skimp", "skimp.compose", "skimp.impute", "skimp.linear_model", "skimp.pipeline", "skimp.preprocessing")
MODULES = [module.name for module in pkgutil.iter_modules(skimp.__path__, "skimp.") if module.name != "skimp._core"]

# Sections unknown or in the wrong order, a summary without a full stop, parameters that are not listed, that do not
# exist, that are in another order, that have no type or no description, no Returns, no Yields.
CODES = {"GL05", "GL06", "GL07", "GL08", "SS03", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "RT03", "YD01"}


def public() -> dict[str, Any]:
    """Return the public classes and functions by the names under which users find them."""
    found = {}
    for home in HOMES:
        module = importlib.import_module(home)
        found |= {f"{home}.{name}": getattr(module, name) for name in module.__all__ if name != "__version__"}
    return found


PUBLIC = public()
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}


def methods() -> dict[str, Any]:
    """Return the methods of public classes that skimp documents itself."""
    return {
        f"{name}.{method}": getattr(kind, method)
        for name, kind in CLASSES.items()
        for method in dir(kind)
        if not method.startswith("_")
        and inspect.isfunction(getattr(kind, method))
        and getattr(kind, method).__module__.startswith("skimp")
    }


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an example says is printed is printed."""
    monkeypatch.setattr(_config, "_process", {})
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_all_have_examples(name: str) -> None:
    """Every public class and function has an example, which asserts something or is seen to run."""
    assert doctest.DocTestParser().get_examples(inspect.getdoc(PUBLIC[name]) or "")


@pytest.mark.parametrize("name", [*PUBLIC, *methods()])
def test_parameters(name: str) -> None:
    """What is documented of parameters and returns is what there is."""
    found = numpydoc.validate.validate(name)["errors"]
    assert [error for error in found if error[0] in CODES] == []


def of_its_own(thing: Any) -> set[str]:
    """Return the public attributes of an object: of an estimator those that are there after a fit."""
    kind = type(thing)
    properties = {name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), property)}
    names = {name for name in vars(thing).keys() | properties if not name.startswith("_")}
    if isinstance(thing, BaseEstimator):
        names = {name for name in names if name.endswith("_") or name == "named_steps"}
    return names


def fitted(name: str) -> Any:
    """Return an object that has all attributes of its class."""
    kind = CLASSES[name]
    if issubclass(kind, BaseException):
        return kind("")
    X, y = load_iris(return_X_y=True, as_frame=True)
    if kind is skimp.Dataset:
        return kind(X, target=y)
    if kind in (MemoryReport, Plan):
        report = Ridge().fit(X, y).memory_report_
        return report if kind is MemoryReport else report.plan
    given = {
        "skimp.Incremental": {"estimator": GaussianNB()},
        "skimp.pipeline.Pipeline": {"steps": [("scale", StandardScaler()), ("classify", SGDClassifier())]},
        "skimp.compose.ColumnTransformer": {"transformers": [("scale", StandardScaler(), [0])]},
    }
    return kind(**given.get(name, {})).fit(X, y)


@pytest.mark.parametrize("name", CLASSES)
def test_attributes(name: str) -> None:
    """What is documented of attributes is what there is."""
    listed = numpydoc.docscrape.ClassDoc(CLASSES[name], config={"show_class_members": False})["Attributes"]
    assert {entry.name for entry in listed} == of_its_own(fitted(name))
