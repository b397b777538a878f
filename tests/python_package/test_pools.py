# SPDX-License-Identifier: BSD-3-Clause
"""Budgets and threads in pools: what a worker has, what it carries, what calls at the same time share."""

import contextvars
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

import skimp
from skimp.linear_model import LogisticRegression, Ridge
from skimp.pipeline import make_pipeline
from skimp.preprocessing import StandardScaler


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test from the defaults."""
    monkeypatch.setattr("skimp._config._process", {})
    for name in ("SKIMP_MAX_MEMORY", "OMP_NUM_THREADS", "SKIMP_SPILL_DIR"):
        monkeypatch.delenv(name, raising=False)


def budget_of(estimator: Any, X: Any, y: Any) -> float:
    """Return as a score the budget that an estimator was fitted in."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    return float((estimator if hasattr(estimator, "memory_report_") else last).memory_report_.plan.budget_bytes)


def threads_of(estimator: Any, X: Any, y: Any) -> float:
    """Return as a score the threads that an estimator was fitted by."""
    return float(estimator.memory_report_.threads)


def free() -> int:
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemAvailable")) << 10


# ---- the default, divided ----


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_the_default_is_divided_among_workers_of_joblib(backend: str, n_jobs: int) -> None:
    X, y = load_iris(return_X_y=True)
    alone = skimp.plan(LogisticRegression(), X, y).budget_bytes
    with parallel_config(backend, n_jobs=n_jobs):
        budgets = cross_val_score(LogisticRegression(), X, y, scoring=budget_of, cv=3)
    # What is free changes, and processes that were left idle count: so it is never more than a share.
    assert (budgets <= 1.25 * alone / n_jobs).all()
    assert (budgets >= alone / 64).all()
    assert skimp.plan(LogisticRegression(), X, y).budget_bytes > 0.7 * alone


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_default_is_divided_among_workers_of_multiprocessing(method: str, tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, multiprocessing, sys, time
            import numpy as np
            import skimp
            from skimp.linear_model import Ridge

            X = np.arange(200.0).reshape(100, 2)

            def work(i):
                time.sleep(0.2)
                model = Ridge().fit(X, X[:, 0])
                return model.memory_report_.plan.budget_bytes, model.coef_.tolist()

            if __name__ == "__main__":
                alone = skimp.plan(Ridge(), X, X[:, 0]).budget_bytes
                with multiprocessing.get_context(sys.argv[1]).Pool(4) as pool:
                    pool.map(work, range(4), chunksize=1)  # all of them have begun
                    found = pool.map(work, range(8), chunksize=1)
                print(json.dumps([alone, [budget for budget, _ in found], all(c == found[0][1] for _, c in found)]))
            """
        )
    )
    run = subprocess.run([sys.executable, script, method], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    alone, budgets, is_same = json.loads(run.stdout)
    assert is_same
    assert all(0.15 * alone < budget < 0.35 * alone for budget in budgets)


def test_a_process_with_children_is_no_worker() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        budget = skimp.plan(Ridge(), *load_iris(return_X_y=True)).budget_bytes
        assert budget > 0.4 * free()
    finally:
        child.communicate(b"\n")


# ---- what workers carry ----


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_context_goes_with_the_estimators(backend: str) -> None:
    X, y = load_iris(return_X_y=True)
    grid = {"C": [0.1, 1]}
    alone = GridSearchCV(LogisticRegression(), grid, cv=3).fit(X, y)
    with skimp.config_context(max_memory="64MB"), parallel_config(backend, n_jobs=2):
        search = GridSearchCV(LogisticRegression(), grid, cv=3, scoring=budget_of, refit=False).fit(X, y)
        scores = GridSearchCV(LogisticRegression(), grid, cv=3).fit(X, y)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        budgets = cross_val_score(pipeline, X, y, scoring=budget_of, cv=2)
    # Threads share it, so one that comes second has what is left.
    most, least = (64_000_000, 64_000_000) if backend != "threading" else (64_000_000, 32_000_000)
    for found in (search.cv_results_["mean_test_score"], budgets):
        assert (found <= most).all() and (found >= least).all()
    np.testing.assert_array_equal(scores.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_the_environment_is_the_workers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = load_iris(return_X_y=True)
    monkeypatch.setenv("SKIMP_MAX_MEMORY", "48MB")
    with parallel_config("multiprocessing", n_jobs=2):
        budgets = cross_val_score(LogisticRegression(), X, y, scoring=budget_of, cv=2)
    assert (budgets == 48_000_000).all()


def test_threads_are_those_that_joblib_allows() -> None:
    X, y = np.random.default_rng(0).normal(size=(200_000, 20)), np.arange(200_000) % 2
    cpus = len(os.sched_getaffinity(0))
    with parallel_config("loky", n_jobs=2):
        threads = cross_val_score(LogisticRegression(max_iter=1), X, y, scoring=threads_of, cv=2)
    assert (threads == max(1, cpus // 2)).all()
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=3):
        threads = cross_val_score(LogisticRegression(max_iter=1), X, y, scoring=threads_of, cv=2)
    assert (threads == 3).all()


# ---- calls at the same time ----


def rows(n: int = 300_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 20)).astype(np.float32)
    return X, (X @ random.normal(size=20) + random.logistic(size=n) > 0).astype(np.int8)


def chunks(X: np.ndarray, y: np.ndarray) -> Iterator[Any]:
    for first in range(0, len(X), 10_000):
        yield X[first : first + 10_000], y[first : first + 10_000]


def test_calls_at_the_same_time_share_a_budget() -> None:
    X, y = rows()
    alone = LogisticRegression().fit(chunks(X, y))
    plan = alone.memory_report_.plan
    assert plan.store == "memory"

    def fit() -> LogisticRegression:
        return LogisticRegression().fit(chunks(X, y))

    for limit, stores in ((int(1.6 * plan.peak_bytes), {"memory", "disk"}), (int(1.2 * plan.minimum_bytes), {"disk"})):
        with skimp.config_context(max_memory=limit):
            contexts = [contextvars.copy_context() for _ in range(4)]
            with ThreadPoolExecutor(4) as pool:
                models = list(pool.map(lambda context: context.run(fit), contexts))
        for model in models:
            np.testing.assert_array_equal(model.coef_, alone.coef_)
            assert model.memory_report_.charged_peak_bytes <= limit
        assert {model.memory_report_.plan.store for model in models} == stores


def test_the_growth_of_calls_at_the_same_time_is_bounded() -> None:
    code = """
        import contextvars, sys
        import numpy as np
        import skimp
        from concurrent.futures import ThreadPoolExecutor
        from skimp.linear_model import LogisticRegression
        def status(key):
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10
        random = np.random.default_rng(0)
        X = random.normal(size=(300_000, 20)).astype(np.float32)
        y = (X @ random.normal(size=20) + random.logistic(size=len(X)) > 0).astype(np.int8)
        def fit():
            parts = ((X[i : i + 10_000], y[i : i + 10_000]) for i in range(0, len(X), 10_000))
            return LogisticRegression().fit(parts).memory_report_.plan.peak_bytes
        own = fit()
        limit = int(1.6 * own)
        with skimp.config_context(max_memory=limit):
            contexts = [contextvars.copy_context() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda context: context.run(int, 1), contexts))
            open("/proc/self/clear_refs", "w").write("5")
            before = status("VmRSS")
            list(pool.map(lambda context: context.run(fit), contexts))
        print(status("VmHWM") - before, limit, own)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True).stdout
    growth, limit, own = map(int, out.split())
    assert growth <= limit < 2 * own


