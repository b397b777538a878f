# SPDX-License-Identifier: BSD-3-Clause
"""The keys and types of every --json object: an interface, which may grow and must not change."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score

from run_skimp import MIB, ok, predictions, skimp

TAGS = [
    "program", "threads", "input", "parse", "categories", "store", "chunks", "statistics", "accumulators", "solver",
    "model", "output", "other",
]  # fmt: skip
NUMBER = (int, float)


def check_memory(memory: Any) -> None:
    assert [entry["tag"] for entry in memory] == TAGS
    for entry in memory:
        assert set(entry) == {"tag", "peak_bytes"}
        assert isinstance(entry["peak_bytes"], int)
        assert entry["peak_bytes"] >= 0


def check_plan(plan: dict[str, Any]) -> None:
    types = {
        "exact": bool, "assumed": dict, "budget_bytes": int, "peak_bytes": int, "minimum_bytes": int, "disk_bytes": int,
        "passes_expected": NUMBER, "passes_max": (*NUMBER, type(None)), "seconds": NUMBER, "chunk_rows": int, "store": str, "memory": list,
    }  # fmt: skip
    for key, kind in types.items():
        assert isinstance(plan[key], kind), (key, plan[key])
    check_memory(plan["memory"])
    assert plan["store"] in ("memory", "disk", "file")
    assert plan["minimum_bytes"] <= plan["budget_bytes"]
    assert plan["peak_bytes"] <= plan["budget_bytes"]
    assert plan["minimum_bytes"] <= plan["peak_bytes"]
    assert (plan["assumed"] == {}) == plan["exact"]


def check_run(found: dict[str, Any]) -> None:
    types = {"rows": int, "features": int, "nonzeros": int, "seconds": NUMBER, "threads": int, "warnings": list, "actual": dict, "memory": list}
    for key, kind in types.items():
        assert isinstance(found[key], kind), (key, found[key])
    assert set(found["actual"]) == {"peak_bytes", "charged_peak_bytes", "disk_bytes", "passes"}
    assert all(isinstance(value, NUMBER) for value in found["actual"].values())
    assert all(isinstance(text, str) for text in found["warnings"])
    check_memory(found["memory"])


def test_plan(table: Path, large: Path, tmp_path: Path) -> None:
    ok("convert", table, "-t", "value", "-d", "kind", "-o", tmp_path / "store")
    exact = ok("plan", "ridge", tmp_path / "store", "-m", "64M", "--json").json["plan"]
    check_plan(exact)
    assert exact["exact"]
    assert (exact["budget_bytes"], exact["store"], exact["disk_bytes"]) == (64 * MIB, "file", 0)
    sampled = ok("plan", "logistic_regression", large, "-t", "label", "-m", "16M", "--json").json["plan"]
    check_plan(sampled)
    assert not sampled["exact"]
    assert sampled["store"] == "disk"
    assert sampled["disk_bytes"] > 0
    assert {"rows", "features", "classes", "longest_line"} <= set(sampled["assumed"])
    assert 250_000 <= sampled["assumed"]["rows"] <= 275_000
    assert sampled["assumed"]["features"] == 20


def test_fit(table: Path, tmp_path: Path) -> None:
    fit = ["fit", "logistic_regression", table, "-t", "label", "-d", "kind,value,weight", "--json", "-o", tmp_path / "m"]
    found = ok(*fit).json
    check_plan(found["plan"])
    check_run(found)
    assert found["estimator"] == "logistic_regression"
    assert (found["rows"], found["features"], found["nonzeros"]) == (4000, 6, 0)
    assert isinstance(found["n_iter"], int)
    assert found["n_iter"] >= 1
    assert isinstance(found["objective"], float)
    assert found["converged"] is True
    assert found["warnings"] == []
    assert found["actual"]["passes"] >= 2
    cut = ok(*fit, "-p", "max_iter=1").json
    assert cut["converged"] is False
    assert any("converge" in warning for warning in cut["warnings"])


def test_an_objective_that_is_no_number_is_null(table: Path, tmp_path: Path) -> None:
    """RFC 8259 has no NaN: the parser of these tests refuses one."""
    for estimator, target in [("sgd_regressor", "value"), ("linear_regression", "value"), ("ridge", "value")]:
        found = ok("fit", estimator, table, "-t", target, "-d", "kind,label,weight", "--json", "-o", tmp_path / "m").json
        assert found["objective"] is None or math.isfinite(found["objective"])


def test_score_and_holdout_are_scikit_learns_metrics(table: Path, model: Path, tmp_path: Path) -> None:
    found = ok("score", model, table, "--json").json
    check_run(found)
    assert found["rows"] == 4000
    assert found["unknown_categories"] == 0
    ok("predict", model, table, "--proba", "-o", tmp_path / "p.csv")
    header, values = predictions(tmp_path / "p.csv")
    assert header == ["prediction", "probability_0", "probability_1"]
    label = np.array([int(line.split(",")[6]) for line in table.read_text().splitlines()[1:]])
    assert set(found["metrics"]) == {"log_loss", "accuracy", "roc_auc"}
    assert found["metrics"]["log_loss"] == pytest.approx(log_loss(label, values[:, 2]), rel=1e-12)
    assert found["metrics"]["accuracy"] == accuracy_score(label, values[:, 0])
    assert found["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(label, values[:, 2]), rel=1e-12)

    regression = ["-t", "value", "-d", "kind,label,weight", "--json", "-o", tmp_path / "r"]
    held_out = ok("fit", "ridge", table, *regression, "--holdout", "0.3").json
    assert held_out["rows"] + held_out["metric_rows"] == 4000
    assert 0.27 < held_out["metric_rows"] / 4000 < 0.33
    assert set(held_out["metrics"]) == {"r2", "mean_squared_error", "mean_absolute_error"}
    whole = ok("score", tmp_path / "r", table, "--json").json["metrics"]
    ok("predict", tmp_path / "r", table, "-o", tmp_path / "p.csv")
    value = np.array([float(line.split(",")[8]) for line in table.read_text().splitlines()[1:]])
    predicted = predictions(tmp_path / "p.csv")[1][:, 0]
    assert whole["r2"] == pytest.approx(r2_score(value, predicted), rel=1e-9)
    assert whole["mean_squared_error"] == pytest.approx(mean_squared_error(value, predicted), rel=1e-9)


def test_holdout_is_by_row_and_seed(table: Path, tmp_path: Path) -> None:
    fit = ["fit", "ridge", table, "-t", "value", "-d", "kind,label,weight", "--json", "-o", tmp_path / "m", "--holdout", "0.3"]
    one, again, other = ok(*fit, "-j", "1").json, ok(*fit, "-j", "2").json, ok(*fit, "--seed", "1").json
    assert one["metrics"] == again["metrics"] != other["metrics"]
    assert one["metric_rows"] == again["metric_rows"]
    assert abs(one["metric_rows"] - other["metric_rows"]) < 200
    assert ok(*fit[:-2]).json["metrics"] is None


def test_predict_and_convert(table: Path, model: Path, tmp_path: Path) -> None:
    predicted = ok("predict", model, table, "-o", tmp_path / "p.csv", "--json").json
    check_run(predicted)
    assert (predicted["rows"], predicted["output"]) == (4000, str(tmp_path / "p.csv"))
    converted = ok("convert", table, "-t", "label", "-o", tmp_path / "s", "--json").json
    check_run(converted)
    assert (converted["rows"], converted["output"]) == (4000, str(tmp_path / "s"))
    assert converted["actual"]["disk_bytes"] > 0


def test_info(table: Path, model: Path, sparse: Path, tmp_path: Path) -> None:
    found = ok("info", model, "--json").json
    assert (found["kind"], found["file"], found["estimator"]) == ("model", str(model), "logistic_regression")
    assert found["metadata"]["params"]["C"] == 1
    assert found["metadata"]["feature_names"] == [f"x{i}" for i in range(1, 7)]
    shapes = {array["name"]: (array["dtype"], array["shape"]) for array in found["arrays"]}
    assert shapes["coef_"] == ("F64", [1, 6])
    assert shapes["intercept_"] == ("F64", [1])
    assert shapes["classes_"] == ("F64", [2])

    found = ok("info", table, "-t", "label", "-d", "value", "--json").json
    assert (found["kind"], found["format"]) == ("data", "csv")
    assert 3900 <= found["rows"] <= 4200
    columns = {column["name"]: (column["type"], column["role"], column["categories"]) for column in found["columns"]}
    assert columns["x1"] == ("number", "feature", None)
    assert columns["label"] == ("number", "target", None)
    assert columns["value"] == ("number", "dropped", None)
    assert columns["kind"] == ("text", "feature", 3)

    assert ok("info", sparse, "--json").json["format"] == "svmlight"
    ok("convert", table, "-t", "label", "-o", tmp_path / "s", "-q")
    found = ok("info", tmp_path / "s", "--json").json
    assert (found["kind"], found["format"], found["exact"], found["rows"]) == ("store", "store", True, 4000)
    assert [column["name"] for column in found["columns"]] == [*(f"x{i}" for i in range(1, 7)), "label", "kind", "value", "weight"]


def test_estimators_and_help() -> None:
    (found,) = ok("estimators", "ridge", "--json").json["estimators"]
    assert (found["class_name"], found["module"], found["kind"]) == ("Ridge", "linear_model", "regressor")
    alpha = next(param for param in found["params"] if param["name"] == "alpha")
    assert alpha["type"] == "float"
    assert alpha["minimum"] == 0
    commands = ok("help", "--json").json["commands"]
    for command in commands:
        assert "json" in [option["name"] for option in command["options"]], "--json on every subcommand"
        assert ok("help", command["command"], "--json").json == command


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"gr\xf6\xdfe,y\n" + b"".join(b"%d,%d\n" % (i, 2 * i + i % 3) for i in range(50)))
    names = [column["name"] for column in ok("info", path, "--json").json["columns"]]
    assert names == ["gr��e", "y"]
    ok("fit", "ridge", path, "-t", "y", "-o", tmp_path / "m", "--json")
    assert skimp("info", tmp_path / "m", "--json").code == 0
