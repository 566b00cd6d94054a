"""Rules of an export: how a value becomes a table row or a number (docs/reference/export-formats.md)."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

# Decimal numbers and ids as mtl reads them.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ID = re.compile(r"[0-9]+")
_LARGEST_ID = 2**31 - 1
_MAX_FLOAT32 = 3.4028235677973366e38
_NUM_OCTAVES = 64
_MASK = 2**32 - 1

Number = int | float
Encode = Callable[[str], Number]
Vocabulary = Mapping[str, int]


def compile_rule(rule: Mapping[str, Any], vocabulary: Vocabulary | None) -> Encode | None:
    """Returns the function that encodes a clean value, or None if Python has none for the kind of rule.

    The function raises ValueError with the expected value.
    """
    compile_kind = _KINDS.get(rule["kind"])
    if compile_kind is None:
        return None
    encode, empty = compile_kind(rule, vocabulary or {}), rule["empty"]

    def encode_value(text: str) -> Number:
        if text != "":
            return encode(text)
        if empty == "refused":
            raise ValueError("a value that is not missing")
        return empty  # type: ignore[no-any-return]

    return encode_value


def compile_cleaner(clean: Mapping[str, Any] | None) -> Callable[[str], str] | None:
    """Returns the function that trims a value and maps null values to an empty string; None if nothing is cleaned."""
    if clean is None:
        return None
    nulls = clean.get("nullValues", [])
    texts = {each for each in nulls if isinstance(each, str)}
    numbers = {each for each in nulls if not isinstance(each, str)}
    trim = clean.get("trim", False)

    def clean_value(text: str) -> str:
        value = text.strip() if trim else text
        is_null = value in texts or (len(numbers) > 0 and is_decimal(value) and float(value) in numbers)
        return "" if is_null else value

    return clean_value


def is_decimal(text: str) -> bool:
    """Returns whether a text is a decimal number."""
    return _DECIMAL.fullmatch(text) is not None


def parse_number(text: str) -> float:
    """Returns a decimal number in the range of float32. Raises ValueError with the expected value."""
    if not is_decimal(text):
        raise ValueError("a decimal number")
    number = float(text)
    if abs(number) >= _MAX_FLOAT32:
        raise ValueError("a number within the range of a 32-bit float")
    return number


def find_octave(value: float) -> int:
    """Returns the octave of an age: 1 below 1, 2 below 3, 3 below 7 and so on, up to 64."""
    return min(_NUM_OCTAVES, math.frexp(1 + max(0.0, value))[1])


def hash_text(text: str, seed: int) -> int:
    """Computes MurmurHash3_x86_32 of the UTF-8 bytes (Appleby, https://github.com/aappleby/smhasher)."""
    data = text.encode()
    end = len(data) - len(data) % 4
    hashed = seed & _MASK
    for i in range(0, end, 4):
        hashed ^= _scramble(int.from_bytes(data[i : i + 4], "little"))
        hashed = (_rotate(hashed, 13) * 5 + 0xE6546B64) & _MASK
    hashed ^= _scramble(int.from_bytes(data[end:], "little")) ^ len(data)
    hashed = ((hashed ^ (hashed >> 16)) * 0x85EBCA6B) & _MASK
    hashed = ((hashed ^ (hashed >> 13)) * 0xC2B2AE35) & _MASK
    return hashed ^ (hashed >> 16)


def _scramble(block: int) -> int:
    return (_rotate((block * 0xCC9E2D51) & _MASK, 15) * 0x1B873593) & _MASK


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _compile_id(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    size, beyond, others = rule["size"], rule["beyond"], rule.get("others")

    def encode(text: str) -> int:
        is_id = _ID.fullmatch(text) is not None and int(text) <= _LARGEST_ID
        if is_id and int(text) < size:
            return int(text)
        if others == "unknown" or (is_id and beyond == "unknown"):
            return 0
        raise ValueError(f"an id in digits, below {size if beyond == 'refused' else _LARGEST_ID + 1}")

    return encode


def _compile_text(rule: Mapping[str, Any], vocabulary: Vocabulary) -> Encode:
    reserved = rule.get("reserved")

    def encode(text: str) -> int:
        if text == reserved:
            raise ValueError(f"a value other than '{reserved}', which is the row of missing values")
        return vocabulary.get(text, 0)

    return encode


def _compile_hashed(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    buckets, seed = rule["buckets"], rule["seed"]
    return lambda text: 1 + hash_text(text, seed) % buckets


def _compile_range(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    boundaries = rule["boundaries"]
    return lambda text: 1 + bisect_right(boundaries, parse_number(text))


def _compile_between(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    knots: list[float] = rule["knots"]

    def encode(text: str) -> Number:
        number = parse_number(text)
        above = bisect_right(knots, number)
        if above in (0, len(knots)):
            return max(1, above)
        return above + (number - knots[above - 1]) / (knots[above] - knots[above - 1])

    return encode


def _compile_number(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    scaling = rule["scaling"]

    def encode(text: str) -> float:
        number = parse_number(text)
        for step in scaling:
            if step["kind"] == "affine":
                number = (number - step["subtract"]) / step["divide"]
            elif number > -1:
                number = math.log1p(number)
            else:
                raise ValueError("a number above -1, whose logarithm is scaled")
        return number

    return encode


def _compile_constant(rule: Mapping[str, Any], _: Vocabulary) -> Encode:
    def encode(text: str) -> Number:
        parse_number(text)
        return rule["value"]  # type: ignore[no-any-return]

    return encode


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Vocabulary], Encode]] = {
    "between": _compile_between,
    "constant": _compile_constant,
    "hashed": _compile_hashed,
    "id": _compile_id,
    "number": _compile_number,
    "range": _compile_range,
    "text": _compile_text,
}
