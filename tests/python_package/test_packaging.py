# SPDX-License-Identifier: BSD-3-Clause
"""What an installation is: where it is refused, and what it does without."""

import importlib.metadata
import subprocess
import sys
import textwrap
from pathlib import Path

import skimp


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)


def test_a_free_threaded_interpreter_is_refused() -> None:
    """In one line that says what to do; here an interpreter that only says of itself that it is one."""
    found = python("""
        import sysconfig
        sysconfig.get_config_vars()["Py_GIL_DISABLED"] = 1
        import skimp
    """)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        "ImportError: skimp has not been tested on a free-threaded Python: use the ordinary build"
    )


def test_nothing_is_imported_that_is_not_used() -> None:
    """NumPy, SciPy and scikit-learn are enough for arrays and for files of text."""
    found = python("""
        import sys
        class Absent:
            def find_spec(self, name, *rest):
                if name in ("pandas", "pyarrow", "polars", "duckdb", "tqdm", "rich", "matplotlib"):
                    raise ImportError(name)
        sys.meta_path.insert(0, Absent())
        import tempfile
        from pathlib import Path
        import numpy as np
        import skimp
        from skimp.linear_model import Ridge
        from skimp.pipeline import make_pipeline
        from skimp.preprocessing import StandardScaler
        X = np.arange(40.0).reshape(20, 2) % 7
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "t.csv"
            np.savetxt(path, np.column_stack([X, X.sum(axis=1)]), delimiter=",", header="a,b,y", comments="")
            model = make_pipeline(StandardScaler(), Ridge())
            print(skimp.plan(model, path, "y").rows > 0)
            print(round(model.fit(path, "y").score(path), 1))
            with skimp.Dataset(path, target="y") as data:
                print(round(model.fit(data).score(data), 1))
        print(round(model.fit(X, X.sum(axis=1)).score(X, X.sum(axis=1)), 1))
    """)
    assert found.stdout.split() == ["True", "1.0", "1.0", "1.0"], found.stderr


def test_the_distribution() -> None:
    """Run-time dependencies are these three; the command, and no C library of its own, come with it."""
    required = importlib.metadata.requires("skimp") or []
    names = {requirement.split(">")[0] for requirement in required if "extra" not in requirement}
    assert names == {"numpy", "scipy", "scikit-learn"}
    files = [Path(str(file)) for file in importlib.metadata.files("skimp") or ()]
    assert any(file.name == "skimp" and file.parent.name == "bin" for file in files)
    assert not any(file.name.startswith("libskimp") for file in files)
    assert importlib.metadata.version("skimp") == skimp.__version__
