# SPDX-License-Identifier: BSD-3-Clause
"""Progress of a job, told to a function of the user, or drawn as a bar by tqdm or rich where one is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MIB = 1 << 20
Teller = Callable[[dict[str, Any]], object]


def _is_watched() -> bool:
    """Say whether somebody sees a bar: a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _about(now: dict[str, Any]) -> str:
    parts = [f"pass {now['passes_done'] + 1}"] if now["phase"] == "fitting" else []
    if now["objective"] == now["objective"]:
        parts.append(f"objective {now['objective']:.6g}")
    parts.append(f"{now['charged_bytes'] / MIB:.0f} of {now['budget_bytes'] / MIB:.0f} MiB")
    return ", ".join(parts)


class _Tqdm:
    """A bar for each phase."""

    def __init__(self, module: Any) -> None:
        self._make = module.tqdm
        self._bar: Any = None
        self._phase = ""

    def __call__(self, now: dict[str, Any]) -> None:
        phase = f"{now['phase']} {now['passes_done']}"
        if phase != self._phase:
            self.close()
            total = now["bytes_total"] or None
            self._bar = self._make(total=total, desc=now["phase"], unit="B", unit_scale=True, leave=False, file=sys.stderr)
            self._phase = phase
        self._bar.set_postfix_str(_about(now), refresh=False)
        self._bar.update(now["bytes_done"] - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Rich:
    """One bar, whose words change with the phase."""

    def __init__(self, module: Any) -> None:
        columns = (
            module.TextColumn("{task.description}"),
            module.BarColumn(),
            module.TaskProgressColumn(),
            module.TimeRemainingColumn(),
            module.TextColumn("{task.fields[about]}"),
        )
        console = importlib.import_module("rich.console").Console(stderr=True)
        self._progress = module.Progress(*columns, console=console, transient=True)
        self._progress.start()
        self._task = self._progress.add_task("", total=None, about="")

    def __call__(self, now: dict[str, Any]) -> None:
        total = now["bytes_total"] or None
        self._progress.update(
            self._task, description=now["phase"], total=total, completed=now["bytes_done"], about=_about(now)
        )

    def close(self) -> None:
        self._progress.stop()


def _bar() -> _Tqdm | _Rich | None:
    for name, kind in (("tqdm.auto", _Tqdm), ("rich.progress", _Rich)):
        try:
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
    bar = _bar() if setting and _is_watched() else None
    try:
        yield bar
    finally:
        if bar is not None:
            bar.close()
