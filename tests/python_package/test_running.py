# SPDX-License-Identifier: BSD-3-Clause
"""Settings, budgets, threads, processes, signals, progress: how fits run inside a Python process."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import skimp
from skimp.linear_model import LogisticRegression, Ridge, SGDClassifier
from skimp.preprocessing import StandardScaler


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test from the defaults."""
    monkeypatch.setattr("skimp._config._process", {})
    for name in ("SKIMP_MAX_MEMORY", "OMP_NUM_THREADS", "SKIMP_SPILL_DIR"):
        monkeypatch.delenv(name, raising=False)


def large() -> tuple[np.ndarray, np.ndarray]:
    """Return a few tenths of a second of work."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200_000, 30)).astype(np.float32)
    return X, (X @ random.normal(size=30) + random.logistic(size=len(X)) > 0).astype(np.int8)


# ---- settings ----


def test_which_setting_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert skimp.get_config()["max_memory"] is None
    monkeypatch.setenv("SKIMP_MAX_MEMORY", "3MB")
    assert skimp.get_config()["max_memory"] == 3_000_000
    skimp.set_config(max_memory="4MiB")
    assert skimp.get_config()["max_memory"] == 4 << 20
    with skimp.config_context(max_memory=5_000_000, n_threads=1):
        assert skimp.get_config()["max_memory"] == 5_000_000
        with skimp.config_context(n_threads=2):
            assert skimp.get_config()["max_memory"] == 5_000_000
            assert skimp.get_config()["n_threads"] == 2
        carried = clone(Ridge())
    assert skimp.get_config()["max_memory"] == 4 << 20
    X, y = load_iris(return_X_y=True)
    assert skimp.plan(carried, X, y).budget_bytes == 5_000_000
    assert skimp.plan(pickle.loads(pickle.dumps(carried)), X, y).budget_bytes == 5_000_000
    with skimp.config_context(max_memory="6MB"):
        assert skimp.plan(carried, X, y).budget_bytes == 6_000_000
    fitted = carried.fit(X, y)
    assert skimp.plan(pickle.loads(pickle.dumps(fitted)), X, y).budget_bytes == 4 << 20
    for wrong in ("much", "-1", "0"):
        with pytest.raises(ValueError, match="size"), skimp.config_context(max_memory=wrong):
            pass


def test_threads_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = large()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert LogisticRegression().fit(X, y).memory_report_.threads == 1
    with skimp.config_context(n_threads=3):
        three = LogisticRegression().fit(X, y)
    assert three.memory_report_.threads == 3
    np.testing.assert_array_equal(three.coef_, LogisticRegression().fit(X, y).coef_)


def test_a_budget_that_is_too_small() -> None:
    X, y = large()
    estimator = LogisticRegression()
    with pytest.raises(skimp.BudgetError) as refused, skimp.config_context(max_memory="200KB"):
        estimator.fit(X, y)
    assert isinstance(refused.value, MemoryError)
    minimum = refused.value.minimum_bytes
    assert minimum is not None
    assert not hasattr(estimator, "coef_")
    with skimp.config_context(max_memory=minimum, n_threads=1):
        estimator.fit(X, y)
    assert pickle.loads(pickle.dumps(refused.value)).minimum_bytes == minimum


def test_growth_is_what_was_planned() -> None:
    code = """
        import numpy as np, sys, skimp
        from skimp.linear_model import LogisticRegression
        def status(key):
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10
        random = np.random.default_rng(0)
        X = random.normal(size=(400_000, 28)).astype(np.float32)
        y = (X @ random.normal(size=28) + random.logistic(size=len(X)) > 0).astype(np.int8)
        LogisticRegression().fit(X[:1000], y[:1000])
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        model = LogisticRegression().fit(X, y)
        growth = status("VmHWM") - before
        planned = model.memory_report_.plan.peak_bytes
        print(growth, planned, X.nbytes + y.nbytes)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True).stdout
    growth, planned, data = map(int, out.split())
    assert growth <= planned
    assert growth <= 0.05 * data


