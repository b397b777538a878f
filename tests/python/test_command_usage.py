# SPDX-License-Identifier: BSD-3-Clause
"""Help, options, man pages, completion: what the tables say is what the command does."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from run_skimp import EXIT_IO, EXIT_USAGE, SKIMP, clean_environment, ok, skimp

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = ["fit", "plan", "predict", "score", "convert", "info", "estimators", "help", "version"]


def check_golden(name: str, text: str) -> None:
    """Compares with golden/NAME; SKIMP_UPDATE_GOLDEN=1 writes it instead."""
    path = GOLDEN / name
    if os.environ.get("SKIMP_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def mask(text: str, *paths: Path) -> str:
    """Numbers become #, with the blanks before them, so that columns stay comparable."""
    for path in paths:
        text = text.replace(str(path), path.name)
    return re.sub(r" *\d[\d,]*(\.\d+)?(e[+-]\d+)?", lambda match: " #" if match.group()[0] == " " else "#", text)


def test_overview() -> None:
    result = ok("help")
    check_golden("help.txt", result.out)
    assert ok("--help").out == ok("-h").out == result.out
    nothing = skimp()
    assert (nothing.code, nothing.out, nothing.err) == (EXIT_USAGE, "", result.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str) -> None:
    result = ok("help", command)
    check_golden(f"help-{command}.txt", result.out)
    if command != "help":
        assert ok(command, "--help").out == result.out
        assert ok(command, "-h").out == result.out
    assert max(map(len, result.out.split("\nExamples:")[0].splitlines())) <= 80
    assert result.err == ""


def test_help_of_an_estimator() -> None:
    found = ok("help", "logistic_regression").out
    check_golden("help-logistic_regression.txt", found)
    assert ok("estimators", "logistic_regression").out == found
    assert ok("fit", "logistic_regression", "--help").out.endswith(found)
    assert max(map(len, found.splitlines())) <= 80


def test_every_estimator_has_help() -> None:
    names = [entry["name"] for entry in ok("estimators", "--json").json["estimators"]]
    for name in [
        "logistic_regression", "linear_regression", "ridge", "sgd_classifier", "sgd_regressor",
        "standard_scaler", "min_max_scaler", "max_abs_scaler", "simple_imputer",
    ]:  # fmt: skip
        assert name in names
        assert ok("estimators", name).out.startswith(f"{name}: ")
        assert f"  {name} " in ok("estimators").out


