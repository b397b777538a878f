# SPDX-License-Identifier: BSD-3-Clause
"""What tests of the package share."""

import sysconfig
from pathlib import Path

import pytest

import skimp


@pytest.fixture(scope="session")
def command() -> str:
    """The skimp command that this package brings: beside it where it was installed into a directory, or beside Python."""
    places = (Path(skimp.__file__).parents[1] / "bin", Path(sysconfig.get_path("scripts")))
    found = next((place / "skimp" for place in places if (place / "skimp").exists()), None)
    assert found is not None, "the package brings the command"
    return str(found)
