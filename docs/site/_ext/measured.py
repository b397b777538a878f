# SPDX-License-Identifier: BSD-3-Clause
"""The directive ``measured``: ways to do the same, run when the site is built, with what each of them took.

    ```{measured}
    # files
    ...                      runs once; what it leaves in its directory, all ways find in theirs; shown folded
    # setup
    X = ...                  runs before each way, the same for all; shown folded
    # warm-up
    ...                      runs before too, and is not shown: first uses, which load code
    # way: scikit-learn
    ...
    # way: skimp
    ...
    ```

Each way runs in a process of its own.  What is shown is by how much its resident set grew at most over what it was
before the way began, by the kernel's high-water mark, with that of every process that it started (without mapped
files, which are code that processes share); that as a share of the first way's; and the seconds.  A way that fails or
warns stops the build.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

RUNNER = """
import ctypes, gc, json, os, sys, time
def _status(process, key):
    with open(f"/proc/{process}/status") as file:
        return next((int(line.split()[1]) for line in file if line.startswith(key)), 0) / 1024
def _children(process):
    found = []
    for task in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{task}/children") as file:
            for child in file.read().split():
                found += [child, *_children(child)]
    return found
parts = json.load(open(sys.argv[1]))
names = {"__name__": "__main__"}
exec(compile(parts["setup"], "set-up", "exec"), names)
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
open("/proc/self/clear_refs", "w").write("5")
before, begun = _status("self", "VmRSS"), time.perf_counter()
exec(compile(parts["way"], parts["name"], "exec"), names)
seconds = time.perf_counter() - begun
growth = _status("self", "VmHWM") - before
growth += sum(_status(child, "VmHWM") - _status(child, "RssFile") for child in _children(os.getpid()))
print(json.dumps({"growth": growth, "seconds": seconds}), file=sys.stderr)
"""

SECTIONS = ("# files", "# setup", "# warm-up")


def split(lines: list[str]) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Return what makes files, the set-up, the warm-up, and the ways with their names."""
    first: dict[str, list[str]] = {name: [] for name in SECTIONS}
    ways: list[tuple[str, list[str]]] = []
    current = first["# setup"]
    for line in lines:
        if line.startswith("# way: "):
            ways.append((line.removeprefix("# way: "), []))
            current = ways[-1][1]
        elif line in SECTIONS:
            current = first[line]
        else:
            current.append(line)
    files, setup, warm_up = ("\n".join(first[name]).strip() for name in SECTIONS)
    return files, setup, warm_up, [(name, "\n".join(code).strip()) for name, code in ways]


def make(directory: str, files: str) -> None:
    """Run what makes files."""
    done = subprocess.run([sys.executable, "-c", files], cwd=directory, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{files}:\n{done.stderr}")


def run(files: str, setup: str, name: str, way: str) -> dict[str, float]:
    """Return growth (MiB) and seconds of a way over the files of a directory."""
    with tempfile.TemporaryDirectory() as directory:
        for file in Path(files).iterdir():
            os.link(file, Path(directory) / file.name)
        parts = Path(directory) / "parts.json"
        parts.write_text(json.dumps({"setup": setup, "name": name, "way": way}))
        command = [sys.executable, "-W", "error::UserWarning", "-c", RUNNER, str(parts)]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stderr.strip().splitlines()[-1])
    return found


def table(found: list[tuple[str, dict[str, float]]]) -> str:
    """Return a table of names, bars, MiB, shares and seconds."""
    most, first = max(figures["growth"] for _, figures in found), found[0][1]["growth"]
    assert first > 0, "nothing to compare with"
    rows = []
    for name, figures in found:
        kind = "own" if "skimp" in name else "other"
        share = 100 * max(figures["growth"], 0) / most
        rows.append(
            f'<tr><th scope="row">{html.escape(name)}</th>'
            f'<td class="bar"><span class="{kind}" style="width:{share:.1f}%"></span></td>'
            f"<td>{figures['growth']:,.1f}</td><td>{100 * figures['growth'] / first:,.0f} %</td>"
            f"<td>{figures['seconds']:.2f}</td></tr>"
        )
    columns = "".join(f'<th scope="col">{name}</th>' for name in ("memory, MiB", "of the first", "seconds"))
    head = f'<tr><th></th><th class="bar"></th>{columns}</tr>'
    return f'<table class="measured"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


class Measured(SphinxDirective):
    """Code blocks, and a table of what they took."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        files, setup, warm_up, ways = split(list(self.content))
        with tempfile.TemporaryDirectory() as directory:
            make(directory, files)
            found = [(name, run(directory, f"{setup}\n{warm_up}", name, way)) for name, way in ways]
        shown = f"{files}\n\n{setup}".strip()
        lines = [":::{dropdown} Set-up", "```python", *shown.splitlines(), "```", ":::", ""]
        for name, way in ways:
            lines += [f"**{name}**", "", "```python", *way.splitlines(), "```", ""]
        container = nodes.container(classes=["measured"])
        self.state.nested_parse(StringList(lines, source=self.content.source(0)), self.content_offset, container)
        return [container, nodes.raw("", table(found), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
