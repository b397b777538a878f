# SPDX-License-Identifier: BSD-3-Clause
"""What a job was planned to take, and what it took."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

MIB = 1 << 20


def _seconds(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _at_least(size: int) -> str:
    """Return MiB, rounded up: a budget of what is printed works."""
    return f"{math.ceil(size / MIB * 10) / 10:.1f}"


def _table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    columns = range(len(head))
    width = [max(len(row[k]) for row in [head, *rows]) for k in columns]
    lines = [
        "  ".join(cell.ljust(width[k]) if k == 0 else cell.rjust(width[k]) for k, cell in enumerate(row)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)


def _html_table(rows: list[tuple[str, ...]], head: tuple[str, ...], caption: str) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(
            f'<{tag} style="text-align:{"left" if k == 0 else "right"}">{html.escape(cell)}</{tag}>'
            for k, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


class Plan:
    """What a fit will take, said before it runs.

    `skimp.plan` returns it; it prints as a table, in a notebook too.

    Parameters
    ----------
    values : mapping
        The attributes, as a job gives them.

    Attributes
    ----------
    exact : bool
        Nothing was assumed of the data; else `assumed` says what was.
    assumed : dict
        Rows, features, categories and the like, from a sample.
    budget_bytes : int
        The budget.
    peak_bytes : int
        An upper bound of the growth of the resident set.
    minimum_bytes : int
        The smallest budget that works.
    memory : dict
        Bytes by what they are for.
    disk_bytes : int
        Disk for what does not fit.
    passes_expected : float
        Scans of all rows, by experience.
    passes_max : float
        Scans of all rows, at most.
    seconds : float
        Rough.
    chunk_rows : int
        Rows that are worked on at once.
    store : str
        Where the chunks are kept between passes.
    threads : int
        Threads that work.
    rows : int
        Rows.
    features : int
        Features, after text is encoded.
    nonzeros : int
        Values that are not zero, of sparse data.
    has_source : bool
        The rows come from a source of its own (a stream, an iterator, pyarrow): what that takes is not known, and not
        in the figures.

    Examples
    --------
    >>> import numpy as np
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> X = np.zeros((1000, 4))
    >>> plan = skimp.plan(Ridge(), X, X[:, 0])
    >>> plan.rows, plan.exact, plan.store
    (1000, True, 'caller')
    """

    exact: bool
    assumed: dict[str, float]
    budget_bytes: int
    peak_bytes: int
    minimum_bytes: int
    memory: dict[str, int]
    disk_bytes: int
    passes_expected: float
    passes_max: float
    seconds: float
    chunk_rows: int
    store: str
    threads: int
    rows: int
    features: int
    nonzeros: int
    has_source: bool = False

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]]
        rows = [(f"  {tag}", f"{size / MIB:.1f}") for tag, size in self.memory.items() if size > 0]
        if self.has_source:
            rows.append(("  source, beside these", "unknown"))
        rows.append(("peak, at most", _at_least(self.peak_bytes)))
        rows.append(("budget", f"{self.budget_bytes / MIB:.1f}"))
        rows.append(("smallest budget", _at_least(self.minimum_bytes)))
        rows.append(("disk", f"{self.disk_bytes / MIB:.1f}"))
        rows.append(("passes", f"{self.passes_expected:.1f}"))
        rows.append(("time, roughly", _seconds(self.seconds)))
        rows.extend((f"assumed {name}", f"{value:,.0f}") for name, value in self.assumed.items())
        return rows

    def __repr__(self) -> str:
        return _table(self._rows(), ("memory, MiB", "planned"))

    def _repr_html_(self) -> str:
        return _html_table(self._rows(), ("memory, MiB", "planned"), "plan")


class MemoryReport:
    """What a fit was planned to take, and what it took.

    It is the attribute `memory_report_` of what was fitted; it prints as a table, in a notebook too.

    Parameters
    ----------
    plan : mapping
        What was planned, as a job gives it.
    report : mapping
        What came of it, likewise.

    Attributes
    ----------
    plan : Plan
        Said before it ran.
    peak_bytes : int or None
        By how much the resident set grew, by the kernel's high-water mark; more than that where something else runs in the
        process.  None: not known, for the process was larger before (the mark is of its whole life, until ``5`` is written
        to ``/proc/self/clear_refs``).
    charged_peak_bytes : int
        What was charged to the budget at most.
    memory : dict
        Charged bytes by what they were for.
    disk_bytes : int
        Disk that was taken.
    passes : float
        Scans of all rows; one of a sample counts by its share.
    seconds : float
        Time.
    threads : int
        Threads that worked.
    source_bytes : int or None
        What a source of its own took beside these: growth that nothing was charged for.  None: there was none.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.linear_model import Ridge
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> report = Ridge().fit(X, X[:, 0]).memory_report_
    >>> report.charged_peak_bytes <= report.plan.peak_bytes
    True
    """

    plan: Plan
    peak_bytes: int | None
    charged_peak_bytes: int
    memory: dict[str, int]
    disk_bytes: int
    passes: float
    seconds: float
    threads: int
    source_bytes: int | None

    def __init__(self, plan: Mapping[str, Any], report: Mapping[str, Any]) -> None:
        self.plan = Plan(plan)
        for name in ("peak_bytes", "charged_peak_bytes", "memory", "disk_bytes", "passes", "seconds", "threads"):
            setattr(self, name, report[name])
        self.peak_bytes = self.peak_bytes or None
        others = max(0, (self.peak_bytes or 0) - self.charged_peak_bytes)
        self.source_bytes = others if self.plan.has_source else None

    def _rows(self) -> list[tuple[str, ...]]:
        plan = self.plan
        tags = [tag for tag in plan.memory if plan.memory[tag] > 0 or self.memory.get(tag, 0) > 0]
        rows: list[tuple[str, ...]] = [
            (f"  {tag}", f"{plan.memory[tag] / MIB:.1f}", f"{self.memory.get(tag, 0) / MIB:.1f}") for tag in tags
        ]
        grown = "unknown" if self.peak_bytes is None else f"{self.peak_bytes / MIB:.1f}"
        if self.source_bytes is not None:
            rows.append(("  source, beside these", "unknown", f"{self.source_bytes / MIB:.1f}"))
        rows.append(("at once", f"{plan.peak_bytes / MIB:.1f}", f"{self.charged_peak_bytes / MIB:.1f}"))
        rows.append(("growth, by the kernel", f"{plan.peak_bytes / MIB:.1f}", grown))
        rows.append(("disk", f"{plan.disk_bytes / MIB:.1f}", f"{self.disk_bytes / MIB:.1f}"))
        rows.append(("passes", f"{plan.passes_expected:.1f}", f"{self.passes:.1f}"))
        rows.append(("time", _seconds(plan.seconds), _seconds(self.seconds)))
        return rows

    def __repr__(self) -> str:
        return _table(self._rows(), ("memory, MiB", "planned", "actual"))

    def _repr_html_(self) -> str:
        return _html_table(self._rows(), ("memory, MiB", "planned", "actual"), "memory")
