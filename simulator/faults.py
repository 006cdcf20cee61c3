"""What goes wrong: faults armed by the control API, by rate or for the next n, and tags inside a prompt."""

from collections import Counter
from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.answers import INVALID_VARIANTS
from simulator.google_details import DETAILS
from simulator.judge import unit

ROW_KINDS = (
    "expired",
    "errored",
    "missing",
    "refused",
    "blocked",
    "cut",
    "invalid",
    "status_zero",
    "other_model",
    "doubled",
    "unknown_key",
)
VARIANTS = {
    "invalid": INVALID_VARIANTS,
    "short_download": ("half", "empty", "mid_line", "error_body"),
    "odd_counts": ("high", "low", "zero", "absent"),
    "cut": ("", "no_text"),
    "errored": ("", "status", "http_code"),
    "status": ("", *DETAILS),
    "status_after": ("", *DETAILS),
    "failed_validation": ("", "at_end"),
    "error_in_200": ("top", "choice", "finish"),
    "odd_operation": ("job_state", "unknown_state", "response_only"),
}
"""The variants of each kind of fault; the first one is meant unless another is named."""

CALLS = ("messages.create", "chat.completions.create", "models.generate_content")
"""Endpoints that answer one prompt."""

WORK = (*CALLS, "batches.create")
"""Endpoints that do paid work: `slow` and `hang` concern these unless an endpoint is named."""

DEFAULT_ENDPOINTS: dict[str, Collection[str]] = {
    "not_found": ("batches.retrieve", "batches.results", "files.content"),
    "slow": WORK,
    "hang": WORK,
    "status_after": WORK,
    "file_late": ("batches.retrieve",),
    "failed_validation": ("batches.create",),
    "unknown_file": ("batches.create",),
    "file_gone": ("batches.create",),
    "short_download": ("batches.results", "files.content"),
    "odd_counts": ("batches.retrieve",),
    "elsewhere": ("batches.retrieve", "files.start"),
    "malformed_json_schema": ("batches.create",),
    "cancelled_runs_on": ("batches.cancel",),
    "odd_operation": ("batches.retrieve", "batches.list"),
    "odd_list": ("batches.list",),
    "list_lag": ("batches.create",),
    "sees_nothing": (
        "batches.list",
        "batches.retrieve",
        "batches.results",
        "batches.cancel",
        "files.list",
        "files.retrieve",
        "files.content",
    ),
}

FaultKind = Literal[
    "expired",
    "errored",
    "missing",
    "refused",
    "cut",
    "invalid",
    "status_zero",
    "status",
    "not_found",
    "slow",
    "hang",
    "file_late",
    "failed_validation",
    "unknown_file",
    "file_gone",
    "short_download",
    "odd_counts",
    "elsewhere",
    "list_lag",
    "sees_nothing",
    "status_after",
    "blocked",
    "other_model",
    "doubled",
    "unknown_key",
    "malformed_json_schema",
    "cancelled_runs_on",
    "odd_operation",
    "odd_list",
    "error_in_200",
]


class Fault(BaseModel):
    """One fault to inject; docs/simulator.md has the table of kinds.

    Give `rate` (0 to 1) or `next` (how many), not both. `provider`, `endpoint` and, for faults of calls, `api_key` narrow it
    down. `items`: how many verdicts of a bundle an `invalid` answer spoils. `reason`: Google's word for why there is no answer,
    or for a state. `model`: the name of the `other_model`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: FaultKind
    rate: float | None = Field(default=None, ge=0, le=1)
    next: int | None = Field(default=None, ge=0)
    provider: Literal["anthropic", "openai", "google", "openrouter"] | None = None
    endpoint: str | None = None
    api_key: str | None = None
    items: int = Field(default=1, ge=1)
    status: int = Field(default=500, ge=400, le=599)
    error_type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    reason: str = ""
    model: str | None = None
    line: int | None = Field(default=None, ge=1)
    retry_after_s: float | None = Field(default=None, ge=0)
    stall_s: float | None = Field(default=None, ge=0)
    variant: str = ""

    @model_validator(mode="before")
    @classmethod
    def _usual_variant(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.get("variant") and value.get("fault") in VARIANTS:
            return {**value, "variant": VARIANTS[value["fault"]][0]}
        return value

    @model_validator(mode="after")
    def _one_measure(self) -> "Fault":
        if (self.rate is None) == (self.next is None):
            raise ValueError(f"fault {self.fault!r} needs either rate (0 to 1) or next (a count), and not both")
        known = VARIANTS.get(self.fault, ("",))
        if self.variant not in known:
            raise ValueError(f"variant {self.variant!r} of {self.fault!r} is unknown; allowed: {', '.join(known) or 'none'}")
        return self

    def concerns(self, provider: str, endpoint: str, api_key: str | None = None) -> bool:
        """Whether it may strike at this endpoint, for this key."""
        if self.provider is not None and self.provider != provider:
            return False
        if self.api_key is not None and self.api_key != api_key:
            return False
        if self.endpoint is not None:
            return self.endpoint == endpoint
        return endpoint in DEFAULT_ENDPOINTS.get(self.fault, (endpoint,))


def _always(kind: FaultKind, **more: object) -> Fault:
    return Fault.model_validate({"fault": kind, "rate": 1.0, **more})


INVALID_TAG = "[sim:invalid]"

TAGS = {
    "[sim:refuse]": _always("refused"),
    INVALID_TAG: _always("invalid"),
    "[sim:error]": _always("errored", error_type="api_error"),
    "[sim:400]": _always("errored", error_type="invalid_request_error"),
    "[sim:expire]": _always("expired"),
}
"""Tags: a prompt that contains one always gets its fault, without any fault being armed.

In a bundle `[sim:invalid]` spoils only the verdicts of the comparisons in which it stands; any other tag concerns the bundle.
"""


def tagged(text: str) -> Fault | None:
    """The fault that a prompt asks for by a tag in its text."""
    if "[sim:" not in text:
        return None
    return next((fault for tag, fault in TAGS.items() if tag in text), None)


class _Armed:
    """An armed fault, with what is left of its count, and how often it was drawn for each key."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.left = fault.next
        self.draws: Counter[str] = Counter()

    def strikes(self, seed: int, key: str) -> bool:
        if self.left is not None:
            self.left -= 1
            return self.left >= 0
        # The nth draw for a key is a function of the seed: the same under any order of requests, and yet a
        # comparison that is asked again can succeed.
        self.draws[key] += 1
        return unit("fault", seed, self.number, key, self.draws[key]) < (self.fault.rate or 0.0)


class FaultPlan:
    """The armed faults, oldest first; the first that strikes wins."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []
        self._count = 0

    def arm(self, fault: Fault) -> None:
        self._armed.append(_Armed(self._count, fault))
        self._count += 1

    def clear(self) -> None:
        # The numbers of faults begin again, so that the same faults armed after a reset strike the same rows.
        self._armed.clear()
        self._count = 0

    def listed(self) -> list[dict[str, object]]:
        """What is armed, each with `left`."""
        return [{**armed.fault.model_dump(exclude_none=True), "left": armed.left} for armed in self._armed]

    def draw(self, kinds: Collection[str], provider: str, endpoint: str, key: str, api_key: str | None = None) -> Fault | None:
        """The fault of one of `kinds` that strikes now, or None. `key` names what it would strike."""
        for armed in self._armed:
            fault = armed.fault
            if fault.fault in kinds and fault.concerns(provider, endpoint, api_key) and armed.strikes(self._seed, key):
                if armed.left == 0:
                    self._armed.remove(armed)
                return fault
        return None

    @property
    def empty(self) -> bool:
        return not self._armed
