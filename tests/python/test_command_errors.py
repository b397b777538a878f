# SPDX-License-Identifier: BSD-3-Clause
"""Bad input: one clear line with file, row and column, the right exit code, nothing left, nothing changed."""

import contextlib
import ctypes
import gzip
import os
import re
import resource
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from run_skimp import EXIT_BUDGET, EXIT_DATA, EXIT_IO, EXIT_USAGE, SKIMP, Result, clean_environment, ok, skimp, zstd

BEFORE = b"what was there before"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """An output that exists: whatever fails must leave it, and nothing beside it."""
    directory = tmp_path / "out"
    directory.mkdir()
    path = directory / "model"
    path.write_bytes(BEFORE)
    yield path
    assert path.read_bytes() == BEFORE
    assert list(directory.iterdir()) == [path]


def failing(
    code: int, name: str, *arguments: object, row: int | None = None, column: str | None = None, file: Path | None = None, **options: Any
) -> Result:
    result = skimp(*arguments, "--json", **options)
    assert result.code == code, f"exit {result.code}: {result.err}"
    error = result.error
    assert error["code"] == name
    assert (error["row"], error["column"]) == (row, column), error
    if file is not None:
        assert error["file"] == str(file)
        assert str(file) in error["message"]
    if row is not None:
        assert f":{row}" in error["message"]
    if column is not None:
        assert column in error["message"]
    assert result.err.count("skimp: error: ") == 1
    return result


def fit(path: object, output: Path, *more: object, estimator: str = "ridge", target: str = "y") -> list[object]:
    return ["fit", estimator, path, "-t", target, "-o", output, *more]


def rows(n: int, bad: dict[int, str] | None = None) -> str:
    """A CSV of a, b, y with `bad` lines in their places, counted from 1 with the header."""
    lines = ["a,b,y", *(f"{i},{i * i % 17},{i % 5 + i}" for i in range(2, n + 2))]
    for line, text in (bad or {}).items():
        lines[line - 1] = text
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("n", [40, 60_000])
@pytest.mark.parametrize("bad", ["1,2", "1,2,3,4", "9"])
def test_ragged_rows(tmp_path: Path, output: Path, spill: Path, n: int, bad: str) -> None:
    path = tmp_path / "ragged.csv"
    place = n // 2
    path.write_text(rows(n, {place: bad}))
    failing(EXIT_DATA, "data", *fit(path, output, "--spill-dir", spill), row=place, file=path)


