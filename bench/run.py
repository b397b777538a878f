# SPDX-License-Identifier: BSD-3-Clause
"""Run the cases beside their peers, print tables of ratios, write the figures as JSON.

    python bench/run.py [--case NAME ...] [--quick] [--repeat N] [--data-dir DIR] [--out DIR] [--skimp PATH] [--check]

Every run is a process of its own (measure.py). The rounds alternate: each contestant once, then each once more, so
that a slow spell of the machine falls on all. Medians of time are quoted, and the highest peak. The files are read once
before a case, so the page cache is warm for everyone. Models are judged afterwards by one measure for all
(evaluate.py).
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import measure
from cases import CASES, MIB, QUICK, Case, Contestant, Target

HERE = Path(__file__).resolve().parent
WIDTH = 100
ENDINGS = {"skimp": ".safetensors", "npz": ".npz"}


@dataclasses.dataclass
class Result:
    """What is known of a contestant after the rounds."""

    contestant: Contestant
    runs: list[measure.Measured] = dataclasses.field(default_factory=list)
    said: dict[str, Any] = dataclasses.field(default_factory=dict)  # what it printed, when that was JSON
    objective: float | None = None
    log_loss: float | None = None
    file_bytes: int = 0
    failed: str = ""

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak_bytes for run in self.runs)

    @property
    def rate(self) -> float:
        return self.file_bytes / self.seconds / 1e6

    @property
    def planned(self) -> int | None:
        return self.said.get("plan", {}).get("peak_bytes")

    def as_json(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "name": self.contestant.name,
            "command": self.contestant.command,
            "budget_bytes": self.contestant.budget or None,
            "failed": self.failed or None,
            "objective": self.objective,
            "log_loss": self.log_loss,
            "said": self.said,
            "runs": [dataclasses.asdict(run) for run in self.runs],
        }
        if not self.failed:
            known |= {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "peak_bytes": self.peak}
        return known


@dataclasses.dataclass(frozen=True)
class Verdict:
    met: bool
    text: str


def machine() -> dict[str, Any]:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), "")
    versions = {}
    for line in (HERE / "requirements.txt").read_text().split():
        name = line.split("==")[0]
        versions[name] = metadata.version(name)
    return {
        "cpu": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions,
    }


def generate(names: list[str], directory: Path) -> None:
    """In a process of its own: this one stays small and has no threads."""
    subprocess.run([sys.executable, str(HERE / "generate.py"), "--data-dir", str(directory), *names], check=True)


def warm(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def last_json(path: Path) -> dict[str, Any]:
    """What the program printed on standard output, if that ends in a JSON object."""
    text = path.read_text(errors="replace").strip()
    for candidate in (text, text.rpartition("\n")[2]):
        try:
            said = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        if isinstance(said, dict):
            return said
    return {}


class Runner:
    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.arguments = arguments
        self.scratch = scratch

    def files(self, case: Case) -> dict[str, Path]:
        names = {key: QUICK[name] if self.arguments.quick else name for key, name in case.files.items()}
        generate(list(names.values()), self.arguments.data_dir)
        return {key: self.arguments.data_dir / name for key, name in names.items()}

    def programs(self) -> dict[str, str]:
        return {"python": sys.executable, "peers": str(HERE / "peers"), "skimp": str(self.arguments.skimp)}

    def model(self, result: Result, index: int) -> Path:
        return self.scratch / f"model-{index}{ENDINGS.get(result.contestant.form, '')}"

    def run_once(self, result: Result, index: int, files: dict[str, Path]) -> None:
        model = self.model(result, index)
        model.unlink(missing_ok=True)
        words = {**self.programs(), **{key: str(path) for key, path in files.items()}, "model": str(model)}
        command = [part.format_map(words) for part in result.contestant.command]
        stdout, stderr = self.scratch / "stdout", self.scratch / "stderr"
        run = measure.run(command, stdout, stderr)
        result.runs.append(run)
        result.said = last_json(stdout)
        if run.exit_code != 0:
            lines = stderr.read_text(errors="replace").strip().splitlines() or [stdout.read_text(errors="replace")]
            result.failed = f"exit {run.exit_code}: {lines[-1].strip()}"

    def judge(self, case: Case, result: Result, index: int, files: dict[str, Path]) -> None:
        if result.failed or not result.contestant.form:
            return
        command = [sys.executable, str(HERE / "evaluate.py"), case.data, result.contestant.form]
        command += [str(path) for path in (self.model(result, index), files["train"], files["test"])]
        command += ["--skimp", str(self.arguments.skimp)]
        judging = subprocess.run(command, capture_output=True, text=True, check=False)
        if judging.returncode != 0:
            result.failed = f"judging: {judging.stderr.strip().splitlines()[-1]}"
            return
        judged = json.loads(judging.stdout)
        result.objective, result.log_loss = judged["objective"] if case.objective else None, judged["log_loss"]

    def run_case(self, case: Case) -> list[Result]:
        files = self.files(case)
        results = []
        for contestant in case.contestants:
            program = contestant.command[0].format_map(self.programs())
            if shutil.which(program) is None:
                print(f"{case.name}: {contestant.name} is left out: there is no {program}", file=sys.stderr)
                continue
            results.append(Result(contestant, file_bytes=files[contestant.file].stat().st_size))
        for path in files.values():
            warm(path)
        for _ in range(self.arguments.repeat):
            for index, result in enumerate(results):
                if not result.failed:
                    self.run_once(result, index, files)
        for index, result in enumerate(results):
            self.judge(case, result, index, files)
            self.model(result, index).unlink(missing_ok=True)
        return results


def check_target(target: Target, results: dict[str, Result]) -> Verdict | None:
    """None when somebody who is needed is missing."""
    rivals = [results[name] for name in target.against if name in results]
    if target.name not in results or len(rivals) < len(target.against):
        return None
    mine = results[target.name]
    if any(result.failed for result in (mine, *rivals)):
        return Verdict(False, f"{target.measure} of {target.name}: a run failed")
    if target.measure == "rate":
        text = f"rate of {target.name}: {mine.rate:.0f} MB/s, at least {target.limit:.0f}"
        return Verdict(mine.rate >= target.limit, text)
    own = getattr(mine, target.measure)
    best = min(rivals, key=lambda rival: getattr(rival, target.measure))
    theirs = getattr(best, target.measure)
    if target.measure in ("seconds", "peak"):
        value, unit = own / theirs, "times"
    elif target.measure == "objective":
        value, unit = (own - theirs) / abs(theirs), "relative"
    else:
        value, unit = own - theirs, "absolute"
    claim = f"{target.measure} of {target.name} against {best.contestant.name}"
    return Verdict(value <= target.limit, f"{claim}: {value:.4g} {unit}, at most {target.limit:.4g}")


def check_budget(result: Result) -> list[Verdict]:
    """The promises that hold for every run of skimp: peak under the budget and under the plan, a plan that is tight."""
    budget, name = result.contestant.budget, result.contestant.name
    if not budget or result.failed:
        return []
    text = f"peak of {name}: {result.peak / MIB:.1f} MiB of a budget of {budget / MIB:.0f}"
    verdicts = [Verdict(result.peak <= budget, text)]
    if result.planned is not None:
        tight = budget < 32 * MIB or result.planned <= 1.25 * min(run.peak_bytes for run in result.runs)
        text = f"planned peak of {name}: {result.planned / MIB:.1f} MiB, {result.planned / result.peak:.3f} of the peak"
        verdicts.append(Verdict(result.peak <= result.planned and tight, text))
    return verdicts


def table(results: list[Result]) -> list[str]:
    """Ratios are to the first contestant that ran: skimp's first."""
    row = "{:<26}{:>9}{:>7}{:>9}{:>10}{:>7}{:>18}{:>10}"
    lines = [row.format("", "seconds", "x", "cpu s", "peak MiB", "x", "objective", "held-out"), "-" * 96]
    finished = [result for result in results if not result.failed]
    for result in results:
        if result.failed:
            lines.append(f"{result.contestant.name:<26} failed: {result.failed}"[:WIDTH])
            continue
        first = finished[0]
        lines.append(
            row.format(
                result.contestant.name,
                f"{result.seconds:.2f}",
                f"{result.seconds / first.seconds:.2f}",
                f"{result.cpu_seconds:.2f}",
                f"{result.peak / MIB:.1f}",
                f"{result.peak / first.peak:.2f}",
                "" if result.objective is None else f"{result.objective:.6f}",
                "" if result.log_loss is None else f"{result.log_loss:.6f}",
            )
        )
    return lines


