# SPDX-License-Identifier: BSD-3-Clause
"""Run one process and measure it: wall time, CPU time, and the kernel's own peak of its resident set.

ru_maxrss alone will not do. It is a property of the process and survives exec, so a small program that was started by
a large one is charged with the large one's memory. VmHWM belongs to the address space and starts at zero with exec, but
is gone once the process has ended. So the process is seized with ptrace for one thing only: to stop on its way out,
where VmHWM is read. It runs untouched until then. Where ptrace is not allowed, ru_maxrss is what is left, and the
result says so.
"""

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PTRACE_CONT = 7
PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 0x40
PTRACE_O_EXITKILL = 0x100000
PTRACE_EVENT_EXIT = 6
PTRACE_EVENT_STOP = 128


@dataclass(frozen=True)
class Measured:
    exit_code: int  # minus the signal's number when a signal ended it
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    peak_from: str  # "VmHWM" or "ru_maxrss"


def ptrace(request: int, pid: int, data: int) -> bool:
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return call(request, pid, None, data) == 0


def high_water_mark(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def start(argv: list[str], stdout: Path, stderr: Path, gate: int) -> None:
    """In the new process: wait until it is seized, then become the program. Never returns."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)
        os.read(gate, 1)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def run(argv: list[str], stdout: Path, stderr: Path) -> Measured:
    gate_read, gate_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_write)
        start(argv, stdout, stderr, gate_read)
    os.close(gate_read)
    seized = ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)
    peak = 0
    started = time.monotonic()
    os.close(gate_write)
    try:
        while True:
            _, status, usage = os.wait4(pid, 0)
            if not os.WIFSTOPPED(status):
                break
            event = status >> 16
            if event == PTRACE_EVENT_EXIT:
                peak = high_water_mark(pid)
            ptrace(PTRACE_CONT, pid, 0 if event in (PTRACE_EVENT_EXIT, PTRACE_EVENT_STOP) else os.WSTOPSIG(status))
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    seconds = time.monotonic() - started
    return Measured(
        exit_code=os.waitstatus_to_exitcode(status),
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak if seized and peak else usage.ru_maxrss * 1024,
        peak_from="VmHWM" if seized and peak else "ru_maxrss",
    )
