"""One run: Kafka, providers, workers and clients are started, struck by the schedule, left in peace, and checked."""

import contextlib
import json
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.brokers.cluster import REPLICAS
from tests.brokers.topics import create_topics
from tests.chaos.storm import kafka_nodes, reading
from tests.chaos.storm.asking import Asking
from tests.chaos.storm.crash_points import crash_points
from tests.chaos.storm.fleet import Fleet, Tally
from tests.chaos.storm.history import Broken, Counts, check, orphans
from tests.chaos.storm.networks import Networks
from tests.chaos.storm.provider_faults import BY_RATE
from tests.chaos.storm.schedule import CRASH_POINT, Armings, drawn
from tests.chaos.storm.settings import GATEWAYS, NETWORKS, WORKERS, named, of_seed
from tests.chaos.storm.striking import TICK_S, Around, Storm, say
from tests.harness.deployment import Deployment
from tests.harness.forked import forked_simulator
from tests.waiting import until

DRAIN_S = 420.0  # longer than the longest wait, after which a request ends in TIMEOUT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    seed: int
    minutes: float
    brokers: int
    tally: Tally
    crash_points: dict[str, int]
    counts: Counts
    broken: list[Broken]
    drained_s: float
    lasted_s: float
    folder: Path


def calm(storm: Storm) -> float:
    """Undo what was done to processes and providers, and wait until all is answered and committed; how many seconds it took."""
    began_s = time.monotonic()
    storm.later.clear()
    storm.fleet.arming = False
    storm.made.simulator.clear_faults()
    storm.made.simulator.skew(0.0)
    storm.made.simulator.release()
    for place in storm.fleet.places.values():
        storm.fleet.jump_clock(place, 0.0)
        storm.fleet.signal(place, signal.SIGCONT)
        if place.full:
            storm.fleet.fill_disk(place, full=False)
        place.wanted = place.lasts
        if place.runs and (place.armed or not place.lasts):  # it would still die there, or is in another's way
            storm.fleet.kill(place, "calm")
    said_s = began_s
    while (now_s := time.monotonic()) - began_s < DRAIN_S:
        storm.fleet.look()
        for batch in storm.made.simulator.batches():
            if batch["held"]:
                storm.made.simulator.release(batch_id=batch["id"])
        unanswered = len(storm.asking.asked.accepted - reading.answered(storm.made))
        unread = reading.not_committed(storm.made)
        if not unanswered and not unread:
            break
        if now_s - said_s > 15:
            said_s = now_s
            say(f"  draining: {unanswered} without an event, not committed {unread or 'nothing'}")
        time.sleep(2)
    return time.monotonic() - began_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """What runs have in common. `only`: no other deeds than these, all where it is empty. `plant`: a fault for each worker."""

    minutes: float
    brokers: int
    rate: float
    only: frozenset[str] = frozenset()
    plant: str = ""