def test_skipped_rows_are_counted(tmp_path: Path, table: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text(rows(300, {20: "1,2", 30: "1,2,3,4", 200: "x"}))
    clean = tmp_path / "clean.csv"
    clean.write_text("".join(line for i, line in enumerate(path.read_text().splitlines(True), 1) if i not in (20, 30, 200)))
    found = ok(*fit(path, tmp_path / "m", "--on-bad-row", "skip", "--json")).json
    assert (found["rows"], found["rows_bad"], found["first_bad_row"]) == (297, 3, 20)
    assert ok(*fit(clean, tmp_path / "c", "--json")).json["rows"] == 297
    assert (tmp_path / "m").read_bytes() == (tmp_path / "c").read_bytes()
    text = ok(*fit(path, tmp_path / "m", "--on-bad-row", "skip")).err
    assert "3 bad rows were skipped, the first at line 20" in text


@pytest.mark.parametrize("line", [30, 50_000])
def test_text_in_a_number_column(tmp_path: Path, output: Path, spill: Path, line: int) -> None:
    path = tmp_path / "text.csv"
    path.write_text(rows(60_000, {line: "1,two,3"}))
    if line > 40_000:  # beyond what the sample sees, the column is known to hold numbers
        failing(EXIT_DATA, "data", *fit(path, output, "--spill-dir", spill), row=line, column="b", file=path)
    else:
        skimp(*fit(path, output.parent.parent / "elsewhere", "--spill-dir", spill))


def test_text_in_the_target_of_a_regressor(tmp_path: Path, output: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_text("a,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(50)))
    failing(EXIT_DATA, "data", *fit(path, output), column="y")


@pytest.mark.parametrize("text", ["nan", "", "NA"])
def test_missing_values_are_refused_imputed_or_dropped(tmp_path: Path, output: Path, text: str) -> None:
    path = tmp_path / "holes.csv"
    path.write_text(rows(100, {40: f"1,{text},3", 60: f"2,{text},1"}))
    result = failing(EXIT_DATA, "data", *fit(path, output), row=40, column="b", file=path)
    assert "simple_imputer" in result.err
    other = tmp_path / "m"
    assert ok(*fit(path, other, "--step", "simple_imputer", "--json")).json["rows"] == 100
    found = ok(*fit(path, other, "--on-missing", "drop", "--json")).json
    assert (found["rows"], found["rows_missing"]) == (98, 2)


def test_infinite_values_are_refused(tmp_path: Path, output: Path) -> None:
    path = tmp_path / "inf.csv"
    path.write_text(rows(100, {40: "1,inf,3"}))
    failing(EXIT_DATA, "data", *fit(path, output), row=40, column="b", file=path)


def test_dates_are_refused_with_a_hint(tmp_path: Path, output: Path) -> None:
    path = tmp_path / "dates.csv"
    path.write_text("when,a,y\n" + "".join(f"2024-01-{i % 28 + 1:02} 10:00:00,{i},{i % 7}\n" for i in range(100)))
    result = failing(EXIT_DATA, "data", *fit(path, output), column="when")
    assert "--drop" in result.err
    assert ok(*fit(path, tmp_path / "m", "-d", "when", "--json")).json["features"] == 1


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_truncated_compressed_files(tmp_path: Path, output: Path, spill: Path, compress: Any, keep: float) -> None:
    random = np.random.default_rng(0)
    text = "a,b,y\n" + "".join(f"{x},{y},{z}\n" for x, y, z in random.normal(size=(20_000, 3)))
    data = compress(text.encode())
    path = tmp_path / ("cut.csv.gz" if compress is gzip.compress else "cut.csv.zst")
    path.write_bytes(data[: int(len(data) * keep)])
    failing(EXIT_DATA, "data", *fit(path, output, "--spill-dir", spill), file=path)
    path.write_bytes(data)
    assert ok(*fit(path, tmp_path / "m", "--json")).json["rows"] == 20_000


def hostile(raw: bytes) -> Iterator[bytes]:
    """A file cut and changed in many places."""
    for n in [0, 1, 7, 8, 9, 64, len(raw) // 2, len(raw) - 1]:
        yield raw[:n]
    (header,) = struct.unpack("<Q", raw[:8])
    for size in [0, 1, header - 1, header + 1, 1 << 32, (1 << 64) - 1]:
        yield struct.pack("<Q", size) + raw[8:]
    random = np.random.default_rng(5)
    for _ in range(40):
        changed = bytearray(raw)
        for place in random.integers(0, min(len(raw), header + 64), size=3):
            changed[place] ^= 1 << int(random.integers(8))
        yield bytes(changed)
    yield raw.replace(b'"F64"', b'"F32"')
    yield raw.replace(b'"shape":[1,6]', b'"shape":[9,9]')
    yield raw.replace(b"logistic_regression", b"logistic_regressioN")


def test_hostile_models(tmp_path: Path, table: Path, model: Path, output: Path) -> None:
    raw = model.read_bytes()
    path = tmp_path / "hostile"
    refused = 0
    for changed in hostile(raw):
        path.write_bytes(changed)
        result = skimp("predict", path, table, "-o", tmp_path / "p.csv", "-m", "64M")
        assert result.code in (0, EXIT_DATA, EXIT_USAGE, EXIT_BUDGET), (result.code, result.err)
        if result.code != 0:
            refused += 1
            assert result.err.startswith("skimp: error: ")
            assert result.err.count("\n") == 1
        assert skimp("info", path).code in (0, EXIT_DATA, EXIT_USAGE)
    assert refused >= 14


def test_a_hostile_model_leaves_the_output(tmp_path: Path, table: Path, model: Path, output: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(model.read_bytes()[:-1])
    failing(EXIT_DATA, "data", "predict", path, table, "-o", output, file=path)


def test_hostile_stores(tmp_path: Path, table: Path, output: Path) -> None:
    path, model = tmp_path / "store", tmp_path / "model"
    ok("convert", table, "-t", "label", "-d", "kind,value,weight", "-o", path, "-q")
    ok("fit", "logistic_regression", path, "-o", model, "-q")
    raw, expected = path.read_bytes(), model.read_bytes()
    random = np.random.default_rng(6)
    places = [int(p) for p in random.integers(0, len(raw), size=40)] + list(range(0, 64, 3)) + [len(raw) - k for k in range(1, 64, 5)]
    refused = 0
    for place in places:
        changed = bytearray(raw)
        changed[place] ^= 0x5A
        path.write_bytes(changed)
        result = skimp("fit", "logistic_regression", path, "-o", model, "--json", "--format", "store")
        # Every byte that means something is under a checksum; what is between the chunks means nothing.
        if result.code == 0:
            assert model.read_bytes() == expected
            continue
        assert result.code == EXIT_DATA, (place, result.code, result.err)
        assert result.error["file"] == str(path)
        refused += 1
    assert refused >= len(places) // 2
    for n in [0, 8, 100, len(raw) // 2, len(raw) - 1]:
        path.write_bytes(raw[:n])
        assert skimp("fit", "logistic_regression", path, "-o", output, "--format", "store").code == EXIT_DATA
        assert skimp("info", path).code in (0, EXIT_DATA)


def test_full_disk_under_the_output(large: Path, tmp_path: Path, output: Path, model: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    table = tmp_path / "t.csv"
    table.write_text("x1,x2,x3,x4,x5,x6\n" + "1,2,3,4,5,6\n" * 20_000)
    failing(EXIT_IO, "io", "predict", model, table, "-o", output, before=small_files, file=output)
    failing(EXIT_IO, "io", "convert", large, "-o", output, before=small_files, file=output)


def test_full_disk_under_the_spill(large: Path, output: Path, spill: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))

    failing(EXIT_IO, "io", *fit(large, output, "-m", "16M", "--spill-dir", spill, target="label"), before=small_files)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", directory], check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_a_file_system_that_is_full(large: Path, tiny_disk: Path, output: Path) -> None:
    spilling = fit(large, output, "-m", "16M", "--spill-dir", tiny_disk, target="label")
    # Memory is no disk: it must be asked for. Then its room is checked before the data is read.
    assert "is memory" in failing(EXIT_IO, "io", *spilling).err
    began = time.monotonic()
    failing(EXIT_IO, "io", *spilling, "--spill-to-memory")
    assert time.monotonic() - began < 5
    failing(EXIT_IO, "io", "convert", large, "-o", tiny_disk / "store")
    assert list(tiny_disk.iterdir()) == []


def test_places_that_cannot_be_written(table: Path, tmp_path: Path, model: Path) -> None:
    for command in (["fit", "ridge", table, "-t", "value", "-d", "kind"], ["convert", table], ["predict", model, table]):
        missing = tmp_path / "no" / "such" / "file"
        result = failing(EXIT_IO, "io", *command, "-o", missing)
        assert str(missing) in result.err
        failing(EXIT_IO, "io", *command, "-o", tmp_path)
        failing(EXIT_USAGE, "param", *command, "-o", table)
    assert table.read_text().startswith("x1,")
    fits = ["fit", "ridge", table, "-t", "value", "-d", "kind", "-o", tmp_path / "m"]
    failing(EXIT_IO, "io", *fits, "--checkpoint", tmp_path / "no" / "checkpoint")
    assert list(tmp_path.iterdir()) == []


def without_privilege() -> None:
    """Root that may not pass over permissions: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH are gone after exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


def test_directories_without_rights(tmp_path: Path) -> None:
    before = without_privilege if os.geteuid() == 0 else None
    private = tmp_path / "private"
    private.mkdir()
    table = private / "t.csv"
    table.write_text(rows(50))
    private.chmod(0)
    try:
        failing(EXIT_IO, "io", "info", table, before=before, file=table)
    finally:
        private.chmod(0o700)
    failing(EXIT_IO, "io", "info", private, file=private)
    failing(EXIT_IO, "io", "info", private / "none", file=private / "none")


@pytest.mark.parametrize("estimator", ["logistic_regression", "sgd_classifier"])
def test_a_constant_target(tmp_path: Path, output: Path, estimator: str) -> None:
    path = tmp_path / "constant.csv"
    path.write_text("a,y\n" + "".join(f"{i},1\n" for i in range(50)))
    result = failing(EXIT_DATA, "data", *fit(path, output, estimator=estimator), column="y")
    assert "class" in result.err


@pytest.mark.parametrize("estimator", ["logistic_regression", "sgd_classifier"])
def test_labels_that_doubles_cannot_tell_apart(tmp_path: Path, output: Path, estimator: str) -> None:
    path = tmp_path / "large.csv"
    path.write_text("a,y\n" + "".join(f"{i},{2**53 + i % 4}\n" for i in range(50)))
    result = failing(EXIT_DATA, "data", *fit(path, output, estimator=estimator), column="y")
    assert "labels of 2^53 and more cannot be told apart" in result.err


def test_targets_that_are_not_there(table: Path, output: Path) -> None:
    near = skimp(*fit(table, output, target="valeu"))
    assert near.code == EXIT_USAGE
    assert "'valeu'" in near.err
    assert "'value'" in near.err
    assert skimp("fit", "ridge", table, "-o", output, "-d", "kind").code == EXIT_USAGE
    assert skimp(*fit(table, output, "-d", "knid", target="value")).code == EXIT_USAGE
    assert skimp(*fit(table, output, "-w", "wieght", target="value")).code == EXIT_USAGE
    assert skimp(*fit(table, output, target="value>>3")).code == EXIT_USAGE


def test_parameters_and_steps_that_are_not_there(table: Path, output: Path) -> None:
    for more, said in [
        (["-p", "alhpa=1"], "alpha"),
        (["-p", "alpha=-1"], "alpha"),
        (["-p", "alpha=big"], "alpha"),
        (["--step", "standard_scalr"], "standard_scaler"),
        (["-p", "standard_scaler__with_mean=false"], "standard_scaler"),
        (["--step", "ridge"], "ridge"),
    ]:
        result = skimp(*fit(table, output, "-d", "kind", *more, target="value"))
        assert result.code == EXIT_USAGE, more
        assert said in result.err
    assert skimp("fit", "rigde", table, "-t", "value", "-o", output).code == EXIT_USAGE
    assert skimp("fit", "standard_scaler", table, "-o", output).code == EXIT_USAGE


def test_nul_bytes(tmp_path: Path, output: Path) -> None:
    path = tmp_path / "nul.csv"
    path.write_bytes(rows(100).encode().replace(b"\n40,", b"\n4\x000,"))
    failing(EXIT_DATA, "data", *fit(path, output), row=40, file=path)
    path.write_bytes(b"\0" * 5000)
    failing(EXIT_DATA, "data", *fit(path, output), row=1, file=path)


def test_duplicated_columns(tmp_path: Path, output: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("a,b,a,y\n" + "".join(f"{i},{i % 3},{i % 7},{i % 5}\n" for i in range(50)))
    failing(EXIT_DATA, "data", *fit(path, output), column="a", file=path)


@pytest.mark.parametrize("text", ["", "\n", "a,b,y\n"])
def test_empty_files(tmp_path: Path, output: Path, text: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(text)
    failing(EXIT_DATA, "data", *fit(path, output), file=path)
    assert skimp(*fit("-", output), stdin=text.encode()).code == EXIT_DATA


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path: Path, output: Path, spill: Path, large: Path) -> None:
    path = tmp_path / "cut.csv"
    text = large.read_bytes()
    command = ["fit", "ridge", path, "-t", "label", "-o", output, "-m", "16M", "-j", 1, "--spill-dir", spill]
    for _ in range(10):  # a machine that is busy may let the fit end before the file is cut
        path.write_bytes(text)
        process = subprocess.Popen([SKIMP, *map(str, command)], stderr=subprocess.PIPE, env=clean_environment())
        descriptors = Path(f"/proc/{process.pid}/fd")
        while process.poll() is None and not any(os.path.realpath(link) == str(path) for link in descriptors.iterdir()):
            pass
        time.sleep(0.02)
        os.truncate(path, len(text) // 3)
        _, err = process.communicate(timeout=60)
        if process.returncode != 0:
            break
        output.write_bytes(BEFORE)
    assert process.returncode in (EXIT_DATA, EXIT_IO)
    assert str(path).encode() in err
    assert err.count(b"skimp: error: ") == 1


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, output: Path, spill: Path, large: Path) -> None:
    """A file that another process appends to is an error, not a model of part of it."""
    path = tmp_path / "growing.csv"
    path.write_bytes(large.read_bytes())
    row = path.read_bytes().splitlines(True)[1]
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(row * 100)
                time.sleep(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        failing(EXIT_DATA, "data", *fit(path, output, "-m", "16M", "--spill-dir", spill, target="label"), file=path)
    finally:
        stop.set()
        writer.join()


def test_a_line_longer_than_the_budget(tmp_path: Path, output: Path, spill: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(rows(50_000).encode())
        file.write(b"1," + b"2" * (40 << 20) + b",3\n")
        file.write(b"4,5,6\n" * 100)
    result = skimp(*fit(path, output, "-m", "16M", "--spill-dir", spill, "--json"))
    error = result.error
    assert result.code == EXIT_BUDGET
    # The sample may have met the line already; then the plan knows what it takes.
    assert error["minimum_bytes"] is not None or (error["file"], error["row"]) == (str(path), 50_002)


def test_a_line_of_two_gigabytes(output: Path, spill: Path) -> None:
    """It is given up as soon as it passes the budget, not when it has been read."""
    command = [SKIMP, *map(str, fit("-", output, "-m", "16M", "--spill-dir", spill))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
    assert process.stdin is not None
    assert process.stderr is not None
    written = 0
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(rows(30_000).encode())
        for _ in range(2048):
            written += process.stdin.write(b"2" * (1 << 20))
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    err = process.stderr.read()
    assert process.wait() in (EXIT_BUDGET, EXIT_DATA)
    assert b"30002" in err.replace(b",", b"")
    assert written < 64 << 20


def test_a_long_line_that_the_sample_missed(tmp_path: Path, output: Path, spill: Path, large: Path) -> None:
    path = tmp_path / "long.csv"
    text = large.read_bytes()
    middle = text.index(b"\n", len(text) * 5 // 9) + 1
    path.write_bytes(text[:middle] + b"1," + b"2" * (3 << 20) + b"\n" + text[middle:])
    line = text[:middle].count(b"\n") + 1
    result = skimp(*fit(path, output, "-m", "8M", "--spill-dir", spill, "--json", target="label"))
    assert result.code in (EXIT_BUDGET, EXIT_DATA)
    assert (result.error["file"], result.error["row"]) == (str(path), line) or result.error["minimum_bytes"] is not None


def test_a_budget_that_is_too_small(large: Path, output: Path, spill: Path) -> None:
    arguments = ["logistic_regression", large, "-t", "label", "-m", "2M"]
    plan = skimp("plan", *arguments, "--json")
    assert plan.code == EXIT_BUDGET
    refused = failing(EXIT_BUDGET, "budget", "fit", *arguments, "-o", output, "--spill-dir", spill).error
    assert refused["limit"] == 2 << 20
    assert refused["minimum_bytes"] > 2 << 20
    (said,) = re.findall(r"the smallest that works is ([\d.]+) MiB", refused["message"])
    assert refused["minimum_bytes"] <= float(said) * (1 << 20) < refused["minimum_bytes"] + (1 << 20)
    assert plan.error["minimum_bytes"] == pytest.approx(refused["minimum_bytes"], rel=0.05)
    assert ok("fit", *arguments[:-1], f"{said}M", "--json", "-o", output.parent.parent / "m", "--spill-dir", spill).json["rows"] == 250_000


def test_prediction_with_columns_that_are_not_there(table: Path, model: Path, output: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("x1,x2,x3,x4,x5\n" + "1,2,3,4,5\n" * 10)
    result = skimp("predict", model, path, "-o", output, "--json")
    assert result.code == EXIT_DATA
    assert result.error["file"] == str(path)


def test_files_of_other_kinds(tmp_path: Path, output: Path, table: Path) -> None:
    for name, raw in [("a.parquet", b"PAR1" + b"x" * 100), ("a.xlsx", b"PK\3\4" + b"x" * 100), ("random.csv", os.urandom(5000))]:
        path = tmp_path / name
        path.write_bytes(raw)
        failing(EXIT_DATA, "data", *fit(path, output), file=path) if name != "random.csv" else None
        assert skimp(*fit(path, output)).code in (EXIT_DATA, EXIT_USAGE)
    failing(EXIT_DATA, "data", "predict", table, table, "-o", output, file=table)
