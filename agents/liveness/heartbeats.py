"""Signs of life of the worker's loops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streams.clock import Clock


@dataclass(slots=True)
class Heartbeat:
    """The heartbeat of one loop. It beats at each turn; `rest` says that the loop waits for what may never come (a record).

    patience: how many times as long as other loops this one may be silent.
    """

    now_s: Callable[[], float]
    last_s: float
    resting: bool = False
    patience: float = 1.0

    def beat(self) -> None:
        """A turn has begun, or has gone a step further."""
        self.last_s, self.resting = self.now_s(), False

    def rest(self) -> None:
        """The turn is over; nothing is to be done before something comes."""
        self.last_s, self.resting = self.now_s(), True

    def turn(self) -> "Heartbeat":
        """A context: one turn of a loop that rests between them."""
        return self

    def __enter__(self) -> None:
        self.beat()

    def __exit__(self, *_: object) -> None:
        self.rest()

    @property
    def silent_s(self) -> float:
        """For how long a turn has gone on without a sign; 0 at rest."""
        return 0.0 if self.resting else max(0.0, self.now_s() - self.last_s)


def silent() -> Heartbeat:
    """A heartbeat that nobody watches."""
    return Heartbeat(lambda: 0.0, 0.0, resting=True)


class Heartbeats:
    """The heartbeats of all loops, by name. What has no turns is asked for its seconds without a sign, 0 when idle."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beats: dict[str, Heartbeat] = {}
        self._watched: dict[str, Callable[[], float]] = {}

    def of(self, name: str) -> Heartbeat:
        """The heartbeat of a loop, made at the first asking; it rests until it first beats."""
        if name not in self._beats:
            self._beats[name] = Heartbeat(self._clock.running_s, self._clock.running_s(), resting=True)
        return self._beats[name]

    def watch(self, name: str, silent_s: Callable[[], float], *, patience: float = 1.0) -> None:
        """Watch something that does not beat by asking it."""
        self._watched[name] = silent_s
        self.of(name).patience = patience

    def look(self) -> None:
        """Ask what has no turns; to be called by the event loop, whose state they read."""
        for name, silent_s in self._watched.items():
            heartbeat, seconds = self.of(name), silent_s()
            heartbeat.rest() if seconds <= 0 else heartbeat.beat()
            heartbeat.last_s -= max(0.0, seconds)

    def __iter__(self) -> Iterator[tuple[str, Heartbeat]]:
        """Each loop by name."""
        return iter(list(self._beats.items()))
