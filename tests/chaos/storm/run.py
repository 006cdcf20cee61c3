"""One run: Kafka, providers, workers and clients are started, struck by the schedule, left in peace, and checked."""

import contextlib
import heapq
import itertools
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.brokers.cluster import REPLICAS
from tests.brokers.topics import create_topics
from tests.chaos.storm import kafka_nodes, reading
from tests.chaos.storm.asking import Asking
from tests.chaos.storm.crash_points import crash_points
from tests.chaos.storm.fleet import Fleet, Place, Tally
from tests.chaos.storm.history import Broken, Counts, check, orphans
from tests.chaos.storm.networks import Networks
from tests.chaos.storm.provider_faults import BY_RATE
from tests.chaos.storm.schedule import Armings, Strike, drawn
from tests.chaos.storm.settings import (
    GATEWAYS,
    MOST_JUMP_S,
    NETWORKS,
    SESSION_S,
    WORKERS,
    environment,
    of_seed,
)
from tests.harness.deployment import Deployment
from tests.harness.forked import forked_simulator
from tests.waiting import until

DRAIN_S = 420.0  # longer than the longest wait, after which a request ends in TIMEOUT
TICK_S = 0.05
LEAST_WORKERS = 2  # that are left alone when one is killed: with none nothing is done that could go wrong


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


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Around:
    """What workers reach, and through which networks."""

    kafka: kafka_nodes.KafkaNodes
    networks: Networks
    providers: dict[str, str]  # network → the simulator's base URL in it

    def environment(self, made: Deployment, network: str) -> dict[str, str]:
        """The environment of a process in a network."""
        return environment(made, self.kafka.through[network], self.providers[network])


