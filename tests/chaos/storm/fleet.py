"""The workers and gateways of a run, and their supervisor: whatever ends is started again."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.brokers.child import end_with_parent
from tests.brokers.ports import free_ports
from tests.chaos.storm import child
from tests.chaos.storm.schedule import CRASH_POINT, Armings
from tests.harness.forked import Forked

# What a process may end with by itself: SIGTERM obeyed, Kafka not reached, a fail-stop, another process of its name.
EXITS = {0: "in order", 69: "Kafka not reached", 70: "fail-stop", 75: "name taken"}
AGAIN_S = 0.5  # a supervisor's pause before it starts one again


@dataclass
class Place:
    """A worker or a gateway that is to run, as a supervisor sees it: by its name, whichever process it is just now."""

    name: str
    command: str
    env: Mapping[str, str]
    network: str
    wanted: bool = True
    process: Forked | None = None
    armed: str = ""  # the crash point
    ended_by: str = ""  # the deed that has ended it, or is about to
    frozen: bool = False
    full: bool = False
    starts: int = 0
    start_s: float = 0.0  # when it may be started again
    clock_s: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it belongs to the run from its beginning to its end."""
        return "-of-" not in self.name

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def steady(self) -> bool:
        """Whether it runs and nothing is being done to it."""
        return self.runs and not self.frozen and not self.full and not self.ended_by


@dataclass
class Tally:
    """What was done, counted as it was seen from outside."""

    deeds: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    odd_exits: list[str] = field(default_factory=list)


class Fleet:
    """All places. Its methods are called by one thread, the one that goes on to the run's end: children end with it."""

    def __init__(self, folder: Path, armings: Armings, tally: Tally, plant: str) -> None:
        self.plant = plant
        self.folder, self.armings, self.tally = folder, armings, tally
        self.places: dict[str, Place] = {}
        self.arming = True
        self._readers: list[subprocess.Popen[bytes]] = []

    def add(self, name: str, command: str, env: Mapping[str, str], network: str) -> Place:
        """A worker or a gateway, started at the next look."""
        port = free_ports(1)[0]
        if command == "worker":
            own = {"ROUNDBATCH_STATE_DIR": str(self.state(name)), "ROUNDBATCH_HEALTH_PORT": str(port)}
        else:
            own = {"ROUNDBATCH_GATEWAY__PORT": str(port)}
        self.places[name] = Place(name, command, {**env, **own}, network)
        return self.places[name]

    def state(self, name: str) -> Path:
        return self.folder / "state" / name

    @property
    def workers(self) -> list[Place]:
        return [place for place in self.places.values() if place.command == "worker"]

    @property
    def gateways(self) -> list[Place]:
        return [place for place in self.places.values() if place.command == "gateway"]

    def look(self) -> None:
        """Note what has ended, and start what is to run."""
        for place in self.places.values():
            if place.process is not None and not place.runs:
                self._note_end(place)
            if place.process is None and place.wanted and time.monotonic() >= place.start_s:
                self._start(place)

    def _start(self, place: Place) -> None:
        place.starts += 1
        place.armed, place.ended_by, place.frozen, place.full = "", "", False, False
        if self.arming and place.command == "worker":
            place.armed = self.armings.next(one.armed.partition(":")[0] for one in self.workers if one.runs)
        pipe, clock = self.folder / f"{place.name}.pipe", self.folder / f"{place.name}.clock"
        if not pipe.exists():
            os.mkfifo(pipe)
        if not clock.exists():
            child.new_clock(clock)
        child.jump(clock, place.clock_s)
        # The pipe's reader first: a writer's open waits for it. It ends with the last writer.
        with open(self.folder / f"{place.name}.log", "ab") as log:
            log.write(
                f"\n--- start {place.starts}, {time.strftime('%H:%M:%S')}, crash point {place.armed or 'none'}\n".encode()
            )
            log.flush()
            self._readers = [one for one in self._readers if one.poll() is None]
            self._readers.append(subprocess.Popen([*end_with_parent("KILL"), "cat", str(pipe)], stdout=log))
        armed = {"ROUNDBATCH_CRASH_AT": place.armed} if place.armed else {}
        place.process = Forked(child.become, place.command, {**place.env, **armed}, str(pipe), str(clock), self.plant)

    def _note_end(self, place: Place) -> None:
        code = place.process.poll() if place.process is not None else None
        place.process, place.start_s = None, time.monotonic() + AGAIN_S
        if code == -signal.SIGKILL and not place.ended_by and place.armed:
            self.armings.struck[place.armed.partition(":")[0]] += 1
            self.tally.deeds[CRASH_POINT] += 1
            self.tally.exits["killed"] += 1
        elif code == -signal.SIGKILL and place.ended_by:
            self.tally.exits["killed"] += 1
        elif code == -signal.SIGTERM and place.ended_by:  # it came before the process could heed it
            self.tally.exits["ended while starting"] += 1
        elif code in EXITS:
            self.tally.exits[EXITS[code]] += 1
        else:
            self.tally.exits[f"code {code}"] += 1
            self.tally.odd_exits.append(f"{place.name}, start {place.starts}: exit code {code}")

    def kill(self, place: Place, deed: str, *, wiped: bool = False) -> None:
        """kill -9, now; with `wiped` its state directory is gone, too."""
        if place.process is None:
            return
        place.ended_by = deed
        place.process.kill()
        place.process.wait(30)
        if wiped:
            shutil.rmtree(self.state(place.name), ignore_errors=True)
        self.look()

    def signal(self, place: Place, number: int) -> None:
        if place.process is not None:
            place.process.send_signal(number)

    def fill_disk(self, place: Place, full: bool) -> None:
        """From now on no file that the process writes may grow (EFBIG), or may again. Pipes and sockets are no files.

        The limit is the kernel's RLIMIT_FSIZE, which one process may set for another of the same user.
        """
        limit = 0 if full else resource.RLIM_INFINITY
        if place.process is not None and place.runs:
            resource.prlimit(place.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            place.full = full

    def jump_clock(self, place: Place, offset_s: float) -> None:
        place.clock_s = offset_s
        clock = self.folder / f"{place.name}.clock"
        if clock.exists():
            child.jump(clock, offset_s)

    def close(self) -> None:
        """End everything."""
        for place in self.places.values():
            place.wanted = False
            if place.process is not None and place.runs:
                place.process.kill()
                place.process.wait(30)
        for pipe in self.folder.glob("*.pipe"):
            # A process that ended before it opened its pipe has left a reader, which waits for a writer. Opened here, it ends.
            with contextlib.suppress(OSError):  # nobody reads it
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        for reader in self._readers:
            reader.wait(30)
