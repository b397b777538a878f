# SPDX-License-Identifier: BSD-3-Clause
"""Runs the command and measures it; reads what it writes."""

import ctypes
import ctypes.util
import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SKIMP = os.environ.get("SKIMP_COMMAND", str(ROOT / "build" / "skimp"))
MIB = 1 << 20

EXIT_USAGE, EXIT_DATA, EXIT_BUDGET, EXIT_IO, EXIT_INTERRUPTED = 2, 3, 4, 5, 130

# Forks a child from a small process, so that its high-water mark is not that of the tests: a child's mark begins with
# that of the process that made it. Prints "exit-code kibibytes" on descriptor 3.
LAUNCHER = """
import os, resource, sys
limit = int(sys.argv[1])
cgroup = sys.argv[2]
child = os.fork()
if child == 0:
    os.close(3)
    if cgroup:
        with open(cgroup, "w") as file:
            file.write(str(os.getpid()))
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    os.execv(sys.argv[3], sys.argv[3:])
_, status, usage = os.wait4(child, 0)
os.write(3, f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}".encode())
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        lines = self.out.splitlines()
        assert len(lines) == 1, f"not one JSON object: {self.out!r} {self.err!r}"
        found = json.loads(lines[0], parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error object, whose message is the one line on standard error too."""
        error = self.json["error"]
        assert isinstance(error, dict)
        assert set(error) == {
            "code", "message", "requested", "in_use", "limit", "minimum_bytes", "file", "row", "column",
        }  # fmt: skip
        assert f"skimp: error: {error['message']}\n" in self.err
        return error


def clean_environment(changes: dict[str, str] | None = None) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("SKIMP_MAX_MEMORY", "TMPDIR")}
    return {**environment, **(changes or {})}


def skimp(
    *arguments: object,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
    before: Any = None,
) -> Result:
    done = subprocess.run(
        [SKIMP, *map(str, arguments)],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        env=clean_environment(env),
        cwd=cwd,
        timeout=timeout,
        preexec_fn=before,
    )
    return Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def ok(*arguments: object, **options: Any) -> Result:
    result = skimp(*arguments, **options)
    assert result.code == 0, f"skimp {' '.join(map(str, arguments))}: exit {result.code}\n{result.err}"
    return result


def measured(*arguments: object, data_limit: int = 0, cgroup: str = "", timeout: float = 120) -> tuple[Result, int]:
    """The result, and the peak resident set in bytes as the kernel told the parent."""
    read_end, write_end = os.pipe()
    try:
        code = f"import os; os.dup2({write_end}, 3)" if write_end != 3 else ""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code + LAUNCHER, str(data_limit), cgroup, SKIMP, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(write_end,),
            env=clean_environment(),
        )
        out, err = process.communicate(timeout=timeout)
        os.close(write_end)
        write_end = -1
        told = os.read(read_end, 100).split()
        assert len(told) == 2, err.decode()
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    return Result(int(told[0]), out.decode(), err.decode()), int(told[1]) * 1024


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file."""
    types = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U64": "<u8", "I32": "<i4", "U32": "<u4", "U8": "u1"}
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    found = {}
    for name, about in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in about["data_offsets"])
            found[name] = np.frombuffer(raw[begin:end], types[about["dtype"]]).reshape(about["shape"])
    return found


def patch_tensor(path: Path, name: str, values: list[float]) -> None:
    """Overwrites a float64 array of a model file in place, which then has no checksum, as other programs' files."""
    raw = bytearray(path.read_bytes().replace(b'"checksum":', b'"was_once":', 1))
    (size,) = struct.unpack("<Q", raw[:8])
    begin, end = (8 + size + offset for offset in json.loads(raw[8 : 8 + size])[name]["data_offsets"])
    replacement = np.asarray(values, "<f8").tobytes()
    assert len(replacement) == end - begin
    raw[begin:end] = replacement
    path.write_bytes(raw)


def predictions(path: Path) -> tuple[list[str], np.ndarray]:
    """Header and numbers of a CSV that predict wrote."""
    header, *rows = path.read_text().splitlines()
    return header.split(","), np.array([[float(field) for field in row.split(",")] for row in rows])


def write_csv(path: Path, names: list[str], columns: list[Any]) -> Path:
    """Floats in the shortest form that reads back; anything else as str says."""
    def text(value: Any) -> str:
        return repr(float(value)) if isinstance(value, float | np.floating) else str(value)

    rows = zip(*columns, strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(map(text, row)) for row in rows)]) + "\n")
    return path


def zstd(data: bytes) -> bytes:
    name = ctypes.util.find_library("zstd")
    assert name is not None
    library = ctypes.CDLL(name)
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    library.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    library.ZSTD_compress.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int,
    ]  # fmt: skip
    room = library.ZSTD_compressBound(len(data))
    to = ctypes.create_string_buffer(room)
    written = library.ZSTD_compress(to, room, data, len(data), 3)
    assert written <= room
    return to.raw[:written]
