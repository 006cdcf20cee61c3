"""The settings of one provider account."""

from typing import ClassVar, Self
from urllib.parse import urlsplit

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from domain.job import Layout
from domain.nightly import Schedule
from domain.providers import PROVIDERS
from domain.strategies import STRATEGIES
from settings.time_zone import TimeZone

MIB = 1024 * 1024
_JOB_BYTES = "Largest encoded size of one batch job; below the provider's limit (Anthropic 256 MB, OpenAI 200 MB, Google 2 GB)."


def known_strategy(name: str) -> str:
    """The name itself; ValueError where no row of the strategy table has it."""
    if name not in STRATEGIES:
        raise ValueError(f"must be one of {', '.join(STRATEGIES)}")
    return name


class ProviderSettings(BaseModel):
    """One account at one provider; without a key, requests for it end in CONFIGURATION_ERROR events."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    #: The row of `domain.providers.PROVIDERS`.
    PROVIDER: ClassVar[str]
    #: The provider's own limit on the bytes of one batch (its documentation counts in decimal megabytes).
    PROVIDER_JOB_BYTES: ClassVar[int]

    api_key: SecretStr | None = Field(
        default=None, description="The account's key; without one, requests for the provider end in error events."
    )
    base_url: str | None = Field(
        default=None, description="Base URL of the API, where it is not the provider's own: a proxy's, or the simulator's."
    )
    model: str = Field(min_length=1, description="Model of requests that name none.")
    llm_batching_strategy: str | None = Field(
        default=None, description="Overrides ROUNDBATCH_LLM_BATCHING_STRATEGY for this provider."
    )
    max_output_tokens: int = Field(default=400, ge=64, le=32_000, description="Most output tokens of one comparison.")
    max_job_items: int = Field(default=10_000, ge=1, le=10_000, description="Most comparisons in one batch job.")
    max_job_bytes: int = Field(ge=1_024, description=_JOB_BYTES)
    max_job_tokens: int = Field(
        default=1_000_000_000,
        ge=1_000,
        description="Most input tokens of one batch job (an upper estimate): below the limit of the account's batch queue.",
    )
    bundle_size: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Most comparisons in one call under serial_bundle; a smaller preferred_bundle_size wins.",
    )
    bundle_layout: Layout = Field(
        default="auto", description="How a bundle is written; auto takes the smaller layout (docs/bundles.md)."
    )
    batch_bundle_size: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Most comparisons in one line of a batch job: above 1, fewer tokens, still at half price.",
    )
    nightly_cron: str = Field(
        default="0 1 * * *",
        description="When nightly windows close: a cron expression of five fields, or of six with the second first.",
    )
    nightly_time_zone: TimeZone = Field(default="UTC", description="The time zone of NIGHTLY_CRON, as Europe/Stockholm.")
    poll_first_s: float = Field(default=5.0, gt=0, description="Wait before the first look at a batch.")
    poll_max_s: float = Field(default=300.0, gt=0, description="Longest wait between two looks at a batch.")
    max_concurrent_calls: int = Field(
        default=16,
        ge=1,
        le=1_000,
        description="Most calls under way at once, and most batches that are being submitted at once, per worker.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Most calls a minute, by model, of all workers together; by default what headers show (Anthropic, OpenAI).",
    )
    input_tokens_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Most input tokens a minute, likewise: at Anthropic uncached ones; at OpenAI and OpenRouter all tokens.",
    )
    limits_share: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="The part of the limits a minute, set above or shown by headers, that all workers together may take; the "
        "rest is for other programs on the account.",
    )
    max_enqueued_items: int | None = Field(
        default=None,
        ge=1,
        description="Most lines in the account's unended batches, by model, of all workers together; other batches wait.",
    )
    max_enqueued_tokens: int | None = Field(
        default=None, ge=1_000, description="Most input tokens in those batches, likewise (an upper estimate)."
    )
    call_timeout_s: float = Field(
        default=60.0, gt=0, description="A call without an answer for this long is of unknown outcome."
    )
    input_usd_per_mtok: float | None = Field(
        default=None,
        ge=0,
        description="USD for a million input tokens of a call, for all models of the account; by default the price list's.",
    )
    output_usd_per_mtok: float | None = Field(
        default=None, ge=0, description="USD for a million output tokens of a call, likewise. Set both or none."
    )

    @property
    def open(self) -> bool:
        """Whether requests for the provider are taken."""
        return self.api_key is not None

    @property
    def takes_batches(self) -> bool:
        """Whether batch jobs are sent to the account."""
        return PROVIDERS[self.PROVIDER].batches

    @field_validator("api_key")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        # A key that was pasted with its line end would fail only in the first HTTP call, with the key in the message.
        text = key.get_secret_value().strip()
        if not text or not text.isascii() or any(char.isspace() or not char.isprintable() for char in text):
            raise ValueError("must be one word of printable ASCII characters")
        return SecretStr(text)

    @field_validator("base_url")
    @classmethod
    def _url_without_credentials(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be http://HOST[:PORT][/PATH] or https://…")
        if parts.username or parts.password:
            # base_url is printed and logged; a password in it would be too.
            raise ValueError("must hold no user name and no password")
        return url

    @field_validator("llm_batching_strategy")
    @classmethod
    def _known_strategy(cls, name: str | None) -> str | None:
        return None if name is None else known_strategy(name)

    @field_validator("nightly_cron")
    @classmethod
    def _cron_that_ticks(cls, cron: str) -> str:
        if len(cron.split()) not in (5, 6) or not croniter.is_valid(cron, second_at_beginning=True):
            raise ValueError(
                "must be a cron expression of five fields, as '0 1 * * *' (each night at one), or of six with the second first"
            )
        try:
            Schedule(cron, "UTC").next_tick_ms(0)
        except CroniterBadDateError as error:  # found only later, it would stop the worker, again after each start
            raise ValueError("must tick at some time: no such day comes, as '0 1 30 2 *' (30 February)") from error
        return cron

    @field_validator("max_job_bytes")
    @classmethod
    def _below_the_providers_limit(cls, size: int) -> int:
        if size >= cls.PROVIDER_JOB_BYTES:
            raise ValueError(f"must be below the provider's own limit of {cls.PROVIDER_JOB_BYTES:,} bytes")
        return size

    @field_validator("model")
    @classmethod
    def _one_model(cls, model: str) -> str:
        if refusal := PROVIDERS[cls.PROVIDER].refusal_of(model):
            raise ValueError(refusal)
        return model

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.input_usd_per_mtok is None) != (self.output_usd_per_mtok is None):
            raise ValueError("INPUT_USD_PER_MTOK and OUTPUT_USD_PER_MTOK must be set both, or neither")
        return self

    @model_validator(mode="after")
    def _polls_back_off(self) -> Self:
        if self.poll_first_s > self.poll_max_s:
            raise ValueError(f"POLL_FIRST_S={self.poll_first_s:g} must be at most POLL_MAX_S={self.poll_max_s:g}")
        return self


class AnthropicSettings(ProviderSettings):
    """The Anthropic account."""

    PROVIDER: ClassVar[str] = "anthropic"
    PROVIDER_JOB_BYTES: ClassVar[int] = 256_000_000

    model: str = Field(default="claude-haiku-5-5", min_length=1, description="Model of requests that name none.")
    max_job_bytes: int = Field(default=32 * MIB, ge=1_024, description=_JOB_BYTES)
    output_tokens_per_minute: int | None = Field(
        default=None, ge=1, description="Most output tokens a minute, likewise; the other providers do not limit them."
    )


class OpenAISettings(ProviderSettings):
    """The account at OpenAI, or at any server that speaks its API (BASE_URL)."""

    PROVIDER: ClassVar[str] = "openai"
    PROVIDER_JOB_BYTES: ClassVar[int] = 200_000_000

    model: str = Field(default="gpt-6-luna", min_length=1, description="Model of requests that name none.")
    max_job_bytes: int = Field(default=100 * MIB, ge=1_024, description=_JOB_BYTES)
    batches: bool = Field(
        default=True, description="Whether the server takes batch jobs; false for one that only speaks chat completions."
    )
    answer_schema: bool = Field(
        default=True,
        description="Whether the server takes a JSON schema as response_format; false: it stands at the end of the prompt.",
    )

    @property
    def takes_batches(self) -> bool:
        """Whether batch jobs are sent to the account."""
        return self.batches


class GoogleSettings(ProviderSettings):
    """The account at Google's Gemini API. Its key must be a paid one: what free keys send is used for Google's products."""

    PROVIDER: ClassVar[str] = "google"
    PROVIDER_JOB_BYTES: ClassVar[int] = 2_000_000_000

    model: str = Field(default="gemini-3.8-flash", min_length=1, description="Model of requests that name none.")
    max_job_bytes: int = Field(default=100 * MIB, ge=1_024, description=_JOB_BYTES)


class OpenRouterSettings(ProviderSettings):
    """The account at OpenRouter, which passes calls on to other providers."""

    PROVIDER: ClassVar[str] = "openrouter"
    PROVIDER_JOB_BYTES: ClassVar[int] = 200_000_000

    model: str = Field(default="anthropic/claude-haiku-5.5", min_length=1, description="Model of requests that name none.")
    max_job_bytes: int = Field(default=32 * MIB, ge=1_024, description=_JOB_BYTES)
    upstream: str | None = Field(
        default=None,
        min_length=1,
        description="The one provider behind OpenRouter that may answer (its slug); by default the author in the model's name. "
        "It must be set for Google's models (docs/providers.md).",
    )


class MockSettings(ProviderSettings):
    """The provider mock: the worker makes its answers up, to test what is around it. Never where grades depend on them."""

    PROVIDER: ClassVar[str] = "mock"
    PROVIDER_JOB_BYTES: ClassVar[int] = 200_000_000

    enabled: bool = Field(
        default=False, description="Whether requests for the provider mock get made-up answers; never in production."
    )
    model: str = Field(default="mock", min_length=1, description="Model of requests that name none.")
    max_job_bytes: int = Field(default=32 * MIB, ge=1_024, description=_JOB_BYTES)
    llm_batching_strategy: str | None = Field(
        default="per_request", description="Overrides ROUNDBATCH_LLM_BATCHING_STRATEGY for this provider."
    )

    @property
    def open(self) -> bool:
        """Whether requests for the provider are taken."""
        return self.enabled
