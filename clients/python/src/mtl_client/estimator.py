"""An estimator in the style of scikit-learn, which trains with the mtl command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from ruamel.yaml import YAML
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .command import run_command
from .errors import MtlError, Problem
from .runs import Run, read_run

Floats = npt.NDArray[np.float64]
# Files of an estimator in its directory.
_CONFIG, _RUN = "config.yaml", "run"


class MultiTaskEstimator(BaseEstimator):  # type: ignore[misc]
    """Trains one model for all columns of `y`, which are its tasks.

    model: name of the model, or its section of the config.
    features: section of the config. Default: columns of floats are numeric, of lists bags, others categorical.
    tasks: options by task, as in {"purchase": {"given": "click"}}. Default: a task with other values than 0 and 1 is
        a regression.
    training: section of the config, as in {"epochs": 3}.
    validation_fraction: share of rows that select the best epoch; 0 for none.
    seed: random seed of the split and of the training.
    directory: directory for data, config and run, which must not have a run yet; default: a temporary one.
    command: words that start mtl; default: MTL_COMMAND, else `mtl` on PATH.
    """

    def __init__(
        self,
        model: str | Mapping[str, Any] = "shared-bottom",
        *,
        features: Mapping[str, Any] | None = None,
        tasks: Mapping[str, Mapping[str, Any]] | None = None,
        training: Mapping[str, Any] | None = None,
        validation_fraction: float = 0.1,
        seed: int = 0,
        directory: str | Path | None = None,
        command: str | Sequence[str] | None = None,
    ) -> None:
        self.model = model
        self.features = features
        self.tasks = tasks
        self.training = training
        self.validation_fraction = validation_fraction
        self.seed = seed
        self.directory = directory
        self.command = command

    def fit(self, X: pd.DataFrame, y: pd.DataFrame) -> MultiTaskEstimator:
        """Writes the rows and the config, and trains. Raises MtlError, with the problems that mtl reports."""
        frame = _to_frame(X)
        labels = y.to_frame() if isinstance(y, pd.Series) else pd.DataFrame(y).rename(columns=str)
        _check_columns(frame, labels, self.tasks or {})
        root = self._make_directory()
        self._write_rows(root, frame.reset_index(drop=True), labels.reset_index(drop=True))
        self._write_config(root, frame, labels)
        run_command(["train", str(root / _CONFIG), "--run-dir", str(root / _RUN), "--no-report"], self.command, root)
        self.run_: Run = read_run(root / _RUN)
        self.tasks_ = list(labels.columns)
        self.is_classification_ = [_is_classification(labels[task], self._task(task)) for task in self.tasks_]
        self.classes_ = [np.array([0, 1]) for is_class in self.is_classification_ if is_class]
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.n_features_in_ = len(frame.columns)
        return self

    def predict_outputs(self, X: pd.DataFrame) -> pd.DataFrame:
        """Returns a column per output of the model: every task, and the products of a funnel such as `ctcvr`."""
        check_is_fitted(self, "run_")
        frame = _to_frame(X)
        with TemporaryDirectory(prefix="mtl-rows-") as directory:
            rows = Path(directory) / "rows.csv"
            _write_csv(frame[list(self.feature_names_in_)], rows)
            return self.run_.predict(rows, command=self.command).set_axis(frame.index)

    def predict(self, X: pd.DataFrame) -> Floats:
        """Returns a column per task, `[rows, tasks]`: the class (probability of 1 above 0.5), or the number."""
        outputs = self.predict_outputs(X)
        columns = [
            (outputs[task] > 0.5) if is_class else outputs[task]
            for task, is_class in zip(self.tasks_, self.is_classification_)
        ]
        return np.column_stack([np.asarray(column, np.float64) for column in columns])

    def predict_proba(self, X: pd.DataFrame) -> list[Floats]:
        """Returns the probabilities of the classes 0 and 1, `[rows, 2]`, per task that is a classification."""
        outputs = self.predict_outputs(X)
        ones = [
            np.asarray(outputs[task], np.float64)
            for task, is_class in zip(self.tasks_, self.is_classification_)
            if is_class
        ]
        return [np.column_stack([1 - one, one]) for one in ones]

    def _make_directory(self) -> Path:
        if self.directory is None:
            # Removed with the estimator, or when it is fitted again.
            self._temporary = TemporaryDirectory(prefix="mtl-estimator-")
            return Path(self._temporary.name).resolve()
        root = Path(self.directory).resolve()
        root.mkdir(parents=True, exist_ok=True)
        return root

    def _task(self, name: str) -> Mapping[str, Any]:
        return (self.tasks or {}).get(name, {})

    def _write_rows(self, root: Path, frame: pd.DataFrame, labels: pd.DataFrame) -> None:
        rows = pd.concat([labels, frame], axis=1)
        order = np.random.default_rng(self.seed).permutation(len(rows))
        num_valid = round(len(rows) * self.validation_fraction)
        _write_csv(rows.iloc[np.sort(order[num_valid:])], root / "train.csv")
        if num_valid > 0:
            _write_csv(rows.iloc[np.sort(order[:num_valid])], root / "valid.csv")

    def _write_config(self, root: Path, frame: pd.DataFrame, labels: pd.DataFrame) -> None:
        files = {"train": "train.csv"} | ({"valid": "valid.csv"} if (root / "valid.csv").exists() else {})
        config = {
            "seed": self.seed,
            "data": files,
            "features": infer_features(frame) if self.features is None else self.features,
            "tasks": {
                name: {"label": name}
                | ({} if _is_classification(labels[name], self._task(name)) else {"type": "regression"})
                | dict(self._task(name))
                for name in labels.columns
            },
            "model": {"name": self.model} if isinstance(self.model, str) else self.model,
        } | ({} if self.training is None else {"training": self.training})
        with (root / _CONFIG).open("w", encoding="utf-8") as file:
            # A JSON copy, since YAML represents plain types only.
            YAML(typ="safe", pure=True).dump(json.loads(json.dumps(config)), file)


def infer_features(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Returns features by the type of each column: floats are numeric, lists are bags, others are categorical."""
    kinds: dict[str, list[str]] = {"categorical": [], "numeric": [], "bag": []}
    for name in frame.columns:
        kind = "bag" if _has_lists(frame[name]) else "numeric" if _is_fractional(frame[name]) else "categorical"
        kinds[kind].append(name)
    options: dict[str, dict[str, Any]] = {
        "categorical": {"encoding": "tokens", "fillMissing": "token"},
        "numeric": {"scaling": "standard", "fillMissing": "mean"},
        "bag": {"encoding": "tokens"},
    }
    return {kind: {"type": kind, "fields": names} | options[kind] for kind, names in kinds.items() if names}


