"""The statuses of several workers as one: each knows its own partitions only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Told = dict[str, Any]
SHOWN = 50
_WORST = ("paused", "trying", "open")


def together(statuses: Sequence[Told]) -> Told:
    """One status of the same shape as each; `workers` in place of `worker`. Of rounds and jobs the oldest are shown."""
    queues = [status["queue"] for status in statuses]
    return {
        "workers": [status["worker"] for status in statuses],
        "queue": {
            "waiting": sum(queue["waiting"] for queue in queues),
            "oldest_s": max(_known(queue["oldest_s"] for queue in queues), default=None),
            "nearest_deadline_s": min(_known(queue["nearest_deadline_s"] for queue in queues), default=None),
            "pending": _summed([one for queue in queues for one in queue["pending"]], "provider", "strategy"),
            "stages": _stages([stage for queue in queues for stage in queue["stages"]]),
            "jobs": _summed([one for queue in queues for one in queue["jobs"]], "provider", "state"),
        },
        "results": _counted(status["results"] for status in statuses),
        "rounds": {
            "open": sum(status["rounds"]["open"] for status in statuses),
            "gathering": sum(status["rounds"]["gathering"] for status in statuses),
            "shown": _oldest(one for status in statuses for one in status["rounds"]["shown"]),
        },
        "jobs": {
            "open": sum(status["jobs"]["open"] for status in statuses),
            "shown": _oldest(one for status in statuses for one in status["jobs"]["shown"]),
        },
        "limits": _limits([account for status in statuses for account in status["limits"]]),
        "enqueued": _enqueued([one for status in statuses for one in status["enqueued"]]),
        "money": _money([status["money"] for status in statuses]),
    }


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            found[name] = found.get(name, 0) + count
    return found


def _summed(rows: Iterable[Told], *names: str) -> list[Told]:
    found: dict[tuple[str, ...], Told] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        found[key] = {**row, "count": row["count"] + found.get(key, {"count": 0})["count"]}
    return [found[key] for key in sorted(found)]


def _stages(rows: Iterable[Told]) -> list[Told]:
    """In the order in which one worker tells them."""
    found: dict[str, Told] = {}
    for row in rows:
        before = found.setdefault(row["state"], {"state": row["state"], "count": 0, "oldest_s": None})
        before["count"] += row["count"]
        before["oldest_s"] = max(_known((before["oldest_s"], row["oldest_s"])), default=None)
    return list(found.values())


def _oldest(rows: Iterable[Told]) -> list[Told]:
    return sorted(rows, key=lambda row: -(row["age_s"] or 0.0))[:SHOWN]


def _limits(accounts: Iterable[Told]) -> list[Told]:
    """Sums: each worker tells of its share of the account."""
    found: dict[str, Told] = {}
    for account in accounts:
        before = found.setdefault(
            account["provider"],
            {"provider": account["provider"], "waiting": 0, "under_way": 0, "at_once": 0, "pause_s": 0.0, "left": {}},
        )
        for name in ("waiting", "under_way", "at_once"):
            before[name] += account[name]
        before["pause_s"] = max(before["pause_s"], account["pause_s"])
        for one in account["left"]:
            sums = before["left"].setdefault((one["model"], one["kind"]), {**one, "limit": 0.0, "remaining": 0.0})
            sums["limit"] += one["limit"]
            sums["remaining"] += one["remaining"]
    return [{**account, "left": list(account["left"].values())} for account in found.values()]


def _enqueued(rows: Iterable[Told]) -> list[Told]:
    found: dict[tuple[str, ...], Told] = {}
    for row in rows:
        key = (row["provider"], row["model"], row["kind"])
        before = found.setdefault(key, {**row, "used": 0, "limit": 0.0, "waiting": 0})
        for name in ("used", "limit", "waiting"):
            before[name] += row[name]
    return list(found.values())


def _money(told: Sequence[Told]) -> Told:
    """Spent and reserved are sums, the limit is everybody's; an account is as its worst worker says."""
    if not told:
        return {}
    accounts: dict[str, Told] = {}
    for one in (account for money in told for account in money.get("accounts", ())):
        before = accounts.get(one["account"])
        waiting = one["waiting_jobs"] + (before["waiting_jobs"] if before else 0)
        worst = one if before is None or _WORST.index(one["state"]) < _WORST.index(before["state"]) else before
        accounts[one["account"]] = {**worst, "waiting_jobs": waiting}
    days = [money["day"] for money in told if "day" in money]
    return {
        **told[0],
        "accounts": list(accounts.values()),
        "day": {
            **(days[0] if days else {}),
            "spent_usd": sum(day["spent_usd"] for day in days),
            "reserved_usd": sum(day["reserved_usd"] for day in days),
        },
        "held": _counted(money["held"] for money in told if "held" in money),
    }
