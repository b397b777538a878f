# SPDX-License-Identifier: BSD-3-Clause
"""The budget: the kernel's peak of the whole process, planned and measured, over shapes, budgets and threads."""

import json
import os
import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from run_skimp import EXIT_BUDGET, MIB, Result, measured, ok, skimp


@pytest.fixture(scope="session")
def shapes(data: Path, large: Path) -> dict[str, list[object]]:
    """Long and narrow, wide, sparse, text: each far larger than the smallest budgets, and its fit."""
    random = np.random.default_rng(20)

    def repeat(name: str, header: str, block: str, times: int) -> Path:
        with (data / name).open("w") as file:
            file.write(header)
            for _ in range(times):
                file.write(block)
        return data / name

    x = random.normal(size=(2000, 150)).round(4)
    y = (x[:, :5].sum(axis=1) + random.normal(size=2000) > 0).astype(int)
    block = "".join(",".join(map(repr, row)) + f",{label}\n" for row, label in zip(x.tolist(), y.tolist(), strict=True))
    wide = repeat("wide.csv", ",".join([*(f"x{i}" for i in range(150)), "label"]) + "\n", block, 15)

    lines = []
    for _ in range(10_000):
        indices = np.unique(random.zipf(1.3, size=60) % 30_000 + 1)
        label = 1 if np.sin(indices).sum() > 0 else -1
        values = random.uniform(0.01, 1, size=indices.size).round(4)
        lines.append(f"{label} " + " ".join(f"{i}:{v}" for i, v in zip(indices.tolist(), values.tolist(), strict=True)))
    svm = repeat("wide.svm", "", "\n".join(lines) + "\n", 6)

    carriers = [f"carrier {i}" for i in range(30)]
    towns = [f"T{i:03}" for i in range(400)]
    lines = [
        f"{random.choice(carriers)},{towns[min(399, int(random.exponential(60)))]},{random.normal():.4f},{random.exponential():.3f},{random.integers(2)}"
        for _ in range(20_000)
    ]
    text = repeat("text.csv", "carrier,town,a,b,label\n", "\n".join(lines) + "\n", 20)
    return {
        "long": ["logistic_regression", large, "-t", "label", "--step", "standard_scaler"],
        "multinomial": ["logistic_regression", text, "-t", "carrier", "-d", "town", "-p", "max_iter=4"],
        "wide": ["ridge", wide, "-t", "label"],
        "sparse": ["logistic_regression", svm, "-p", "tol=1e-3"],
        "text": ["logistic_regression", text, "-t", "label", "--step", "standard_scaler"],
        "sgd": ["sgd_classifier", svm, "-p", "max_iter=2", "-p", "tol=null"],
        "lasso": ["logistic_regression", large, "-t", "label", "-p", "l1_ratio=1", "-p", "C=0.001"],
    }


@pytest.fixture(scope="session")
def odd_shapes(data: Path) -> dict[str, list[object]]:
    """Small files that take much for their size: long texts, many texts, many classes, many columns."""
    random = np.random.default_rng(21)

    def table(name: str, header: str, lines: list[str]) -> Path:
        (data / name).write_text("\n".join([header, *lines]) + "\n")
        return data / name

    letters = np.array(list(string.ascii_lowercase))
    texts = ["".join(row) for row in random.choice(letters, size=(20_000, 200))]
    long = table("texts.csv", "a,t,y", [f"{random.normal():.3f},{text},{random.integers(2)}" for text in texts])
    unique = table("unique.csv", "a,t,y", [f"{random.normal():.3f},user-{i}-{'x' * 20},{i * 7 % 3 % 2}" for i in range(50_000)])
    lines = [f"{random.normal():.3f},id{random.integers(20_000)},k{i % 50},{random.integers(2)}" for i in range(60_000)]
    categories = table("categories.csv", "a,t,u,y", lines)
    lines = [",".join(f"{x:.3f}" for x in random.normal(size=3)) + f",{i % 1000}" for i in range(20_000)]
    classes = table("classes.csv", "a,b,c,y", lines)
    n = 100_000
    lines = [",".join(str((i * 7 + k * 13) % 10) for k in range(n)) + f",{i & 1}" for i in range(12)]
    columns = table("columns.csv", ",".join([*(f"c{k}" for k in range(n)), "y"]), lines)
    fits: dict[str, list[object]] = {}
    for name, path in [("long", long), ("unique", unique), ("categories", categories), ("classes", classes), ("columns", columns)]:
        fits[f"{name}-ridge"] = ["ridge", path, "-t", "y"]
        fits[f"{name}-logistic"] = ["logistic_regression", path, "-t", "y", "-p", "max_iter=5"]
        fits[f"{name}-sgd"] = ["sgd_classifier", path, "-t", "y", "-p", "max_iter=5"]
    return fits


