"""Whether the tables of an assignment are restored.

Faust says so itself (`actives_ready`), but where two rebalances run into each other it may say so too early: it counts only
changelogs of which it knows both the end and how far it has read, and between two assignments it knows that of none. A view
that is built then lacks what nobody has restored: answered comparisons look open, and end a second time at their deadline.
"""

from collections.abc import Iterable
from typing import Any

from faust.types import TP

from streams.kafka.app import RoundbatchApp
from tables.acknowledged import AcknowledgedTable


def are_restored(app: RoundbatchApp, tables: Iterable[AcknowledgedTable], partitions: Iterable[int]) -> bool:
    """Whether every changelog of these partitions was read up to the end that it had when its recovery began."""
    manager: Any = app.tables
    recovery = manager.recovery
    places = [TP(table.changelog_topic_name, partition) for table in tables for partition in partitions]
    read = ((recovery.active_highwaters.get(place), recovery.active_offsets.get(place)) for place in places)
    return all(end is not None and offset is not None and offset >= end for end, offset in read)
