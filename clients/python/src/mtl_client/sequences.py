"""Selects the items of sequences (docs/reference/sequences.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .errors import Problem, RowError
from .lists import read_list
from .rows import to_text
from .rules import compile_cleaner, find_octave, is_decimal, parse_number

Field = Mapping[str, Any]
Columns = Mapping[str, Sequence[object]]
# Offsets of the items of each row, and the items of all rows.
Items = tuple[list[int], list[str]]

# `encodedAs` of an age with an embedding per octave, which has no rule.
OCTAVES = "the octave of a number"


class Sequences:
    """The sequences of a model; each reads its lists once for all of its fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._groups: dict[str, list[Field]] = {}
        for field in fields:
            self._groups.setdefault(field["sequence"]["name"], []).append(field)

    @staticmethod
    def find_problem(field: Field) -> Problem | None:
        """Returns why Python cannot encode a field of a sequence."""
        key, fix = f"field '{field['name']}'", "predict with Client or mtl predict"
        if "selection" not in field:
            return Problem("has no rule that selects its items", key=key, fix="export the run again")
        if field["selection"]["isWeighted"]:
            return Problem("belongs to lists that are not aligned", key=key, fix=fix)
        if any("nested" in column for column in field["lists"]):
            return Problem("belongs to a sequence whose items have several values", key=key, fix=fix)
        if "rule" not in field and field.get("encodedAs") != OCTAVES:
            return Problem("has an encoding that only mtl implements", key=key, fix=fix)
        return None

    def select(self, columns: Columns) -> dict[str, Items]:
        """Returns the selected items of each field, oldest first; ages in place of times. Raises RowError."""
        return {name: items for group in self._groups.values() for name, items in _select(group, columns).items()}


def encode_ages(text: str) -> int:
    """Returns the row of an age. Raises ValueError for a missing one."""
    return find_octave(parse_number(text))


def _select(fields: Sequence[Field], columns: Columns) -> dict[str, Items]:
    lists, selection = fields[0]["lists"], fields[0]["selection"]
    found: dict[str, Items] = {field["name"]: ([0], []) for field in fields}
    for row in range(len(columns[lists[0]["name"]])):
        values = _read_row(fields, row, columns)
        times = _read_times(lists, selection, values, row)
        untils = {
            each["name"]: _parse_time(to_text(columns[each["until"]][row]), row, each["until"])
            for each in lists
            if "until" in each
        }
        candidate = selection.get("candidate")
        matched = None if candidate is None else to_text(columns[candidate][row])
        kept = _pick(selection, values, times, untils, matched)
        for field in fields:
            offsets, items = found[field["name"]]
            column = field["columns"][0]
            if column in untils:
                items.extend(repr(untils[column] - times[column][i]) for i in kept)
            else:
                items.extend(values[column][i] for i in kept)
            offsets.append(len(items))
    return found


def _read_row(fields: Sequence[Field], row: int, columns: Columns) -> dict[str, list[str]]:
    """Returns the lists of a row by column. Raises RowError if their lengths differ."""
    cleans = {field["columns"][0]: field.get("rule", {}).get("clean") for field in fields}
    values: dict[str, list[str]] = {}
    for each in fields[0]["lists"]:
        name = each["name"]
        try:
            items = read_list(columns[name][row], each["form"], compile_cleaner(cleans.get(name)))
        except ValueError as error:
            raise _describe(f"expected {error}", row, name) from error
        values[name] = [item for item, _ in items]
    first, *others = values
    for name in others:
        if len(values[name]) != len(values[first]):
            message = f"expected {len(values[first])} items as in '{first}', found {len(values[name])}"
            raise _describe(message, row, name)
    return values


def _read_times(
    lists: Sequence[Mapping[str, Any]], selection: Mapping[str, Any], values: Mapping[str, list[str]], row: int
) -> dict[str, list[float]]:
    by = selection["order"].get("by")
    timed = [each["name"] for each in lists if "until" in each or each["name"] == by]
    return {name: [_parse_time(item, row, name) for item in values[name]] for name in timed}


def _pick(
    selection: Mapping[str, Any],
    values: Mapping[str, list[str]],
    times: Mapping[str, list[float]],
    untils: Mapping[str, float],
    matched: str | None,
) -> list[int]:
    """Returns the indices of the selected items of a row, oldest first."""
    order, keep = selection["order"], selection["keep"]
    length = len(next(iter(values.values())))
    kept = [i for i in range(length) if all(times[name][i] < until for name, until in untils.items())]
    if matched is not None:
        kept = [i for i in kept if matched != "" and values[keep["matching"]][i] == matched]
    if "by" in order:
        kept.sort(key=lambda i: times[order["by"]][i])
    elif order["newest"] == "first":
        kept.reverse()
    return kept[max(0, len(kept) - keep["last"]) :]


def _parse_time(text: str, row: int, column: str) -> float:
    """Returns a number as it is, and a date or time in ISO 8601 as seconds since 1970."""
    try:
        if is_decimal(text):
            return parse_number(text)
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise _describe("expected a time: a number, or a date and time in ISO 8601", row, column) from error
    return (time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)).timestamp()


def _describe(message: str, row: int, column: str) -> RowError:
    return RowError([Problem(message, f"rows[{row}]", f"column '{column}'", "correct the row")])
