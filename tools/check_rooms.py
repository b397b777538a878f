#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks the order of the rooms: who may include whom, headers that stand alone, names that are unique.

    tools/check_rooms.py [--cc CC] [--cxx CXX]

A room of src/ includes headers of itself and of the rooms in ROOMS below; the command and the examples include public
headers only; public headers include public headers only. Prints each violation and ends with 1 if there was one.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Room: the rooms whose headers it may include besides its own. base and os are two halves of the lowest room: the
# budget maps pages through os, and os fails through base.
BOTTOM = {"base", "os"}
ROOMS = {
    "base": {"os"},
    "os": {"base"},
    "data": BOTTOM,
    "kernel": BOTTOM | {"data"},
    "loss": BOTTOM | {"data", "kernel"},
    "solver": BOTTOM | {"data", "kernel", "loss"},
    "estimator": BOTTOM | {"data", "kernel", "loss", "solver"},
    "engine": BOTTOM | {"data", "kernel", "loss", "solver", "estimator"},
}
# The only files of base that may know os: nothing else there depends on the system.
BASE_USES_OS = {"budget.c"}

SAME_NAME_ALLOWED = {"meson.build", "__init__.py", "README.md", "requirements.txt", "conftest.py"}
NAMES_UNCHECKED = ("tests/data/", "tests/fuzz/corpus/")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
GUARD = "#ifndef SKIMP"
LICENCE = "SPDX-License-Identifier: BSD-3-Clause"


def files() -> Iterator[Path]:
    """Every file of the project, as a path below ROOT: what builds and tools leave behind is not part of it."""
    for directory, subdirectories, names in os.walk(ROOT):
        subdirectories[:] = sorted(
            name
            for name in subdirectories
            if name not in (".git", "__pycache__") and not name.startswith((".venv", ".pytest", ".cache", ".ruff", "build"))
        )
        for name in sorted(names):
            yield (Path(directory) / name).relative_to(ROOT)


def check_includes(path: Path, text: str) -> Iterator[str]:
    """What a file of C includes by quotes."""
    top = path.parts[0]
    for name in INCLUDE.findall(text):
        room = name.split("/")[0]
        if room == "skimp" and "/" in name:
            if not (ROOT / "include" / name).exists():
                yield f"{path}: {name} does not exist"
        elif top == "include":
            yield f"{path}: a public header includes {name}, which is not public"
        elif top in ("cli", "examples"):
            if "/" in name or not (ROOT / path.parent / name).exists():
                yield f"{path}: includes {name}; only public headers and its own may be"
        elif top == "src":
            own = path.parts[1]
            if own not in ROOMS:
                yield f"{path}: src/{own} is no room"
            elif room not in ROOMS:
                yield f'{path}: include "{name}" does not say the room'
            elif room != own and room not in ROOMS[own]:
                yield f"{path}: src/{own} must not include {name}"
            elif own == "base" and room == "os" and path.name not in BASE_USES_OS:
                yield f"{path}: of base only {', '.join(sorted(BASE_USES_OS))} may include {name}"


def check_alone(path: Path, command: list[str]) -> str | None:
    """Compiles a header by itself, twice included, so that its guard is tried too."""
    source = f'#include "{path.name}"\n#include "{path.name}"\n'
    result = subprocess.run(
        [*command, "-I", str(ROOT / path.parent), "-I", str(ROOT / "include"), "-I", str(ROOT / "src"), "-"],
        input=source,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        return f"{path} does not compile alone with {' '.join(command[:2])}:\n{result.stderr}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    arguments = parser.parse_args()

    problems: list[str] = []
    places: dict[str, list[Path]] = defaultdict(list)
    headers: list[tuple[Path, list[str]]] = []
    warnings = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    for path in files():
        if not str(path).startswith(NAMES_UNCHECKED) and path.name not in SAME_NAME_ALLOWED:
            places[path.name].append(path)
        if path.suffix in (".c", ".h"):
            text = (ROOT / path).read_text(encoding="utf-8")
            if LICENCE not in text.split("\n", 1)[0]:
                problems.append(f"{path}: the first line is not the licence's")
            problems.extend(check_includes(path, text))
        if path.suffix == ".h" and path.parts[0] == "src" and GUARD not in text:
            continue  # a template, which one file includes several times between its own definitions
        if path.suffix == ".h" and path.parts[0] in ("include", "src", "cli"):
            headers.append((path, [arguments.cc, "-std=c11", "-D_GNU_SOURCE", *warnings, "-x", "c"]))
        if path.suffix == ".h" and path.parts[0] == "include":
            headers.append((path, [arguments.cc, "-std=c11", "-Wpedantic", *warnings, "-x", "c"]))
            headers.append((path, [arguments.cxx, "-std=c++11", "-Wpedantic", *warnings, "-x", "c++"]))
    for name, where in places.items():
        if len(where) > 1:
            problems.append(f"{name} is the name of {len(where)} files: {', '.join(map(str, where))}")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        problems.extend(filter(None, pool.map(lambda header: check_alone(*header), headers)))

    if not headers:
        problems.append(f"no header was found below {ROOT}")
    for problem in problems:
        print(problem)
    print(f"{len(places)} names, {len(headers)} compilations of headers, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
