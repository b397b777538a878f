# SPDX-License-Identifier: BSD-3-Clause
"""How many processes are at work beside each other in a pool: joblib's, or one of multiprocessing."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from pathlib import Path

TRACKERS = b"resource_tracker", b"semaphore_tracker"  # children of a process with a pool that do no work in it


def _children(pid: int) -> list[int]:
    """Return the children of a process; none where the system does not tell."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.extend(map(int, (task / "children").read_text().split()))
    except OSError:
        return []
    return found


def _is_worker(pid: int, program: str) -> bool:
    """Say whether a process runs the same program, and is no tracker of what pools leave behind."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return os.readlink(f"/proc/{pid}/exe") == program and not any(name in words for name in TRACKERS)
    except OSError:
        return False  # it has ended


def pool_size() -> int:
    """Return how many processes there are in the pool that this one is a worker of; 1: it is none.

    They are the children of the same parent that run the same program.  A worker of joblib may be there before the
    others are, but knows by ``OMP_NUM_THREADS``, which joblib has set to its share of the CPUs, how many there will be.
    """
    parent = parent_process()
    if parent is None:
        return 1
    program = os.readlink("/proc/self/exe")
    siblings = sum(_is_worker(pid, program) for pid in _children(os.getppid()))
    threads = os.environ.get("OMP_NUM_THREADS", "")
    share = len(os.sched_getaffinity(0)) // int(threads) if threads.isdigit() and int(threads) > 0 else 1
    return max(1, siblings, share)
