"""A worker process for measurements alone: agents.worker.Worker with its accounts replaced by instant ones.

Not a setting of the product: nobody must be able to configure a worker that answers without asking a model.

    python -m bench.instant_worker MARKS [PROFILE]

MARKS: a file that gets one JSON line when the first inbound record is handled (what counts as the start). PROFILE: a file for
the samples of bench.sampling, from that moment to the stop.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agents.worker
from agents.metrics.counters import Metrics
from agents.records.collect import Collect
from agents.worker import Worker
from bench import sampling
from bench.instant import InstantProvider
from bench.processes import resident_bytes
from bench.sampling import Sampler
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from settings.settings import PROVIDERS, Settings, load_settings
from streams import logs


def instant_accounts(settings: Settings, metrics: Metrics) -> dict[str, Account]:
    """An instant account for each provider, in place of agents.accounts.open.open_accounts."""
    return {
        name: Account(name, InstantProvider(name), Limiter(only_concurrent(settings.provider(name).max_concurrent_calls)))
        for name in PROVIDERS
    }


def main(marks: Path, profile: Path | None) -> None:
    """Run the worker by the environment's settings until SIGTERM."""
    settings = load_settings()
    logs.configure(settings.log_level)
    sampler = Sampler() if profile is not None else None

    def started() -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        mark = {"started_s": time.time(), "cpu_s": usage.ru_utime + usage.ru_stime, "resident_bytes": resident_bytes()}
        marks.write_text(json.dumps(mark) + "\n")
        if sampler is not None:
            sampler.start()

    _call_before_first(started)
    agents.worker.open_accounts = instant_accounts  # type: ignore[attr-defined]
    if profile is not None and sampler is not None:
        _write_before_stop(sampler, profile)
    agents.worker.main(settings)


def _call_before_first(action: Callable[[], None]) -> None:
    """Have the action called once, directly before the first inbound record is handled."""
    handle = Collect.handle
    waiting = [action]

    def first(self: Collect, view: Any, message: Any) -> Any:
        while waiting:
            waiting.pop()()
        return handle(self, view, message)

    Collect.handle = first  # type: ignore[method-assign]


def _write_before_stop(sampler: Sampler, profile: Path) -> None:
    shut_down = Worker._shut_down

    async def write_first(self: Worker) -> None:
        sampler.stop()
        _write(sampler, profile)
        await shut_down(self)

    Worker._shut_down = write_first  # type: ignore[method-assign]


def _write(sampler: Sampler, profile: Path) -> None:
    profile.write_text(sampling.text(sampler.stacks))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
