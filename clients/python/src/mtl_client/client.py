"""A client of `mtl serve`, with the standard library only."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from .errors import Problem, ServerError, parse_problems
from .rows import OnMissing, Row, Rows, list_rows

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a request: per output one number per row, NaN for a skipped row, whose problem is listed."""

    outputs: dict[str, list[float]]
    model: str
    version: str
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, output: str) -> list[float]:
        return self.outputs[output]


class Client:
    """Sends rows to a server.

    `model` names one of several models. `token` defaults to the variable MTL_TOKEN; `timeout` is in seconds.
    """

    def __init__(self, url: str, *, model: str | None = None, token: str | None = None, timeout: float = 30.0) -> None:
        self._url = url.rstrip("/")
        self._model = model
        self._token = os.environ.get("MTL_TOKEN") if token is None else token
        self._timeout = timeout

    def predict(self, rows: Rows, *, on_missing: OnMissing = "error", on_bad_row: OnBadRow = "error") -> Predictions:
        """Predicts rows. Raises ServerError with the location and the fix that the server reports."""
        return self._predict({"rows": list_rows(rows)}, on_missing, on_bad_row)

    def rank(
        self, user: Row, candidates: Rows, *, on_missing: OnMissing = "error", on_bad_row: OnBadRow = "error"
    ) -> Predictions:
        """Predicts candidates of a user, whose columns are sent and encoded once. Raises ServerError."""
        body = {"user": list_rows([user])[0], "candidates": list_rows(candidates)}
        return self._predict(body, on_missing, on_bad_row)

    def ready(self) -> bool:
        """Returns whether the server accepts requests; False if it does not answer."""
        try:
            self._send("/readyz")
        except ServerError as error:
            if error.status in (None, 503):
                return False
            raise
        return True

    def metadata(self) -> dict[str, object]:
        """Returns the columns, types and outputs of the model, or of the server if no model is named."""
        return self._send("/v2" if self._model is None else f"/v2/models/{quote(self._model, safe='')}")

    def _predict(self, body: Mapping[str, object], on_missing: OnMissing, on_bad_row: OnBadRow) -> Predictions:
        changed = {"onMissing": on_missing, "onBadRow": on_bad_row}
        query = urlencode({key: value for key, value in changed.items() if value != "error"})
        path = "/predict" if self._model is None else f"/models/{quote(self._model, safe='')}/predict"
        return _parse_predictions(self._send(path if query == "" else f"{path}?{query}", body))

    def _send(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        # Infinity is not JSON, and an error here names the value.
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        try:
            with urlopen(Request(self._url + path, data, headers), timeout=self._timeout) as response:
                return _parse_object(response.read())
        except HTTPError as error:
            found = _parse_object(error.read())
            raise ServerError(parse_problems(found, str(found.get("error", error.reason))), error.code) from error
        except (URLError, HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            problem = Problem(f"no response: {reason}", self._url, fix="start mtl serve, or correct the URL")
            raise ServerError([problem], None) from error


def _parse_object(body: bytes) -> dict[str, object]:
    """Returns a JSON object; empty for other responses, such as those of probes and proxies."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parse_predictions(response: Mapping[str, object]) -> Predictions:
    rows = response.get("predictions")
    if not isinstance(rows, list):
        raise ServerError([Problem("the response has no predictions", fix="use the URL of mtl serve")], 200)
    names = dict.fromkeys(name for row in rows if row is not None for name in row)
    return Predictions(
        {name: [math.nan if row is None else float(row[name]) for row in rows] for name in names},
        str(response.get("model")),
        str(response.get("version")),
        parse_problems(response, "") if response.get("problems") else (),
    )
