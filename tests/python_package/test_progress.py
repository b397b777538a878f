# SPDX-License-Identifier: BSD-3-Clause
"""Progress: what a bar says, who draws it, and that it is quiet where nobody looks."""

import fcntl
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skimp
from skimp import _progress
from skimp.linear_model import LogisticRegression, SGDClassifier

NOW: dict[str, Any] = {
    "phase": "fitting",
    "bytes_done": 30,
    "bytes_total": 60,
    "rows": 1234567,
    "passes_done": 2,
    "passes_expected": 5.0,
    "objective": 0.25,
    "charged_bytes": 3 << 20,
    "budget_bytes": 5 << 30,
    "seconds": 9.0,
    "seconds_left": 12.4,
}
READING = {**NOW, "phase": "reading", "objective": math.nan, "seconds_left": math.nan}


def terminal(tmp_path: Path, code: str, modules: dict[str, str] | None = None) -> str:
    """Run code in a terminal of 80 columns, with modules of these texts, and return what it shows."""
    for name, text in (modules or {}).items():
        package, module = name.split(".")
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / f"{module}.py").write_text(textwrap.dedent(text))
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(parent, 4096)
            except OSError:
                return
            if not part:
                return
            shown.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdin=child, stdout=child, stderr=child, env=environment
    )
    os.close(child)
    assert process.wait(timeout=120) == 0, b"".join(shown).decode()
    reader.join(timeout=10)
    os.close(parent)
    return b"".join(shown).decode()


FIT = """
    import numpy as np
    import skimp
    from skimp.linear_model import SGDClassifier
    X = np.random.default_rng(0).normal(size=(200_000, 30)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    skimp.set_config(progress=True)
    for rows in (100, 1000):
        SGDClassifier(max_iter=2, tol=None).fit(X[:rows], y[:rows])
    print("before")
    SGDClassifier(max_iter=200, tol=None).fit(X, y)
    print("done")
"""

FAKE_TQDM = """
    import sys

    class tqdm:
        def __init__(self, total, initial, desc, unit, bar_format, leave, file, dynamic_ncols):
            assert not leave and file is sys.stderr
            self.total, self.desc, self.n, self.unit = total, desc, initial, unit
            print("open", desc, total)

        def refresh(self):
            print("at", self.desc, round(self.n, 3), self.unit)

        def close(self):
            print("close", self.desc)
"""


def test_what_a_bar_says() -> None:
    assert _progress.share_of(NOW) == pytest.approx(0.5)
    assert _progress.share_of({**NOW, "passes_done": 7}) == 1
    assert _progress.share_of(READING) == pytest.approx(0.5)
    assert _progress.share_of({**READING, "bytes_total": 0}) is None
    assert _progress.about(NOW) == "pass 3, objective 0.25, 3 MiB of 5.0 GiB, 12 s left"
    assert _progress.about(READING) == "1,234,567 rows, 3 MiB of 5.0 GiB"
    assert len("fitting 100%|" + _progress.about({**NOW, "objective": -1.2345678e-15, "passes_done": 99999})) < 78


def test_a_bar_in_a_terminal(tmp_path: Path) -> None:
    shown = terminal(tmp_path, FIT, {"tqdm.auto": FAKE_TQDM})
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[0] == "before" and lines[-1] == "done"
    told = [line for line in lines if line.startswith("at ")]
    # Fits that are over soon have none; the long one has one bar, which goes to the right.
    assert lines.count("open fitting 1.0") == 1
    assert len(told) >= 2
    shares = [float(line.split()[2]) for line in told if line.startswith("at fitting")]
    assert shares == sorted(shares) and 0 < shares[-1] <= 1
    assert all(re.search(r"pass \d+, (objective \S+, )?\d+ [KM]iB of ", line) for line in told if "fitting" in line)
    assert lines.count("close fitting") == 1


def test_no_bar_where_none_is_wanted(tmp_path: Path) -> None:
    quiet = FIT.replace("progress=True", "progress=False")
    assert terminal(tmp_path, quiet, {"tqdm.auto": FAKE_TQDM}).split() == ["before", "done"]
    # Without tqdm and rich nothing is drawn, and nothing is missed.
    absent = "raise ImportError('not here')"
    assert terminal(tmp_path, FIT, {"tqdm.auto": absent, "rich.progress": absent}).split() == ["before", "done"]


@pytest.mark.parametrize("library", ["tqdm", "rich"])
def test_the_real_ones(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    other = "rich.progress" if library == "tqdm" else "tqdm.auto"
    shown = terminal(tmp_path, FIT, {other: "raise ImportError('not here')"})
    assert "fitting" in shown and "pass" in shown and "MiB of" in shown
    assert shown.strip().endswith("done")
    longest = max(len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) for line in re.split(r"[\r\n]", shown))
    assert longest <= 80


def test_one_bar_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_is_watched", lambda: True)
    with _progress.telling(True) as outer:
        assert outer is not None
        with _progress.telling(True) as inner:
            assert inner is None
        own = [].append
        with _progress.telling(own) as told:
            assert told is own
    with _progress.telling(True) as after:
        assert after is not None
    with pytest.raises(ZeroDivisionError), _progress.telling(True):
        raise ZeroDivisionError
    with _progress.telling(True) as again:
        assert again is not None


def test_who_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(isatty=lambda: False))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not _progress._is_watched()
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(isatty=lambda: True))
    assert _progress._is_watched()
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    assert not _progress._is_watched()
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(isatty=lambda: False))
    notebook = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", notebook)  # type: ignore[arg-type]
    assert _progress._is_watched()
    shell = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", shell)  # type: ignore[arg-type]
    assert not _progress._is_watched()


def test_a_function_is_told_of_every_phase(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(150_000, 8))
    path = tmp_path / "train.csv"
    np.savetxt(path, np.column_stack([X, X[:, 0] > 0]), fmt="%.4f", delimiter=",", header=",".join("abcdefghy"), comments="")
    told: list[dict[str, Any]] = []
    with skimp.config_context(progress=told.append, n_threads=1):
        model = SGDClassifier(max_iter=40, tol=None).fit(path, "y")
        for _ in range(5):
            model.predict(path)
    phases = {now["phase"] for now in told}
    assert {"reading", "fitting"} <= phases
    assert all(0 <= (_progress.share_of(now) or 0) <= 1 for now in told)
    assert all(_progress.about(now) for now in told)
    assert all(now["charged_bytes"] <= now["budget_bytes"] for now in told)


def test_progress_is_not_carried_to_workers() -> None:
    import pickle

    with skimp.config_context(progress=print, max_memory="64MB"):
        carried = pickle.loads(pickle.dumps(LogisticRegression()))
    assert carried._skimp_config == {"max_memory": 64_000_000}