def test_version() -> None:
    assert ok("version").out == ok("--version").out == ok("-V").out
    assert ok("version").out == f"skimp {ok('version', '--json').json['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fot"], "skimp has no command 'fot'; did you mean 'fit'?"),
        (["--jsn"], "skimp has no option '--jsn'"),
        (["fit", "ridge", "a.csv", "--tagret", "y"], "skimp fit has no option 'tagret'; did you mean 'target'?"),
        (["fit", "ridge", "a.csv", "--proba"], "skimp fit has no option 'proba'"),
        (["fit", "ridge", "a.csv", "-Z"], "skimp fit has no option '-Z'"),
        (["fit", "ridge", "a.csv", "--no-json"], "skimp fit has no option 'no-json'"),
        (["fit", "ridge"], "skimp fit wants: ESTIMATOR FILE..."),
        (["version", "now"], "skimp version takes no 'now'"),
        (["fit", "ridge", "a.csv", "--target"], "--target wants a value: COLUMN"),
        (["fit", "ridge", "a.csv", "--target="], "--target: an empty name"),
        (["fit", "ridge", "a.csv", "--json=1"], "--json takes no value"),
        (["fit", "ridge", "a.csv", "-p", "alpha"], "--param: 'alpha' is not NAME=VALUE"),
        (["fit", "ridge", "a.csv", "-m", "much"], "'much' is not a size"),
        (["fit", "ridge", "a.csv", "-m", "0"], "--max-memory: '0' is not a budget"),
        (["fit", "ridge", "a.csv", "-j", "0"], "--threads: '0' is not at least 1"),
        (["fit", "ridge", "a.csv", "-j", "-2"], "--threads: '-2' is not a whole number"),
        (["fit", "ridge", "a.csv", "--seed", "1.5"], "--seed: '1.5' is not a whole number"),
        (["fit", "ridge", "a.csv", "--holdout", "1"], "--holdout: '1' is not a share"),
        (["fit", "ridge", "a.csv", "--holdout", "nan"], "--holdout: 'nan' is not a share"),
        (["fit", "ridge", "a.csv", "--on-missing", "keep"], "--on-missing: 'keep' is none of: error drop"),
        (["fit", "ridge", "a.csv", "--format", "xls"], "--format: 'xls' is none of: csv tsv svmlight npy store"),
        (["fit", "ridge", "a.csv", "--delimiter", "ab"], "--delimiter: 'ab' is not one character"),
        (["fit", "ridge", "a.csv", "--drop", "a,,b"], "--drop: an empty name"),
        (["fit", "ridge", "a.csv", "--drop", '"a'], "--drop: a double quote is not closed"),
        (["help", "rigde"], "there is no help on 'rigde'; did you mean 'ridge'?"),
        (["estimators", "rigde"], "there is no estimator 'rigde'; did you mean 'ridge'?"),
        (["convert", "a.csv"], "skimp convert wants a file to write: -o STORE"),
        (["fit", "ridge", "a.csv", "-o", "-", "--json"], "cannot both go to standard output"),
        (["predict", "m", "a.csv", "--json"], "cannot both go to standard output"),
    ],
)
def test_usage_errors(arguments: list[str], said: str) -> None:
    result = skimp(*arguments)
    assert result.code == EXIT_USAGE
    assert result.err.startswith("skimp: error: ")
    assert said in result.err
    if "--json" in arguments:
        assert result.error["code"] == "param"
    else:
        assert result.out == ""


def test_budget_of_the_environment(table: Path) -> None:
    fit = ["plan", "ridge", table, "-t", "value", "-d", "kind", "--json"]
    assert ok(*fit, env={"SKIMP_MAX_MEMORY": "40M"}).json["plan"]["budget_bytes"] == 40 << 20
    assert ok(*fit, "-m", "50MB", env={"SKIMP_MAX_MEMORY": "40M"}).json["plan"]["budget_bytes"] == 50_000_000
    wrong = skimp(*fit, env={"SKIMP_MAX_MEMORY": "lots"})
    assert wrong.code == EXIT_USAGE
    assert "SKIMP_MAX_MEMORY" in wrong.error["message"]


def test_ways_to_write_options(table: Path, tmp_path: Path) -> None:
    ways = [
        ["fit", "ridge", table, "--target", "value", "--drop", "kind,weight", "--param", "alpha=2", "--output", "@", "--quiet"],
        ["fit", "--target=value", "--drop=kind", "--drop=weight", "--param=alpha=2", "--output=@", "-q", "--", "ridge", table],
        ["fit", "-qtvalue", "-d", "kind", "ridge", "-dweight", table, "-palpha=2", "-o@"],
        ["fit", "-q", "ridge", "-t", "value", '-d"kind",weight', "-p", "alpha=2.0", table, "-o", "@"],
    ]
    models = []
    for i, way in enumerate(ways):
        path = tmp_path / f"{i}"
        result = ok(*(str(word).replace("@", str(path)) for word in way))
        assert (result.out, result.err) == ("", "")
        models.append(path.read_bytes())
    assert len(set(models)) == 1


def test_text_of_plan_and_fit(table: Path, tmp_path: Path) -> None:
    arguments = ["logistic_regression", table, "-t", "label", "-d", "kind,value,weight", "-m", "64M", "-j", "1"]
    plan = ok("plan", *arguments)
    assert plan.out == ""
    check_golden("plan.txt", mask(plan.err, table))
    output = tmp_path / "model"
    fit = ok("fit", *arguments, "-o", output, "--holdout", "0.25")
    assert fit.out == ""
    check_golden("fit.txt", mask(fit.err, table, output))
    assert max(map(len, fit.err.replace(str(output), "").splitlines())) <= 80


