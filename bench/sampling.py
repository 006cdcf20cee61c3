"""Where a process spends its processor time: the stack of its main thread, every 2 ms of it.

cProfile makes each Python call several times as dear, and so shows layers of small functions larger than they are. A sample
here costs 20 us, 1 % of the time, and the time of C code counts for the Python line that called it.
"""

import signal
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY_S = 0.002
_ROOT = str(Path(__file__).resolve().parents[1]) + "/"

# A sample counts for the first pattern that a file on its stack matches, from the innermost frame outwards.
_SHARES = (
    ("/json/", "JSON"),
    ("/pydantic/", "pydantic"),
    ("tables/acknowledged.py", "RocksDB"),
    ("/faust/stores/", "RocksDB"),
    ("/aiokafka/producer/", "producing (aiokafka)"),
    ("/aiokafka/record/", "producing (aiokafka)"),
    ("/aiokafka/", "aiokafka: connections, fetching"),
    ("streams/kafka/outbox.py", "producing (outbox)"),
    ("/faust/", "Faust"),
    ("/mode/", "Faust"),
    ("bench/", "the instant provider"),
    ("streams/wire/requests.py", "reading requests"),
    ("streams/wire/results.py", "making results"),
    ("streams/", "the rest of streams/"),
    ("tables/", "the rest of tables/"),
    ("domain/", "domain/"),
    ("providers/", "providers/"),
    ("agents/", "agents/"),
    ("/structlog/", "logging"),
    ("/prometheus_client/", "metrics"),
    ("/asyncio/", "the event loop"),
)


class Sampler:
    """Counts stacks, innermost frame first."""

    def __init__(self) -> None:
        self.stacks: Counter[tuple[str, ...]] = Counter()

    def start(self) -> None:
        """Begin; from the main thread."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def stop(self) -> None:
        """End."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(f"{code.co_filename.removeprefix(_ROOT)}:{code.co_name}")
            frame = frame.f_back
        self.stacks[tuple(stack)] += 1


def shares(stacks: Counter[tuple[str, ...]]) -> dict[str, float]:
    """The share of time by kind of work, largest first; they add up to 1."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[_share_of(stack)] += count
    total = sum(found.values())
    return {name: count / total for name, count in found.most_common()}


def inclusive(stacks: Counter[tuple[str, ...]]) -> dict[str, float]:
    """The share of time that each function is on the stack, callees included, largest first."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        for name in set(stack):
            found[name] += count
    total = sum(stacks.values())
    return {name: count / total for name, count in found.most_common()}


def own(stacks: Counter[tuple[str, ...]]) -> dict[str, float]:
    """The share of time that each function is the innermost one, largest first."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stack[0]] += count
    total = sum(found.values())
    return {name: count / total for name, count in found.most_common()}


def _share_of(stack: tuple[str, ...]) -> str:
    for name in stack:
        for pattern, share in _SHARES:
            if pattern in name if pattern.startswith("/") else name.startswith(pattern):
                return share
    return "the rest"


def text(stacks: Counter[tuple[str, ...]], functions: int = 100) -> str:
    """The three tables, in percent."""
    lines = [f"{sum(stacks.values())} samples", "", "by kind of work"]
    lines += [f"{share:7.1%}  {name}" for name, share in shares(stacks).items()]
    lines += ["", "by function, callees included"]
    lines += [f"{share:7.1%}  {name}" for name, share in list(inclusive(stacks).items())[:functions]]
    lines += ["", "by function, callees left out"]
    lines += [f"{share:7.1%}  {name}" for name, share in list(own(stacks).items())[:functions]]
    return "\n".join(lines) + "\n"
