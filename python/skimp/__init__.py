# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's models on data of any size, inside a memory budget."""

import sysconfig as _sysconfig

if _sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError("skimp has not been tested on a free-threaded Python: use the ordinary build")

from skimp._config import config_context, get_config, set_config
from skimp._core import version as __version__
from skimp._errors import BudgetError, DataError

__all__ = ["BudgetError", "DataError", "__version__", "config_context", "get_config", "set_config"]
