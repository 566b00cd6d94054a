"""Rules against published values and arithmetic by hand."""

from __future__ import annotations

import math

import pytest

from mtl_client.lists import join_list, keep_heaviest, read_list
from mtl_client.rows import to_plain, to_text
from mtl_client.rules import compile_cleaner, compile_rule, find_octave, hash_text

FORM = {"format": "auto", "items": "|", "weight": ":"}


@pytest.mark.parametrize(
    "text, seed, expected",
    [
        # Vectors of https://github.com/aappleby/smhasher and scikit-learn's murmurhash3_32.
        ("", 0, 0),
        ("", 1, 0x514E28B7),
        ("", 0xFFFFFFFF, 0x81F16F39),
        ("foo", 0, 4138058784),
    ],
)
def test_hashes_are_those_of_murmur3(text: str, seed: int, expected: int) -> None:
    assert hash_text(text, seed) == expected


def test_hashes_are_those_of_scikit_learn() -> None:
    from sklearn.utils import murmurhash3_32

    for text in ["a", "ab", "abc", "abcd", "abcde", "Zürich", "日本語", "x" * 100]:
        assert hash_text(text, 42) == murmurhash3_32(text.encode(), seed=42, positive=True)


def encode(rule: dict[str, object], text: str) -> int | float:
    compiled = compile_rule({"empty": "refused", "cells": 1} | rule, {"shoes": 1})
    assert compiled is not None
    return compiled(text)


@pytest.mark.parametrize(
    "rule, text, expected",
    [
        ({"kind": "id", "size": 5, "beyond": "unknown"}, "4", 4),
        ({"kind": "id", "size": 5, "beyond": "unknown"}, "5", 0),
        ({"kind": "id", "size": 5, "beyond": "refused", "others": "unknown"}, "x", 0),
        ({"kind": "text"}, "shoes", 1),
        ({"kind": "text"}, "hat", 0),
        ({"kind": "hashed", "buckets": 10, "seed": 0}, "foo", 1 + 4138058784 % 10),
        ({"kind": "range", "boundaries": [1, 2.5]}, "2.5", 3),
        ({"kind": "between", "knots": [1, 2, 6]}, "0", 1),
        ({"kind": "between", "knots": [1, 2, 6]}, "3", 2.25),
        ({"kind": "between", "knots": [1, 2, 6]}, "9", 3),
        ({"kind": "number", "scaling": [{"kind": "log1p"}, {"kind": "affine", "subtract": 1, "divide": 2}]}, "3",
         (math.log(4) - 1) / 2),
        ({"kind": "constant", "value": 7}, "3", 7),
        ({"kind": "text", "empty": 2}, "", 2),
    ],
)
def test_a_rule_encodes(rule: dict[str, object], text: str, expected: float) -> None:
    assert encode(rule, text) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    "rule, text, expected",
    [
        ({"kind": "id", "size": 5, "beyond": "refused"}, "5", "an id in digits, below 5"),
        ({"kind": "id", "size": 5, "beyond": "unknown"}, "2147483648", "an id in digits, below 2147483648"),
        ({"kind": "text", "reserved": "none"}, "none", "a value other than 'none'"),
        ({"kind": "number", "scaling": [{"kind": "log1p"}]}, "-1", "a number above -1"),
        ({"kind": "range", "boundaries": [1]}, "1,5", "a decimal number"),
        ({"kind": "range", "boundaries": [1]}, "1e39", "a number within the range of a 32-bit float"),
        ({"kind": "text"}, "", "a value that is not missing"),
    ],
)
def test_a_rule_rejects(rule: dict[str, object], text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        encode(rule, text)


def test_octaves_double() -> None:
    assert [find_octave(age) for age in (-5, 0, 0.9, 1, 2.9, 3, 7, 1e30)] == [1, 1, 1, 2, 2, 3, 4, 64]


def test_cleaning_trims_and_drops_null_values() -> None:
    clean = compile_cleaner({"trim": True, "nullValues": ["?", -1]})
    assert clean is not None
    assert [clean(text) for text in (" a ", " ? ", "-1.0", "1")] == ["a", "", "", "1"]


def test_lists_are_text_json_or_values() -> None:
    expected = [("a", 1.0), ("b", 0.5)]
    for value in ("a|b:0.5", '["a", ["b", 0.5]]', ["a", {"id": "b", "weight": 0.5}]):
        assert read_list(value, FORM, None) == expected
    assert read_list("a::2", FORM, None) == [("a:", 2.0)]
    assert read_list("a||", FORM | {"keepsMissing": True}, None) == [("a", 1.0), ("", 1.0), ("", 1.0)]
    with pytest.raises(ValueError, match="an id in every item"):
        read_list("a||b", FORM, None)
    assert join_list(["a", ["b", 0.5]], FORM) == "a|b:0.5"


def test_the_heaviest_items_keep_their_order() -> None:
    items = [("a", 1.0), ("b", 3.0), ("c", 1.0), ("d", 2.0)]
    assert keep_heaviest(items, 3) == [("a", 1.0), ("b", 3.0), ("d", 2.0)]


def test_values_of_numpy_and_pandas_are_plain() -> None:
    import numpy as np
    import pandas as pd

    values = [np.int64(3), np.float64(3.0), float("nan"), pd.NA, pd.NaT, np.array([1, 2]), 12345678901234567, 0.1]
    assert [to_plain(value) for value in values] == [3, 3, None, None, None, [1, 2], "12345678901234567", 0.1]
    assert [to_text(value) for value in (None, True, 3, 0.5, "a")] == ["", "true", "3", "0.5", "a"]
