# SPDX-License-Identifier: BSD-3-Clause
"""The same rows give the same model, whatever they come in, whatever the threads, the budget and the store's place."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from run_skimp import ok, patch_tensor, predictions, skimp, tensors, write_csv, zstd

FIT = ["-t", "label", "-d", "kind,value,weight", "-q"]


def test_compressed_split_and_piped_inputs_are_one_data_set(table: Path, tmp_path: Path) -> None:
    raw = table.read_bytes()
    header, *lines = raw.splitlines(True)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(header + b"".join(lines[:1500]))
    second.write_bytes(header + b"".join(lines[1500:]))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "t.csv.zst").write_bytes(zstd(raw))
    (tmp_path / "members.csv.gz").write_bytes(gzip.compress(raw[:70_000]) + gzip.compress(raw[70_000:]))
    (tmp_path / "second.csv.gz").write_bytes(gzip.compress(second.read_bytes()))
    (tmp_path / "crlf.csv").write_bytes(raw.replace(b"\n", b"\r\n"))
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + raw)
    (tmp_path / "no_last_newline.csv").write_bytes(raw[:-1])
    (tmp_path / "t.tsv").write_bytes(raw.replace(b",", b"\t"))
    (tmp_path / "semicolons.txt").write_bytes(raw.replace(b",", b";"))
    (tmp_path / "quoted.csv").write_bytes(raw.replace(b"\n", b'"\n').replace(b",", b'","').replace(b"\n", b'\n"').rstrip(b'"').join([b'"', b""]))
    ways: dict[str, list[object]] = {
        "plain": [table],
        "gz": [tmp_path / "t.csv.gz"],
        "zst": [tmp_path / "t.csv.zst"],
        "members": [tmp_path / "members.csv.gz"],
        "two": [first, second],
        "mixed": [first, tmp_path / "second.csv.gz"],
        "crlf": [tmp_path / "crlf.csv"],
        "bom": [tmp_path / "bom.csv"],
        "no last newline": [tmp_path / "no_last_newline.csv"],
        "tsv": [tmp_path / "t.tsv"],
        "delimiter": [tmp_path / "semicolons.txt", "--delimiter", ";", "--format", "csv"],
        "quoted": [tmp_path / "quoted.csv"],
    }
    models = {}
    for name, inputs in ways.items():
        path = tmp_path / f"model of {name}"
        ok("fit", "logistic_regression", *inputs, *FIT, "-o", path)
        models[name] = path.read_bytes()
    for name, stdin in [("stdin", raw), ("stdin gz", gzip.compress(raw)), ("stdin zst", zstd(raw))]:
        path = tmp_path / f"model of {name}"
        ok("fit", "logistic_regression", "-", *FIT, "-o", path, stdin=stdin)
        models[name] = path.read_bytes()
    different = {name for name, model in models.items() if model != models["plain"]}
    # Sums are made over blocks of rows, which begin anew with each file and follow from the length of the text.
    assert different <= {"two", "mixed", "crlf", "quoted", "bom"}
    assert models["two"] == models["mixed"]
    plain = tensors(tmp_path / "model of plain")["coef_"]
    for name in different:
        np.testing.assert_allclose(plain, tensors(tmp_path / f"model of {name}")["coef_"], rtol=1e-9)


def test_a_store_gives_the_same_model(table: Path, sparse: Path, tmp_path: Path) -> None:
    for path, options in [(table, ["-t", "label", "-d", "kind,value,weight"]), (sparse, [])]:
        store = tmp_path / f"{path.name}.store"
        ok("convert", path, *options, "-o", store, "-q")
        ok("fit", "logistic_regression", path, *options, "-o", tmp_path / "text", "-q")
        ok("fit", "logistic_regression", store, "-o", tmp_path / "store", "-q")
        left, right = tensors(tmp_path / "text"), tensors(tmp_path / "store")
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_model_and_predictions_through_pipes(table: Path, model: Path, tmp_path: Path) -> None:
    ok("fit", "logistic_regression", table, *FIT, "-o", tmp_path / "m")
    piped = skimp("fit", "logistic_regression", table, *FIT, "-o", "-")
    assert piped.code == 0
    assert len(piped.out.encode()) > 0
    assert piped.out == (tmp_path / "m").read_bytes().decode("utf-8", "replace")
    ok("predict", model, table, "-o", tmp_path / "p.csv", "--proba", "-q")
    piped = ok("predict", model, "-", "--proba", "-q", stdin=table.read_bytes())
    assert piped.out == (tmp_path / "p.csv").read_text()
    assert ok("predict", model, table, "-o", "-", "--proba", "-q").out == piped.out


def test_columns_are_found_by_name(table: Path, model: Path, tmp_path: Path) -> None:
    header, *lines = (line.split(",") for line in table.read_text().splitlines())
    order = [9, 5, 4, 3, 2, 1, 0, 6]
    turned = write_csv(tmp_path / "turned.csv", [header[i] for i in order], list(zip(*([line[i] for i in order] for line in lines), strict=True)))
    assert ok("predict", model, table, "--proba").out == ok("predict", model, turned, "--proba").out


@pytest.mark.parametrize(
    "estimator",
    [
        ["logistic_regression"],
        ["logistic_regression", "-p", "l1_ratio=1", "-p", "C=0.01"],
        ["linear_regression"],
        ["ridge"],
        ["sgd_classifier", "-p", "max_iter=5", "-p", "tol=null"],
        ["sgd_regressor", "-p", "max_iter=5", "-p", "tol=null"],
    ],
    ids=lambda words: "-".join(word for word in words if word != "-p"),
)
def test_same_bits_for_any_threads_budget_and_place(large: Path, tmp_path: Path, spill: Path, estimator: list[str]) -> None:
    models = []
    plans = []
    for threads, budget in [(1, "14M"), (2, "14M"), (5, "20M"), (1, "128M"), (2, "256M")]:
        path = tmp_path / f"{threads}-{budget}"
        found = ok(
            "fit", *estimator, large, "-t", "label", "--step", "standard_scaler", "-o", path, "-j", threads, "-m", budget,
            "--spill-dir", spill, "--json",
        ).json  # fmt: skip
        models.append(path.read_bytes())
        plans.append(found["plan"]["store"])
    assert {"disk", "memory"} == set(plans)
    assert len(set(models)) == 1


def test_predictions_do_not_depend_on_threads_and_budget(large: Path, tmp_path: Path) -> None:
    ok("fit", "ridge", large, "-t", "label", "-o", tmp_path / "m", "-q")
    texts = []
    for threads, budget in [(1, "16M"), (2, "16M"), (5, "64M")]:
        path = tmp_path / f"{threads}-{budget}.csv"
        ok("predict", tmp_path / "m", large, "-o", path, "-j", threads, "-m", budget, "-q")
        texts.append(path.read_bytes())
    assert texts[0].count(b"\n") == 250_001
    assert len(set(texts)) == 1


def test_npy(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(3000, 5))
    y = x @ [1, 2, 3, 4, 5] + random.normal(size=3000)
    whole = np.column_stack([x, y])
    write_csv(tmp_path / "t.csv", [*"abcde", "y"], list(whole.T))
    ok("fit", "ridge", tmp_path / "t.csv", "-t", "y", "-o", tmp_path / "csv", "-q")
    expected = tensors(tmp_path / "csv")["coef_"]
    for name, array, tolerance in [
        ("c64", whole, 1e-12),
        ("f64", np.asfortranarray(whole), 1e-12),
        ("c32", whole.astype(np.float32), 1e-5),
        ("f32", np.asfortranarray(whole.astype(np.float32)), 1e-5),
        ("big", whole.astype(">f8"), 1e-12),
        ("int", (whole * 1000).round().astype(np.int32), 1e-2),
    ]:
        np.save(tmp_path / f"{name}.npy", array)
        found = ok("info", tmp_path / f"{name}.npy", "--json").json
        assert (found["format"], found["rows"]) == ("npy", 3000)
        target = found["columns"][5]["name"]
        ok("fit", "ridge", tmp_path / f"{name}.npy", "-t", target, "-o", tmp_path / "npy", "-q")
        np.testing.assert_allclose(tensors(tmp_path / "npy")["coef_"], expected, rtol=tolerance, err_msg=name)


def identity(tmp_path: Path) -> Path:
    """A model that predicts its only feature: what a file's text was read as comes out in the predictions."""
    write_csv(tmp_path / "line.csv", ["x", "y"], [range(10), range(10)])
    ok("fit", "linear_regression", tmp_path / "line.csv", "-t", "y", "-o", tmp_path / "identity", "-q")
    patch_tensor(tmp_path / "identity", "coef_", [1.0])
    patch_tensor(tmp_path / "identity", "intercept_", [0.0])
    return tmp_path / "identity"


