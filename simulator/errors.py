"""An answer other than 200, before it takes the shape of one of the APIs."""

from collections.abc import Sequence
from typing import Any

ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Anthropic's error type for each status."""

OPENAI_TYPES = {429: "requests", 500: "server_error", 503: "server_error", 504: "server_error", 529: "server_error"}
"""OpenAI's error type for each status; the others are invalid_request_error."""

OPENAI_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
"""OpenAI's error code for each status, where the cause gives none."""

GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's `error.status` for each HTTP status."""

RPC_CODES = {
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""The google.rpc number of each of these words: the `code` of a row of a batch, and of a batch that failed."""

STATUS_OF_TYPE = (
    {kind: status for status, kind in reversed(GOOGLE_STATUSES.items())}
    | {kind: status for status, kind in ANTHROPIC_TYPES.items()}
    | {"server_error": 500, "FAILED_PRECONDITION": 400}
)
"""The HTTP status of each error type that a fault may name."""


OPENROUTER_TYPES = {
    400: "invalid_request",
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    413: "payload_too_large",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    500: "server",
    502: "provider_unavailable",
    503: "provider_unavailable",
}
"""OpenRouter's `error_type` for each status."""


def openrouter_error(status: int, message: str, kind: str | None = None, reasons: Sequence[str] = ()) -> dict[str, Any]:
    """`{"error": {"code", "message", "metadata"}}`, the code being the status; `reasons` are those of a moderated text."""
    known = kind if kind is not None and kind not in ANTHROPIC_TYPES.values() else OPENROUTER_TYPES.get(status)
    metadata: dict[str, Any] = {} if known is None else {"error_type": known}
    if reasons:
        metadata |= {"reasons": list(reasons), "flagged_input": "...", "provider_name": "Simulated"}
    return {"error": {"code": status, "message": message, "metadata": metadata}}


class ApiError(Exception):
    """A request that is answered with `status` and an error body instead of a result.

    `code` is OpenAI's `error.code`, Anthropic's `error.details.error_code`, and the google.rpc number of a row at Google; at
    OpenRouter "moderation" says what the text was refused for. `type` replaces the type (Google's word) that follows from the
    status; `details` are Google's alone.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        details: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.details = list(details)

    def anthropic_body(self, request_id: str | None) -> dict[str, object]:
        """`{"type": "error", "error": {…}, "request_id": …}`."""
        error: dict[str, object] = {
            "type": self.type or ANTHROPIC_TYPES.get(self.status, "api_error"),
            "message": self.message,
        }
        if self.code is not None:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}

    def openai_body(self) -> dict[str, object]:
        """`{"error": {"message", "type", "param", "code"}}`; a type that only Anthropic has follows from the status."""
        kind = self.type
        if kind is None or kind in ANTHROPIC_TYPES.values():
            kind = OPENAI_TYPES.get(self.status, "invalid_request_error")
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code or OPENAI_CODES.get(self.status),
            }
        }

    def openrouter_body(self) -> dict[str, object]:
        """As `openrouter_error`; the code "moderation" says that the text was moderated."""
        reasons = ("violence",) if self.code == "moderation" else ()
        return openrouter_error(self.status, self.message, self.type, reasons)

    @property
    def google_status(self) -> int:
        """The HTTP status at Google, which has no 529."""
        return 503 if self.status == 529 else self.status

    @property
    def google_word(self) -> str:
        """`error.status`; a type that only another API has follows from the status."""
        if self.type in RPC_CODES:
            return self.type
        return GOOGLE_STATUSES.get(self.google_status, "UNKNOWN")

    def google_body(self) -> dict[str, object]:
        """`{"error": {"code", "message", "status", "details"}}`; without details there is no such field."""
        error: dict[str, object] = {"code": self.google_status, "message": self.message, "status": self.google_word}
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def google_rpc(self, *, http_code: bool = False) -> dict[str, object]:
        """`{"code", "message"}` of a row of a batch; the code is a google.rpc number, or the HTTP status with `http_code`."""
        named = int(self.code) if self.code is not None and self.code.isdecimal() else RPC_CODES.get(self.google_word, 2)
        return {"code": self.google_status if http_code else named, "message": self.message}
