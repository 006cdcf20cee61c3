"""An answer other than 200, before it takes the shape of either API."""

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

STATUS_OF_TYPE = {kind: status for status, kind in ANTHROPIC_TYPES.items()} | {"server_error": 500}


class ApiError(Exception):
    """A request that is answered with `status` and an error body instead of a result.

    `code` is OpenAI's `error.code` and Anthropic's `error.details.error_code`; `type` replaces the type that
    follows from the status.
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
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s

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
