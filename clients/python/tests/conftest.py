"""Runs that all tests share."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtl_client.command import find_command, run_command

ROOT = Path(__file__).resolve().parents[3]
QUICK = ["--no-report", "--no-baseline", "--threads", "1"]

SHOP = {
    "seed": 1,
    "data": {"train": "train.csv", "valid": "train.csv"},
    "features": {
        "user": {"type": "categorical", "fields": ["user"], "width": 4},
        "item": {"type": "categorical", "fields": ["item"], "width": 4, "encoding": "tokens"},
        "price": {"type": "numeric", "fields": ["price"], "scaling": ["log1p", "standard"], "fillMissing": "mean"},
        "seen": {"type": "bag", "fields": ["seen"], "table": "item", "maxItems": 2},
    },
    "tasks": {"ctr": {"label": "click"}, "cvr": {"label": "purchase", "given": "click"}},
    "model": {"name": "esmm", "ctrTower": {"hidden": [8]}, "cvrTower": {"hidden": [8]}},
    "training": {"epochs": 1, "batchSize": 64},
}


@pytest.fixture(scope="session", autouse=True)
def command() -> str:
    """The command of this repository, if MTL_COMMAND names no other."""
    return os.environ.setdefault("MTL_COMMAND", f"node '{ROOT}/bin/mtl.js'")


Train = Callable[[Path, str], Path]


@pytest.fixture(scope="session")
def train() -> Train:
    """Trains a config in its directory."""

    def train_config(config: Path, name: str) -> Path:
        run = config.parent / name
        run_command(["train", str(config), "--run-dir", str(run), *QUICK])
        return run

    return train_config


def predict(run: Path, data: Path) -> list[dict[str, str]]:
    """The predictions of `mtl predict` as it writes them."""
    out = run.parent / f"{run.name}.predictions.csv"
    run_command(["predict", str(run), "--data", str(data), "--out", str(out)])
    return read_csv(out)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_shop_log(path: Path, rows: int) -> None:
    """Rows with ids, tokens, missing prices, and bags with and without weights."""
    stream = random.Random(1)
    items = ["shoes", "socks", "hat", "scarf", "belt"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["click", "purchase", "user", "item", "price", "seen"])
        for _ in range(rows):
            seen = [f"{stream.choice(items)}{stream.choice(['', ':2', ':0.5'])}" for _ in range(stream.randrange(4))]
            click = stream.randrange(2)
            price = stream.choice(["", "19.9", "49.9", "5"])
            purchase = click * stream.randrange(2)
            writer.writerow([click, purchase, stream.randrange(1, 30), stream.choice(items), price, "|".join(seen)])


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Path:
    """A run with ids, tokens, numbers and bags; its directory has train.csv and test.csv."""
    directory = tmp_path_factory.mktemp("shop")
    write_shop_log(directory / "train.csv", 400)
    write_shop_log(directory / "test.csv", 150)
    return train(write_config(directory, SHOP), "run")


def write_config(directory: Path, config: dict[str, Any]) -> Path:
    # JSON is YAML.
    (directory / "config.yaml").write_text(json.dumps(config))
    return directory / "config.yaml"


@pytest.fixture(scope="session")
def esmm(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Path:
    """A run of configs/esmm.yaml with one epoch."""
    run = tmp_path_factory.mktemp("esmm") / "run"
    options = ["--set", "training.epochs=1", *QUICK]
    run_command(["train", str(ROOT / "configs/esmm.yaml"), "--run-dir", str(run), *options])
    return run


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with train.csv, valid.csv and test.csv, whose rows have aligned lists of items."""
    directory = tmp_path_factory.mktemp("histories")
    sizes = ["--train", "2000", "--valid", "200", "--test", "200"]
    # The command has no --json.
    subprocess.run([*find_command(), "synth", str(directory), "--sequences", *sizes], check=True)
    return directory
