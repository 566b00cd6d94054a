"""Exceptions, each with the location and the fix of every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem: where it is, what is wrong, and how to fix it."""

    message: str
    where: str | None = None
    key: str | None = None
    fix: str | None = None

    def __str__(self) -> str:
        located = ": ".join(part for part in (self.where, self.key, self.message) if part)
        return located if self.fix is None else f"{located}; {self.fix}"


class MtlError(Exception):
    """A failed operation with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class RowError(MtlError):
    """Rows that a model cannot read."""


class UnsupportedError(MtlError):
    """A field that Python cannot encode, or an export that it cannot read."""


class CommandError(MtlError):
    """A command of mtl that failed. `exit_code` is None if it could not be started."""

    def __init__(self, problems: Iterable[Problem], kind: str, exit_code: int | None) -> None:
        super().__init__(problems)
        self.kind = kind
        self.exit_code = exit_code


class ServerError(MtlError):
    """A response with an error. `status` is None if the server did not answer."""

    def __init__(self, problems: Iterable[Problem], status: int | None) -> None:
        super().__init__(problems)
        self.status = status


def parse_problems(found: object, message: str) -> tuple[Problem, ...]:
    """Returns the problems of a JSON error, or one with `message` if it has none."""
    listed = found.get("problems") if isinstance(found, Mapping) else None
    problems = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    keys = ("where", "key", "fix")
    return tuple(
        Problem(str(each.get("message", message)), **{key: str(each[key]) for key in keys if key in each})
        for each in problems
    ) or (Problem(message),)
