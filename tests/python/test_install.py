# SPDX-License-Identifier: BSD-3-Clause
"""What `make install` installs is enough to compile, link and run a program with nothing of the source tree."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
#include <skimp/budget.h>
#include <stdio.h>

int main(void)
{
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = 1 << 20 };
    skimp_error error = SKIMP_ERROR_INIT;
    if (skimp_budget_create(&budget, &options, &error) != SKIMP_OK) {
        return 1;
    }
    skimp_status status = skimp_budget_charge(budget, SKIMP_TAG_OTHER, 2 << 20, &error);
    printf("%s %llu\\n", skimp_status_name(status), (unsigned long long)error.limit);
    return skimp_budget_destroy(budget) != 0;
}
"""


def run(*command: str, **environment: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    ).stdout


def test_a_program_builds_against_the_installed_library(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    run("meson", "install", "-C", "build", "--no-rebuild", "--quiet", DESTDIR=str(stage))
    (pkgconfig,) = (path.parent for path in stage.rglob("skimp.pc"))
    library = pkgconfig.parent
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    flags = run(
        "pkg-config",
        "--cflags",
        "--libs",
        "skimp",
        PKG_CONFIG_PATH=str(pkgconfig),
        PKG_CONFIG_SYSROOT_DIR=str(stage),
    ).split()
    program = tmp_path / "program"
    run("cc", "-std=c11", "-Wall", "-Werror", str(source), "-o", str(program), *flags)
    assert run(str(program), LD_LIBRARY_PATH=str(library)) == f"budget {1 << 20}\n"
    assert (library / "libskimp.so.0").exists()

    (command,) = (path for path in stage.rglob("skimp") if path.parent.name == "bin")
    assert run(str(command), "--version").startswith("skimp ")
    pages = {path.name for path in stage.rglob("man1/*.1")}
    subcommands = ["convert", "estimators", "fit", "help", "info", "plan", "predict", "score", "version"]
    assert pages == {"skimp.1", *(f"skimp-{name}.1" for name in subcommands)}
    for place in ["bash-completion/completions/skimp", "zsh/site-functions/_skimp", "fish/vendor_completions.d/skimp.fish"]:
        (script,) = stage.rglob(place)
        assert "logistic_regression" in script.read_text()