def test_numbers_are_pythons(tmp_path: Path) -> None:
    """Every text is read as the nearest double, as Python's float reads it."""
    random = np.random.default_rng(8)
    texts = [
        "0", "-0", "1", "-1", "+1", "1.", ".5", "-.5", "1e5", "1E5", "1e+5", "1e-5", "00012", "1.7976931348623157e308",
        "2.2250738585072014e-308", "2.2250738585072011e-308", "5e-324", "4.9e-324", "2.4703282292062328e-324", "1e-400",
        "9007199254740992", "9007199254740993", "9007199254740993.0000000000000000000000000001", "0.1", "0.30000000000000004",
        "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245490090389328944075868508455133942304583236903222948165808559332123347747e-0",
        "123456789012345678901234567890", "8.5e-45", "1." + "0" * 400 + "1", "0." + "0" * 300 + "123e300",
    ]  # fmt: skip
    for _ in range(4000):
        bits = np.frombuffer(random.bytes(8), "<f8")[0]
        if np.isfinite(bits):
            value = float(bits)
            texts += [repr(value), f"{value:.17e}", f"{value:.6g}", f"{value:.25e}"]
        texts.append(f"{random.integers(0, 10 ** 18)}.{random.integers(0, 10 ** 18)}e{random.integers(-330, 290)}")
        texts.append(str(random.integers(-(10**9), 10**9) / 10 ** int(random.integers(0, 9))))
    # Halfway cases: the decimal expansion of the middle between two neighbours, and a digit more.
    from decimal import Decimal, getcontext

    getcontext().prec = 900
    for value in np.exp(random.uniform(-600, 600, size=300)):
        middle = (Decimal(float(value)) + Decimal(float(np.nextafter(value, np.inf)))) / 2
        texts += [f"{middle:e}", f"{middle:e}".replace("e", "1e")]
    texts = [text for text in texts if np.isfinite(float(text))]
    path = tmp_path / "numbers.csv"
    path.write_text("x\n" + "\n".join(texts) + "\n")
    ok("predict", identity(tmp_path), path, "-o", tmp_path / "p.csv", "-q")
    _, values = predictions(tmp_path / "p.csv")
    expected = np.array([float(text) for text in texts])
    wrong = np.flatnonzero(values[:, 0] != expected)
    assert wrong.size == 0, [(texts[i], values[i, 0]) for i in wrong[:5]]


