# SPDX-License-Identifier: BSD-3-Clause
"""What users do to data and files that is not meant: it works as the words say, or is refused in clear words."""

from __future__ import annotations

import copy
import errno
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import skimp
from skimp._batches import mapped_at, mapped_file
from skimp.linear_model import LogisticRegression, Ridge
from skimp.preprocessing import MinMaxScaler

N = 3000


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 4))


@pytest.fixture(scope="module")
def y(X: np.ndarray) -> np.ndarray:
    return (X @ [1.0, -2.0, 0.5, 0.0] + np.random.default_rng(1).normal(size=N) > 0).astype(int)


# ---- mapped files ----------------------------------------------------------------------------------------------------


def replaced(path: Path, X: np.ndarray) -> None:
    np.save(path.with_name("other.npy"), -X)
    os.replace(path.with_name("other.npy"), path)


def removed(path: Path, X: np.ndarray) -> None:
    path.unlink()


def renamed(path: Path, X: np.ndarray) -> None:
    path.rename(path.with_name("elsewhere.npy"))


def swapped(path: Path, X: np.ndarray) -> None:
    renamed(path, X)
    np.save(path, -X)


@pytest.mark.parametrize("happens", [replaced, removed, renamed, swapped])
@pytest.mark.parametrize("rows", [slice(None), slice(100, 2900)], ids=["all", "some"])
def test_a_memmap_is_the_file_that_is_mapped(
    tmp_path: Path, X: np.ndarray, y: np.ndarray, happens: Callable[[Path, np.ndarray], None], rows: slice
) -> None:
    path = tmp_path / "a b.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")[rows]
    assert mapped_file(mapped)
    happens(path, X)
    assert not mapped_file(mapped)
    wanted = LogisticRegression().fit(X[rows], y[rows])
    model = LogisticRegression().fit(mapped, y[rows])
    np.testing.assert_allclose(model.coef_, wanted.coef_, rtol=1e-4)
    np.testing.assert_array_equal(model.predict(mapped), model.predict(X[rows]))
    with skimp.Dataset(mapped, target=y[rows]) as data:
        np.testing.assert_allclose(data.take(slice(None))[0], X[rows], rtol=1e-6)  # stored as floats


def test_a_memmap_is_read_where_it_lies_in_its_file(tmp_path: Path, X: np.ndarray) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(8192 + 24) + X.tobytes())  # the mapping begins at a page
    mapped = np.memmap(path, dtype="f8", mode="r", offset=8192 + 24, shape=X.shape)
    assert mapped_at(mapped, os.stat(path)) == 8192 + 24
    assert mapped_at(mapped[7:], os.stat(path)) == 8192 + 24 + 7 * 32
    assert mapped_at(mapped, os.stat(tmp_path)) is None
    # A file system that names another device than the mapping: its path and inode tell.
    found = list(os.stat(path))
    found[2] += 1
    assert mapped_at(mapped, os.stat_result(found)) == 8192 + 24
    path.rename(tmp_path / "y.bin")
    assert mapped_at(mapped, os.stat_result(found)) is None
    with skimp.Dataset(mapped[7:]) as data:
        np.testing.assert_allclose(data.take(slice(None))[0], X[7:], rtol=1e-6)


# ---- out -------------------------------------------------------------------------------------------------------------


def test_what_is_read_is_not_written_over(tmp_path: Path, X: np.ndarray, y: np.ndarray) -> None:
    path = tmp_path / "same.csv"
    pd.DataFrame(X, columns=["x0", "x1", "x2", "x3"]).to_csv(path, index=False)
    np.save(tmp_path / "map", X)
    (tmp_path / "map.npy").rename(tmp_path / "map")
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    model = LogisticRegression().fit(X, y)
    for given, out in ((path, path), (path, tmp_path / "link.csv"), (str(tmp_path / "sam*.csv"), path)):
        for predict in (model.predict, model.predict_proba, Ridge().fit(X, y).predict):
            with pytest.raises(ValueError, match="is the file that the rows are read from"):
                predict(given, out=out)
    with pytest.raises(ValueError, match="is the file that the rows are read from"):
        model.predict(np.load(tmp_path / "map", mmap_mode="r"), out=tmp_path / "map")
    assert path.read_bytes() == before
    model.predict(path, out=tmp_path / "out.csv")
    model.predict(path, out=tmp_path / "out.csv")  # what is there and is not read is written anew
    assert len((tmp_path / "out.csv").read_text().splitlines()) == N + 1


