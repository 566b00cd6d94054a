"""Models in ONNX Runtime against `mtl predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHOP, Train, predict, read_csv, write_config

from mtl_client import CommandError, Model, RowError, UnsupportedError
from mtl_client.command import run_command

BOUND = 1e-5
DIN = {
    "seed": 1,
    "data": {"train": "train.csv", "valid": "valid.csv"},
    "features": {
        "ids": {"type": "categorical", "fields": ["user", "item", "category"], "width": 8, "encoding": "tokens"},
        "price": {"type": "piecewise-linear", "fields": ["price"], "width": 4},
        "clicks": {
            "type": "sequence",
            "fields": [
                {"name": "hist_item", "target": "item"},
                {"name": "hist_category", "target": "category"},
                {"name": "hist_price", "scaling": "log1p"},
                {"name": "hist_time", "as": "age", "until": "time", "buckets": "log", "width": 4},
            ],
            "keep": {"last": 10},
            "encoder": "target-attention",
        },
    },
    "tasks": {"ctr": {"label": "click"}},
    "model": {"name": "single-task", "tower": {"hidden": [8]}},
    "training": {"epochs": 1, "batchSize": 64},
}


def expect_equal(found: Any, expected: list[dict[str, str]]) -> None:
    assert list(found) == list(expected[0])
    for output in expected[0]:
        values = np.array([float(row[output]) for row in expected])
        # Constant predictions would agree by accident.
        assert values.std() > 1e-4
        np.testing.assert_allclose(np.asarray(found[output]), values, rtol=0, atol=BOUND)


def changed(config: dict[str, Any], section: str, **options: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(config))
    copy["features"].setdefault(section, {}).update(options)
    return copy


def test_a_run_of_esmm_predicts_as_mtl(esmm: Path) -> None:
    data = ROOT / "data/sample/test.csv"
    model = Model.load(esmm)
    assert model.outputs == ["ctr", "cvr", "ctcvr"]
    assert model.metadata["mtl.model"] == "esmm"
    expected = predict(esmm, data)
    expect_equal(model.predict(read_csv(data)), expected)
    frame = pd.read_csv(data)
    frame.index += 7
    found = model.predict(frame)
    assert list(found.index) == list(frame.index)
    expect_equal(found, expected)


def test_a_run_with_tokens_numbers_and_bags_predicts_as_mtl(shop: Path) -> None:
    rows = read_csv(shop.parent / "test.csv")
    expected = predict(shop, shop.parent / "test.csv")
    model = Model.load(shop)
    expect_equal(model.predict(rows), expected)
    # Lists, pairs, numbers and None are the same values as text.
    plain = [
        row
        | {
            "user": int(row["user"]),
            "price": float(row["price"]) if row["price"] else None,
            "seen": [
                [item.split(":")[0], float(item.split(":")[1])] if ":" in item else item
                for item in row["seen"].split("|")
                if item
            ],
        }
        for row in rows
    ]
    expect_equal(model.predict(plain), expected)
    # pandas stores users as floats if one is missing; this model has no user 999.
    frame = pd.read_csv(shop.parent / "test.csv", keep_default_na=False, na_values={"price": [""], "user": [""]})
    expect_equal(model.predict(frame.astype({"user": "float64"})), expected)


@pytest.mark.parametrize(
    "section, options",
    [
        ("item", {"encoding": {"name": "hash", "buckets": 7}}),
        ("seen", {"format": "json"}),
        ("price", {"indicator": True}),
        ("both", {"type": "cross", "fields": [["user", "item"]], "width": 4, "encoding": "tokens"}),
        ("ranges", {"type": "bucketized", "fields": ["price"], "quantiles": 3, "width": 4, "fillMissing": "token"}),
        ("user", {"encoding": "tokens", "nullValues": [3], "trim": True, "fillMissing": "token"}),
    ],
)
def test_fields_that_python_encodes_predict_as_mtl(
    tmp_path: Path, shop: Path, train: Train, section: str, options: dict[str, Any]
) -> None:
    for name in ("train.csv", "test.csv"):
        text = (shop.parent / name).read_text()
        if options.get("format") == "json":
            frame = pd.read_csv(shop.parent / name, keep_default_na=False)
            bags = [[item.split(":")[0] for item in row.split("|") if item] for row in frame["seen"]]
            frame["seen"] = [json.dumps(bag) for bag in bags]
            text = frame.to_csv(index=False)
        (tmp_path / name).write_text(text)
    run = train(write_config(tmp_path, changed(SHOP, section, **options)), "run")
    file = tmp_path / "model.onnx"
    run_command(["export", str(run), "--format", "onnx", "--out", str(file)])
    run_command(["export", str(run), "--format", "safetensors", "--out", str(file.with_suffix(".safetensors"))])
    expect_equal(Model.load(file).predict(read_csv(tmp_path / "test.csv")), predict(run, tmp_path / "test.csv"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"order": {"newest": "first"}},
        {"order": {"by": "hist_time"}, "keep": {"last": 3}},
        {"keep": {"last": 5, "matching": "hist_category"}},
    ],
)
def test_a_sequence_predicts_as_mtl(tmp_path: Path, histories: Path, train: Train, options: dict[str, Any]) -> None:
    config = changed(DIN, "clicks", **options)
    config["data"] = {split: str(histories / f"{split}.csv") for split in ("train", "valid")}
    run = train(write_config(tmp_path, config), "run")
    rows = read_csv(histories / "test.csv")
    expected = predict(run, histories / "test.csv")
    model = Model.load(run)
    expect_equal(model.predict(rows), expected)
    names = [name for name in rows[0] if name.startswith("hist_")]
    lists = [row | {name: row[name].split("|") if row[name] else [] for name in names} for row in rows]
    expect_equal(model.predict(lists), expected)
    longer = lists[0] | dict.fromkeys(names, ["1"]) | {"hist_category": ["1", "2"]}
    message = r"rows\[1\]: column 'hist_category': expected 1 items as in 'hist_item', found 2"
    with pytest.raises(RowError, match=message):
        model.predict([rows[0], longer])


def test_an_absent_column_is_an_error_or_missing(shop: Path) -> None:
    model = Model.load(shop)
    rows = [{"user": 3, "item": "hat", "seen": ["hat"], "prise": 5}]
    with pytest.raises(RowError, match=r"rows\[0\]: column 'price': is missing; did you mean 'prise'\?"):
        model.predict(rows)
    missing = model.predict([rows[0] | {"price": None}])
    np.testing.assert_array_equal(model.predict(rows, on_missing="oov")["ctr"], missing["ctr"])


def test_an_invalid_value_is_an_error(shop: Path) -> None:
    row = {"user": "three", "item": "hat", "price": 5, "seen": ""}
    with pytest.raises(RowError, match="user"):
        Model.load(shop).predict([row])
    with pytest.raises(RowError, match=r"rows\[0\]: column 'seen': items without the separator '\|'"):
        Model.load(shop).predict([row | {"user": 3, "seen": ["a|b"]}])


def test_no_rows_have_no_predictions(shop: Path) -> None:
    assert {name: values.shape for name, values in Model.load(shop).predict([]).items()} == {
        "ctr": (0,),
        "cvr": (0,),
        "ctcvr": (0,),
    }


def test_an_export_without_vocabularies_names_the_second_file(tmp_path: Path, shop: Path) -> None:
    file = tmp_path / "model.onnx"
    run_command(["export", str(shop), "--format", "onnx", "--out", str(file)])
    with pytest.raises(UnsupportedError, match="field 'item': its vocabulary is missing; .*--format safetensors"):
        Model.load(file)


COMPUTED = changed(
    changed(SHOP, "half", type="expression", fields=[{"name": "half", "expression": "user / 2"}]),
    "found",
    type="match",
    fields=[{"candidate": "item", "history": "seen"}],
)


def test_computed_fields_predict_as_mtl(tmp_path: Path, shop: Path, train: Train) -> None:
    run = train(write_computed(tmp_path, shop), "run")
    expect_equal(Model.load(run).predict(read_csv(shop.parent / "test.csv")), predict(run, shop.parent / "test.csv"))


def test_a_computed_field_of_an_export_without_encoders_is_named(tmp_path: Path, shop: Path, train: Train) -> None:
    file = tmp_path / "model.onnx"
    run_command(["export", str(train(write_computed(tmp_path, shop), "run")), "--format", "onnx", "--out", str(file)])
    message = "field 'half_piecewise': is computed from its columns; predict with Client"
    with pytest.raises(UnsupportedError, match=message):
        Model.load(file)


def write_computed(directory: Path, shop: Path) -> Path:
    config = changed(COMPUTED, "user")
    config["data"] = {split: str(shop.parent / "train.csv") for split in ("train", "valid")}
    return write_config(directory, config)


def test_a_path_without_a_run_is_an_error_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such directory; name a run") as caught:
        Model.load(tmp_path / "none")
    assert (caught.value.kind, caught.value.exit_code) == ("checkpoint", 4)
