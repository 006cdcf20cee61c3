"""What becomes of a plan of which every open member failed for one cause."""

from domain.comparison import Member
from domain.job import Plan
from domain.replanning import Next, replan
from domain.reply import Cause, ErrorCode, Retry
from tests.model.values import HOUR_MS, members, plan

NOW_MS = HOUR_MS


def retry(cause: Cause) -> Retry:
    return Retry(cause, ErrorCode.RATE_LIMIT, f"{cause} was said")


def after(cause: Cause, of: Plan, now_ms: int = NOW_MS) -> Next:
    return replan(of, dict.fromkeys(of.members, retry(cause)), now_ms)


def in_bundles(count: int, sizes: list[int]) -> Plan:
    """A plan of `count` members in lines of these sizes, over and over."""
    left, lines = members(count), tuple[tuple[Member, ...], ...]()
    while left:
        size = sizes[len(lines) % len(sizes)]
        lines, left = (*lines, left[:size]), left[size:]
    return plan(members(count), lines=lines)
