"""Settings of shadow audits. By default there are none."""

from pydantic import BaseModel, ConfigDict, Field


class AuditSettings(BaseModel):
    """How much is spent on asking comparisons again, to see what bundles do to verdicts (docs/quality.md)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    share: float = Field(
        default=0.0, ge=0, le=10, description="USD for audits per USD that comparisons cost, on average; 0: no audits."
    )
    day_usd: float | None = Field(default=None, ge=0, description="Most USD a day for audits.")
    salt: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="What the draw of audited lines begins with, the same on all workers; by default APP_ID.",
    )
    keep_days: int = Field(
        default=90, ge=3, le=3_650, description="How long audits are remembered; an alarm looks at the last 45 days."
    )
