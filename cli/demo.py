"""`roundbatch demo`: rounds of assignments through batch jobs or calls at simulated providers, asked by topic or over HTTP."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.simulator import Judge, traits_or_exit

Strategy = Literal["per_round", "serial_bundle", "nightly", "per_request"]
Layout = Literal["auto", "verbatim", "shared_essays"]
WayIn = Literal["topic", "http"]


def demo(
    seed: Annotated[int, typer.Option(help="Seed of the first round, of which essay is A, and of the judge's errors.")] = 1,
    rounds: Annotated[int, typer.Option(help="Rounds of 12 comparisons per assignment.", min=1, max=40)] = 10,
    strategy: Annotated[
        Strategy, typer.Option(help="When a round is sent, and how; in the demo there is a night every 3 s.")
    ] = "per_round",
    layout: Annotated[Layout, typer.Option(help="How a bundle is written (serial_bundle).")] = "auto",
    cj: Annotated[
        WayIn,
        typer.Option(
            help="How CJ asks: by a record a round in the request topic, or by posts to the gateway, as CJ does today."
        ),
    ] = "topic",
    judge: Judge = None,
    audit: Annotated[
        float, typer.Option(help="USD for shadow audits per USD that comparisons cost; 10 audits every line.", min=0, max=10)
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print demo.json on stdout; progress goes to stderr.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for ranking.png, results.jsonl, demo.json and logs.")] = Path("build"),
) -> None:
    """Play the CJ service: rank 24 essays at each of two providers, a round at a time, and compare with the hidden order.

    With --judge the simulated judge is noisy or biased (--judge judge_slope=6 --judge retest=1 --judge bundle_shift=0.2), and
    the end tells what the answers show of that; with --audit, also what shadow audits show. With --cj http CJ posts as the CJ
    service does today, and 12 essays go to each of the other three providers as well.

    Needs no key, no Docker and no Kafka; with KAFKA_BOOTSTRAP_SERVERS it uses that Kafka, under topics of its own. Exit
    code 1 if a result is missing or came twice, or if a process failed.
    """
    from cli.processes_end import processes_end
    from cli.quality.telling import told, told_of_judges
    from demo import run
    from demo.run import Tell
    from demo.sending import Sending

    traits_or_exit(judge or ())
    sending = Sending(strategy, layout, http=cj == "http", judging=tuple(judge or ()), audit=audit)
    with processes_end("the demo"):
        whole = run.run(seed=seed, rounds=rounds, sending=sending, as_json=as_json, out=out, tell=Tell(told, told_of_judges))
    if not whole:
        raise typer.Exit(1)
