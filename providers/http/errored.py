"""The reply to a request that was refused, its error named in Anthropic's words: those that `domain.reply.judge` knows.

Anthropic's rows name their errors so themselves. For any other API the status tells them apart, for OpenAI calls a bad key, an
unknown model and a bad field alike "invalid_request_error".
"""

from typing import Final

from domain.reply import Reply, ReplyKind
from providers.http.failures import HttpFailure

INVALID: Final = "invalid_request_error"
TYPES_BY_STATUS: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def error_type_of(status: int) -> str:
    """The error that a status names by itself; 0 where there was none."""
    return TYPES_BY_STATUS.get(status, INVALID if 400 <= status < 500 else "api_error")


def errored_reply(
    custom_id: str, failure: HttpFailure, error_type: str, *, parameter: str = "", unnamed: str = "no message"
) -> Reply:
    """The reply. `parameter`: the field of the ask that the model does not take. `unnamed`: what is said where nothing is."""
    said = failure.code or failure.type
    return Reply(
        custom_id=custom_id,
        kind=ReplyKind.ERRORED,
        error_type=error_type,
        error_message=f"{said}: {failure.message}" if said else failure.message or unnamed,
        http_status=failure.status or None,
        parameter=parameter,
    )