class Storm:
    """The schedule, carried out."""

    def __init__(self, made: Deployment, fleet: Fleet, around: "Around", asking: Asking) -> None:
        self.made, self.fleet, self.around, self.asking = made, fleet, around, asking
        self.kafka, self.networks = around.kafka, around.networks
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._slowed: dict[str, int] = {}
        self._joined = itertools.count(1)
        self.began_s = time.monotonic()

    def rage(self, strikes: list[Strike], seconds: float) -> None:
        """Carry out all strikes, each with its end."""
        self.began_s = time.monotonic()
        for strike in strikes:
            self._at(strike.at_s, lambda strike=strike: self._strike(strike))  # type: ignore[misc]
        told_s = 0.0
        while (now_s := time.monotonic() - self.began_s) < seconds:
            while self._later and self._later[0][0] <= now_s:
                heapq.heappop(self._later)[2]()
            self.fleet.look()
            if now_s - told_s > 30:
                told_s = now_s
                self._tell(now_s)
            time.sleep(TICK_S)

    def _tell(self, now_s: float) -> None:
        asked = self.asking.asked
        deeds = self.fleet.tally.deeds
        say(
            f"{now_s:5.0f} s: {len(asked.sent)} asked, {len(asked.accepted)} accepted, "
            + ", ".join(f"{count} {name}" for name, count in sorted(deeds.items()))
            + f"; workers {sum(one.runs for one in self.fleet.workers)}"
        )

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._later, (at_s, next(self._number), act))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._at(time.monotonic() - self.began_s + seconds, act)

    def _strike(self, strike: Strike) -> None:
        getattr(self, f"_{strike.deed}")(strike)

    def _count(self, deed: str) -> None:
        self.fleet.tally.deeds[deed] += 1

    def _worker(self, strike: Strike) -> Place | None:
        """The worker that is meant, None where too few others would be left."""
        steady = [one for one in self.fleet.workers if one.steady]
        return steady[int(strike.which * len(steady))] if len(steady) > LEAST_WORKERS else None

    def _or_later(self, strike: Strike) -> None:
        """Too few workers run just now: strike in a while."""
        self._after(2.0, lambda: self._strike(strike))

    # -- workers ---------------------------------------------------------------------------------------------------

    def _kill(self, strike: Strike) -> None:
        self._killed(strike, wiped=False)

    def _wipe(self, strike: Strike) -> None:
        self._killed(strike, wiped=True)

    def _killed(self, strike: Strike, *, wiped: bool) -> None:
        place = self._worker(strike)
        if place is None:
            return self._or_later(strike)
        self.fleet.kill(place, strike.deed, wiped=wiped)
        return self._count(strike.deed)

    def _freeze(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None:
            return self._or_later(strike)
        place.frozen, process = True, place.process
        self.fleet.signal(place, signal.SIGSTOP)

        def wake() -> None:
            if place.process is process:
                self.fleet.signal(place, signal.SIGCONT)
                place.frozen = False

        self._after(SESSION_S + strike.lasts_s, wake)
        return self._count(strike.deed)

    def _term(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None:
            return self._or_later(strike)
        self._terminate(place, strike.deed)
        return self._count(strike.deed)

    def _terminate(self, place: Place, deed: str) -> None:
        place.ended_by, process = deed, place.process
        self.fleet.signal(place, signal.SIGTERM)

        def insist() -> None:  # as Kubernetes does
            if place.process is process and place.runs:
                self._count("term_not_obeyed")
                self.fleet.kill(place, deed)

        self._after(45.0, insist)

    def _join(self, strike: Strike) -> None:
        number = next(self._joined)
        network = NETWORKS[number % len(NETWORKS)]
        place = self.fleet.add(f"joined-{number}", "worker", self.around.environment(self.made, network), network)
        self._count(strike.deed)

        def leave() -> None:
            place.wanted = False
            if place.runs:
                self.fleet.signal(place, signal.SIGCONT)
                self._terminate(place, "leave")
                self._count("leave")

        self._after(strike.lasts_s, leave)

    def _leave(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None or place.name.startswith("joined"):
            return self._or_later(strike)
        place.wanted = False
        self._terminate(place, strike.deed)

        def come_back() -> None:
            place.wanted = True
            self._count("join")

        self._after(strike.lasts_s, come_back)
        return self._count(strike.deed)

    def _disk_full(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None:
            return self._or_later(strike)
        process = place.process
        self.fleet.fill_disk(place, full=True)

        def empty() -> None:
            if place.process is process:
                self.fleet.fill_disk(place, full=False)

        self._after(strike.lasts_s, empty)
        return self._count(strike.deed)

    def _clock_jump(self, strike: Strike) -> None:
        places = self.fleet.workers
        self.fleet.jump_clock(places[int(strike.which * len(places))], strike.much * MOST_JUMP_S)
        self._count(strike.deed)

    # -- what is around them -----------------------------------------------------------------------------------------

    def _gateway_kill(self, strike: Strike) -> None:
        places = self.fleet.gateways
        place = places[int(strike.which * len(places))]
        if not place.steady:
            return self._or_later(strike)
        self.fleet.kill(place, strike.deed)
        return self._count(strike.deed)

    def _broker_kill(self, strike: Strike) -> None:
        number = sorted(self.kafka.brokers)[int(strike.which * len(self.kafka.brokers))]
        broker = self.kafka.brokers[number]
        if not broker.runs():
            return self._or_later(strike)
        broker.kill()
        self._after(strike.lasts_s, broker.start)
        return self._count(strike.deed)

    def _slow(self, strike: Strike) -> None:
        self._network(strike, lambda name: self.networks.slow(name, 0.02 + 0.3 * abs(strike.much)))

    def _stall(self, strike: Strike) -> None:
        self._network(strike, self.networks.stall)

    def _cut(self, strike: Strike) -> None:
        self._network(strike, self.networks.cut)

    def _network(self, strike: Strike, change: Callable[[str], None]) -> None:
        name = NETWORKS[int(strike.which * len(NETWORKS))]
        change(name)
        self._slowed[name] = self._slowed.get(name, 0) + 1

        def heal() -> None:
            self._slowed[name] -= 1
            if not self._slowed[name]:
                self.networks.heal(name)

        self._after(strike.lasts_s, heal)
        self._count("slow_network")
        self._count(f"network_{strike.deed}")

    def _provider_clock(self, strike: Strike) -> None:
        self.made.simulator.skew(strike.much * 300)
        self._count(strike.deed)

    def _hold(self, strike: Strike) -> None:
        held = []
        for batch in self.made.simulator.batches():
            if batch["status"] == "running" and not batch["held"]:
                held += self.made.simulator.hold(batch_id=batch["id"])
        for one in held:
            self._after(strike.lasts_s, lambda one=one: self._release(one))  # type: ignore[misc]
        return self._count(strike.deed) if held else self._or_later(strike)

    def _release(self, batch_id: str) -> None:
        self.made.simulator.release(batch_id=batch_id)

    def _cancel(self, strike: Strike) -> None:
        if not self.asking.batches:
            return self._or_later(strike)
        self.asking.cancel(strike.which)
        return self._count(strike.deed)

    # -- peace -----------------------------------------------------------------------------------------------------

    def calm(self) -> float:
        """Undo all that was done, and wait until everything is answered and committed; how many seconds that took."""
        began_s = time.monotonic()
        self._later.clear()
        self.fleet.arming = False
        for name in NETWORKS:
            self.networks.heal(name)
        self.kafka.all_up()
        self.made.simulator.clear_faults()
        self.made.simulator.skew(0.0)
        self.made.simulator.release()
        for place in self.fleet.places.values():
            self.fleet.jump_clock(place, 0.0)
            self.fleet.signal(place, signal.SIGCONT)
            if place.full:
                self.fleet.fill_disk(place, full=False)
            if place.command == "worker" and not place.name.startswith("joined"):
                place.wanted = True
            if place.armed and place.runs:  # it would still die there
                self.fleet.kill(place, "calm")
        said_s = began_s
        while (now_s := time.monotonic()) - began_s < DRAIN_S:
            self.fleet.look()
            for batch in self.made.simulator.batches():
                if batch["held"]:
                    self._release(batch["id"])
            unanswered = len(self.asking.asked.accepted - reading.answered(self.made))
            unread = reading.not_committed(self.made)
            if not unanswered and not unread:
                break
            if now_s - said_s > 15:
                said_s = now_s
                say(f"  draining: {unanswered} without an event, not committed {unread or 'nothing'}")
            time.sleep(2)
        return time.monotonic() - began_s


def run(seed: int, minutes: float, *, brokers: int, rate: float, folder: Path) -> Outcome:
    """One run. Everything that it wrote stays in `folder`, but what Kafka and the workers keep on disk."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    strikes, armings, tally = drawn(seed, minutes), Armings(seed, crash_points()), Tally()
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
        kafka = stack.enter_context(kafka_nodes.running(brokers, networks, folder))
        made = Deployment(kafka.bootstrap, f"chaos-{seed}", folder, simulator, of_seed(seed))
        if brokers > 1:
            made.env["ROUNDBATCH_REPLICATION_FACTOR"] = str(REPLICAS)
        around = Around(kafka, networks, providers)
        fleet = Fleet(folder, armings, tally)
        stack.callback(fleet.close)
        for number in range(WORKERS):
            network = NETWORKS[number % len(NETWORKS)]
            fleet.add(f"worker-{number}", "worker", around.environment(made, network), network)
        for number in range(GATEWAYS):
            network = NETWORKS[-1 - number]
            fleet.add(f"gateway-{number}", "gateway", around.environment(made, network), network)
        fleet.arming = False  # the topics are made first
        fleet.look()
        _wait_for_topics(made, fleet)
        fleet.arming = True
        made.simulator.faults(*BY_RATE)
        asking = Asking(made, [int(place.env["ROUNDBATCH_GATEWAY__PORT"]) for place in fleet.gateways], seed, rate)
        storm = Storm(made, fleet, around, asking)
        asking.start()
        try:
            storm.rage(strikes, minutes * 60)
        finally:
            storm.kafka.all_up()
            for name in NETWORKS:
                networks.heal(name)
            asking.halt()
        while asking.under_way():
            fleet.look()
            time.sleep(TICK_S)
        say("all faults off; draining")
        drained_s = storm.calm()
        _leave_in_order(fleet, tally)
        found = reading.found(made)
        broken, counts = check(asking.asked, found)
        broken += [Broken("exit code", words.partition(",")[0], words) for words in tally.odd_exits]
        _keep(made, folder, broken, orphans(found))
    return Outcome(
        *(seed, minutes, brokers, tally, dict(armings.struck), counts, broken),
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
    for topic in (made.request_topic, made.work_topic, made.result_topic, f"{made.request_topic}.DLQ"):
        if reading.exists(made, topic):
            with open(folder / f"{topic}.jsonl", "w") as file:
                for record in made.read(topic):
                    place = {"partition": record.partition, "offset": record.offset, "headers": record.headers}
                    file.write(json.dumps({**place, "value": record.value.decode(errors="replace")}) + "\n")