# ---- threads and processes ----


def test_fits_at_the_same_time_in_threads() -> None:
    X, y = large()
    alone = LogisticRegression().fit(X, y).coef_
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: LogisticRegression().fit(X, y).coef_, range(8)))
    for coef in together:
        np.testing.assert_array_equal(coef, alone)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_searches_in_workers(backend: str) -> None:
    X, y = load_iris(return_X_y=True)
    alone = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3).fit(X, y)
    with skimp.config_context(max_memory="64MB"), parallel_backend(backend, n_jobs=2):
        found = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3).fit(X, y)
    np.testing.assert_array_equal(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_a_fork_after_a_fit() -> None:
    X, y = load_iris(return_X_y=True)
    expected = LogisticRegression().fit(X, y).coef_
    child = os.fork()
    if child == 0:
        os._exit(0 if (LogisticRegression().fit(X, y).coef_ == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_interpreter_goes_on_during_a_fit() -> None:
    X, y = large()
    ticks = []
    thread = threading.Thread(target=lambda: SGDClassifier(max_iter=20, tol=None).fit(X, y))
    thread.start()
    while thread.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.002)
    assert len(ticks) > 10


def test_a_fit_is_interrupted(tmp_path: Path) -> None:
    code = """
        import numpy as np, os, signal, threading, time
        from skimp.linear_model import SGDClassifier
        random = np.random.default_rng(0)
        X = random.normal(size=(400_000, 30)).astype(np.float32)
        y = (X[:, 0] > 0).astype(np.int8)
        sent = []
        def interrupt():
            time.sleep(0.7)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        model = SGDClassifier(max_iter=100_000, tol=None)
        try:
            model.fit(X, y)
        except KeyboardInterrupt:
            print(time.perf_counter() - sent[0], hasattr(model, "coef_"))
        model.set_params(max_iter=1).fit(X[:100], y[:100])
        print(model.coef_.shape)
    """
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    seconds, is_fitted = run.stdout.split()[:2]
    assert float(seconds) < 0.5, "the signal was seen late"
    assert is_fitted == "False"
    assert run.stdout.splitlines()[1] == "(1, 30)"


def test_many_fits_leave_nothing_behind() -> None:
    code = """
        import gc, numpy as np
        from sklearn.datasets import load_iris
        from skimp.linear_model import LogisticRegression
        from skimp.preprocessing import StandardScaler
        X, y = load_iris(return_X_y=True)
        def resident():
            gc.collect()
            return sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Rss")) << 10
        def use():
            LogisticRegression().fit(StandardScaler().fit_transform(X), y).predict_proba(X)
        for _ in range(10):
            use()
        before = resident()
        for _ in range(90):
            use()
        print(resident() - before)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True).stdout
    assert int(out) <= 256 << 10


# ---- progress ----


def test_progress_is_told() -> None:
    X, y = large()
    told: list[dict[str, object]] = []
    with skimp.config_context(progress=told.append):
        SGDClassifier(max_iter=60, tol=None).fit(X, y)
    assert {"phase", "rows", "passes_done", "charged_bytes", "budget_bytes"} <= told[-1].keys()
    assert told[-1]["phase"] == "fitting"

    def stop(now: dict[str, object]) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"), skimp.config_context(progress=stop):
        SGDClassifier(max_iter=100_000, tol=None).fit(X, y)


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    X, y = large()
    with skimp.config_context(progress=True):
        SGDClassifier(max_iter=30, tol=None).fit(X, y)
    assert capfd.readouterr() == ("", "")


def test_signals_of_the_user_stay() -> None:
    before = signal.getsignal(signal.SIGINT)
    StandardScaler().fit(load_iris(return_X_y=True)[0])
    assert signal.getsignal(signal.SIGINT) is before
