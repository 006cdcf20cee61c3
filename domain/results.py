"""What follows from reading an ended batch of which rows did not come: it is read again, in the end given up."""

from enum import StrEnum

from domain.job import Plan


class AfterRead(StrEnum):
    """What follows for lines whose rows the provider counts, and does not give."""

    AGAIN = "again"  # they may still come, and were paid: the batch is read again later
    LOST = "lost"  # they have not come for as long as the deadline allowed: counted as paid, and asked again by calls


def after_read(plan: Plan, *, since_ms: int, now_ms: int) -> AfterRead:
    """Decide after a read; since_ms: when the batch was first read so (ms since the epoch)."""
    return AfterRead.LOST if now_ms >= give_up_at_ms(plan, since_ms) else AfterRead.AGAIN


def give_up_at_ms(plan: Plan, since_ms: int) -> int:
    """When reading is given up for calls: at the moment of escalation, but half of the time that was left is always used.

    The other half is for the calls. A batch that was cancelled at that moment could be read once only otherwise.
    """
    deadline_ms = plan.deadline_ms if since_ms < plan.deadline_ms else max(plan.deadline_ms, plan.last_deadline_ms)
    before_s = plan.policy.escalate_before_s or plan.policy.near_deadline_s
    return max(deadline_ms - int(before_s * 1000), (since_ms + deadline_ms) // 2)


def lost_share(paid: int | None, missing: int) -> float:
    """Which part of the missing lines was paid for, when the provider counts so many answers more than came (None: unknown)."""
    return 1.0 if paid is None else min(1.0, paid / missing)
