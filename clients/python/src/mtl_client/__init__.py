"""Python client of mtl, which trains multi-task recommenders from one YAML file."""

from .client import Client, Predictions
from .errors import CommandError, MtlError, Problem, RowError, ServerError, UnsupportedError
from .model import Model
from .runs import Run, read_run, read_runs


__all__ = [
    "Client",
    "CommandError",
    "Model",
    "MtlError",
    "Predictions",
    "Problem",
    "RowError",
    "Run",
    "ServerError",
    "UnsupportedError",
    "read_run",
    "read_runs",
]