def test_quiet_is_quiet(table: Path, model: Path, tmp_path: Path) -> None:
    for arguments in [
        ["fit", "ridge", table, "-t", "value", "-d", "kind", "-o", tmp_path / "m"],
        ["predict", model, table, "-o", tmp_path / "p"],
        ["convert", table, "-o", tmp_path / "s"],
    ]:
        result = ok(*arguments, "-q")
        assert (result.out, result.err) == ("", "")


def test_a_fit_without_output_says_so(table: Path) -> None:
    result = ok("fit", "ridge", table, "-t", "value", "-d", "kind", "-q")
    assert "no model is saved" in result.err


def run_on_terminal(*arguments: object, **environment: str) -> str:
    """What standard error shows on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [SKIMP, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=child,
        env=clean_environment({"TERM": "xterm", **environment}),
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    return shown.decode()


def test_progress_is_for_terminals(large: Path) -> None:
    arguments = ["fit", "sgd_classifier", large, "-t", "label", "-p", "max_iter=8", "-p", "tol=null", "-m", "24M"]
    assert "\r" not in ok(*arguments).err
    shown = run_on_terminal(*arguments)
    assert "\rreading" in shown
    assert re.search(r"\rfitting  pass \d+/\d+ .* rows .*memory [\d.]+/24\.0 MiB", shown)
    assert "\033[1m" in shown
    assert "\r" not in run_on_terminal(*arguments, "--no-progress", NO_COLOR="1").replace("\r\n", "\n")
    assert "\r" not in run_on_terminal(*arguments, "-q").replace("\r\n", "\n")
    assert "\033" not in run_on_terminal(*arguments, NO_COLOR="1")
    forced = ok(*arguments, "--progress", "-q").err
    assert forced.startswith("reading ")
    assert "\r" not in forced


def test_output_errors_are_seen(table: Path, model: Path) -> None:
    for arguments in [["help"], ["estimators", "--json"], ["predict", str(model), str(table)], ["score", str(model), str(table), "--json"]]:
        with open("/dev/full", "wb") as full:
            result = subprocess.run([SKIMP, *arguments], stdout=full, stderr=subprocess.PIPE, check=False)
        assert result.returncode == EXIT_IO
        assert b"skimp: error: " in result.stderr


def test_closed_streams(table: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    command = f"exec {SKIMP} predict {model} {table} -o {output} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    assert output.read_text().count("\n") == 4001


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_man_page(name: str) -> None:
    page = ok("help", "--man", *([name] if name else [])).out
    assert page.startswith(f'.TH "skimp{"-" if name else ""}{name}" 1 ')
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]:
        assert f"\n.SH {section}\n" in page
    # A line that begins with a full stop is a macro, of which only these are meant.
    macros = {line.split()[0] for line in page.splitlines() if line.startswith(".")}
    assert macros <= {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"}
    if name:
        said = ok("help", name, "--json").json
        for option in said["options"]:
            assert option["name"].replace("-", "\\-") in page
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-z"], input=page, text=True, capture_output=True, check=True
        )
        assert done.stderr == ""


def complete(words: list[str]) -> set[str]:
    """What bash would offer after these words, the last of which is being typed."""
    script = ok("help", "--completion", "bash").out
    line = " ".join(f"'{word}'" for word in ["skimp", *words])
    script += f"\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _skimp; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_completion_in_bash() -> None:
    assert complete(["f"]) == {"fit"}
    assert set(COMMANDS) == complete([""])
    assert "logistic_regression" in complete(["fit", ""])
    assert "standard_scaler" not in complete(["fit", ""])
    assert "standard_scaler" in complete(["fit", "ridge", "a.csv", "--step", "st"])
    assert complete(["fit", "ridge", "a.csv", "--max"]) == {"--max-memory"}
    assert complete(["fit", "ridge", "a.csv", "--on-missing", ""]) == {"error", "drop"}
    assert complete(["predict", "m", "--pr"]) == {"--proba", "--progress"}
    assert "--no-header" in complete(["fit", "ridge", "--no"])


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_of_other_shells(shell: str) -> None:
    script = ok("help", "--completion", shell).out
    for word in [*COMMANDS, "logistic_regression", "standard_scaler", "max-memory", "on-missing", "error drop"]:
        assert word in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