def run(seed: int, wanted: Wanted, folder: Path) -> Outcome:
    """One run. Everything that it wrote stays in `folder`, but what Kafka and the workers keep on disk."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    strikes, armings, tally = drawn(seed, wanted.minutes), Armings(seed, crash_points()), Tally()
    if wanted.only:
        armings = Armings(seed, crash_points(), float(CRASH_POINT in wanted.only))
        strikes = [strike for strike in strikes if strike.deed in wanted.only]
    (folder / "schedule.txt").write_text("".join(f"{strike}\n" for strike in strikes))
    say(f"seed {seed}: {len(strikes)} strikes, {folder / 'schedule.txt'}")
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        networks = Networks(list(NETWORKS))
        stack.callback(networks.close)
        simulator = stack.enter_context(
            forked_simulator(
                seed=seed,
                batch_duration_s=1.5,
                validation_s=0.3,
                cancel_duration_s=0.5,
                latency_s=0.1,
                judge_error_rate=0.0,
                ledger=folder / "ledger.sqlite",
            )
        )
        providers = {
            name: f"http://127.0.0.1:{networks.route(name, int(simulator.base_url.rpartition(':')[2]))}" for name in NETWORKS
        }
        kafka = stack.enter_context(kafka_nodes.running(wanted.brokers, networks, folder))
        made = Deployment(kafka.bootstrap, f"chaos-{seed}", folder, simulator, of_seed(seed))
        if wanted.brokers > 1:
            made.env["ROUNDBATCH_REPLICATION_FACTOR"] = str(REPLICAS)
        around = Around(kafka, networks, providers)
        fleet = Fleet(folder, armings, tally, wanted.plant)
        stack.callback(fleet.close)
        for number in range(WORKERS):
            network = NETWORKS[number % len(NETWORKS)]
            name = f"worker-{number}"
            fleet.add(name, "worker", {**around.environment(made, network), **named(seed, name)}, network)
        for number in range(GATEWAYS):
            network = NETWORKS[-1 - number]
            fleet.add(f"gateway-{number}", "gateway", around.environment(made, network), network)
        fleet.arming = False  # the topics are made first
        fleet.look()
        _wait_for_topics(made, fleet)
        fleet.arming = True
        if CRASH_POINT in wanted.only:  # nobody else ends a worker, so that the next one is armed
            for place in fleet.workers:
                fleet.kill(place, "begin")
        made.simulator.faults(*BY_RATE)
        asking = Asking(made, [int(place.env["ROUNDBATCH_GATEWAY__PORT"]) for place in fleet.gateways], seed, wanted.rate)
        storm = Storm(made, fleet, around, asking)
        asking.start()
        try:
            storm.rage(strikes, wanted.minutes * 60)
        finally:
            storm.kafka.all_up()
            for name in NETWORKS:
                networks.heal(name)
            asking.halt()
        while asking.under_way():
            fleet.look()
            time.sleep(TICK_S)
        say("all faults off; draining")
        drained_s = calm(storm)
        _leave_in_order(fleet, tally)
        found = reading.found(made)
        broken, counts = check(asking.asked, found)
        broken += [Broken("exit code", words.partition(",")[0], words) for words in tally.odd_exits]
        _keep(made, folder, broken, orphans(found))
    return Outcome(
        *(seed, wanted.minutes, wanted.brokers, tally, dict(armings.struck), counts, broken),
        drained_s=drained_s,
        lasted_s=time.monotonic() - began_s,
        folder=folder,
    )


def _wait_for_topics(made: Deployment, fleet: Fleet) -> None:
    def there() -> bool:
        fleet.look()
        return reading.exists(made, made.request_topic) and reading.exists(made, made.work_topic)

    create_topics(made.bootstrap, {made.result_topic: 3})
    until(there, "the workers have made their topics", every_s=0.2)


def _leave_in_order(fleet: Fleet, tally: Tally) -> None:
    """SIGTERM to all: each ends in order, with nothing being done to it."""
    for place in fleet.places.values():
        place.wanted = False
        fleet.signal(place, signal.SIGTERM)
    end_s = time.monotonic() + 60
    while any(place.runs for place in fleet.places.values()) and time.monotonic() < end_s:
        time.sleep(TICK_S)
    for place in fleet.places.values():
        if place.runs:
            tally.odd_exits.append(f"{place.name}, start {place.starts}: still there 60 s after SIGTERM")
    fleet.look()


def _keep(made: Deployment, folder: Path, broken: list[Broken], left: list[dict[str, Any]]) -> None:
    """Where something is broken, what the topics hold is written down beside the logs and the ledger."""
    (folder / "orphans.json").write_text(json.dumps(left, indent=1))
    if not broken:
        return
    (folder / "broken.txt").write_text("".join(f"{one}\n" for one in broken))
    for topic in (made.request_topic, made.work_topic, made.result_topic, *reading.dead_letter_topics(made)):
        with open(folder / f"{topic}.jsonl", "w") as file:
            for record in made.read(topic):
                place = {"partition": record.partition, "offset": record.offset, "headers": record.headers}
                file.write(json.dumps({**place, "value": record.value.decode(errors="replace")}) + "\n")