def _has_lists(values: pd.Series[Any]) -> bool:
    return any(isinstance(value, (list, tuple, np.ndarray)) for value in values)


def _is_fractional(values: pd.Series[Any]) -> bool:
    """Returns whether values are floats; integers next to missing values, which pandas stores as floats, are not."""
    return pd.api.types.is_float_dtype(values) and not pd.api.types.is_integer_dtype(values.convert_dtypes())


def _is_classification(labels: pd.Series[Any], options: Mapping[str, Any]) -> bool:
    chosen = options.get("type")
    return bool(labels.dropna().isin([0, 1]).all()) if chosen is None else chosen == "classification"


def _to_frame(X: pd.DataFrame | Floats) -> pd.DataFrame:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).add_prefix("x")
    return frame.rename(columns=str)


def _check_columns(frame: pd.DataFrame, labels: pd.DataFrame, tasks: Mapping[str, object]) -> None:
    both = [name for name in labels.columns if name in frame.columns]
    unknown = [name for name in tasks if name not in labels.columns]
    problems = [Problem("is a column of X too", "y", f"column '{name}'", "rename one of them") for name in both]
    problems += [
        Problem("is no column of y", "tasks", name, f"name one of {', '.join(labels.columns)}") for name in unknown
    ]
    if len(frame) != len(labels):
        problems.append(Problem(f"expected {len(frame)} rows as in X, found {len(labels)}", "y"))
    if problems:
        raise MtlError(problems)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes lists as JSON, and integers next to missing values without decimals."""
    plain = frame.convert_dtypes()
    for name in plain.columns:
        if _has_lists(plain[name]):
            plain[name] = plain[name].map(_write_list)
    plain.to_csv(path, index=False)


def _write_list(value: object) -> str:
    if not isinstance(value, (list, tuple, np.ndarray)):
        return ""
    return json.dumps(value.tolist() if isinstance(value, np.ndarray) else value)
