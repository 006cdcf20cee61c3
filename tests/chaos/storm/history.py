"""What a run has asked for, and what was found afterwards: in the topics and in the provider's ledger, never in a worker."""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Door = Literal["topic", "gateway"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One that was asked for."""

    door: Door
    batch: str
    better: str  # "Essay A" or "Essay B"


@dataclass
class Asked:
    """Everything that clients have sent. Filled by several threads."""

    sent: dict[str, Comparison] = field(default_factory=dict)  # by correlation id
    accepted: set[str] = field(default_factory=set)  # Kafka has acknowledged its record, or the gateway has answered 202
    queue_ids: dict[str, str] = field(default_factory=dict)  # what the 202 named
    given_up: list[str] = field(default_factory=list)  # what clients of the gateway got in place of a 202
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, identity: str, comparison: Comparison) -> None:
        with self.lock:
            self.sent[identity] = comparison

    def accept(self, identity: str, queue_id: str = "") -> None:
        with self.lock:
            self.accepted.add(identity)
            if queue_id:
                self.queue_ids[identity] = queue_id


@dataclass(frozen=True, slots=True)
class Found:
    """What is there after a run."""

    events: dict[str, list[bytes]]  # correlation id → its events, in the order in which they were sent
    dead_letters: dict[str, str]  # correlation id, or the place of a letter in which none can be read → why
    items: list[dict[str, Any]]  # the ledger's paid items, oldest first
    batches: list[dict[str, Any]]  # the provider's batches
    read_batches: set[str]  # ids that a Submitted record names
    unread: dict[str, int]  # topic-partition → records that the group has not committed


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that did not hold."""

    promise: str
    about: str  # the id, batch or partition
    words: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.words}"


@dataclass(frozen=True, slots=True)
class Counts:
    """The sums of one run."""

    requested: int
    accepted: int
    accepted_by_gateway: int
    answered: int
    errors: dict[str, int]
    missing: int
    conflicting: int
    duplicates_identical: int
    wrong_answers: int
    batch_items_paid: int
    batch_items_paid_twice: int
    shadow_items_paid: int
    call_items_paid: int
    sync_calls_repeated: int
    batches: int
    orphans: int


def check(asked: Asked, found: Found) -> tuple[list[Broken], Counts]:
    """Every promise that did not hold, and the counts."""
    events = {identity: [json.loads(value)["data"] for value in values] for identity, values in found.events.items()}
    missing = sorted(asked.accepted - events.keys())
    conflicting = sorted(identity for identity, values in found.events.items() if len(set(values)) > 1)
    wrong = sorted(
        identity
        for identity, told in events.items()
        if identity in asked.sent and told[0]["winner"] and told[0]["winner"] != asked.sent[identity].better
    )
    twice = _paid_twice(found.items)
    broken = [
        *(Broken("missing", identity, _why_missing(asked, found, identity)) for identity in missing),
        *(Broken("conflicting", identity, _differences(found.events[identity])) for identity in conflicting),
        *(Broken("wrong answer", identity, f"the better one is {asked.sent[identity].better}") for identity in wrong),
        *(
            Broken("unasked", identity, "an event of an id that nobody has sent")
            for identity in sorted(events.keys() - asked.sent.keys())
        ),
        *(
            Broken("dead letter", identity, f"it was a good request: {why}")
            for identity, why in sorted(found.dead_letters.items())
        ),
        *(
            Broken("queue id", identity, f"the 202 named {queue_id}, the event {events[identity][0]['request_id']}")
            for identity, queue_id in sorted(asked.queue_ids.items())
            if identity in events and events[identity][0]["request_id"] != queue_id
        ),
        *(Broken("batch item paid twice", name, words) for name, words in twice),
        *(Broken("not committed", place, f"{count} records") for place, count in sorted(found.unread.items())),
    ]
    errors = Counter(told[0]["error_detail"]["error_code"] for told in events.values() if told[0]["error_detail"])
    counts = Counts(
        requested=len(asked.sent),
        accepted=len(asked.accepted),
        accepted_by_gateway=len(asked.queue_ids),
        answered=len(events) - errors.total(),
        errors=dict(sorted(errors.items())),
        missing=len(missing),
        conflicting=len(conflicting),
        duplicates_identical=sum(len(values) - len(set(values)) for values in found.events.values()),
        wrong_answers=len(wrong),
        batch_items_paid=sum(item["kind"] == "batch" and not _is_shadow(item) for item in found.items),
        batch_items_paid_twice=len(twice),
        shadow_items_paid=sum(item["kind"] == "batch" and _is_shadow(item) for item in found.items),
        call_items_paid=sum(item["kind"] == "call" for item in found.items),
        sync_calls_repeated=_calls_repeated(found.items),
        batches=len(found.batches),
        orphans=len(orphans(found)),
    )
    return broken, counts


def orphans(found: Found) -> list[dict[str, Any]]:
    """Batches that nobody has read and nobody has cancelled, though the provider has worked on them."""
    return [
        batch
        for batch in found.batches
        if batch["id"] not in found.read_batches and batch["status"] not in ("failed", "cancelled", "canceled", "cancelling")
    ]


def _why_missing(asked: Asked, found: Found, identity: str) -> str:
    comparison = asked.sent[identity]
    letter = found.dead_letters.get(identity)
    return f"accepted by the {comparison.door}, batch {comparison.batch}, no event; " + (
        f"dead letter: {letter}" if letter else "no dead letter either"
    )


def _differences(values: list[bytes]) -> str:
    """Which members of the events differ."""
    first, other = (json.loads(value) for value in list(dict.fromkeys(values))[:2])
    if first == other:
        return f"{len(values)} events, the same JSON in other bytes"
    differing = [name for name in first if first[name] != other.get(name) and name != "data"]
    differing += [f"data.{name}" for name in first["data"] if first["data"][name] != other["data"].get(name)]
    return f"{len(values)} events that differ in {', '.join(differing)}"


def _paid_twice(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Batch items that were paid after a usable answer of a batch to the same comparison: (custom id, words).

    An item that audits another one asks for its comparison again, by intention: it is told by its own id.
    """
    usable: dict[str, dict[str, Any]] = {}
    twice = []
    for item in items:
        if item["kind"] != "batch":
            continue
        asked = str(item["custom_id"] if _is_shadow(item) else item["fingerprint"])
        first = usable.get(asked)
        if first is not None:
            words = f"of batch {item['source_id']}; paid before in {first['source_id']} as {first['custom_id']}"
            twice.append((str(item["custom_id"]), words))
        elif item["outcome"] == "ok":
            usable[asked] = item
    return twice


def _is_shadow(item: dict[str, Any]) -> bool:
    """Whether a batch item is `<job>-s<n>`, which audits a line of its job (domain/job.py)."""
    return str(item["custom_id"]).rpartition("-")[2].startswith("s")


def _calls_repeated(items: list[dict[str, Any]]) -> int:
    """Calls that were paid after a usable answer to the same comparison, by a batch or a call; audits of calls are, too."""
    usable: set[str] = set()
    repeated = 0
    for item in items:
        repeated += item["kind"] == "call" and item["fingerprint"] in usable
        if item["outcome"] == "ok":
            usable.add(item["fingerprint"])
    return repeated
