"""Lists of a row: items of bags and sequences."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping
from typing import Any

from .rows import to_plain, to_text
from .rules import parse_number

Item = tuple[str, float]
Clean = Callable[[str], str]


def read_list(value: object, form: Mapping[str, Any], clean: Clean | None) -> list[Item]:
    """Returns the items of a value with their weights, 1 by default.

    The value is a list, a JSON list, or text with the separators of `form`. An item is an id, a pair of id and
    weight, or a dict with both. Raises ValueError with the expected value.
    """
    keeps_missing = form.get("keepsMissing", False)
    if isinstance(value, list):
        items = [_split_item(each) for each in value]
    else:
        text = to_text(value) if clean is None else clean(to_text(value))
        parsed = _parse_json(text) if form["format"] != "separated" else None
        if parsed is None and form["format"] == "json" and text != "":
            raise ValueError("a JSON list")
        items = _split_text(text, form, clean) if parsed is None else [_split_item(each) for each in parsed]
    found: list[Item] = []
    for item, weight in items:
        cleaned = item if clean is None else clean(item)
        if item == "" and not keeps_missing:
            raise ValueError("an id in every item")
        if cleaned != "" or keeps_missing:
            found.append((cleaned, weight))
    return found


def keep_heaviest(items: list[Item], count: int) -> list[Item]:
    """Returns the items with the largest weights in their order; the first among equals."""
    if len(items) <= count:
        return items
    kept = heapq.nsmallest(count, range(len(items)), key=lambda i: (-items[i][1], i))
    return [items[i] for i in sorted(kept)]


def join_list(value: object, form: Mapping[str, Any]) -> str:
    """Returns a list as text with the separators of `form`; other values as they are.

    Raises ValueError for an item that contains a separator.
    """
    if not isinstance(value, list):
        return to_text(value)
    separator, weight_separator = form["items"], form["weight"]
    texts = []
    for item, weight in map(_split_item, value):
        for mark in (separator, weight_separator):
            if mark in item:
                raise ValueError(f"items without the separator '{mark}'")
        texts.append(item if weight == 1 else f"{item}{weight_separator}{weight!r}")
    return str(separator.join(texts))


def _parse_json(text: str) -> list[object] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return [to_plain(each) for each in found]


def _split_text(text: str, form: Mapping[str, Any], clean: Clean | None) -> list[Item]:
    if text == "":
        return []
    separator = form.get("weight")
    items: list[Item] = []
    for written in text.split(form["items"]):
        item = written if clean is None else clean(written)
        if item == "" and written != "" and not form.get("keepsMissing", False):
            continue
        name, mark, weight = item.rpartition(separator) if separator else ("", "", item)
        items.append((name, parse_number(weight)) if mark else (item, 1.0))
    return items


def _split_item(item: object) -> Item:
    if isinstance(item, dict) and "id" in item and set(item) <= {"id", "weight"}:
        item = [item["id"], item.get("weight", 1)]
    if not isinstance(item, list):
        return to_text(item), 1.0
    if len(item) != 2 or not isinstance(item[1], (int, float)):
        raise ValueError("items that are ids, or pairs of id and weight")
    return to_text(item[0]), float(item[1])
