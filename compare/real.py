"""A real run of one way of sending, at all of its providers at once: with a worker process, Kafka and HTTP."""

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import scraped
from compare.case import Case, asked_at_s
from compare.pace import Pace
from compare.playing import Times, play
from compare.row import Row, percentile
from compare.scraped import Scraped
from demo.cj_batch import CJBatch
from demo.environment import clean_environment
from demo.exchange import KafkaExchange
from demo.processes import Processes, body_of
from settings.settings import load_settings

READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run takes place. kafka: the worker's settings of Kafka; providers: its settings of keys and base URLs."""

    kafka: Mapping[str, str]
    providers: Mapping[str, str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Run:
    """The cases of one way of sending, one for each provider."""

    cases: Sequence[Case]
    pace: Pace = field(default_factory=Pace)
    settings: Mapping[str, str] = field(default_factory=dict)  # of the worker, besides those of the cases
    timeout_s: float = 600.0


def measure(
    run: Run,
    place: Place,
    *,
    ideal_s: Callable[[Case, Scraped], float],
    wanted: Callable[[float], bool] = lambda spent_usd: True,
) -> list[Row]:
    """Play the run; a row for each case.

    `wanted` is asked, with the USD that this run has cost so far, before each round but the first.

    Errors: ProcessFailed.
    """
    first = run.cases[0]
    way = first.name.removesuffix(f"-{first.provider}")
    name = f"compare-{secrets.token_hex(4)}"
    topics = {kind: f"{name}.{kind}" for kind in ("requested", "result", "work")}
    env = {
        **clean_environment(place.environment),
        **place.providers,
        **place.kafka,
        "ROUNDBATCH_APP_ID": name,
        "ROUNDBATCH_REQUEST_TOPIC": topics["requested"],
        "ROUNDBATCH_WORK_TOPIC": topics["work"],
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": topics["result"],
        "ROUNDBATCH_STATE_DIR": str(place.folder / "state" / name),
        "ROUNDBATCH_HEALTH_PORT": "0",
        **{key: value for case in run.cases for key, value in case.settings(run.pace).items()},
        **run.settings,
    }
    batches = [
        case.work.batch(case.provider, case.model, case.mode, callback_topic=topics["result"], marked=not case.live)
        for case in run.cases
    ]
    with Processes(place.folder / "logs" / way) as processes:
        worker = processes.start("worker", [sys.executable, "-m", "cli", "worker"], env)
        port = int(processes.wait_event(worker, "health_listening", READY_S)["port"])
        processes.wait_ready(worker, f"http://127.0.0.1:{port}/readyz", READY_S)

        def metrics() -> str:
            return body_of(f"http://127.0.0.1:{port}/metrics").decode()

        def more() -> bool:
            text = metrics()
            return wanted(sum(scraped.read(text, case.provider).cost_usd for case in run.cases))

        with KafkaExchange(load_settings(place.kafka), topics["requested"], topics["result"]) as exchange:
            if first.nightly:
                _wait_for(asked_at_s(run.pace.scale))
            times = play(batches, exchange, timeout_s=run.timeout_s, watch=processes.check, wanted=more)
        text = metrics()
    rows = []
    for case, batch, of in zip(run.cases, batches, times, strict=True):
        counted = scraped.read(text, case.provider)
        rows.append(_row(case, run.pace, batch, of, counted, ideal_s(case, counted)))
    return rows


def _wait_for(second: float) -> None:
    time.sleep((second - time.time()) % 60.0)


def _row(case: Case, pace: Pace, batch: CJBatch, of: Times, counted: Scraped, ideal_s: float) -> Row:
    took_s = round((of.ended_s - of.began_s) * pace.scale, 2)
    return Row(
        strategy=case.strategy,
        provider=case.provider,
        account=case.account,
        workload=case.workload,
        bundle_size=case.bundle_size,
        layout=case.layout or "",
        simulated=False,
        comparisons=batch.requested,
        answered=batch.answered - batch.errors,
        makespan_s=took_s,
        ideal_s=round(ideal_s, 2),
        http_operations=counted.http_operations,
        calls_429=counted.calls_429,
        throttled_s=round(counted.throttled_s * pace.scale, 2),
        input_tokens=counted.input_tokens,
        cached_tokens=counted.cached_tokens,
        output_tokens=counted.output_tokens,
        cost_usd=round(counted.cost_usd, 6),
        p50_s=round(percentile(of.took_s, 0.5) * pace.scale, 2),
        p95_s=round(percentile(of.took_s, 0.95) * pace.scale, 2),
        rank_correlation=round(batch.rank_correlation(), 4),
        least_s=took_s,
        most_s=took_s,
        scale=pace.scale,
    )
