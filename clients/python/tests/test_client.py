"""The HTTP client against `mtl serve`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import predict, read_csv

from mtl_client import Client, ServerError
from mtl_client.command import find_command

TOKEN = "secret"
ROW: dict[str, object] = {"user": 3, "item": "hat", "price": 5.5, "seen": ["hat", ["belt", 2]]}


@pytest.fixture(scope="module")
def url(shop: Path) -> Iterator[str]:
    """A server of the shop's run as the model `shop`, which requires a token."""
    words = [*find_command(), "serve", str(shop), "--name", "shop", "--port", "0", "--workers", "1"]
    server = subprocess.Popen(
        words, env=os.environ | {"MTL_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    printed = ""
    for line in server.stdout:
        printed += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        pytest.fail(f"the server ended: {printed}")
    yield found[0]
    server.terminate()
    server.communicate()


def test_predictions_are_those_of_mtl(url: str, shop: Path) -> None:
    data = shop.parent / "test.csv"
    expected = predict(shop, data)
    for rows in (read_csv(data), pd.read_csv(data, keep_default_na=False, na_values={"price": [""]})):
        found = Client(url, token=TOKEN).predict(rows)
        assert (found.model, found.problems) == ("shop", ())
        for output in ("ctr", "cvr", "ctcvr"):
            np.testing.assert_allclose(found[output], [float(row[output]) for row in expected], rtol=0, atol=1e-6)


def test_rank_predicts_each_candidate_of_a_user(url: str) -> None:
    client = Client(url, model="shop", token=TOKEN)
    user = {"user": np.int64(3), "seen": ["hat"]}
    candidates = [{"item": "hat", "price": None}, {"item": "belt", "price": 5}]
    ranked = client.rank(user, candidates)
    rows = client.predict([user | candidate for candidate in candidates])
    assert ranked["ctr"][0] != ranked["ctr"][1]
    np.testing.assert_allclose(ranked["ctr"], rows["ctr"], rtol=0, atol=1e-6)


def test_ready_and_metadata(url: str) -> None:
    assert Client(url).ready()
    assert not Client("http://127.0.0.1:9").ready()
    metadata = Client(url, model="shop", token=TOKEN).metadata()
    assert [each["name"] for each in metadata["outputs"]] == ["ctr", "cvr", "ctcvr"]  # type: ignore[attr-defined]
    assert Client(url, token=TOKEN).metadata()["name"] == "mtl"


def test_an_invalid_row_has_the_location_and_the_fix_of_the_server(url: str) -> None:
    client = Client(url, token=TOKEN)
    with pytest.raises(ServerError) as caught:
        client.predict([ROW, ROW | {"price": "cheap"}])
    assert caught.value.status == 400
    [problem] = caught.value.problems
    assert (problem.where, problem.key) == ("rows[1]", 'column "price"')
    assert problem.fix is not None
    assert str(problem) in str(caught.value)


def test_an_invalid_row_can_be_skipped(url: str) -> None:
    found = Client(url, token=TOKEN).predict([ROW, ROW | {"price": "cheap"}], on_bad_row="skip")
    assert np.isnan(found["ctr"]).tolist() == [False, True]
    assert [problem.where for problem in found.problems] == ["rows[1]"]


def test_an_absent_column_can_be_missing(url: str) -> None:
    client = Client(url, token=TOKEN)
    row = {name: value for name, value in ROW.items() if name != "price"}
    with pytest.raises(ServerError, match="price"):
        client.predict([row])
    assert client.predict([row], on_missing="oov")["ctr"] == client.predict([row | {"price": None}])["ctr"]


def test_a_wrong_token_and_a_wrong_model_are_errors(url: str) -> None:
    with pytest.raises(ServerError) as caught:
        Client(url, token="wrong").predict([ROW])
    assert caught.value.status == 401
    with pytest.raises(ServerError) as caught:
        Client(url, model="other", token=TOKEN).predict([ROW])
    assert caught.value.status == 404


def test_a_server_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ServerError, match="http://127.0.0.1:9: no response: .*; start mtl serve") as caught:
        Client("http://127.0.0.1:9").predict([ROW])
    assert caught.value.status is None


def test_the_package_requires_the_standard_library_only(url: str) -> None:
    script = f"""
import json, sys
import mtl_client
found = mtl_client.Client({url!r}, token={TOKEN!r}).predict([{ROW!r}])
print(json.dumps({{'ctr': found['ctr'], 'imported': sorted({{'numpy', 'pandas', 'onnxruntime'}} & set(sys.modules))}}))
"""
    path = str(Path(__file__).resolve().parents[1] / "src")
    # -S: no packages of the environment.
    words = [sys.executable, "-S", "-c", script]
    ended = subprocess.run(words, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    printed = json.loads(ended.stdout)
    assert printed["imported"] == []
    assert 0 < printed["ctr"][0] < 1
