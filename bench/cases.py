# SPDX-License-Identifier: BSD-3-Clause
"""The cases: which files, who runs on them, and what skimp must show.

In a contestant's command {train}, {big} and {vw} are the case's files, {model} is where the model goes (a file that
does not exist yet), {python}, {peers} and {skimp} are the programs.
"""

from dataclasses import dataclass

from flights_columns import DROPPED, TARGET, THRESHOLD

MIB = 1 << 20


@dataclass(frozen=True)
class Contestant:
    name: str
    command: tuple[str, ...]
    form: str = ""  # who wrote the model (see evaluate.py); empty: there is nothing to judge
    budget: int = 0  # skimp only: what --max-memory says
    file: str = "train"  # what it reads, for its rate in MB/s


@dataclass(frozen=True)
class Target:
    """measure of `name`, against the best of `against`.

    seconds, peak: at most limit times theirs. objective: above theirs by at most limit, relatively. log_loss: the same,
    absolutely. rate: at least limit MB/s.
    """

    measure: str
    name: str
    against: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    data: str  # higgs, rcv or flights: how to judge
    files: dict[str, str]
    contestants: tuple[Contestant, ...]
    targets: tuple[Target, ...]
    objective: bool = True  # False where the contestants do not minimise the same one


# What --quick reads instead.
QUICK = {
    "higgs.csv": "higgs_small.csv",
    "higgs_test.csv": "higgs_small_test.csv",
    "higgs_x10.csv": "higgs_small_x10.csv",
    "rcv.svm": "rcv_small.svm",
    "rcv_test.svm": "rcv_small_test.svm",
    "rcv.vw": "rcv_small.vw",
    "rcv_test.vw": "rcv_small_test.vw",
    "flights_3m.csv": "flights_small.csv",
    "flights_10m.csv": "flights_small.csv",
    "flights_test.csv": "flights_test.csv",
}

HIGGS = {"train": "higgs.csv", "test": "higgs_test.csv"}
RCV = {"train": "rcv.svm", "test": "rcv_test.svm", "vw": "rcv.vw", "vw_test": "rcv_test.vw"}
SGD_ALPHA = "1e-7"
FLIGHTS_SKIMP = ("--target", f"{TARGET}>{THRESHOLD}", "--drop", ",".join(DROPPED), "--on-missing", "drop")
FLIGHTS_STEPS = ("--step", "simple_imputer", "--step", "standard_scaler", "-p", "tol=1e-6", "-p", "max_iter=1000")


def skimp(name: str, *command: str, megabytes: int = 64, form: str = "skimp", file: str = "train") -> Contestant:
    ending = ("--max-memory", f"{megabytes}M", "-o", "{model}", "--json")
    return Contestant(name, ("{skimp}", *command, *ending), form, megabytes * MIB, file)


def peer(name: str, script: str, *arguments: str, form: str = "npz") -> Contestant:
    return Contestant(name, ("{python}", "{peers}/" + script, *arguments), form)


def vowpal_wabbit(name: str, *arguments: str) -> Contestant:
    command = ("-m", "vowpalwabbit", "--quiet", "--loss_function", "logistic", "-d", "{vw}", "-f", "{model}")
    return Contestant(name, ("{python}", *command, *arguments), "vw", file="vw")


def reader(library: str) -> Contestant:
    return peer(library, "read_whole.py", library, "{train}", form="")


def higgs_fit(name: str, file: str, megabytes: int, form: str = "skimp") -> Contestant:
    steps = ("--target", "label", "--step", "standard_scaler", "-p", "tol=1e-6", "-p", "max_iter=1000")
    command = ("fit", "logistic_regression", "{" + file + "}", *steps)
    return skimp(name, *command, megabytes=megabytes, form=form, file=file)


VW_ONE_PASS = vowpal_wabbit("vowpal wabbit, 1 pass")
CSV_READERS = ("pandas", "pyarrow", "polars", "duckdb")

