"""Carries out the schedule: strikes workers, gateways, brokers, networks and providers, and ends what it has begun."""

import heapq
import itertools
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.storm import kafka_nodes
from tests.chaos.storm.asking import Asking
from tests.chaos.storm.fleet import Fleet, Place
from tests.chaos.storm.networks import Networks
from tests.chaos.storm.schedule import Strike
from tests.chaos.storm.settings import MOST_JUMP_S, NAME, NETWORKS, SESSION_S, environment
from tests.harness.deployment import Deployment

TICK_S = 0.05
TELL_S = 30.0
INSIST_S = 45.0  # from SIGTERM to SIGKILL
# Between two strikes at workers so many events must come, or so much time pass: on a slow machine, where a worker's start and a
# rebalance take half a minute, they would else do nothing that could go wrong.
EVENTS_BETWEEN, PATIENCE_S = 15, 45.0
LEAST_WORKERS = 2  # that are left alone when one is struck: with none nothing would be done that could go wrong


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

    def __init__(self, made: Deployment, fleet: Fleet, around: Around, asking: Asking) -> None:
        self.made, self.fleet, self.around, self.asking = made, fleet, around, asking
        self.kafka, self.networks = around.kafka, around.networks
        self.later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._slowed: dict[str, int] = {}
        self._joined = itertools.count(1)
        self._struck = (0, 0.0)  # at how many events, and when, a worker was struck last
        self.began_s = time.monotonic()

    def rage(self, strikes: list[Strike], seconds: float) -> None:
        """Carry out all strikes, each with its end."""
        self.began_s = time.monotonic()
        for strike in strikes:
            self._at(strike.at_s, lambda strike=strike: self._strike(strike))  # type: ignore[misc]
        told_s = 0.0
        while (now_s := time.monotonic() - self.began_s) < seconds:
            while self.later and self.later[0][0] <= now_s:
                heapq.heappop(self.later)[2]()
            self.fleet.look()
            if now_s - told_s > TELL_S:
                told_s = now_s
                self._tell(now_s)
            time.sleep(TICK_S)

    def _tell(self, now_s: float) -> None:
        self.asking.check()
        asked = self.asking.asked
        deeds = self.fleet.tally.deeds
        say(
            f"{now_s:5.0f} s: {len(asked.sent)} asked, {len(asked.accepted)} accepted, "
            + ", ".join(f"{count} {name}" for name, count in sorted(deeds.items()))
            + f"; workers {sum(one.runs for one in self.fleet.workers)}"
        )

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.later, (at_s, next(self._number), act))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._at(time.monotonic() - self.began_s + seconds, act)

    def _strike(self, strike: Strike) -> None:
        getattr(self, f"_{strike.deed}")(strike)

    def _count(self, deed: str) -> None:
        self.fleet.tally.deeds[deed] += 1

    def _worker(self, strike: Strike) -> Place | None:
        """The worker that is meant, None where too few others would be left.

        One that is to kill itself at a crash point is left to it, where there is another one.
        """
        steady = [one for one in self.fleet.workers if one.steady]
        events, now_s = self.asking.events, time.monotonic()
        if len(steady) <= LEAST_WORKERS or (events - self._struck[0] < EVENTS_BETWEEN and now_s - self._struck[1] < PATIENCE_S):
            return None
        self._struck = (events, now_s)
        meant = [one for one in steady if not one.armed] or steady
        return meant[int(strike.which * len(meant))]

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
        self._frozen(place, SESSION_S + strike.lasts_s)
        return self._count(strike.deed)

    def _frozen(self, place: Place, seconds: float) -> None:
        place.frozen, process = True, place.process
        self.fleet.signal(place, signal.SIGSTOP)

        def wake() -> None:
            if place.process is process:
                self.fleet.signal(place, signal.SIGCONT)
                place.frozen = False

        self._after(seconds, wake)

    def _twin(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None:
            return self._or_later(strike)
        if NAME not in place.env:
            return None
        self._frozen(place, strike.lasts_s)
        name = f"twin-{next(self._joined)}-of-{place.name}"
        self._leaves(self.fleet.add(name, "worker", place.env, place.network), strike.lasts_s + 10.0)
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

        self._after(INSIST_S, insist)

    def _join(self, strike: Strike) -> None:
        number = next(self._joined)
        network = NETWORKS[number % len(NETWORKS)]
        env = self.around.environment(self.made, network)
        self._leaves(self.fleet.add(f"joined-{number}-of-none", "worker", env, network), strike.lasts_s)
        self._count(strike.deed)

    def _leaves(self, place: Place, seconds: float) -> None:
        def leave() -> None:
            place.wanted = False
            if place.runs:
                self.fleet.signal(place, signal.SIGCONT)
                self._terminate(place, "leave")
                self._count("leave")

        self._after(seconds, leave)

    def _leave(self, strike: Strike) -> None:
        place = self._worker(strike)
        if place is None or not place.lasts:
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

    def _limit(self, strike: Strike) -> None:
        self.asking.limit(strike.which, strike.much)
        return self._count(strike.deed)

    def _cancel(self, strike: Strike) -> None:
        if not self.asking.batches:
            return self._or_later(strike)
        self.asking.cancel(strike.which)
        return self._count(strike.deed)
