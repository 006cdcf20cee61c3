"""Pauses intake while too many bytes of prompts are pending, which bounds the worker's memory and disk."""

from collections.abc import Iterable

import structlog
from faust.types import TP

from settings.settings import Settings
from streams.kafka.app import RoundbatchApp
from tables.view import PartitionView

log = structlog.get_logger("backlog")
_RESUME_AT = 0.8  # of max_pending_bytes: intake goes on only below this, so that it does not pause and resume in quick turns


class Backlog:
    """Pauses the partitions of the request topic at Kafka's consumer, and resumes them."""

    def __init__(self, app: RoundbatchApp, settings: Settings) -> None:
        self._app, self._topic, self._limit = app, settings.request_topic, settings.max_pending_bytes

    def bound(self, views: Iterable[PartitionView]) -> None:
        """Pause or resume, by what is pending now in all partitions of this worker."""
        every = list(views)
        pending = sum(view.state.pending_bytes for view in every)
        for view in every:
            tp = TP(self._topic, view.partition)
            # A partition whose reconcile waits for collect is not paused: the request that it waits for must be read.
            if pending > self._limit and not view.inbound_paused and not view.waits_for_collect:
                self._app.consumer.pause_partitions({tp})
                view.inbound_paused = True
                log.warning("intake_paused", partition=view.partition, pending_bytes=pending, limit=self._limit)
            elif view.inbound_paused and (pending < self._limit * _RESUME_AT or view.waits_for_collect):
                self._app.consumer.resume_partitions({tp})
                view.inbound_paused = False
                log.info("intake_resumed", partition=view.partition, pending_bytes=pending)
