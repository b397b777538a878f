# SPDX-License-Identifier: BSD-3-Clause
"""Settings: how much memory, how many threads, where to spill, who is told of progress.

What holds for a call is, one setting at a time, the first that is given of: the innermost `config_context`; what an
unfitted estimator carries from the context in which it was cloned or pickled; `set_config`; the environment
(``SKIMP_MAX_MEMORY``, ``SKIMP_SPILL_DIR``, ``OMP_NUM_THREADS``); the defaults.
"""

from __future__ import annotations

import errno
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skimp import _core
from skimp._processes import pool_size

MOST_MEMORY = (1 << 63) - 1
MOST_THREADS = 1024
KEYS = ("max_memory", "n_threads", "spill_dir", "progress")

_context: ContextVar[Mapping[str, Any]] = ContextVar("skimp_config", default={})
_process: dict[str, Any] = {}


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not None, in the form that jobs take."""
    checked: dict[str, Any] = {}
    for key, value in given.items():
        if value is None:
            continue
        match key:
            case "max_memory":
                checked[key] = parse_size(value)
            case "n_threads":
                checked[key] = _whole("n_threads", value)
                if not 1 <= checked[key] <= MOST_THREADS:
                    raise ValueError(f"n_threads={value!r}: from 1 to {MOST_THREADS} are possible")
            case "spill_dir":
                checked[key] = os.fspath(value)
                if not os.path.isdir(checked[key]):
                    raise _no_directory(checked[key])
            case "progress":
                if not callable(value) and not isinstance(value, bool):
                    raise TypeError(f"progress={value!r}: True, False or a function of a dict is expected")
                checked[key] = value
    return checked


def _whole(name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{name}={value!r}: a whole number is expected, not {type(value).__name__}")


def _no_directory(path: str) -> OSError:
    is_there = os.path.lexists(path)
    what = "is no directory" if is_there else "there is no such directory"
    return OSError(errno.ENOTDIR if is_there else errno.ENOENT, f"spill_dir: {what}", path)


def parse_size(size: str | float) -> int:
    """Return the bytes of a size: an int, or a text such as ``"64M"``, ``"1.5GiB"`` or ``"100 MB"``.

    K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB of 1000.
    """
    if isinstance(size, float) and size.is_integer():  # 1e9
        size = int(size)
    bytes_ = _core.parse_size(size) if isinstance(size, str) else _whole("max_memory", size)
    if not 0 < bytes_ <= MOST_MEMORY:
        raise ValueError(f"max_memory={size!r}: a size above 0 and below 2**63 bytes is needed")
    return bytes_


@contextmanager
def config_context(
    *,
    max_memory: str | int | None = None,
    n_threads: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[dict[str, Any]], object] | None = None,
) -> Iterator[None]:
    """Set what holds inside a ``with`` block, in this thread or task.

    Parameters
    ----------
    max_memory : str or int, default=None
        By how much the resident set may grow during a call: ``"256MB"``, ``"1GiB"`` or bytes.
    n_threads : int, default=None
        Threads that work at once.
    spill_dir : path, default=None
        Directory on a disk for what does not fit.
    progress : bool or callable, default=None
        True: a bar of tqdm or rich, where one is installed and somebody sees it.  A function is called about twenty
        times a second with a dict (phase, bytes, rows, passes, objective, memory, time left).

    Yields
    ------
    None
        None of the settings that are None is changed.

    See Also
    --------
    set_config : For the whole process.

    Examples
    --------
    >>> import skimp
    >>> with skimp.config_context(max_memory="256MB"):
    ...     skimp.get_config()["max_memory"]
    256000000
    """
    token = _context.set(
        {
            **_context.get(),
            **_checked({"max_memory": max_memory, "n_threads": n_threads, "spill_dir": spill_dir, "progress": progress}),
        }
    )
    try:
        yield
    finally:
        _context.reset(token)


def set_config(
    *,
    max_memory: str | int | None = None,
    n_threads: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[dict[str, Any]], object] | None = None,
) -> None:
    """Set what holds in this process where no `config_context` says otherwise. None leaves a setting as it is.

    Parameters
    ----------
    max_memory : str or int, default=None
        By how much the resident set may grow during a call: ``"256MB"``, ``"1GiB"`` or bytes.
    n_threads : int, default=None
        Threads that work at once.
    spill_dir : path, default=None
        Directory on a disk for what does not fit.
    progress : bool or callable, default=None
        True: a bar of tqdm or rich, where one is installed and somebody sees it.  A function is called about twenty
        times a second with a dict (phase, bytes, rows, passes, objective, memory, time left).

    See Also
    --------
    config_context : For a block.

    Examples
    --------
    >>> import skimp
    >>> before = skimp.get_config()["max_memory"]
    >>> skimp.set_config(max_memory="1GiB")
    >>> skimp.get_config()["max_memory"]
    1073741824
    """
    _process.update(
        _checked({"max_memory": max_memory, "n_threads": n_threads, "spill_dir": spill_dir, "progress": progress})
    )


def get_config() -> dict[str, Any]:
    """Return the settings that hold here.

    Returns
    -------
    settings : dict
        By name: ``max_memory`` in bytes (None is half of what is free to this process, divided among the workers of a
        pool), ``n_threads``, ``spill_dir``, ``progress``.

    Examples
    --------
    >>> import skimp
    >>> sorted(skimp.get_config())
    ['max_memory', 'n_threads', 'progress', 'spill_dir']
    """
    return effective({})


def current_context() -> dict[str, Any]:
    """What the enclosing contexts have set: what an estimator carries to a worker."""
    return dict(_context.get())


def _environment() -> dict[str, Any]:
    found: dict[str, Any] = {}
    if size := os.environ.get("SKIMP_MAX_MEMORY"):
        found["max_memory"] = parse_size(size)
    if directory := os.environ.get("SKIMP_SPILL_DIR"):
        found["spill_dir"] = directory
    # "4,2": OpenMP's list by level of nesting
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if threads.isdigit() and int(threads) > 0:
        found["n_threads"] = int(threads)
    return found


def effective(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that hold for an estimator that carries these."""
    return {**dict.fromkeys(KEYS), **_environment(), **_process, **carried, **_context.get()}


def job_options(carried: Mapping[str, Any], max_memory: int | None = None) -> dict[str, Any]:
    """Return the options of a job of what carries these settings.

    Parameters
    ----------
    max_memory : int, default=None
        A budget of its own, before all others.
    """
    config = effective(carried)
    size = max_memory if max_memory is not None else config["max_memory"]
    return {
        "max_memory": size or 0,
        "n_processes": pool_size() if size is None else 1,
        "share": True,
        "n_threads": config["n_threads"] or 0,
        "spill_dir": config["spill_dir"],
    }


def budget_bytes(carried: Mapping[str, Any]) -> int:
    """Return the memory budget that holds for an estimator that carries these.

    Where none is set, it is half of what is free, divided among the processes of a pool.
    """
    size = effective(carried)["max_memory"]
    return size if size is not None else _core.default_memory() // pool_size()
