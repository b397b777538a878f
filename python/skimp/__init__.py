# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's models on data of any size, inside a memory budget."""

import importlib as _importlib
import sysconfig as _sysconfig
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError("skimp has not been tested on a free-threaded Python: use the ordinary build")

from skimp._config import config_context, get_config, set_config
from skimp._core import version as __version__
from skimp._errors import BudgetError, DataError

if _TYPE_CHECKING:
    from skimp._files import load, save
    from skimp._from_sklearn import from_sklearn
    from skimp._planning import plan
    from skimp._report import MemoryReport, Plan
    from skimp.dataset import Dataset
    from skimp.incremental import Incremental

__all__ = [
    "BudgetError",
    "DataError",
    "Dataset",
    "Incremental",
    "MemoryReport",
    "Plan",
    "__version__",
    "config_context",
    "from_sklearn",
    "get_config",
    "load",
    "plan",
    "save",
    "set_config",
]

# What needs more of scikit-learn than its beginnings is imported when it is first used.
_HOMES = {
    "Dataset": "skimp.dataset",
    "Incremental": "skimp.incremental",
    "MemoryReport": "skimp._report",
    "Plan": "skimp._report",
    "from_sklearn": "skimp._from_sklearn",
    "load": "skimp._files",
    "plan": "skimp._planning",
    "save": "skimp._files",
}

# As scikit-learn's own, these are there after `import skimp` alone.
_SUBMODULES = ("compose", "impute", "linear_model", "pipeline", "preprocessing")


def __getattr__(name: str) -> _Any:
    if name in _SUBMODULES:
        return _importlib.import_module(f"skimp.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'skimp' has no attribute {name!r}")
    found = getattr(_importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES])
