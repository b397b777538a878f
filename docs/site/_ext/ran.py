# SPDX-License-Identifier: BSD-3-Clause
"""The directive ``ran``: code that runs when the site is built, and what it prints.

    ```{ran} python          or sh: lines of a shell
    ...
    ```

The blocks of a page run one after the other in one interpreter and one directory, so that later ones go on from earlier
ones.  ``:hidden:`` shows nothing, ``:quiet:`` the code alone.  A block that fails stops the build.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WORKER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    printed, error = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(json.loads(line), "page", "exec"), names)
        except BaseException:
            error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), file=answers, flush=True)
"""


class Session:
    """An interpreter with a directory of its own."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self.worker = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=self.directory.name,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def python(self, code: str) -> str:
        """Return what code prints."""
        assert self.worker.stdin is not None and self.worker.stdout is not None
        print(json.dumps(code), file=self.worker.stdin, flush=True)
        printed, error = json.loads(self.worker.stdout.readline())
        if error is not None:
            raise RuntimeError(f"{code}\n{error}")
        return printed

    def sh(self, code: str) -> str:
        """Return what lines of a shell print."""
        done = subprocess.run(
            ["sh", "-e", "-c", code],
            cwd=self.directory.name,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{code}\n{done.stdout}")
        return done.stdout

    def end(self) -> None:
        """End the interpreter, and remove the directory."""
        self.worker.communicate()
        self.directory.cleanup()


class Ran(SphinxDirective):
    """A code block, and a block of what it printed."""

    has_content = True
    required_arguments = 1
    option_spec = {"hidden": directives.flag, "quiet": directives.flag}

    def run(self) -> list[nodes.Node]:
        sessions = self.env.temp_data.setdefault("ran_sessions", [])
        if not sessions:
            sessions.append(Session())
        language = self.arguments[0]
        code = "\n".join(self.content)
        printed = getattr(sessions[0], language)(code).rstrip()
        if "hidden" in self.options:
            return []
        shown = [nodes.literal_block(code, code, language=language)]
        if printed and "quiet" not in self.options:
            shown.append(nodes.literal_block(printed, printed, language="text", classes=["printed"]))
        return shown


def _end(app: Sphinx, tree: nodes.document) -> None:
    for session in app.env.temp_data.pop("ran_sessions", []):
        session.end()


def setup(app: Any) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("ran", Ran)
    app.connect("doctree-read", _end)
    return {"parallel_read_safe": True}
