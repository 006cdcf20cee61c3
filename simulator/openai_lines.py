"""The lines of an OpenAI batch input file, and what validation says of them."""

import json
from dataclasses import dataclass

from simulator.batches import Row
from simulator.errors import ApiError
from simulator.models import Models
from simulator.openai_requests import read_body
from simulator.prices import estimated_tokens

FIELDS = ("custom_id", "method", "url", "body")
URL = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a batch fails validation; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def shown(self) -> dict[str, object]:
        """The complaint as an entry of the batch's `errors.data`."""
        return {"code": self.code, "message": self.message, "line": self.line, "param": self.param}


def _line(number: int, raw: bytes) -> dict[str, object] | Complaint:
    """A line's value, or what is wrong with its envelope."""
    try:
        value = json.loads(raw)
    except ValueError:
        return Complaint("invalid_json_line", "This line is not parseable as valid JSON.", number)
    if not isinstance(value, dict):
        return Complaint("invalid_json_line", "This line is not a JSON object.", number)
    for name in value:
        if name not in FIELDS:
            return Complaint("unknown_parameter", f"Unknown parameter: '{name}'.", number, name)
    for name in FIELDS:
        if name not in value:
            return Complaint("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if not isinstance(value["custom_id"], str) or not value["custom_id"]:
        return Complaint("invalid_custom_id", "custom_id must be a non-empty string.", number, "custom_id")
    if value["method"] != "POST":
        return Complaint("invalid_method", "The method must be POST.", number, "method")
    if value["url"] != URL:
        message = f"The URL '{value['url']}' does not match the batch's endpoint '{URL}'."
        return Complaint("invalid_url", message, number, "url")
    return value


def _row(custom_id: str, body: object, models: Models) -> Row:
    """A row. What is wrong with its body shows when it is worked, as the 400 that a call would get."""
    try:
        return Row(custom_id, read_body(body, models), None, None)
    except ApiError as error:
        return Row(custom_id, None, None, error)


def read_lines(content: bytes, most_requests: int, models: Models) -> tuple[list[Row], list[Complaint]]:
    """The rows of a file, and every reason for which the batch fails validation."""
    raw_lines = [(number, raw) for number, raw in enumerate(content.split(b"\n"), start=1) if raw.strip()]
    if not raw_lines:
        return [], [Complaint("empty_file", "The input file contains no requests.")]
    if len(raw_lines) > most_requests:
        message = f"The input file has {len(raw_lines)} requests, at most {most_requests} are allowed."
        return [], [Complaint("too_many_tasks", message)]
    rows: list[Row] = []
    complaints: list[Complaint] = []
    seen: set[str] = set()
    first_model: object = None
    for number, raw in raw_lines:
        value = _line(number, raw)
        if isinstance(value, Complaint):
            complaints.append(value)
            continue
        custom_id = str(value["custom_id"])
        if custom_id in seen:
            message = f"The custom_id '{custom_id}' for this request is a duplicate of another request."
            complaints.append(Complaint("duplicate_custom_id", message, number, "custom_id"))
            continue
        seen.add(custom_id)
        body = value["body"]
        model = body.get("model") if isinstance(body, dict) else None
        if first_model is None:
            first_model = model
        if not models.knows("openai", model):
            message = f"The provided model '{model}' is not supported by the Batch API."
            complaints.append(Complaint("model_not_found", message, number, "body.model"))
        elif model != first_model:
            message = f"All requests of a file must use one model; found '{first_model}' and '{model}'."
            complaints.append(Complaint("model_mismatch", message, number, "body.model"))
        else:
            rows.append(_row(custom_id, body, models))
    return rows, complaints


def enqueued_tokens(rows: list[Row], waiting: list[list[Row]]) -> int:
    """Input tokens of `rows` and of those rows in `waiting` that ask the same model."""
    model = next((row.prompt.model for row in rows if row.prompt is not None), None)
    return sum(
        estimated_tokens(row.prompt.utf8_bytes)
        for batch_rows in (rows, *waiting)
        for row in batch_rows
        if row.prompt is not None and row.prompt.model == model
    )
