"""Reads run directories (docs/reference/run-files.md) as pandas DataFrames."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .command import run_command
from .errors import MtlError, Problem

if TYPE_CHECKING:
    import pandas as pd

# Every run directory has it, from the first step on.
_CONFIG = "config.resolved.yaml"
# Keys of summary.json that are no value of a table.
_NESTED = ("baseline", "calibration", "metrics")


@dataclass(frozen=True)
class Run:
    """A run directory. `summary` is empty until the run ends."""

    path: Path
    summary: Mapping[str, Any]
    _lines: Sequence[Mapping[str, Any]] = field(repr=False)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config with defaults and overrides. Requires ruamel.yaml, since configs are YAML 1.2."""
        from ruamel.yaml import YAML

        found: dict[str, Any] = YAML(typ="safe", pure=True).load(self.path / _CONFIG)
        return found

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Training losses, learning rates and gradient norms, a row per logged step; nested keys joined by dots."""
        return _to_frame(line for line in self._lines if "lrFactors" in line)

    @cached_property
    def validations(self) -> pd.DataFrame:
        """Losses and metrics, a row per validation or end of an epoch; nested keys joined by dots."""
        return _to_frame(line for line in self._lines if "elapsedMs" in line)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Metrics of the best weights, a row per split and output."""
        import pandas as pd

        rows = {
            (split, output): _flatten(values)
            for split, outputs in self._final_metrics().items()
            for output, values in outputs.items()
        }
        index = pd.MultiIndex.from_tuples(list(rows), names=["split", "output"]) if rows else None
        return pd.DataFrame(list(rows.values()), index=index)

    def predict(
        self,
        data: str | Path,
        *,
        keep: Sequence[str] = (),
        raw: bool = False,
        command: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Predicts a file with `mtl predict`: the columns `keep`, then a column per output, in the order of the rows.

        `raw` disables calibration. Raises CommandError.
        """
        import pandas as pd

        with TemporaryDirectory(prefix="mtl-predict-") as directory:
            out = Path(directory) / "predictions.csv"
            options = [*(["--keep", *keep] if keep else []), *(["--raw"] if raw else [])]
            run_command(["predict", str(self.path), "--data", str(data), "--out", str(out), *options], command)
            return pd.read_csv(out)

    def _final_metrics(self) -> Mapping[str, Any]:
        last = self._lines[-1] if self._lines else {}
        found: Mapping[str, Any] = self.summary.get("metrics") or last.get("metrics", {})
        return found


def read_run(path: str | Path) -> Run:
    """Reads a run directory, or a link to one such as runs/latest. Raises MtlError if it is none."""
    path = Path(path).resolve()
    if not (path / _CONFIG).exists():
        problem = Problem(f"has no {_CONFIG}", str(path), fix="name a run directory, such as runs/latest")
        raise MtlError([problem])
    summary, metrics = path / "summary.json", path / "metrics.jsonl"
    return Run(
        path,
        json.loads(summary.read_text("utf-8")) if summary.exists() else {},
        _parse_lines(metrics.read_text("utf-8")) if metrics.exists() else [],
    )


def read_runs(directory: str | Path) -> pd.DataFrame:
    """Returns a row per run below a directory, indexed by its relative path; links are not followed.

    Columns are the values of summary.json and the metrics, as in `test.ctr.auc`. A run that has not ended has only
    what it has written.
    """
    import pandas as pd

    root = Path(directory)
    runs = {path.relative_to(root).as_posix(): read_run(path) for path in sorted(_find_runs(root))}
    rows = [
        {key: value for key, value in run.summary.items() if key not in _NESTED} | _flatten(run._final_metrics())
        for run in runs.values()
    ]
    return pd.DataFrame(rows, index=pd.Index(list(runs), name="path"))


def _find_runs(root: Path) -> Iterator[Path]:
    for directory, children, files in os.walk(root):
        if _CONFIG in files:
            children.clear()
            yield Path(directory)


def _parse_lines(text: str) -> list[Mapping[str, Any]]:
    """Parses complete lines; the last one of a running run may be incomplete."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _to_frame(lines: Iterator[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_flatten(line) for line in lines])


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
