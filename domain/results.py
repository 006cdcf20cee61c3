"""What follows when rows of an ended batch did not come: the batch is read again, and near the deadline given up."""

from enum import StrEnum

from domain.job import Plan


class AfterRead(StrEnum):
    """What follows for lines whose rows the provider counts but does not deliver."""

    AGAIN = "again"  # they were paid and may still come: the batch is read again later
    LOST = "lost"  # they have not come in all the time that the deadline left: booked as paid, and asked again by calls


def after_read(plan: Plan, *, since_ms: int, now_ms: int) -> AfterRead:
    """Decide after a short read; since_ms: when the first short read of the batch was (ms since the epoch)."""
    return AfterRead.LOST if now_ms >= give_up_at_ms(plan, since_ms) else AfterRead.AGAIN


def give_up_at_ms(plan: Plan, since_ms: int) -> int:
    """When reading is given up for calls: at the moment of escalation, but not before half of the time left has been used.

    The other half is for the calls. Without that rule a batch that was cancelled at the moment of escalation could be read only
    once.
    """
    deadline_ms = plan.deadline_ms if since_ms < plan.deadline_ms else max(plan.deadline_ms, plan.last_deadline_ms)
    before_s = plan.policy.escalate_before_s or plan.policy.near_deadline_s
    return max(deadline_ms - int(before_s * 1000), (since_ms + deadline_ms) // 2)


def lost_part(paid: int | None, missing: int) -> float:
    """Which part of the missing lines was paid for. `paid`: how many answers the provider counts that did not come."""
    return 1.0 if paid is None else min(1.0, paid / missing)
