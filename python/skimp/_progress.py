# SPDX-License-Identifier: BSD-3-Clause
"""Progress of a job, told to a function of the user, or drawn as a bar by tqdm or rich where one is installed."""

from __future__ import annotations

import importlib
import math
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Teller = Callable[[dict[str, Any]], object]
SHORTEST = 0.5  # seconds: what is over sooner is not worth a bar
_drawing = threading.Lock()  # held by the call that draws: of several at once, one has a bar


def _is_watched() -> bool:
    """Say whether somebody sees a bar: at a terminal, or in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return sys.stderr is not None and (sys.stderr.isatty() or hasattr(shell, "kernel"))


def _size(n_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} GiB"


def share_of(now: dict[str, Any]) -> float | None:
    """Return how much of a phase is done, from 0 to 1: of a fit, by the passes that are expected; None: unknown."""
    done = now["bytes_done"] / now["bytes_total"] if now["bytes_total"] > 0 else None
    if now["phase"] == "fitting" and now["passes_expected"] > 0:
        done = (now["passes_done"] + (done or 0)) / now["passes_expected"]
    return None if done is None else min(done, 1.0)


def about(now: dict[str, Any]) -> str:
    """Return what a bar says of a moment, beside its phase and share."""
    parts = [f"pass {now['passes_done'] + 1}"] if now["phase"] == "fitting" else [f"{now['rows']:,} rows"]
    if math.isfinite(now["objective"]):
        parts.append(f"objective {now['objective']:.4g}")
    parts.append(f"{_size(now['charged_bytes'])} of {_size(now['budget_bytes'])}")
    if math.isfinite(now["seconds_left"]) and now["seconds_left"] >= 1:
        parts.append(f"{now['seconds_left']:.0f} s left")
    return ", ".join(parts)


class _Tqdm:
    """A bar of tqdm, whose words change with the phase."""

    def __init__(self, module: Any) -> None:
        self._make = module.tqdm
        self._bar: Any = None
        self._kind: tuple[str, bool] | None = None

    def __call__(self, now: dict[str, Any]) -> None:
        share = share_of(now)
        kind = (now["phase"], share is not None)
        if kind != self._kind:
            self.close()
            self._kind = kind
            shape = "{desc} {percentage:3.0f}%|{bar}| {unit}" if share is not None else "{desc}  {unit}"
            self._bar = self._make(
                total=1.0 if share is not None else None,
                initial=share or 0.0,
                desc=now["phase"],
                unit=about(now),
                bar_format=shape,
                leave=False,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        self._bar.unit = about(now)
        self._bar.n = max(self._bar.n, share or 0.0)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Rich:
    """A bar of rich, whose words change with the phase."""

    def __init__(self, module: Any) -> None:
        columns = (
            module.TextColumn("{task.description}"),
            module.BarColumn(bar_width=20),
            module.TextColumn("{task.fields[about]}"),
        )
        console = importlib.import_module("rich.console").Console(stderr=True)
        self._progress = module.Progress(*columns, console=console, transient=True)
        self._progress.start()
        self._task = self._progress.add_task("", total=None, about="")

    def __call__(self, now: dict[str, Any]) -> None:
        share = share_of(now)
        total = None if share is None else 1.0
        self._progress.update(
            self._task, description=now["phase"], total=total, completed=share or 0.0, about=about(now)
        )

    def close(self) -> None:
        self._progress.stop()


class _Bar:
    """The bar of what is installed, drawn once a call has taken a while."""

    def __init__(self) -> None:
        self._own: _Tqdm | _Rich | None = None
        self._has_looked = False

    def __call__(self, now: dict[str, Any]) -> None:
        if now["seconds"] < SHORTEST:
            return
        if not self._has_looked:
            self._has_looked = True
            self._own = _installed()
        if self._own is not None:
            self._own(now)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()


def _installed() -> _Tqdm | _Rich | None:
    for name, kind in (("tqdm.auto", _Tqdm), ("rich.progress", _Rich)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a notebook has no widgets: there is a plain bar then
                module = importlib.import_module(name)
        except ImportError:
            continue
        return kind(module)
    return None


@contextmanager
def telling(setting: bool | Teller | None) -> Iterator[Teller | None]:
    """Yield who is told of a job's progress; the bar is taken away at the end.

    Parameters
    ----------
    setting : bool, callable or None
        A function is told itself; True draws a bar, where somebody sees it and tqdm or rich is installed.
    """
    if callable(setting):
        yield setting
        return
    if not setting or not _is_watched() or not _drawing.acquire(blocking=False):
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()
        _drawing.release()