def test_quotes_and_newlines_in_fields(tmp_path: Path) -> None:
    """RFC 4180, checked with Python's csv module."""
    import csv

    random = np.random.default_rng(9)
    kinds = ["plain", "a,b", 'say "so"', "two\nlines", "\r\n", " blank ", "", "ünïcode", "'", '"']
    labels = [kinds[i] for i in random.integers(0, len(kinds), size=3000)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "x", "y"])
        writer.writerows((label, i % 7, kinds.index(label) + i % 7) for i, label in enumerate(labels))
    found = ok("fit", "linear_regression", tmp_path / "t.csv", "-t", "y", "-o", tmp_path / "m", "--json").json
    assert found["rows"] == 3000
    assert found["features"] == 1 + len(kinds)
    assert found["objective"] is None or abs(found["objective"]) < 1e-9
    assert ok("score", tmp_path / "m", tmp_path / "t.csv", "--json").json["metrics"]["r2"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("zero_based", [True, False])
def test_svmlight_is_read_as_scikit_learn_reads_it(tmp_path: Path, zero_based: bool) -> None:
    """A model that adds up i-th value times a weight of its own tells every value and index apart."""
    import scipy.sparse

    random = np.random.default_rng(10)
    x = scipy.sparse.random(700, 120, density=0.07, random_state=10, format="csr")
    x.data = random.normal(size=x.nnz)
    y = random.integers(0, 3, size=700).astype(float)
    path = tmp_path / "t.svm"
    dump_svmlight_file(x, y, str(path), zero_based=zero_based, query_id=np.arange(700) // 10)
    with path.open("a") as file:
        file.write("1 # a row without features\n")
    loaded, _ = load_svmlight_file(str(path), zero_based=zero_based, n_features=120)
    options = ["--zero-based", "true" if zero_based else "false"]
    ok("fit", "ridge", path, *options, "-o", tmp_path / "m", "-q")
    n = tensors(tmp_path / "m")["coef_"].size
    weights = random.normal(size=n)
    patch_tensor(tmp_path / "m", "coef_", list(weights))
    patch_tensor(tmp_path / "m", "intercept_", [0.0])
    ok("predict", tmp_path / "m", path, *options, "-o", tmp_path / "p.csv", "-q")
    _, values = predictions(tmp_path / "p.csv")
    assert n in (120, 121)
    # Where numbering from 1 keeps a feature 0, it is the first.
    shift = n - 120
    np.testing.assert_allclose(values[:, 0], loaded @ weights[shift:], rtol=1e-12, atol=1e-12)


def test_headers(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    body = "".join(f"{a},{b},{2 * a + b}\n" for a, b in random.integers(0, 100, size=(500, 2)))
    plain, named, numbers = tmp_path / "plain.csv", tmp_path / "named.csv", tmp_path / "numbers.csv"
    plain.write_text(body)
    named.write_text("a,b,y\n" + body)
    numbers.write_text("1,2,3\n" + body)
    names = [column["name"] for column in ok("info", plain, "--json").json["columns"]]
    assert len(names) == 3
    assert [column["name"] for column in ok("info", named, "--json").json["columns"]] == ["a", "b", "y"]
    assert [column["name"] for column in ok("info", numbers, "--header", "--json").json["columns"]] == ["1", "2", "3"]
    ok("fit", "ridge", plain, "-t", names[2], "-o", tmp_path / "1", "-q")
    ok("fit", "ridge", plain, "-t", names[2], "--no-header", "-o", tmp_path / "2", "-q")
    ok("fit", "ridge", named, "-t", "y", "-o", tmp_path / "3", "-q")
    coefficients = [tensors(tmp_path / name)["coef_"].tolist() for name in "123"]
    assert coefficients[0] == coefficients[1] == coefficients[2]


def test_names_with_commas_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"a,b","say ""x""",c,d,y\n' + "".join(f"{i},{i % 3},{i % 7},{i % 11},{i % 5}\n" for i in range(60)))
    found = ok("info", path, "-t", "y", "-d", '"a,b",c', "-d", '"say ""x"""', "--json").json
    assert [column["name"] for column in found["columns"] if column["role"] == "dropped"] == ["a,b", 'say "x"', "c"]


def test_passes_of_sgd_that_never_stops_are_planned(table: Path, tmp_path: Path) -> None:
    found = ok(
        "fit", "sgd_classifier", table, *FIT, "-p", "tol=null", "-p", "max_iter=30", "-o", tmp_path / "m", "--json"
    ).json  # fmt: skip
    assert found["plan"]["passes_expected"] == found["plan"]["passes_max"] == found["actual"]["passes"]
