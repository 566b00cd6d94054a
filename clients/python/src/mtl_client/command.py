"""Runs the mtl command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import CommandError, Problem, parse_problems


def find_command(command: str | Sequence[str] | None = None) -> list[str]:
    """Returns the words of the command: the argument, the variable MTL_COMMAND, or `mtl` on PATH.

    Raises CommandError if there is none.
    """
    chosen = command if command is not None else os.environ.get("MTL_COMMAND")
    if chosen:
        return shlex.split(chosen) if isinstance(chosen, str) else list(chosen)
    found = shutil.which("mtl")
    if found is None:
        fix = "install mtl, or set MTL_COMMAND, as in 'node /path/to/mtl/bin/mtl.js'"
        problem = Problem("the command mtl is not on PATH", fix=fix)
        raise CommandError([problem], "usage", None)
    return [found]


def run_command(
    arguments: Sequence[str], command: str | Sequence[str] | None = None, directory: Path | None = None
) -> dict[str, object]:
    """Runs a command with --json and returns its object.

    Raises CommandError with the problems that mtl reports.
    """
    words = [*find_command(command), *arguments, "--json"]
    try:
        ended = subprocess.run(words, cwd=directory, capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        problem = Problem(str(error), where=words[0], fix="set MTL_COMMAND to a command that starts mtl")
        raise CommandError([problem], "usage", None) from error
    try:
        printed = json.loads(ended.stdout)
    except ValueError:
        printed = {}
    if ended.returncode != 0:
        found = printed.get("error", {})
        message = ended.stderr.strip() or f"{shlex.join(words)} ended with exit code {ended.returncode}"
        raise CommandError(parse_problems(found, message), str(found.get("kind", "bug")), ended.returncode)
    return dict(printed)
