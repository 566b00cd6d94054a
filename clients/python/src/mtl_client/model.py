"""Predicts with ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, overload

from .command import run_command
from .errors import CommandError, Problem, RowError, UnsupportedError
from .lists import join_list
from .rows import OnMissing, Row, Rows, find_frame, read_columns, to_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from .encoding import Columns, Encoder, Feeds

    Arrays = dict[str, npt.NDArray[np.float32]]

BATCH_ROWS = 4096


class Model:
    """A trained model in ONNX Runtime. `columns` are those that rows have; `outputs` are tasks and funnel products."""

    def __init__(self, session: Any, encoder: Encoder | None) -> None:
        found = session.get_modelmeta().custom_metadata_map
        self._session = session
        self._encoder = encoder
        self._fields: list[Mapping[str, Any]] = json.loads(found["mtl.features"])
        self._output_names = {each["name"]: each["output"] for each in json.loads(found["mtl.predictions"])}
        self._inputs = {each.name: each for each in session.get_inputs()}
        self.metadata = {key: found[key] for key in ("mtl.version", "mtl.model", "mtl.step", "mtl.checkpoint")}
        self.columns = list(self._inputs) if encoder is None else encoder.columns
        self.outputs = list(self._output_names)

    @classmethod
    def load(cls, path: str | Path, *, command: str | Sequence[str] | None = None, threads: int | None = None) -> Model:
        """Loads an ONNX export, or a run, channel or checkpoint, which `mtl export` converts first.

        An export without encoders reads its vocabularies from the safetensors export of the same name next to it.
        `command` starts mtl (default: MTL_COMMAND, else `mtl` on PATH); `threads` is for ONNX Runtime (default: one
        per core). Raises CommandError, or UnsupportedError with the fields that Python cannot encode.
        """
        path = Path(path)
        if path.suffix == ".onnx":
            return _load_file(path, threads)
        with TemporaryDirectory(prefix="mtl-export-") as directory:
            return _load_file(_export_run(path, Path(directory), command), threads)

    @overload
    def predict(self, rows: Sequence[Row], *, on_missing: OnMissing = "error") -> Arrays: ...

    @overload
    def predict(self, rows: pd.DataFrame, *, on_missing: OnMissing = "error") -> pd.DataFrame: ...

    def predict(self, rows: Rows, *, on_missing: OnMissing = "error") -> Arrays | pd.DataFrame:
        """Predicts rows: a float32 array per output, or for a DataFrame one with its index and a column per output.

        None and NaN are missing values. With `on_missing` "oov", so is a column that a row lacks. Raises RowError.
        """
        import numpy as np

        columns = read_columns(rows, self.columns, on_missing)
        starts = range(0, len(rows), BATCH_ROWS)
        parts = [self._run({name: values[at : at + BATCH_ROWS] for name, values in columns.items()}) for at in starts]
        empty = np.zeros(0, np.float32)
        found = {
            name: np.concatenate([part[i] for part in parts]) if parts else empty for i, name in enumerate(self.outputs)
        }
        frame = find_frame(rows)
        return found if frame is None else type(frame)(found, index=frame.index)

    def _run(self, columns: Columns) -> list[npt.NDArray[np.float32]]:
        feeds = self._feed_raw(columns) if self._encoder is None else self._encoder.encode(columns)
        read = {name: values for name, values in feeds.items() if name in self._inputs}
        try:
            return list(self._session.run(list(self._output_names.values()), read))
        except Exception as error:  # ONNX Runtime has no common class for the errors of a graph.
            fix = "correct the row; Client and mtl predict report its number"
            raise RowError([Problem(str(error), fix=fix)]) from error

    def _feed_raw(self, columns: Columns) -> Feeds:
        import numpy as np

        forms = {field["columns"][0]: field["form"] for field in self._fields if "form" in field}
        feeds: Feeds = {}
        for name, each in self._inputs.items():
            if each.type == "tensor(string)":
                feeds[name] = np.array(_write_texts(name, columns[name], forms.get(name)), dtype=object)
            else:
                width = each.shape[1]
                missing = [float("nan")] * width
                vectors = [missing if value is None else value for value in columns[name]]
                feeds[name] = np.array(vectors, np.float32).reshape(len(vectors), width)
        return feeds


def _write_texts(name: str, values: Sequence[object], form: Mapping[str, Any] | None) -> list[str]:
    texts = []
    for row, value in enumerate(values):
        try:
            texts.append(to_text(value) if form is None else join_list(value, form))
        except ValueError as error:
            raise RowError([Problem(str(error), f"rows[{row}]", f"column '{name}'", "correct the row")]) from error
    return texts


def _export_run(path: Path, directory: Path, command: str | Sequence[str] | None) -> Path:
    """Exports a run with encoders, or without if ONNX lacks an operator for a field; returns the ONNX file."""
    file = directory / "model.onnx"
    export = ["export", str(path), "--out"]
    try:
        run_command([*export, str(file), "--format", "onnx", "--with-encoders"], command)
    except CommandError as error:
        if not all(problem.where == "--with-encoders" for problem in error.problems):
            raise
        run_command([*export, str(file), "--format", "onnx"], command)
        run_command([*export, str(file.with_suffix(".safetensors")), "--format", "safetensors"], command)
    return file


def _load_file(file: Path, threads: int | None) -> Model:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    found = session.get_modelmeta().custom_metadata_map
    if found.get("mtl.inputs") not in ("raw", "encoded"):
        fix = "export the run again with mtl export --format onnx"
        raise UnsupportedError([Problem("the metadata mtl.inputs is missing", str(file), fix=fix)])
    if found["mtl.inputs"] == "raw":
        return Model(session, None)
    return Model(session, _load_encoder(file, found))


def _load_encoder(file: Path, metadata: Mapping[str, str]) -> Encoder:
    from .encoding import Encoder
    from .vocabularies import read_vocabularies

    weights = file.with_suffix(".safetensors")
    checkpoint, vocabularies = read_vocabularies(weights) if weights.exists() else (metadata["mtl.checkpoint"], {})
    if checkpoint != metadata["mtl.checkpoint"]:
        message = f"belongs to another checkpoint than {file.name}"
        raise UnsupportedError([Problem(message, str(weights), fix="export both from one checkpoint")])
    return Encoder(json.loads(metadata["mtl.features"]), vocabularies)
