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

    Attributes
    ----------
    exact : bool
        Nothing was assumed of the data; else `assumed` says what was.
    assumed : dict
        Rows, features, categories and the like, from a sample.
    budget_bytes, peak_bytes, minimum_bytes : int
        The budget; an upper bound of the growth; the smallest budget that works.
    memory : dict
        Bytes by what they are for.
    disk_bytes : int
        Disk for what does not fit.
    passes_expected, passes_max : float
        Scans of all rows.
    seconds : float
        Rough.
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

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [(f"  {tag}", f"{size / MIB:.1f}") for tag, size in self.memory.items() if size > 0]
        rows.append(("peak, at most", f"{self.peak_bytes / MIB:.1f}"))
        rows.append(("budget", f"{self.budget_bytes / MIB:.1f}"))
        rows.append(("smallest budget", f"{self.minimum_bytes / MIB:.1f}"))
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

    Attributes
    ----------
    plan : Plan
        Said before it ran.
    peak_bytes : int
        By how much the resident set grew, by the kernel's high-water mark (in a process where nothing else runs).
    charged_peak_bytes : int
        What was charged to the budget at most.
    memory : dict
        Charged bytes by what they were for.
    disk_bytes, passes, seconds, threads
        As in the plan.
    """

    plan: Plan
    peak_bytes: int
    charged_peak_bytes: int
    memory: dict[str, int]
    disk_bytes: int
    passes: float
    seconds: float
    threads: int

    def __init__(self, plan: Mapping[str, Any], report: Mapping[str, Any]) -> None:
        self.plan = Plan(plan)
        for name in ("peak_bytes", "charged_peak_bytes", "memory", "disk_bytes", "passes", "seconds", "threads"):
            setattr(self, name, report[name])

    def _rows(self) -> list[tuple[str, ...]]:
        plan = self.plan
        tags = [tag for tag in plan.memory if plan.memory[tag] > 0 or self.memory.get(tag, 0) > 0]
        rows: list[tuple[str, ...]] = [
            (f"  {tag}", f"{plan.memory[tag] / MIB:.1f}", f"{self.memory.get(tag, 0) / MIB:.1f}") for tag in tags
        ]
        rows.append(("at once", f"{plan.peak_bytes / MIB:.1f}", f"{self.charged_peak_bytes / MIB:.1f}"))
        rows.append(("growth, by the kernel", f"{plan.peak_bytes / MIB:.1f}", f"{self.peak_bytes / MIB:.1f}"))
        rows.append(("disk", f"{plan.disk_bytes / MIB:.1f}", f"{self.disk_bytes / MIB:.1f}"))
        rows.append(("passes", f"{plan.passes_expected:.1f}", f"{self.passes:.1f}"))
        rows.append(("time", _seconds(plan.seconds), _seconds(self.seconds)))
        return rows

    def __repr__(self) -> str:
        return _table(self._rows(), ("memory, MiB", "planned", "actual"))

    def _repr_html_(self) -> str:
        return _html_table(self._rows(), ("memory, MiB", "planned", "actual"), "memory")
