"""No view is built from tables that nobody has restored, whatever Faust says of them."""

from types import SimpleNamespace
from typing import Any

import structlog
from faust.types import TP

from agents.partitions.views import Views
from settings.settings import Settings

CHANGELOGS = ("rounds", "outcomes")


def views_of(partitions: tuple[int, ...]) -> tuple[Views, Any]:
    settings = Settings()
    recovery = SimpleNamespace(active_highwaters={}, active_offsets={})
    app: Any = SimpleNamespace(
        rebalancing_count=0,
        rebalancing=False,
        should_stop=False,
        tables=SimpleNamespace(actives_ready=True, recovery=recovery),
        consumer=SimpleNamespace(assignment=lambda: {TP(settings.request_topic, one) for one in partitions}),
    )
    tables: Any = tuple(SimpleNamespace(changelog_topic_name=name) for name in CHANGELOGS)
    none: Any = None
    return Views(app, settings, tables, none, none), app


def test_a_worker_without_partitions_is_settled() -> None:
    views, _ = views_of(())
    assert views.settled


def test_tables_are_restored_when_each_changelog_was_read_to_its_end() -> None:
    """Faust takes a changelog of which it knows no end, or not how far it has read, for one that is done."""
    views, app = views_of((0, 3))
    recovery = app.tables.recovery
    with structlog.testing.capture_logs() as lines:
        assert not views.settled
        for name in CHANGELOGS:
            recovery.active_highwaters |= {TP(name, 0): 7, TP(name, 3): -1}
            assert not views.settled
        recovery.active_offsets |= {TP("rounds", 0): 7, TP("outcomes", 0): 6, TP("rounds", 3): -1, TP("outcomes", 3): -1}
        assert not views.settled
        recovery.active_offsets[TP("outcomes", 0)] = 7
        assert views.settled
    assert [line["event"] for line in lines] == ["tables_not_restored"]
    app.rebalancing_count += 1
    recovery.active_offsets.clear()
    assert not views.settled
