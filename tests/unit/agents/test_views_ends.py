"""Where the topics end is only asked to notice a stall: that Kafka does not answer must not end the worker."""

from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka.errors import KafkaTimeoutError

from agents.partitions.views import Views
from domain.partition.state import PartitionState
from settings.settings import Settings
from tables.view import PartitionView, ReadProgress


class Ends:
    """Kafka, when it is there."""

    def __init__(self) -> None:
        self.gone = True

    async def of(self, places: Any) -> dict[tuple[str, int], tuple[int, int]]:
        wanted = list(places)
        if self.gone:
            raise KafkaTimeoutError
        return dict.fromkeys(wanted, (0, 7))


@pytest.fixture
def app() -> Any:
    return SimpleNamespace(
        rebalancing_count=0,
        rebalancing=False,
        should_stop=False,
        tables=SimpleNamespace(actives_ready=True, recovery=SimpleNamespace(active_highwaters={}, active_offsets={})),
        consumer=SimpleNamespace(assignment=set),
    )


async def test_an_outage_is_waited_out(app: Any) -> None:
    ends = Ends()
    unread: Any = ends
    no_tables: Any = ()
    none: Any = None
    views = Views(app, Settings(), no_tables, unread, none)
    view = views._built[0] = PartitionView(0, PartitionState(0), ReadProgress(3, 3, acked=3), ReadProgress(5, 5, acked=4))
    with structlog.testing.capture_logs() as lines:
        await views.look_at_ends()
    assert [line["event"] for line in lines] == ["log_ends_unread"]
    assert (view.inbound.lag, view.work.lag) == (0, 1)
    ends.gone = False
    await views.look_at_ends()
    assert (view.inbound.lag, view.work.lag) == (4, 3)
