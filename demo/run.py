"""A demo from start to end: services, assignments at the CJ service, report."""

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import KafkaException
from rich.console import Console

from demo import assignment, cj_service, picture, report, services
from demo.cj_batch import CJBatch, Route
from demo.cj_client import CJClient, PostFailed
from demo.exchange import KafkaExchange
from demo.processes import Processes, body_of
from demo.progress import Progress, bill, stream_for
from demo.sending import Sending
from settings.settings import Settings
from simulator.control import ControlError, SimulatorControl

#: The play alone; set-up and picture take some 15 s more, and the whole must stay below 90 s.
PLAY_S = 75.0


@dataclass(frozen=True, slots=True)
class Tell:
    """What Kafka (and its topics) holds, in sentences: on the ranking of a cj_batch_id, and on the judges, by their audits."""

    ranking: Callable[[Settings, str], Sequence[str]]
    judges: Callable[[Settings], Sequence[str]]


def run(*, seed: int, rounds: int, sending: Sending, as_json: bool, out: Path, tell: Tell) -> bool:
    """Play, and leave `ranking.png`, `results.jsonl`, `demo.json` and the worker's last `metrics.txt` in `out`.

    With a gateway its last metrics too, `gateway-metrics.txt`.

    Returns whether every comparison was answered exactly once. Errors: those of services.start.
    """
    start = time.monotonic()
    console = Console(file=stream_for(as_json), highlight=False, soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    for stale in ("ranking.png", "results.jsonl", "demo.json", "metrics.txt", "gateway-metrics.txt"):
        # A demo that fails must not leave the files of an earlier success behind.
        (out / stale).unlink(missing_ok=True)
    with Processes(out / "demo-logs") as processes:
        also = " and the HTTP gateway" if sending.http else ""
        console.print(f"starting Kafka, the simulated providers, a worker that sends by {sending.strategy}{also} …")
        running = services.start(processes, out, seed, sending)
        console.print(
            f"Kafka at {running.kafka.kafka_bootstrap_servers}, providers at {running.simulator_url}, "
            f"logs in {out / 'demo-logs'}\n"
            f"the worker's page: {running.worker_url}/"
            + (f"\nCJ posts to {running.gateway_url}/api/v1/comparison" if running.gateway_url else "")
        )
        control = SimulatorControl(running.simulator_url)
        batches = _batches(running.topics.result, seed, rounds, sending)
        with (
            KafkaExchange(running.kafka, running.topics.request, running.topics.result) as exchange,
            _way_in(running.gateway_url, exchange) as requests,
            Progress(batches, control.ledger, stream_for(as_json), live=not as_json) as progress,
            (out / "results.jsonl").open("wb") as kept,
        ):

            def watch() -> None:
                processes.check()
                progress.update()

            try:
                for value in cj_service.play(batches, requests, exchange, timeout_s=PLAY_S, now=time.monotonic, watch=watch):
                    kept.write(value + b"\n")
                ledger = control.ledger()
                (out / "metrics.txt").write_bytes(body_of(f"{running.worker_url}/metrics"))
                of_rankings = {
                    batch.cj_batch_id: tell.ranking(running.kafka, batch.cj_batch_id) for batch in batches if batch.route.judges
                }
                of_judges = tell.judges(running.kafka) if sending.audit else ()
                planted = control.truth()
                if running.gateway_url:
                    (out / "gateway-metrics.txt").write_bytes(body_of(f"{running.gateway_url}/metrics"))
            except (KafkaException, ControlError, PostFailed, OSError) as error:
                raise processes.lost(error) from error
    ranked = [batch for batch in batches if batch.route.judges]
    picture.draw(ranked, out / "ranking.png")
    found = report.make(batches, ledger, time.monotonic() - start, sending)
    path = report.write(found, out)
    report.print_tables(ranked, console)
    report.print_missing(batches, console)
    for batch in ranked:
        report.print_judgement(batch, of_rankings[batch.cj_batch_id], console)
    if of_judges:
        report.print_judges(of_judges, console)
    elif sending.judging:
        report.print_not_audited(console)
    if sending.judging:
        console.print(report.planted(sending.judging, planted["expected"]))
    console.print(
        f"{found.answered} of {found.requested} comparisons answered in {found.rounds} rounds and {found.seconds} s, "
        f"{found.errors} errors, {found.duplicates} duplicates\n{bill(ledger)}\n"
        f"rank correlation {found.rank_correlation:.2f} (the lowest of {len(ranked)})\n"
        f"{out / 'ranking.png'}, {out / 'results.jsonl'}, {path}"
    )
    if as_json:
        sys.stdout.write(found.as_json() + "\n")
    return found.whole


def _way_in(gateway_url: str | None, exchange: KafkaExchange) -> AbstractContextManager[cj_service.Requests]:
    if gateway_url is None:
        return nullcontext(cj_service.RoundRecords(exchange))
    return CJClient(f"{gateway_url}/api/v1")


def _batches(result_topic: str, seed: int, rounds: int, sending: Sending) -> list[CJBatch]:
    return [
        CJBatch(
            assignment.load(assignment.FOLDER / judge.folder, judge.essays),
            Route(judge.provider, judge.model, result_topic, sending.mode, judges=judge.provider != "mock"),
            # Not drawn by the seed: on a Kafka that outlives the demo, a known cj_batch's round would be complete already.
            cj_batch_id=str(100_000 + secrets.randbelow(900_000)),
            rounds=rounds,
            rng=np.random.default_rng([seed, number]),
        )
        for number, judge in enumerate(sending.judges)
    ]