def test_a_call_within_a_call_draws_on_its_budget() -> None:
    X, y = rows(100_000)
    alone = LogisticRegression().fit(chunks(X, y))
    plan = alone.memory_report_.plan
    inner: list[skimp.Plan] = []

    def parts() -> Iterator[Any]:
        for own_X, own_y in chunks(X, y):
            inner.append(Ridge().fit(own_X, own_y).memory_report_.plan)
            yield own_X, own_y

    skimp.set_config(max_memory=2 * plan.peak_bytes)
    outer = LogisticRegression().fit(parts())
    np.testing.assert_array_equal(outer.coef_, alone.coef_)
    # (The first chunk is asked for before the fit begins.)
    assert all(one.budget_bytes < 2 * plan.peak_bytes - outer.memory_report_.plan.peak_bytes / 2 for one in inner[1:])
    skimp.set_config(max_memory=int(1.02 * plan.minimum_bytes))
    with pytest.raises(skimp.BudgetError, match="shared with what is at work in this process") as refused:
        LogisticRegression().fit(parts())
    assert refused.value.minimum_bytes > int(1.02 * plan.minimum_bytes)


# ---- sources ----


def test_memory_of_a_source_of_ones_own_is_unknown() -> None:
    X, y = rows(20_000)
    polars, duckdb, pa = (pytest.importorskip(name) for name in ("polars", "duckdb", "pyarrow"))
    frame = polars.DataFrame({f"c{i}": X[:, i] for i in range(4)} | {"y": y})
    arrow = frame.to_arrow()
    assert isinstance(arrow, pa.Table)
    sources = {
        "LazyFrame": frame.lazy(),
        "relation": duckdb.sql("select * from arrow"),
        "iterator": (frame[i : i + 5000].to_pandas() for i in range(0, 20_000, 5000)),
        "function": lambda: (frame[i : i + 5000].to_pandas() for i in range(0, 20_000, 5000)),
        "reader": arrow.to_reader(),
    }
    for name, source in sources.items():
        if name in ("LazyFrame", "relation", "function"):
            plan = skimp.plan(LogisticRegression(), source, "y")
            assert plan.has_source, name
            assert "source, beside these  unknown" in repr(plan), name
            assert "source, beside these</td>" in plan._repr_html_() and "unknown</td>" in plan._repr_html_(), name
            assert "source" not in plan.memory
        report = LogisticRegression().fit(source, "y").memory_report_
        assert report.source_bytes is not None, name
        line = next(line for line in repr(report).splitlines() if "source, beside these" in line)
        assert line.split()[3] == "unknown", name
        assert "source, beside these" in report._repr_html_(), name
    for own in (X, frame.to_pandas().drop(columns="y")):
        report = LogisticRegression().fit(own, y).memory_report_
        assert report.source_bytes is None
        assert "source" not in repr(report) and "source" not in report._repr_html_()