@pytest.mark.parametrize(
    "name", ["o.npy", "o.npz", "o.parquet", "o.arrow", "o.feather", "o.csv.gz", "o.CSV.GZ", "o.zst", "o.bz2", "o.xz", "o.zip"]
)
def test_a_name_that_is_not_of_text_is_refused(tmp_path: Path, X: np.ndarray, y: np.ndarray, name: str) -> None:
    with pytest.raises(ValueError, match=r"what is written is CSV text, not \.\w+"):
        LogisticRegression().fit(X, y).predict(X, out=tmp_path / name)
    assert not list(tmp_path.iterdir())


# ---- errors of the system --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use", [lambda path: LogisticRegression().fit(path, "y"), skimp.load, skimp.Dataset], ids=["fit", "load", "Dataset"]
)
def test_errors_of_files_are_those_of_python(tmp_path: Path, use: Callable[[str], Any]) -> None:
    missing = str(tmp_path / "nope: Is a directory")  # words of the system in the name are no words of the system
    with pytest.raises(FileNotFoundError, match="cannot be opened: No such file") as caught:
        use(missing)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, missing)
    with pytest.raises(IsADirectoryError, match="is a directory, not a file") as of_directory:
        use(str(tmp_path))
    assert (of_directory.value.errno, of_directory.value.filename) == (errno.EISDIR, str(tmp_path))
    if os.geteuid() != 0:
        (tmp_path / "closed").touch(mode=0)
        with pytest.raises(PermissionError) as of_permission:
            use(str(tmp_path / "closed"))
        assert of_permission.value.errno == errno.EACCES


def test_the_number_of_an_error_is_what_the_system_said() -> None:
    from skimp._errors import make

    def made(file: str, message: str) -> BaseException:
        return make("io", 0, 0, 0, 0, 0, "", file, message)

    denied = made("a.csv", "a.csv: cannot be opened: " + os.strerror(errno.EACCES))
    assert isinstance(denied, PermissionError)
    assert str(denied) == f"[Errno {errno.EACCES}] cannot be opened: Permission denied: 'a.csv'"
    assert made("o", "o: cannot be written: " + os.strerror(errno.ENOSPC)).errno == errno.ENOSPC  # type: ignore[attr-defined]
    other = made("a.csv", "a.csv: ended too early")
    assert type(other) is OSError
    assert (other.errno, str(other)) == (None, "a.csv: ended too early")


def test_a_pattern_that_no_file_matches(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file matches") as caught:
        Ridge().fit(str(tmp_path / "*.csv"), "y")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path / "*.csv"))


# ---- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("max_memory", True, TypeError),
        ("max_memory", 1.5, TypeError),
        ("max_memory", float("nan"), TypeError),
        ("max_memory", float("inf"), TypeError),
        ("max_memory", 2**70, ValueError),
        ("max_memory", -1, ValueError),
        ("max_memory", 0, ValueError),
        ("n_threads", 1.5, TypeError),
        ("n_threads", "2", TypeError),
        ("n_threads", True, TypeError),
        ("n_threads", np.True_, TypeError),
        ("n_threads", 0, ValueError),
        ("n_threads", -1, ValueError),
        ("n_threads", 2**40, ValueError),
    ],
)
def test_settings_that_mean_nothing(name: str, value: Any, error: type[Exception]) -> None:
    before = skimp.get_config()
    given: dict[str, Any] = {name: value}
    with pytest.raises(error, match=f"{name}="):
        skimp.set_config(**given)
    with pytest.raises(error, match=f"{name}="), skimp.config_context(**given):
        pass
    assert skimp.get_config() == before


def test_settings_that_mean_something() -> None:
    with skimp.config_context(max_memory=np.int64(1 << 30), n_threads=np.int32(2)):
        assert (skimp.get_config()["max_memory"], skimp.get_config()["n_threads"]) == (1 << 30, 2)
    with skimp.config_context(max_memory=1e9):  # type: ignore[arg-type]
        assert skimp.get_config()["max_memory"] == 10**9


