# SPDX-License-Identifier: BSD-3-Clause
"""Signals, kills and checkpoints: nothing is left behind, and what was finished is not lost."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from run_skimp import EXIT_DATA, EXIT_INTERRUPTED, SKIMP, clean_environment, ok, skimp

# Many passes, which take longer than any test waits for them.
ENDLESS = ["-p", "max_iter=1000000", "-p", "tol=null"]


def default_signals() -> None:
    """What a shell leaves to a command in the foreground; tests that run behind nohup or in the background inherit less."""
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, signal.SIG_DFL)


STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    """A test that fails leaves no fit behind that takes the machine from the others."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


def start(*arguments: object, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [SKIMP, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
        preexec_fn=default_signals,
    )
    STARTED.append(process)
    return process


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end
        time.sleep(0.002)


def has_spilled(process: subprocess.Popen[bytes], directory: Path) -> Callable[[], bool]:
    """Does the process hold a file in this directory, with data in it?"""

    def condition() -> bool:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if os.readlink(link).startswith(str(directory)) and os.stat(link).st_size > 0:
                    return True
            except OSError:
                continue
        return False

    return condition


@pytest.fixture
def places(tmp_path: Path, spill: Path) -> Iterator[tuple[Path, Path]]:
    """An output that exists and a spill directory; both must be as they were."""
    output = tmp_path / "out" / "model"
    output.parent.mkdir()
    output.write_bytes(b"before")
    yield output, spill
    assert output.read_bytes() == b"before"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_in_the_middle_of_a_fit(large: Path, places: tuple[Path, Path], number: int) -> None:
    output, spill = places
    process = start(
        "fit", "sgd_classifier", large, "-t", "label", "-m", "20M", "--spill-dir", spill, "-o", output, "--json", *ENDLESS
    )
    wait_until(has_spilled(process, spill), process)
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == EXIT_INTERRUPTED
    assert b'"code":"cancelled"' in out
    assert err.startswith(b"skimp: error: ")
    assert err.count(b"\n") == 1


def test_interrupt_while_standard_input_is_silent(places: tuple[Path, Path]) -> None:
    output, spill = places
    process = start("fit", "ridge", "-", "-t", "y", "-o", output, "--spill-dir", spill, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"x,y\n" + b"1,2\n2,3\n" * 1000)
    process.stdin.flush()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    assert process.returncode == EXIT_INTERRUPTED
    process.stdin.close()


def test_a_kill_leaves_nothing(large: Path, places: tuple[Path, Path]) -> None:
    output, spill = places
    arguments = ["-t", "label", "-m", "20M", "--spill-dir", spill, "-o", output]
    for delay in [0, 0.05, 0.2]:
        process = start("fit", "sgd_classifier", large, *arguments, *ENDLESS)
        wait_until(has_spilled(process, spill), process)
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert list(spill.iterdir()) == []
    model = output.parent.parent / "m"
    ok("fit", "ridge", large, "-t", "label", "-o", model, "-q")
    for command in (["convert", "-", "-o", output], ["predict", model, "-", "-o", output]):
        process = start(*command, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(large.read_bytes()[: 8 << 20])
        process.stdin.flush()
        wait_until(has_spilled(process, output.parent), process)
        process.kill()
        process.communicate()


def test_nohup_goes_on(large: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["nohup", SKIMP, "fit", "sgd_classifier", str(large), "-t", "label", "-o", str(tmp_path / "m"), "-p", "max_iter=20", "-p", "tol=null"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(),
    )  # fmt: skip
    time.sleep(0.2)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "estimator",
    [
        ["sgd_classifier", "-p", "max_iter=12", "-p", "tol=null"],
        ["sgd_regressor", "-p", "max_iter=12", "-p", "tol=null", "-p", "average=true"],
        ["logistic_regression", "-p", "tol=1e-10"],
        ["logistic_regression", "-p", "l1_ratio=0.7", "-p", "C=0.001", "-p", "tol=1e-8"],
        ["ridge"],
    ],
    ids=lambda words: "-".join(word for word in words if word != "-p"),
)
def test_a_fit_goes_on_from_its_checkpoint(large: Path, tmp_path: Path, spill: Path, estimator: list[str]) -> None:
    checkpoint, output = tmp_path / "checkpoint", tmp_path / "model"
    arguments = ["fit", *estimator, large, "-t", "label", "-m", "20M", "--spill-dir", spill, "-o", output, "--json"]
    plain = ok(*arguments).json
    expected = output.read_bytes()
    output.unlink()
    # Killed in the first pass after each of the first checkpoints.
    for _ in range(3):
        before = checkpoint.stat().st_ino if checkpoint.exists() else None
        process = start(*arguments, "--checkpoint", checkpoint)
        try:
            wait_until(lambda: checkpoint.exists() and checkpoint.stat().st_ino != before or output.exists(), process)
        except AssertionError:
            assert process.wait() == 0  # it was done before the kill
        process.kill()
        process.communicate()
        if output.exists():
            break
    assert checkpoint.exists() or output.exists()
    output.unlink(missing_ok=True)
    resumed = ok(*arguments, "--checkpoint", checkpoint, "-j", "1").json
    assert output.read_bytes() == expected
    assert (resumed["objective"], resumed["n_iter"]) == (plain["objective"], plain["n_iter"])
    assert resumed["resumed"] is True
    assert plain["resumed"] is False


def test_checkpoints_of_other_jobs_are_refused(table: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    fit = ["fit", "logistic_regression", table, "-t", "label", "-d", "kind,value,weight", "-o", tmp_path / "m", "--checkpoint", checkpoint]
    ok(*fit)
    assert checkpoint.exists()
    assert ok("info", checkpoint, "--json").json["kind"] == "checkpoint"
    raw = checkpoint.read_bytes()
    for more in (["-p", "C=3"], ["-d", "x1"], ["--holdout", "0.5"], ["--step", "standard_scaler"]):
        result = skimp(*fit, *more, "--json")
        assert result.code in (2, EXIT_DATA), more
        assert str(checkpoint) in result.error["message"]
        assert checkpoint.read_bytes() == raw
    for n in [0, 4, 8, 20, len(raw) // 2, len(raw) - 1]:
        checkpoint.write_bytes(raw[:n])
        assert skimp(*fit).code in (2, EXIT_DATA)
    for place in range(0, len(raw), max(1, len(raw) // 25)):
        changed = bytearray(raw)
        changed[place] ^= 0x10
        checkpoint.write_bytes(changed)
        assert skimp(*fit).code in (2, EXIT_DATA), place
