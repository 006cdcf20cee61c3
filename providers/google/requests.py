"""What the Gemini API is sent, as plain values: the bodies of calls and creates, the lines of a batch, the names of files.

Facts about the API are in docs/providers.md.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from providers.google.thinking import most_output_tokens, thinking_config
from providers.prompts.answer_schema import google_schema
from providers.protocol import Ask

# How an input file is known for ours, by its display name and its name.
FILE_PREFIX: Final = "roundbatch-"
_FILE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")  # what an id may be: at most 40 characters


def generate_body(ask: Ask, on_dropped: Callable[[str, str], None], *, with_schema: bool = True) -> dict[str, Any]:
    """The body of one request, in a call as in a batch line.

    on_dropped(parameter, model) is called for each parameter that the API has no place for. Everything but the texts stands in
    generationConfig: in the flat form, as users of Google's SDK write it, a batch loses it without an error. The schema is
    `responseSchema`, since answers to `responseJsonSchema` came malformed in batches.
    """
    config: dict[str, Any] = {
        "maxOutputTokens": most_output_tokens(ask.model, ask.reasoning_effort, ask.max_tokens, ask.answers),
        "responseMimeType": "application/json",
    }
    if with_schema:
        config["responseSchema"] = google_schema(ask.answers, reasons_first=ask.reasons_first)
    if ask.temperature is not None:
        config["temperature"] = ask.temperature
    thinking = thinking_config(ask.model, ask.reasoning_effort)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    elif ask.reasoning_effort is not None:
        on_dropped("reasoning_effort", ask.model)
    if ask.output_verbosity is not None:
        on_dropped("output_verbosity", ask.model)
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": "".join(block.text for block in ask.blocks)}]}],
        "generationConfig": config,
    }
    if ask.system:
        body["systemInstruction"] = {"parts": [{"text": ask.system}]}
    return body


def encoded(body: dict[str, Any]) -> bytes:
    """A body in ASCII: half of a surrogate pair cannot be encoded otherwise, and to some readers U+2028 ends a line."""
    return json.dumps(body).encode()


def batch_lines(asks: Iterable[Ask], on_dropped: Callable[[str, str], None]) -> Iterator[bytes]:
    """The input file of a batch line by line.

    A batch has one answer schema, so no plan holds lines with different numbers of comparisons. If one does, lines that differ
    from the first are sent without a schema, and are still answered in JSON, as their prompt asks.
    """
    first: tuple[int, bool] | None = None
    for ask in asks:
        first = first or (ask.answers, ask.reasons_first)
        fits = (ask.answers, ask.reasons_first) == first
        if not fits:
            on_dropped("response_schema", ask.model)
        yield encoded({"key": ask.custom_id, "request": generate_body(ask, on_dropped, with_schema=fits)}) + b"\n"


def batch_body(job_id: str, file_name: str) -> dict[str, Any]:
    """The body that creates a batch of an uploaded file."""
    return {"batch": {"displayName": job_id, "inputConfig": {"fileName": file_name}}}


def file_body(job_id: str, *, named: bool = True) -> dict[str, Any]:
    """The body that begins an upload. Its names tell that the file is ours, and which job it is for."""
    name = file_name(job_id) if named else ""
    return {"file": {"displayName": f"{FILE_PREFIX}{job_id}"} | ({"name": name} if name else {})}


def file_name(job_id: str) -> str:
    """The name of a job's input file; "" where none can be made of the job id, and the API has to choose one."""
    file_id = f"{FILE_PREFIX}{job_id}"
    return f"files/{file_id}" if _FILE_ID.fullmatch(file_id) else ""


def job_of_file(name: str) -> str:
    """The job id in the name of an input file; "" for a file that is none of ours."""
    return name.removeprefix("files/").removeprefix(FILE_PREFIX) if name.startswith(f"files/{FILE_PREFIX}") else ""


def path_of(kind: str, name: str, verb: str = "") -> str:
    """The path of a model, a batch or a file; `name` with the kind in front, as the API writes it, or without."""
    return f"/v1beta/{kind}/{quote(name.removeprefix(f'{kind}/'), safe='')}{verb}"
