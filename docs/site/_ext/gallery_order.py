# SPDX-License-Identifier: BSD-3-Clause
"""In which order the gallery shows its examples."""

from __future__ import annotations

ORDER = (
    "plot_memory_of_a_fit.py",
    "plot_plan_and_actual.py",
    "plot_late_flights.py",
    "plot_what_a_column_keeps.py",
    "plot_search_over_a_dataset.py",
    "plot_path_by_warm_start.py",
    "plot_incremental.py",
)


class Order:
    """A key to sort by."""

    def __init__(self, directory: str) -> None:
        pass

    def __call__(self, name: str) -> int:
        """Return the place of an example; one that has none fails the build."""
        return ORDER.index(name)
