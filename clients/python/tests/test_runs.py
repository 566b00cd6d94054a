"""Run directories as DataFrames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SHOP, Train, predict, write_config

from mtl_client import MtlError, read_run, read_runs


def test_a_run_has_its_config_losses_and_metrics(shop: Path) -> None:
    run = read_run(shop)
    summary = json.loads((shop / "summary.json").read_text())
    assert run.config["features"]["seen"]["maxItems"] == 2
    assert run.config["training"]["batchSize"] == 64
    assert run.validations["epoch"].tolist() == [1]
    assert run.validations["valid.metrics.ctr.auc"].tolist() == [summary["metrics"]["valid"]["ctr"]["auc"]]
    assert run.metrics.loc[("valid", "ctcvr"), "logLoss"] == summary["metrics"]["valid"]["ctcvr"]["logLoss"]
    assert list(run.metrics.index.names) == ["split", "output"]


def test_logged_steps_are_rows(tmp_path: Path, shop: Path, train: Train) -> None:
    config = json.loads(json.dumps(SHOP))
    config["data"] = {"train": str(shop.parent / "train.csv")}
    config["training"] |= {"logEverySteps": 2, "optimizer": {"dense": {"weightDecay": 1e-7}}}
    run = read_run(train(write_config(tmp_path, config), "run"))
    # 400 rows in batches of 64.
    assert run.steps["step"].tolist() == [2, 4, 6]
    assert {"train.loss", "train.losses.ctr", "lrFactors.dense"} <= set(run.steps.columns)
    # YAML 1.1 reads this number as a string.
    assert run.config["training"]["optimizer"]["dense"]["weightDecay"] == 1e-7


def test_predictions_are_those_of_the_command(shop: Path) -> None:
    data = shop.parent / "test.csv"
    found = read_run(shop).predict(data, keep=["user"])
    assert list(found.columns) == ["user", "ctr", "cvr", "ctcvr"]
    np.testing.assert_array_equal(found["ctcvr"], [float(row["ctcvr"]) for row in predict(shop, data)])


def test_runs_are_rows(shop: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "shop").mkdir(parents=True)
    (runs / "shop" / "001").symlink_to(shop)
    assert read_runs(runs).empty
    (runs / "shop" / "001").unlink()
    copy_files(shop, runs / "shop" / "001")
    copy_files(shop, runs / "shop" / "002")
    (runs / "shop" / "002" / "summary.json").unlink()
    (runs / "latest").symlink_to("shop/002")
    found = read_runs(runs)
    assert found.index.tolist() == ["shop/001", "shop/002"]
    assert found.loc["shop/001", "model"] == "esmm"
    auc = json.loads((shop / "summary.json").read_text())["metrics"]["valid"]["ctr"]["auc"]
    # Without a summary, metrics.jsonl has them.
    assert found["valid.ctr.auc"].tolist() == [auc, auc]
    assert found["model"].isna().tolist() == [False, True]


def copy_files(run: Path, to: Path) -> None:
    """Copies the text files of a run, without checkpoints."""
    to.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (to / file.name).write_bytes(file.read_bytes())


def test_an_incomplete_last_line_is_not_read(shop: Path, tmp_path: Path) -> None:
    copy_files(shop, tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9')
    assert read_run(tmp_path / "run").metrics.equals(read_run(shop).metrics)


def test_another_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MtlError, match="has no config.resolved.yaml; name a run directory"):
        read_run(tmp_path)
