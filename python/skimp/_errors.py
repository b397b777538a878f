# SPDX-License-Identifier: BSD-3-Clause
"""Exceptions, and how errors of the library become them."""

from __future__ import annotations

import errno
import os
import re


class BudgetError(MemoryError):
    """The memory budget is too small for the work.

    Parameters
    ----------
    message : str
        What happened, and what would be enough.
    requested : int, default=0
        Bytes that were asked for.
    in_use : int, default=0
        Bytes that were charged then.
    limit : int, default=0
        Bytes that the budget allows.
    minimum_bytes : int, default=None
        The smallest budget that works, where it is known.

    Attributes
    ----------
    requested : int
        Bytes that were asked for.
    in_use : int
        Bytes that were charged then.
    limit : int
        Bytes that the budget allows.
    minimum_bytes : int or None
        The smallest budget that works, where it is known.

    Examples
    --------
    >>> import numpy as np
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> X = np.random.default_rng(0).normal(size=(1000, 100))
    >>> try:
    ...     with skimp.config_context(max_memory=1000):
    ...         model = Ridge().fit(X, X[:, 0])
    ... except skimp.BudgetError as error:
    ...     enough = error.minimum_bytes
    >>> with skimp.config_context(max_memory=enough):
    ...     model = Ridge().fit(X, X[:, 0])
    """

    requested: int
    in_use: int
    limit: int
    minimum_bytes: int | None

    def __init__(self, message: str, requested: int = 0, in_use: int = 0, limit: int = 0, minimum_bytes: int | None = None) -> None:
        super().__init__(message)
        self.requested = requested
        self.in_use = in_use
        self.limit = limit
        self.minimum_bytes = minimum_bytes

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.requested, self.in_use, self.limit, self.minimum_bytes)


class DataError(ValueError):
    """The data is not what it should be.

    Parameters
    ----------
    message : str
        What was found, and where.
    file : str, default=None
        Name of the file.
    row : int, default=None
        Row.
    column : str, default=None
        Name of the column.

    Attributes
    ----------
    file : str or None
        Name of the file.
    row : int or None
        Row, counted from 1 with the header line included, as an editor counts lines.
    column : str or None
        Name of the column.

    Examples
    --------
    >>> import os, tempfile
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "bad.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("a,y\\n1,2\\n3,\\n")
    ...     try:
    ...         model = Ridge().fit(path, "y")
    ...     except skimp.DataError as error:
    ...         print(error.row, error.column)
    3 y
    """

    file: str | None
    row: int | None
    column: str | None

    def __init__(self, message: str, file: str | None = None, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.row = row
        self.column = column

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.file, self.row, self.column)


def _of_system(message: str, file: str) -> OSError:
    """Return the error that Python has for what the system said: its words end the message, which the file begins."""
    what = message.removeprefix(f"{file}: ") if file else message
    numbers = {os.strerror(number): number for number in errno.errorcode} | {"is a directory, not a file": errno.EISDIR}
    number = numbers.get(what) or numbers.get(what.rpartition(": ")[2])
    if number is None:
        return OSError(message)
    return OSError(number, what, file) if file else OSError(number, what)


def make(
    code: str, requested: int, in_use: int, limit: int, minimum_bytes: int, row: int, column: str, file: str, message: str
) -> BaseException:
    """Make the exception of an error of the library; called by the extension module."""
    from skimp._hints import in_python  # here, since it imports scikit-learn, which `import skimp` need not

    if re.fullmatch(r"/proc/\d+/fd/\d+", file):  # the store of a Dataset has no name of its own
        message, file = message.replace(file, "the Dataset"), ""
    message = in_python(message)
    match code:
        case "budget":
            return BudgetError(message, requested, in_use, limit, minimum_bytes or None)
        case "nomem":
            return MemoryError(message)
        case "io":
            return _of_system(message, file)
        case "data":
            return DataError(message, file or None, row or None, column or None)
        case "param":
            return ValueError(message)
        case "cancelled":
            return KeyboardInterrupt(message)
        case _:
            return RuntimeError(message)
