"""Settings for the tests and the demo, not for operation: times that a test cannot wait for, and Kafka in memory."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ForTesting(BaseModel):
    """Settings that operators leave alone: their defaults are part of the design, and are not made to be tuned."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    embedded_broker: bool = Field(
        default=False, description="Kafka is the demo's own, in memory: topics appear on first use and are not verified."
    )
    limits_minute_s: float = Field(
        default=60.0,
        gt=0,
        le=60.0,
        description="Seconds of a minute of the providers' limits: fewer only with a simulator that plays faster.",
    )
    poll_factor: float = Field(
        default=1.5, ge=1, le=10, description="Each wait between two looks at a batch is this many times the one before."
    )
    commit_interval_s: float = Field(default=1.0, gt=0, le=60, description="How often offsets are committed.")
    done_flush_s: float = Field(default=0.2, gt=0, le=60, description="How often finished requests are announced.")
    start_within_s: float = Field(
        default=130.0, gt=0, description="A claim that has not led to a create call for this long has run out."
    )
    create_timeout_s: float = Field(
        default=120.0,
        gt=0,
        description="A batch create (upload included) without an answer is of unknown outcome.",
    )
    list_settle_s: float = Field(
        default=180.0,
        gt=0,
        description="Time between the two scans of a provider's list that may conclude that a job is absent.",
    )
    clock_skew_s: float = Field(default=60.0, ge=0, description="Largest difference assumed between two machines' clocks.")
    log_look_s: float = Field(
        default=1.0,
        ge=0,
        description="Time between two of the ten looks at a log that ends before what the tables tell of.",
    )
    near_deadline_s: float = Field(
        default=1_800.0, ge=0, description="A comparison that is this close to its deadline is asked again as a single call."
    )
    retry_batch_min: int = Field(default=4, ge=1, description="Fewer comparisons than this are tried again as single calls.")

    @model_validator(mode="after")
    def _create_ends_within_its_claim(self) -> Self:
        if self.create_timeout_s >= self.start_within_s:
            raise ValueError(
                f"CREATE_TIMEOUT_S={self.create_timeout_s:g} must be below "
                f"ROUNDBATCH_TESTING__START_WITHIN_S={self.start_within_s:g}: "
                "lower it, or raise the other (an upload counts in both: one that outlasts its claim is made in vain)"
            )
        return self
