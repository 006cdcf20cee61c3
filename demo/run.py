"""A demo from start to end: services, two assignments at the CJ service, report."""

import secrets
import sys
import time
from pathlib import Path

import numpy as np
from confluent_kafka import KafkaException
from rich.console import Console

from demo import assignment, cj_service, picture, report, services
from demo.cj_batch import CJBatch, Route
from demo.exchange import KafkaExchange
from demo.processes import Processes, body_of
from demo.progress import Progress, bill, stream_for
from demo.sending import Sending
from simulator.control import ControlError, SimulatorControl

#: Folder of the essays → who judges them.
JUDGES = {"better-future": ("anthropic", "claude-haiku-5-5"), "school-start": ("openai", "gpt-6-luna")}
#: The play alone; set-up and picture take some 15 s more, and the whole must stay below 90 s.
PLAY_S = 75.0


def run(*, seed: int, rounds: int, sending: Sending, as_json: bool, out: Path) -> bool:
    """Play, and leave `ranking.png`, `results.jsonl`, `demo.json` and the worker's last `metrics.txt` in `out`.

    Returns whether every comparison was answered exactly once. Errors: those of services.start.
    """
    start = time.monotonic()
    console = Console(file=stream_for(as_json), highlight=False, soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    for stale in ("ranking.png", "results.jsonl", "demo.json", "metrics.txt"):
        # A demo that fails must not leave the files of an earlier success behind.
        (out / stale).unlink(missing_ok=True)
    with Processes(out / "demo-logs") as processes:
        console.print(f"starting Kafka, the simulated providers and a worker that sends by {sending.strategy} …")
        running = services.start(processes, out, seed, sending)
        console.print(
            f"Kafka at {running.kafka.kafka_bootstrap_servers}, providers at {running.simulator_url}, "
            f"logs in {out / 'demo-logs'}\n"
            f"the worker's page: {running.worker_url}/"
        )
        control = SimulatorControl(running.simulator_url)
        batches = _batches(running.topics.result, seed, rounds, sending.mode)
        with (
            KafkaExchange(running.kafka, running.topics.request, running.topics.result) as exchange,
            Progress(batches, control.ledger, stream_for(as_json), live=not as_json) as progress,
            (out / "results.jsonl").open("wb") as kept,
        ):

            def watch() -> None:
                processes.check()
                progress.update()

            try:
                for value in cj_service.play(batches, exchange, timeout_s=PLAY_S, now=time.monotonic, watch=watch):
                    kept.write(value + b"\n")
                ledger = control.ledger()
                (out / "metrics.txt").write_bytes(body_of(f"{running.worker_url}/metrics"))
            except (KafkaException, ControlError, OSError) as error:
                raise processes.lost(error) from error
    picture.draw(batches, out / "ranking.png")
    found = report.make(batches, ledger, time.monotonic() - start, sending)
    path = report.write(found, out)
    report.print_tables(batches, console)
    report.print_missing(batches, console)
    console.print(
        f"{found.answered} of {found.requested} comparisons answered in {found.rounds} rounds and {found.seconds} s, "
        f"{found.errors} errors, {found.duplicates} duplicates\n{bill(ledger)}\n"
        f"rank correlation {found.rank_correlation:.2f} (the lower of {len(batches)})\n"
        f"{out / 'ranking.png'}, {out / 'results.jsonl'}, {path}"
    )
    if as_json:
        sys.stdout.write(found.as_json() + "\n")
    return found.whole


def _batches(result_topic: str, seed: int, rounds: int, mode: str) -> list[CJBatch]:
    return [
        CJBatch(
            assignment.load(assignment.FOLDER / folder),
            Route(provider, model, result_topic, mode),
            # Not drawn by the seed: on a Kafka that outlives the demo, a known cj_batch's round would be complete already.
            cj_batch_id=str(100_000 + secrets.randbelow(900_000)),
            rounds=rounds,
            rng=np.random.default_rng([seed, number]),
        )
        for number, (folder, (provider, model)) in enumerate(JUDGES.items())
    ]
