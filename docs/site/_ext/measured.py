# SPDX-License-Identifier: BSD-3-Clause
"""The directive ``measured``: code that is run when the site is built, with what it took.

    ```{measured}
    # setup
    X = ...                  not measured, the same for all
    # way: scikit-learn
    ...
    # way: skimp
    ...
    ```

Each way runs in a process of its own, after the set-up.  What is shown is the growth of the resident set over what the
set-up left, by the kernel's high-water mark, and the seconds.  A way that fails stops the build.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

RUNNER = """
import json, sys, time
def _status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024
parts = json.load(open(sys.argv[1]))
names = {"__name__": "__main__"}
exec(compile(parts["setup"], "set-up", "exec"), names)
open("/proc/self/clear_refs", "w").write("5")
before, begun = _status("VmRSS"), time.perf_counter()
exec(compile(parts["way"], parts["name"], "exec"), names)
seconds = time.perf_counter() - begun
print(json.dumps({"growth": _status("VmHWM") - before, "seconds": seconds}), file=sys.stderr)
"""


def split(lines: list[str]) -> tuple[str, list[tuple[str, str]]]:
    """Return the set-up and the ways, with their names."""
    setup: list[str] = []
    ways: list[tuple[str, list[str]]] = []
    current = setup
    for line in lines:
        if line.startswith("# way: "):
            ways.append((line.removeprefix("# way: "), []))
            current = ways[-1][1]
        elif line != "# setup":
            current.append(line)
    return "\n".join(setup), [(name, "\n".join(code).strip()) for name, code in ways]


def run(setup: str, name: str, way: str) -> dict[str, float]:
    """Return growth (MiB) and seconds of a way."""
    with tempfile.TemporaryDirectory() as directory:
        parts = Path(directory) / "parts.json"
        parts.write_text(json.dumps({"setup": setup, "name": name, "way": way}))
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", RUNNER, str(parts)], cwd=directory, capture_output=True, text=True
        )
    if done.returncode != 0:
        raise RuntimeError(f"{name}:\n{done.stderr}")
    return json.loads(done.stderr.strip().splitlines()[-1])


class Measured(SphinxDirective):
    """Code blocks, and a table of what they took."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        setup, ways = split(list(self.content))
        found = [(name, way, run(setup, name, way)) for name, way in ways]
        least = min(figures["growth"] for _, _, figures in found)
        lines = ["```python", *setup.strip().splitlines(), "```", ""] if setup.strip() else []
        for name, way, _ in found:
            lines += [f"**{name}**", "", "```python", *way.splitlines(), "```", ""]
        lines += ["| | memory, MiB | | seconds |", "|---|---:|---:|---:|"]
        for name, _, figures in found:
            times = figures["growth"] / max(least, 0.1)
            lines.append(f"| {name} | {figures['growth']:.1f} | {times:.1f} × | {figures['seconds']:.2f} |")
        container = nodes.container(classes=["measured"])
        self.state.nested_parse(StringList(lines, source=self.content.source(0)), self.content_offset, container)
        return [container]


def setup(app: Any) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
