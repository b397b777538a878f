# SPDX-License-Identifier: BSD-3-Clause
"""What the library says, said in Python: its texts name the command's options."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable

from sklearn.exceptions import ConvergenceWarning

_WITHOUT_ROWS = "drop such rows (skimp.Dataset(..., on_missing='drop'))"


def _dropped(found: re.Match[str]) -> str:
    return f"with skimp.Dataset(..., drop={found[1].split(',')!r})"


# In this order: longer ones first.
_SAID: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"\(--step simple_imputer\)", "(skimp.impute.SimpleImputer in a Pipeline)"),
    (r"\(--step standard_scaler\)", "(skimp.preprocessing.StandardScaler in a Pipeline)"),
    (r"make the store without such rows \(skimp convert --on-missing drop\)", _WITHOUT_ROWS),
    (r"drop such rows \(--on-missing drop\)", _WITHOUT_ROWS),
    (r"--drop the column", "leave the column out (skimp.Dataset(..., drop=[...]))"),
    (r"\(--drop NUMBER; the first column is 0\)", "(skimp.Dataset(..., drop=['NUMBER']); the first column is 0)"),
    (r"with --drop ([^,\s]+(?:,[^,\s]+)*)", _dropped),
    (r"with --on-bad-row skip", "with skimp.Dataset(..., on_bad_row='skip')"),
    (r"say --zero-based true", "say skimp.Dataset(..., zero_based=True)"),
    (r"as --zero-based false says", "as zero_based=False says"),
    (r"say --index64", "say skimp.Dataset(..., index64=True)"),
    (r"such as --target '([^']*)'", r"such as y='\1'"),
    (r"\(--target\)", "(y)"),
    (r"with --spill-dir", "with skimp.config_context(spill_dir=...)"),
    (r" \(or hashed: --hash-bits\)|; add it with --step|^--proba: ", ""),
]


def in_python(text: str) -> str:
    """Return a text of the library with what Python has in place of the command's options.

    Examples
    --------
    >>> in_python("'x' in a column of numbers: leave the column out with --drop day,hour")
    "'x' in a column of numbers: leave the column out with skimp.Dataset(..., drop=['day', 'hour'])"
    """
    if "--" in text:
        for pattern, said in _SAID:
            text = re.sub(pattern, said, text)
    return text


def _user_level() -> int:
    """Return the `stacklevel` that names the first line outside of this package, for who is called by its caller."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "skimp":
        frame, level = frame.f_back, level + 1
    return level


def warn_of(texts: Iterable[str], is_silent: Callable[[str], bool]) -> None:
    """Warn of what a job has found, where scikit-learn would not be silent."""
    for text in texts:
        if not is_silent(text):
            category = ConvergenceWarning if "converge" in text else UserWarning
            warnings.warn(in_python(text), category, stacklevel=_user_level())
