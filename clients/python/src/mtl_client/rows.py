"""Rows as columns of plain Python values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, Union

from .errors import Problem, RowError

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, object]
Rows = Union[Sequence[Row], "pd.DataFrame"]
OnMissing = Literal["error", "oov"]

# Integers below this bound are exact as JSON numbers of any parser.
_EXACT_BOUND = 10**15


def find_frame(rows: Rows) -> pd.DataFrame | None:
    """Returns rows that are a pandas DataFrame, without importing pandas; None for other rows."""
    return None if isinstance(rows, Sequence) else rows


def list_rows(rows: Rows) -> list[dict[str, object]]:
    """Returns rows as dicts of plain values, whose missing values are None."""
    if isinstance(rows, Sequence):
        return [{name: to_plain(value) for name, value in row.items()} for row in rows]
    columns = {str(name): rows[name].tolist() for name in rows.columns}
    return [{name: to_plain(values[i]) for name, values in columns.items()} for i in range(len(rows))]


def read_columns(rows: Rows, names: Iterable[str], on_missing: OnMissing) -> dict[str, list[object]]:
    """Returns the named columns of rows as plain values, whose missing values are None.

    Raises RowError for a row that lacks a column, unless `on_missing` is "oov", which treats the column as missing.
    """
    names = list(dict.fromkeys(names))
    if not isinstance(rows, Sequence):
        found = {str(name): name for name in rows.columns}
        if on_missing == "error" and len(rows) > 0:
            _check_names(found, names, "the DataFrame")
        absent: list[object] = [None] * len(rows)
        return {
            name: [to_plain(value) for value in rows[found[name]].tolist()] if name in found else absent
            for name in names
        }
    if on_missing == "error":
        for i, row in enumerate(rows):
            _check_names(row, names, f"rows[{i}]")
    return {name: [to_plain(row.get(name)) for row in rows] for name in names}


def _check_names(found: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    absent = [name for name in names if name not in found]
    if absent:
        raise RowError(_describe_absent(name, found, where) for name in absent)


def _describe_absent(name: str, found: Mapping[str, Any], where: str) -> Problem:
    near = difflib.get_close_matches(name, [str(each) for each in found], n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return Problem(
        "is missing",
        where,
        f"column '{name}'",
        f"{hint}add it, with None for a missing value, or set on_missing='oov'",
    )


def to_plain(value: object) -> object:
    """Returns a value of NumPy or pandas as a plain value: None for a missing one, a list for an array.

    pandas stores integers next to missing values as floats, so a float without a fraction becomes an integer. An
    integer of more than 15 digits becomes a string, which keeps its digits in JSON.
    """
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_BOUND:
        return int(value)
    if isinstance(value, int) and abs(value) >= _EXACT_BOUND:
        return str(value)
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value


def to_text(value: object) -> str:
    """Returns a plain value as mtl reads it from a file; an empty string for None.

    Raises ValueError for a value that is no scalar.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"expected a string or a number, found {type(value).__name__}")
