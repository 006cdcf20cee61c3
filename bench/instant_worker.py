"""A worker process for measurements alone: agents.worker.Worker with its accounts replaced by instant ones.

Not a setting of the product: nobody must be able to configure a worker that answers without asking a model.

    python -m bench.instant_worker MARKS [PROFILE]

MARKS: a file that gets one JSON line when the first inbound record is handled (what counts as the start). PROFILE: a file for
the samples of bench.sampling, from that moment to the stop.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import agents.worker
from agents.wiring import Edges, open_edges
from bench import sampling
from bench.instant import InstantProvider
from bench.sampling import Sampler
from domain.providers import PROVIDERS
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from settings.settings import Settings, load_settings
from streams import logs
from streams.kafka.outbox import Outbox
from tests.harness.memory import resident_bytes


class MarkedOutbox(Outbox):
    """Marks the moment of its first send, a table entry of the first inbound record; ends the samples when the worker stops."""

    def __init__(self, settings: Settings, marks: Path, profile: Path | None) -> None:
        super().__init__(settings)
        self._marks, self._profile = marks, profile
        self._sampler = Sampler() if profile is not None else None
        self._send = super().send

    def send(self, *record: Any, **fields: Any) -> "asyncio.Future[Any]":
        """Mark the moment; later sends go straight to the outbox."""
        self.send = self._send  # type: ignore[method-assign]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        mark = {"started_s": time.time(), "cpu_s": usage.ru_utime + usage.ru_stime, "resident_bytes": resident_bytes()}
        self._marks.write_text(json.dumps(mark) + "\n")
        if self._sampler is not None:
            self._sampler.start()
        return self._send(*record, **fields)

    async def drain(self) -> None:
        """Write what was sampled: the worker stops, and nothing more is to be measured."""
        if self._sampler is not None and self._profile is not None:
            self._sampler.stop()
            self._profile.write_text(sampling.text(self._sampler.stacks))
            self._sampler = None
        await super().drain()


def instant_accounts(settings: Settings, kind: type[InstantProvider] = InstantProvider) -> dict[str, Account]:
    """An instant account for each provider."""
    return {
        name: Account(name, kind(name), Limiter(only_concurrent(settings.provider(name).max_concurrent_calls)))
        for name in PROVIDERS
    }


def main(marks: Path, profile: Path | None) -> None:
    """Run the worker by the environment's settings until SIGTERM."""
    settings = load_settings()
    logs.configure(settings.log_level, for_good=True)

    def edges(settings: Settings) -> Edges:
        return open_edges(settings, MarkedOutbox(settings, marks, profile), instant_accounts(settings))

    agents.worker.main(settings, edges)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
