"""Encodes columns as the inputs of an ONNX model without encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import Problem, RowError, UnsupportedError
from .lists import keep_heaviest, read_list
from .rows import to_text
from .rules import Encode, Vocabulary, compile_cleaner, compile_rule
from .sequences import OCTAVES, Sequences, encode_ages

Columns = Mapping[str, Sequence[object]]
Feeds = dict[str, npt.NDArray[Any]]
Field = Mapping[str, Any]

# Separator of the values of a cross.
_CELL_SEPARATOR = "\x1f"


class Encoder:
    """Encodes the fields of a model, as `mtl.features` describes them.

    Raises UnsupportedError with every field that it cannot encode.
    """

    def __init__(self, fields: Sequence[Field], vocabularies: Mapping[str, Vocabulary]) -> None:
        problems = [problem for field in fields if (problem := _find_problem(field)) is not None]
        if problems:
            raise UnsupportedError(problems)
        self._fields = [(field, _compile_field(field, vocabularies)) for field in fields]
        self._sequences = Sequences([field for field in fields if "sequence" in field])
        self.columns = list(dict.fromkeys(column for field in fields for column in field["columns"]))

    def encode(self, columns: Columns) -> Feeds:
        """Returns the inputs of the model by name. Raises RowError with the first invalid row of every field."""
        items = self._sequences.select(columns)
        feeds: Feeds = {}
        problems: list[Problem] = []
        for field, encode in self._fields:
            try:
                feeds.update(_encode_field(field, encode, columns, items))
            except RowError as error:
                problems.extend(error.problems)
        if problems:
            raise RowError(problems)
        return feeds


def _compile_field(field: Field, vocabularies: Mapping[str, Vocabulary]) -> Encode:
    if field.get("encodedAs") == OCTAVES:
        return encode_ages
    vocabulary = vocabularies.get(field.get("table", ""))
    if field["rule"]["kind"] == "text" and vocabulary is None:
        raise UnsupportedError([Problem("its vocabulary is missing", key=f"field '{field['name']}'", fix=_ADD_FILE)])
    return compile_rule(field["rule"], vocabulary)  # type: ignore[return-value]


_ADD_FILE = "export the model with --format safetensors next to the ONNX file too, or load the run directory"
_USE_SERVER = "predict with Client or mtl predict"


def _find_problem(field: Field) -> Problem | None:
    """Returns why Python cannot encode a field."""
    key = f"field '{field['name']}'"
    if "computed" in field and "selection" not in field:
        return Problem("is computed from its columns", key=key, fix=_USE_SERVER)
    if "sequence" in field:
        return Sequences.find_problem(field)
    rule = field.get("rule")
    if rule is None or compile_rule(rule, None) is None:
        kind = field["kind"] if rule is None else rule["kind"]
        return Problem(f"has an encoding that only mtl implements, {kind}", key=key, fix=_USE_SERVER)
    return None


def _encode_field(
    field: Field, encode: Encode, columns: Columns, items: Mapping[str, tuple[list[int], list[str]]]
) -> Feeds:
    name = field["name"]
    if "sequence" in field:
        offsets, texts = items[name]
        row_of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        values = _encode_all(field, encode, texts, lambda i: int(row_of[i]))
        suffix, dtype = ("ids", np.int64) if field["kind"] == "item" else ("values", np.float32)
        return {
            f"{name}.{suffix}": np.array(values, dtype),
            f"{field['sequence']['offsets']}.offsets": np.array(offsets, np.int64),
        }
    if field["kind"] == "bag" and not field.get("isBetweenRows", False):
        return _encode_bag(field, encode, columns[field["columns"][0]])
    values = _encode_all(field, encode, _read_texts(field, columns), lambda i: i)
    return {name: np.array(values, np.int64 if field["kind"] == "id" else np.float32)}


def _encode_all(
    field: Field, encode: Encode, texts: Sequence[str], find_row: Callable[[int], int]
) -> list[int | float]:
    values = []
    for i, text in enumerate(texts):
        try:
            values.append(encode(text))
        except ValueError as error:
            raise _locate(error, find_row(i), field, text) from error
    return values


def _read_texts(field: Field, columns: Columns) -> list[str]:
    """Returns the clean texts of a field; those of several columns are joined, or empty if one is missing."""
    clean = compile_cleaner(field["rule"].get("clean"))
    parts = []
    for column in field["columns"]:
        texts = []
        for row, value in enumerate(columns[column]):
            try:
                text = to_text(value)
            except ValueError as error:
                raise _locate(error, row, field, value) from error
            texts.append(text if clean is None else clean(text))
        parts.append(texts)
    if len(parts) == 1:
        return parts[0]
    for row, cells in enumerate(zip(*parts)):
        if any(_CELL_SEPARATOR in cell for cell in cells):
            raise _locate(ValueError("values without the control character U+001F"), row, field, cells)
    return ["" if "" in cells else _CELL_SEPARATOR.join(cells) for cells in zip(*parts)]


def _encode_bag(field: Field, encode: Encode, values: Sequence[object]) -> Feeds:
    form, name = field["form"], field["name"]
    clean = compile_cleaner(field["rule"].get("clean"))
    ids: list[int | float] = []
    weights: list[float] = []
    offsets = [0]
    for row, value in enumerate(values):
        try:
            items = read_list(value, form, clean)
            if form["negative"] == "refused" and any(weight < 0 for _, weight in items):
                raise ValueError("nonnegative weights")
            kept = items if form.get("maxItems") is None else keep_heaviest(items, form["maxItems"])
            ids.extend(encode(item) for item, _ in kept)
        except ValueError as error:
            raise _locate(error, row, field, value) from error
        weights.extend(weight for _, weight in kept)
        offsets.append(len(ids))
    return {
        f"{name}.ids": np.array(ids, np.int64),
        f"{name}.weights": np.array(weights, np.float32),
        f"{name}.offsets": np.array(offsets, np.int64),
    }


def _locate(error: ValueError, row: int, field: Field, found: object) -> RowError:
    message = f"expected {error}, found {found!r}" if not str(error).startswith("expected") else str(error)
    columns = ", ".join(f"'{column}'" for column in field["columns"][:1])
    return RowError([Problem(message, f"rows[{row}]", f"column {columns}", "correct the row")])
