"""Vocabularies of a safetensors export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import numpy as np

# https://huggingface.co/docs/safetensors/index#format: the length of the header, a JSON header, and the tensors.
_LENGTH_BYTES = 8


def read_vocabularies(path: Path) -> tuple[str, dict[str, dict[str, int]]]:
    """Returns the SHA-256 of the checkpoint, and per vocabulary the row of each string, from 1.

    Weights are not read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = json.loads(file.read(length))
        begin = _LENGTH_BYTES + length
        names = [name.removesuffix(".bytes") for name in header if _is_vocabulary(name)]
        found = {
            name.removeprefix("vocabularies."): _index_strings(
                _read_tensor(file, begin, header[f"{name}.bytes"]["data_offsets"]),
                np.frombuffer(_read_tensor(file, begin, header[f"{name}.offsets"]["data_offsets"]), "<u4").tolist(),
            )
            for name in names
        }
    return header.get("__metadata__", {}).get("mtl.checkpoint", ""), found


def _is_vocabulary(name: str) -> bool:
    return name.startswith("vocabularies.") and name.endswith(".bytes")


def _read_tensor(file: BinaryIO, begin: int, offsets: list[int]) -> bytes:
    file.seek(begin + offsets[0])
    return file.read(offsets[1] - offsets[0])


def _index_strings(text: bytes, offsets: list[int]) -> dict[str, int]:
    ranges = zip(offsets, offsets[1:])
    return {text[first:last].decode(): row for row, (first, last) in enumerate(ranges, start=1)}