def test_a_place_to_spill_to_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, error, words in (
        ("none", FileNotFoundError, "there is no such directory"),
        ("file", NotADirectoryError, "is no directory"),
    ):
        with pytest.raises(error, match=f"spill_dir: {words}") as caught:
            skimp.set_config(spill_dir=tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
        with pytest.raises(error, match=f"spill_dir: {words}"), skimp.config_context(spill_dir=tmp_path / name):
            pass


# ---- numbers of other machines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", "longdouble"])
def test_numbers_in_another_form(tmp_path: Path, X: np.ndarray, y: np.ndarray, dtype: str) -> None:
    given = (X * 8).astype(dtype)
    plain = given.astype(np.float64)
    wanted = Ridge().fit(plain, y).coef_
    np.save(tmp_path / "x.npy", given)
    csr = sp.csr_array(plain)
    sparse = sp.csr_array((csr.data.astype(dtype), csr.indices, csr.indptr), shape=csr.shape)
    forms: dict[str, Any] = {
        "array": given,
        "fortran": np.asfortranarray(given),
        "memmap": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "csr": sparse,
        "csc": sparse.tocsc(),
        "frame": pd.DataFrame({f"x{i}": given[:, i] for i in range(4)}),
    }
    for name, form in forms.items():
        model = Ridge().fit(form, y.astype(dtype), sample_weight=np.ones(N).astype(dtype))
        np.testing.assert_allclose(model.coef_, wanted, rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(model.predict(form), model.predict(type(form)(plain) if sp.issparse(form) else plain))
        with skimp.Dataset(form, target=y.astype(dtype)) as data:
            np.testing.assert_array_equal(data.target, y)
            np.testing.assert_allclose(Ridge().fit(data).coef_, wanted, rtol=1e-4, err_msg=name)
    chunks = ((part, target) for part, target in zip(np.split(given, 3), np.split(y.astype(dtype), 3), strict=True))
    np.testing.assert_allclose(Ridge().fit(chunks).coef_, wanted, rtol=1e-4)
    labels = LogisticRegression().fit(given, y.astype(">i8")).classes_
    np.testing.assert_array_equal(labels, [0, 1])


# ---- sparse columns of pandas ----------------------------------------------------------------------------------------


def test_a_sparse_column_beside_others(X: np.ndarray, y: np.ndarray) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["d"] = pd.arrays.SparseArray(np.where(X[:, 3] > 1, X[:, 3], 0.0), fill_value=0.0)
    frame["e"] = pd.arrays.SparseArray((X[:, 0] > 0).astype(np.int64))
    dense = frame.assign(d=frame.d.sparse.to_dense(), e=frame.e.sparse.to_dense())
    wanted = LogisticRegression().fit(dense, y)
    model = LogisticRegression().fit(frame, y)
    np.testing.assert_allclose(model.coef_, wanted.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(frame), model.predict_proba(dense))
    with skimp.Dataset(frame) as data:
        np.testing.assert_allclose(data.take(slice(None))[0], dense.to_numpy(float), rtol=1e-6)


# ---- copies of Datasets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", ["whole", "lazy", "view"])
def test_a_copy_keeps_the_store(X: np.ndarray, y: np.ndarray, make: Callable[[Any], Any], kind: str) -> None:
    data = skimp.Dataset(X, target=y)
    own = {"whole": lambda: data, "lazy": lambda: MinMaxScaler().fit(data).transform(data), "view": lambda: data[::-2]}[kind]()
    wanted = [own.target, *own.take(slice(0, 9))]
    other = make(own)
    if kind != "lazy":
        del data
    del own
    gc.collect()
    found = [other.target, *other.take(slice(0, 9))]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert LogisticRegression().fit(other).coef_.shape == (1, 4)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copy_ends_with_what_was_closed(X: np.ndarray, make: Callable[[Any], Any]) -> None:
    data = skimp.Dataset(X)
    other = make(data)
    data.close()
    with pytest.raises(ValueError, match="the Dataset is closed"):
        other.take(slice(0, 1))
    with pytest.raises(ValueError, match="the Dataset is closed"):
        make(data)