def main() -> int:
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="small files, one round: does everything run?")
    parser.add_argument("--repeat", type=int, help="rounds (default 3, or 1 with --quick)")
    parser.add_argument("--data-dir", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--skimp", type=Path, default=Path("build/skimp"))
    parser.add_argument("--check", action="store_true", help="exit 1 when a run fails or a target is missed")
    arguments = parser.parse_args()
    arguments.repeat = arguments.repeat or (1 if arguments.quick else 3)
    arguments.out.mkdir(parents=True, exist_ok=True)

    good = True
    for case in (case for case in CASES if case.name in arguments.case):
        about = machine()
        with tempfile.TemporaryDirectory(dir=arguments.out) as scratch:
            results = Runner(arguments, Path(scratch)).run_case(case)
        if not results:
            print(f"\n{case.name}: nobody is here to run it")
            continue
        by_name = {result.contestant.name: result for result in results}
        verdicts = [verdict for result in results for verdict in check_budget(result)]
        verdicts += [verdict for target in case.targets if (verdict := check_target(target, by_name)) is not None]
        good = good and all(verdict.met for verdict in verdicts) and not any(result.failed for result in results)
        print(f"\n{case.name}: {case.title}")
        print(f"{about['cpu']}, {about['cores']} cores; rounds: {arguments.repeat}, alternating; page cache warm")
        print("\n".join(table(results)))
        for verdict in verdicts:
            print(f"  {'met   ' if verdict.met else 'MISSED'} {verdict.text}")
        sys.stdout.flush()
        figures = {
            "case": case.name,
            "title": case.title,
            "quick": arguments.quick,
            "rounds": arguments.repeat,
            "page_cache": "warm",
            "machine": about,
            "results": [result.as_json() for result in results],
            "targets": [dataclasses.asdict(verdict) for verdict in verdicts],
        }
        (arguments.out / f"{case.name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if good or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