CASES = (
    Case(
        "csv_exact",
        "dense CSV, scaling, exact binary logistic regression",
        "higgs",
        HIGGS,
        (
            higgs_fit("skimp", "train", 64),
            higgs_fit("skimp, 16 MiB", "train", 16),
            peer("scikit-learn lbfgs", "sklearn_csv_logistic.py", "{train}", "{model}"),
            peer(
                "scikit-learn newton-chol.", "sklearn_csv_logistic.py", "{train}", "{model}", "--solver=newton-cholesky"
            ),
        ),
        (
            Target("seconds", "skimp", ("scikit-learn lbfgs",), 1 / 5),
            Target("peak", "skimp", ("scikit-learn lbfgs",), 1 / 25),
            Target("objective", "skimp", ("scikit-learn lbfgs", "scikit-learn newton-chol."), 1e-6),
            Target("objective", "skimp, 16 MiB", ("scikit-learn lbfgs", "scikit-learn newton-chol."), 1e-6),
        ),
    ),
    Case(
        "csv_x10",
        "the same with ten times the rows",
        "higgs",
        {"train": "higgs.csv", "big": "higgs_x10.csv"},
        (higgs_fit("skimp", "train", 64, form=""), higgs_fit("skimp, rows x 10", "big", 64, form="")),
        (
            Target("seconds", "skimp, rows x 10", ("skimp",), 10.5),
            Target("peak", "skimp, rows x 10", ("skimp",), 1.02),
        ),
    ),
    Case(
        "svmlight_exact",
        "sparse svmlight, exact binary logistic regression, no intercept",
        "rcv",
        RCV,
        (
            skimp(
                *("skimp", "fit", "logistic_regression", "{train}"),
                *("-p", "fit_intercept=false", "-p", "tol=1e-6", "-p", "max_iter=1000"),
            ),
            VW_ONE_PASS,
            Contestant(
                "liblinear train -s 0",
                ("liblinear-train", "-q", "-s", "0", "-e", "1e-6", "-c", "1", "{train}", "{model}"),
                "liblinear",
            ),
            peer("scikit-learn lbfgs", "sklearn_svmlight.py", "{train}", "{model}", "--solver=lbfgs"),
            peer("scikit-learn liblinear", "sklearn_svmlight.py", "{train}", "{model}", "--solver=liblinear"),
        ),
        (
            Target("seconds", "skimp", ("vowpal wabbit, 1 pass",), 1.0),
            Target("seconds", "skimp", ("liblinear train -s 0",), 1 / 5),
            Target("objective", "skimp", ("liblinear train -s 0",), 1e-6),
        ),
    ),
    Case(
        "svmlight_sgd",
        "sparse svmlight, one pass of stochastic gradient descent, log loss",
        "rcv",
        RCV,
        (
            skimp(
                *("skimp", "fit", "sgd_classifier", "{train}", "-p", "loss=log_loss", "-p", f"alpha={SGD_ALPHA}"),
                *("-p", "max_iter=1", "-p", "tol=None"),
            ),
            VW_ONE_PASS,
            vowpal_wabbit("vowpal wabbit, 5 passes", "--passes=5", "-k", "--cache_file={model}.cache", "--holdout_off"),
            peer(
                *("scikit-learn SGD, 1 pass", "sklearn_svmlight.py", "{train}", "{model}"),
                *("--solver=sgd", f"--alpha={SGD_ALPHA}"),
            ),
        ),
        (
            Target("seconds", "skimp", ("vowpal wabbit, 1 pass",), 1 / 2),
            Target("log_loss", "skimp", ("vowpal wabbit, 1 pass",), 0.0),
        ),
        objective=False,
    ),
    Case(
        "csv_read",
        "reading the dense CSV whole",
        "higgs",
        {"train": "higgs.csv"},
        (skimp("skimp convert", "convert", "{train}", form=""), *(reader(library) for library in CSV_READERS)),
        (Target("seconds", "skimp convert", CSV_READERS, 1 / 4),),
    ),
    Case(
        "svmlight_read",
        "reading the sparse svmlight file whole",
        "rcv",
        {"train": "rcv.svm"},
        (skimp("skimp convert", "convert", "{train}", form=""), reader("scikit-learn")),
        (Target("rate", "skimp convert", (), 600.0),),
    ),
    Case(
        "flights",
        "flights of 2013 repeated, one-hot and scaling, logistic regression",
        "flights",
        {"train": "flights_3m.csv", "big": "flights_10m.csv", "test": "flights_test.csv"},
        (
            skimp("skimp", "fit", "logistic_regression", "{train}", *FLIGHTS_SKIMP, *FLIGHTS_STEPS),
            skimp(
                *("skimp, 10M rows", "fit", "logistic_regression", "{big}", *FLIGHTS_SKIMP, *FLIGHTS_STEPS),
                form="",
                file="big",
            ),
            peer("scikit-learn lbfgs", "sklearn_flights.py", "{train}", "{model}", form="pickle"),
            peer(
                *("scikit-learn newton-chol.", "sklearn_flights.py", "{train}", "{model}"),
                *("--solver=newton-cholesky", "--tol=1e-6"),
                form="pickle",
            ),
        ),
        (
            Target("seconds", "skimp", ("scikit-learn lbfgs",), 1 / 15),
            Target("peak", "skimp", ("scikit-learn lbfgs",), 1 / 15),
            Target("objective", "skimp", ("scikit-learn lbfgs", "scikit-learn newton-chol."), 1e-6),
            Target("log_loss", "skimp", ("scikit-learn newton-chol.",), 1e-4),
        ),
    ),
)
