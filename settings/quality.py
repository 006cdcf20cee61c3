"""Settings of how the judges are watched by audits, and what is done when one is bent (docs/quality.md)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class QualitySettings(BaseModel):
    """When a judge counts as bent. Tolerances are shares: 0.02 is 2 points of 100."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    false_alarms: float = Field(
        default=0.01, gt=0, le=0.5, description="Most chance of a false alarm in any 30 days, of all models and tests together."
    )
    tolerance: float = Field(
        default=0.0, ge=0, le=0.5, description="By how much excess and shift may be off 0 without an alarm: 0.02 is 2 points."
    )
    position_tolerance: float = Field(
        default=0.02, ge=0, le=0.5, description="The same for the position bias, which nearly every judge has."
    )
    on_alarm: Literal["warn", "halve", "single"] = Field(
        default="warn",
        description="What an alarm about bundles does: a log line and an alert; also half the bundle size, or no bundles.",
    )
