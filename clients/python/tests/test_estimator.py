"""The estimator in scikit-learn's style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from mtl_client import CommandError, MtlError, read_run
from mtl_client.estimator import MultiTaskEstimator, infer_features

QUICK = {
    "epochs": 3,
    "batchSize": 64,
    "optimizer": {"dense": {"learningRate": 0.01}, "embeddings": {"learningRate": 0.05}},
}


def make_rows(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows whose clicks depend on the item, and purchases on the price."""
    stream = np.random.default_rng(seed)
    item = stream.integers(0, 20, rows)
    price = stream.uniform(1, 50, rows)
    click = stream.uniform(size=rows) < np.where(item % 2 == 0, 0.9, 0.1)
    purchase = click & (stream.uniform(size=rows) < np.where(price < 25, 0.9, 0.1))
    user = pd.Series(stream.integers(0, 9, rows), dtype="Int64")
    X = pd.DataFrame({
        "user": user.where(stream.uniform(size=rows) < 0.9),
        "item": [f"SKU-{each}" for each in item],
        "price": price,
        "seen": [[f"SKU-{each}" for each in stream.integers(0, 20, stream.integers(0, 3))] for _ in range(rows)],
    })
    return X, pd.DataFrame({"click": click.astype(int), "purchase": purchase.astype(int)})


def test_an_estimator_learns_and_predicts_as_its_run(tmp_path: Path) -> None:
    X, y = make_rows(1500)
    tasks = {"purchase": {"given": "click"}}
    estimator = MultiTaskEstimator("esmm", tasks=tasks, training=QUICK, directory=tmp_path).fit(X, y)
    test, labels = make_rows(400, seed=1)
    test.index += 5
    outputs = estimator.predict_outputs(test)
    assert list(outputs.columns) == ["click", "purchase", "ctpurchase"]
    np.testing.assert_allclose(outputs["ctpurchase"], outputs["click"] * outputs["purchase"], rtol=1e-5)
    assert list(outputs.index) == list(test.index)
    click, purchase = estimator.predict_proba(test)
    assert click.shape == purchase.shape == (400, 2)
    np.testing.assert_allclose(click.sum(axis=1), 1)
    # The probabilities of the log have an AUC of 0.9.
    assert roc_auc_score(labels["click"], click[:, 1]) > 0.85
    is_clicked = labels["click"] == 1
    assert roc_auc_score(labels["purchase"][is_clicked], purchase[is_clicked, 1]) > 0.8
    np.testing.assert_array_equal(estimator.predict(test), np.column_stack([click[:, 1] > 0.5, purchase[:, 1] > 0.5]))
    config = read_run(tmp_path / "run").config
    assert config["tasks"]["purchase"]["given"] == "click"
    assert estimator.run_.path == (tmp_path / "run").resolve()


def test_features_are_inferred_from_the_types() -> None:
    X, _ = make_rows(20)
    # pandas stores integers next to missing values as floats.
    found = infer_features(X.assign(user=X["user"].astype(float)))
    assert {kind: each["fields"] for kind, each in found.items()} == {
        "categorical": ["user", "item"],
        "numeric": ["price"],
        "bag": ["seen"],
    }


def test_a_regression_predicts_numbers(tmp_path: Path) -> None:
    X, y = make_rows(1500)
    y = pd.DataFrame({"click": y["click"], "spent": 2.0 + 3.0 * (X["price"] < 25)})
    estimator = MultiTaskEstimator(training=QUICK).fit(X, y)
    assert estimator.is_classification_ == [True, False]
    assert len(estimator.predict_proba(X)) == 1
    spent = estimator.predict(X)[:, 1]
    assert np.corrcoef(spent, y["spent"])[0, 1] > 0.8


def test_parameters_are_those_of_scikit_learn() -> None:
    estimator = MultiTaskEstimator("mmoe", training=QUICK, seed=3)
    assert estimator.get_params()["model"] == "mmoe"
    copy = clone(estimator).set_params(seed=4)
    assert (estimator.seed, copy.seed, copy.training) == (3, 4, QUICK)
    with pytest.raises(NotFittedError):
        copy.predict(make_rows(5)[0])


def test_a_grid_search_trains_each_candidate() -> None:
    X, y = make_rows(300)

    def score(estimator: MultiTaskEstimator, X: pd.DataFrame, y: pd.DataFrame) -> float:
        return float(roc_auc_score(y["click"], estimator.predict_proba(X)[0][:, 1]))

    estimator = MultiTaskEstimator(training=QUICK)
    search = GridSearchCV(estimator, {"model": ["shared-bottom", "mmoe"]}, scoring=score, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert set(search.best_estimator_.run_.config["tasks"]) == {"click", "purchase"}


def test_problems_of_columns_and_configs_are_errors() -> None:
    X, y = make_rows(50)
    with pytest.raises(MtlError, match="y: column 'item': is a column of X too; rename one of them"):
        MultiTaskEstimator().fit(X, y.rename(columns={"click": "item"}))
    with pytest.raises(MtlError, match="tasks: buy: is no column of y; name one of click, purchase"):
        MultiTaskEstimator(tasks={"buy": {}}).fit(X, y)
    with pytest.raises(CommandError, match="training.epoch: unknown key; did you mean 'epochs'"):
        MultiTaskEstimator(training={"epoch": 1}).fit(X, y)