# The kernel counts resident pages by CPU and adds them up now and then.
HWM_ERROR = 128 << 10

SHAPES = ["long", "multinomial", "wide", "sparse", "text", "sgd", "lasso"]
ODD_FILES = ["long", "unique", "categories", "classes", "columns"]
ODD_SHAPES = [f"{name}-{estimator}" for name in ODD_FILES for estimator in ["ridge", "logistic", "sgd"]]


def check_fit(result: Result, resident: int, budget: int, is_tight: bool = True) -> None:
    assert result.code == 0, result.err
    found = result.json
    actual, planned = found["actual"]["peak_bytes"], found["plan"]["peak_bytes"]
    told = f"planned {planned / MIB:.2f}, actual {actual / MIB:.2f}, parent saw {resident / MIB:.2f}, budget {budget / MIB:.2f} MiB"
    # The launcher's own pages are the floor of what the parent sees.
    assert resident <= max(budget, 14 * MIB), told
    assert actual <= budget, told
    assert abs(resident - actual) <= 512 << 10 or resident <= 14 * MIB, told
    assert actual <= planned <= budget, told
    assert found["actual"]["charged_peak_bytes"] <= planned, told
    if budget >= 32 * MIB and is_tight:
        assert planned <= 1.25 * actual, told


@pytest.mark.parametrize(
    ("budget", "threads"), [(16, 1), (16, 2), (16, 5), (32, 1), (32, 2), (64, 1), (64, 2), (64, 5), (128, 1), (128, 2)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_peak_of_a_fit(shapes: dict[str, list[object]], tmp_path: Path, spill: Path, shape: str, budget: int, threads: int) -> None:
    result, resident = measured(
        "fit", *shapes[shape], "-m", f"{budget}M", "-j", threads, "-o", tmp_path / "m", "--spill-dir", spill, "--json"
    )
    check_fit(result, resident, budget * MIB)


@pytest.mark.parametrize(("budget", "threads"), [(128, 1), (128, 2), (128, 5)])
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_peak_of_an_odd_shape(
    odd_shapes: dict[str, list[object]], tmp_path: Path, spill: Path, shape: str, budget: int, threads: int
) -> None:
    # What is touched hangs on how the threads come to run: five may see the same new categories all at once, and are planned
    # to. So a run that happened to need little is followed by another: the plan is tight if one comes near it.
    highest = 0
    for _ in range(5):
        result, resident = measured(
            "fit", *odd_shapes[shape], "-m", f"{budget}M", "-j", threads, "-o", tmp_path / "m", "--spill-dir", spill, "--json"
        )
        check_fit(result, resident, budget * MIB, is_tight=False)
        highest = max(highest, result.json["actual"]["peak_bytes"])
        if result.json["plan"]["peak_bytes"] <= 1.25 * highest:
            break
    assert result.json["plan"]["peak_bytes"] <= 1.25 * highest, f"planned {result.json['plan']['peak_bytes']}, highest {highest}"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ODD_FILES)
def test_peak_of_a_conversion(odd_shapes: dict[str, list[object]], tmp_path: Path, name: str, threads: int) -> None:
    path = odd_shapes[f"{name}-ridge"][1]
    result, resident = measured("convert", path, "-t", "y", "-m", "128M", "-j", threads, "-o", tmp_path / "store", "--json")
    check_fit(result, resident, 128 * MIB)


def check_the_smallest(command: list[object], budgets: list[object], spill: list[object]) -> tuple[int, Result, int]:
    """Exactly what is named with any budget that is too small works, and what is a page less does not; the run with it."""
    minimum = 0
    for budget in budgets:
        refused = skimp(*command, *spill, "-m", budget)
        assert refused.code == EXIT_BUDGET, refused.err
        minimum = minimum or refused.error["minimum_bytes"]
        assert refused.error["minimum_bytes"] == minimum, refused.err
    for short in [4096, MIB]:
        refused = skimp(*command, *spill, "-m", minimum - short)
        assert refused.code == EXIT_BUDGET, refused.err
        assert refused.error["limit"] == minimum - short
        assert refused.error["minimum_bytes"] == minimum
    result, resident = measured(*command, *spill, "-m", minimum)
    return minimum, result, resident


@pytest.mark.parametrize("shape", SHAPES)
def test_the_smallest_budget_works_and_less_is_refused(shapes: dict[str, list[object]], tmp_path: Path, spill: Path, shape: str) -> None:
    planned = int(ok("plan", *shapes[shape], "-m", "64M", "--json").json["plan"]["minimum_bytes"])
    command = ["fit", *shapes[shape], "-o", tmp_path / "m", "--json"]
    minimum, result, resident = check_the_smallest(command, ["2M", planned // 2], ["--spill-dir", spill])
    assert minimum == planned
    check_fit(result, resident, minimum)


@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_the_smallest_budget_of_an_odd_shape(odd_shapes: dict[str, list[object]], tmp_path: Path, spill: Path, shape: str) -> None:
    planned = int(ok("plan", *odd_shapes[shape], "-m", "256M", "--json").json["plan"]["minimum_bytes"])
    command = ["fit", *odd_shapes[shape], "-o", tmp_path / "m", "--json"]
    minimum, result, resident = check_the_smallest(command, ["2M", planned // 4, planned // 2], ["--spill-dir", spill])
    assert minimum == planned
    check_fit(result, resident, minimum)


@pytest.mark.parametrize("shape", [*SHAPES, *ODD_SHAPES])
def test_the_smallest_budget_of_a_model(
    shapes: dict[str, list[object]], odd_shapes: dict[str, list[object]], tmp_path: Path, shape: str
) -> None:
    """Where not even the model fits, or a look at the inputs, predict and score name what would do all the same."""
    estimator, path, *options = {**shapes, **odd_shapes}[shape]
    model = tmp_path / "model"
    ok("fit", estimator, path, *options, "-m", "256M", "-o", model, "-q")
    output = ["-o", tmp_path / "out", "--json"]
    commands: list[list[object]] = [["predict", model, path, *output], ["score", model, path, "--json"]]
    if estimator == "logistic_regression":
        commands.append(["predict", model, path, "--proba", *output])
    for command in commands:
        minimum, result, resident = check_the_smallest(command, ["2M", 2 * MIB + 300_000], [])
        assert result.code == 0, result.err
        assert result.json["actual"]["peak_bytes"] <= minimum
        assert resident <= max(minimum, 14 * MIB)
        assert minimum <= 1.25 * result.json["actual"]["peak_bytes"] + 2 * MIB


def test_predictions_take_no_more_for_many_classes(odd_shapes: dict[str, list[object]], tmp_path: Path) -> None:
    """20,000 rows × 1,000 classes are 153 MiB, of which a block is there at a time."""
    estimator, path, *options = odd_shapes["classes-logistic"]
    model = tmp_path / "model"
    fitted, _ = measured("fit", estimator, path, *options, "-m", "16M", "-o", model, "--holdout", "0.2", "--json")
    assert fitted.code == 0, fitted.err
    roomy, narrow = tmp_path / "roomy", tmp_path / "narrow"
    ok("predict", model, path, "--proba", "-m", "1G", "-j", 5, "-o", roomy, "-q")
    result, resident = measured("predict", model, path, "--proba", "-m", "8M", "-j", 1, "-o", narrow, "--json")
    assert result.code == 0, result.err
    assert resident <= 14 * MIB
    assert roomy.read_bytes() == narrow.read_bytes()
    wide = ok("score", model, path, "-m", "1G", "-j", 5, "--json").json["metrics"]
    assert ok("score", model, path, "-m", "8M", "-j", 1, "--json").json["metrics"] == wide


@pytest.mark.parametrize("command", ["predict", "score", "convert"])
def test_peak_of_other_commands(shapes: dict[str, list[object]], tmp_path: Path, command: str) -> None:
    for shape in ["long", "sparse", "text"]:
        estimator, path, *options = shapes[shape]
        model = tmp_path / f"{shape}.model"
        if command != "convert":
            ok("fit", estimator, path, *options, "-m", "64M", "-o", model, "-q")
        for budget in [16, 48]:
            operands = [path] if command == "convert" else [model, path]
            output = [] if command == "score" else ["-o", tmp_path / "out"]
            result, resident = measured(command, *operands, *output, "-m", f"{budget}M", "--json")
            assert result.code == 0, result.err
            assert result.json["actual"]["peak_bytes"] <= budget * MIB
            assert resident <= budget * MIB


def test_a_model_that_is_larger_than_the_budget(shapes: dict[str, list[object]], tmp_path: Path) -> None:
    """More than there is anywhere: its file says how much memory it takes before it is given any."""
    path = tmp_path / "large.model"
    n = 1 << 36
    header = json.dumps({
        "__metadata__": {"estimator": "ridge", "skimp_version": "0.1.0"},
        "coef_": {"dtype": "F64", "shape": [n], "data_offsets": [0, 8 * n]},
    }).encode()  # fmt: skip
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 8 * n)
    result, resident = measured("score", path, shapes["long"][1], "-m", "16M", "--json")
    assert result.code == EXIT_BUDGET, result.err
    assert result.error["limit"] == 16 * MIB
    assert result.error["minimum_bytes"] is None
    assert resident <= 16 * MIB


@pytest.mark.parametrize("shape", ["long", "sparse", "text"])
def test_under_a_data_limit(shapes: dict[str, list[object]], tmp_path: Path, spill: Path, shape: str) -> None:
    """RLIMIT_DATA counts what is mapped, resident or not: the stacks of the threads and the program's data besides."""
    result, resident = measured(
        "fit", *shapes[shape], "-m", "24M", "-o", tmp_path / "m", "--spill-dir", spill, "--json", data_limit=28 * MIB
    )
    check_fit(result, resident, 24 * MIB)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup (v1) of 32 MiB."""
    directory = Path(f"/sys/fs/cgroup/memory/skimp-test-{os.getpid()}")
    try:
        directory.mkdir()
    except OSError:
        pytest.skip("no memory cgroup can be made here")
    try:
        (directory / "memory.limit_in_bytes").write_text(str(32 * MIB))
        yield directory
    finally:
        directory.rmdir()


@pytest.mark.parametrize("shape", ["long", "wide", "sparse", "text"])
def test_in_a_container_whose_limit_is_the_budget(
    shapes: dict[str, list[object]], tmp_path: Path, spill: Path, cgroup: Path, shape: str
) -> None:
    arguments = ["fit", *shapes[shape], "-m", "32M", "-o", tmp_path / "m", "--spill-dir", spill, "--json"]
    result, resident = measured(*arguments, cgroup=str(cgroup / "cgroup.procs"))
    assert result.code == 0, result.err
    assert resident <= 32 * MIB
    assert "oom_kill 0" in (cgroup / "memory.oom_control").read_text()
    # Without a budget it is half of what the container leaves.
    arguments.remove("-m")
    arguments.remove("32M")
    result, resident = measured(*arguments, cgroup=str(cgroup / "cgroup.procs"))
    assert result.code in (0, EXIT_BUDGET), result.err
    if result.code == 0:
        assert result.json["plan"]["budget_bytes"] <= 19 * MIB


def test_more_rows_take_no_more_memory(large: Path, tmp_path: Path, spill: Path) -> None:
    header, rows = large.read_bytes().split(b"\n", 1)
    path = tmp_path / "larger.csv"
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(4):
            file.write(rows)
    fit = ["fit", "logistic_regression", "-t", "label", "-m", "16M", "-o", tmp_path / "m", "--spill-dir", spill, "--json"]
    once, _ = measured(*fit, large)
    more, _ = measured(*fit, path)
    path.unlink()
    assert more.json["rows"] == 4 * once.json["rows"]
    assert more.json["plan"]["store"] == once.json["plan"]["store"] == "disk"
    assert more.json["actual"]["peak_bytes"] <= once.json["actual"]["peak_bytes"] + HWM_ERROR
