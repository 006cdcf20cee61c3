"""The settings of a simulator. With all defaults it answers at once and without faults."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from simulator.traits import JudgeTraits


class SimulatorSettings(JudgeTraits):
    """Settings of one simulator process; an unknown name is refused.

    The limits are those that the providers publish; a test that is to meet them sets small ones. How the model judges is said
    by the settings of `JudgeTraits`.
    """

    seed: int = 0
    """Seed of every draw: judge errors, fault rates, the order of results."""
    ledger: Path | None = None
    """SQLite file; None keeps the ledger in memory."""

    latency_s: float = Field(default=0.0, ge=0)
    """Seconds until a single call is answered, once its work is done and paid for."""
    latency_item_s: float = Field(default=0.0, ge=0)
    """Seconds more for each further comparison in the call."""
    latency_sigma: float = Field(default=0.0, ge=0)
    """The spread of these times: sigma of a lognormal factor with mean 1, drawn by the prompt; 0 is no spread."""
    batch_duration_s: float = Field(default=0.0, ge=0)
    """How long a batch runs; 0 ends it at the first look after its creation. Above 24 h it expires."""
    validation_s: float = Field(default=0.0, ge=0)
    """How long an OpenAI batch stays `validating`, and a Google one BATCH_STATE_PENDING."""
    cancel_duration_s: float = Field(default=0.0, ge=0)
    """How long a batch stays `canceling` or `cancelling`; Google's are cancelled at once."""
    hold: bool = False
    """Batches run until the control API releases or finishes them (or they expire)."""
    clock_skew_s: float = 0.0
    """How many seconds ahead the clock is by which the APIs show times of batches and files; negative: behind."""

    unknown_models: frozenset[str] = frozenset()
    """Names of models that are answered with 404; any other name is a model."""
    refused_parameters: dict[str, frozenset[str]] = Field(default_factory=dict)
    """Model → names of optional parameters that it answers with 400, beside those that its family refuses."""

    call_max_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    anthropic_batch_max_requests: int = Field(default=100_000, gt=0)
    anthropic_batch_max_bytes: int = Field(default=256_000_000, gt=0)
    openai_batch_max_requests: int = Field(default=50_000, gt=0)
    openai_file_max_bytes: int = Field(default=200_000_000, gt=0)
    openai_enqueued_tokens: int | None = Field(default=None, gt=0)
    """Input tokens of a model that may wait in unfinished batches of a workspace; None is no limit."""

    google_file_max_bytes: int = Field(default=2_000_000_000, gt=0)
    google_inline_max_bytes: int = Field(default=20_000_000, gt=0)
    google_batches_at_once: int = Field(default=100, gt=0)
    """Batches of a workspace that have not ended."""
    google_enqueued_tokens: int | None = Field(default=None, gt=0)
    """Input tokens of a model that may wait in unfinished batches of a workspace; None is no limit."""
    google_most_listed: int = Field(default=100, gt=0)
    """The longest page of a list, whatever its `pageSize`."""
    google_fields: bool = True
    """Whether the list of batches takes a field mask (`fields`); otherwise it is answered with 400."""
    google_flat_requests: Literal["refused", "ignored"] = "refused"
    """What becomes of fields in a line that REST does not have: the row fails, or they are ignored, and the schema is lost."""
    google_mixed_schemas: Literal["refused", "failed", "taken"] = "refused"
    """What becomes of a batch with more than one answer schema: 400 on create, a batch that fails, or one like any other."""
    google_charges_lost_rows: bool = False
    """Whether rows that were worked before a batch expired, failed or was cancelled are charged, though nobody sees them."""
    google_delete_stops: bool = False
    """Whether deleting a batch stops its work."""
    google_results_kept_s: float = Field(default=42 * 24 * 3600, gt=0)
    """How long a file of results can be fetched."""
    google_thoughts: dict[str, int] = Field(default={"MINIMAL": 0, "LOW": 100, "MEDIUM": 300, "HIGH": 1000})
    """Thinking level → tokens that a model thinks."""

    anthropic_queued_requests: int | None = Field(default=None, gt=0)
    """Rows that may wait in unfinished batches of a workspace; None is no limit."""

    requests_per_minute: int | None = Field(default=None, gt=0)
    """Single calls a minute, workspace and model, by token bucket; None is no limit."""
    tokens_per_minute: int | None = Field(default=None, gt=0)
    """Tokens a minute, workspace and model: uncached input at Anthropic, max(max_tokens, input) at OpenAI, input at Google."""
    output_tokens_per_minute: int | None = Field(default=None, gt=0)
    """Output tokens a minute, workspace and model, at Anthropic only: counted once made, so the bucket may go below 0."""
    minute_s: float = Field(default=60.0, gt=0)
    """Seconds of a minute, for limits and for the lifetimes of prompt caches: a test of limits sets it to a few."""
    headers_at_end: bool = False
    """Whether headers show the limits as they are when a call is answered, not as they were when it was let in."""

    bad_keys: frozenset[str] = frozenset()
    """API keys that are answered with 401 (400 at Google); any other non-empty key is good."""
    workspaces: dict[str, str] = Field(default_factory=dict)
    """API key → workspace. A batch or file is visible to its workspace only; other keys share one."""
