"""Settings of the budgets, in USD. By default there is no budget."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from settings.time_zone import TimeZone


class BudgetSettings(BaseModel):
    """What may be spent. docs/spending.md says what a budget means with several workers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    day_usd: float | None = Field(default=None, ge=0, description="Most USD a day, at all providers together.")
    batch_usd: float | None = Field(default=None, ge=0, description="Most USD for one bos_batch_id.")
    excess: Literal["hold", "refuse"] = Field(
        default="hold",
        description="Whether a job that a budget has no room for waits (as long as its deadline allows), or is refused.",
    )
    time_zone: TimeZone = Field(default="UTC", description="Time zone in which the day begins, as Europe/Stockholm.")
