"""Dead letters as an operator sees them: what one says, which comparisons it holds, and what may be sent again of it.

A dead letter is a record of `<topic>.DLQ` as `agents/records/dead_letters.py` writes it: a whole record as it came, or one
member of a record (header `position`) as `{"position": …, "comparison": …}`.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.comparison import Member
from domain.rounds import round_key
from streams.wire.request_events import single_event
from streams.wire.requests import Undecodable, read_record

Body = dict[str, Any]

# Reason → why a letter with that reason cannot be sent again under its own id.
_NEEDS_NEW_ID = {
    "conflicting_content": "its id came with other content before, and is answered for that",
    "too_old": "it is older than the worker's memory of ids, so its id may have been answered before",
}


class NotSendable(ValueError):
    """Why a dead letter cannot be sent again as it is; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `topic` is the dead letter topic, `at_ms` when it was written there (ms since the epoch)."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes = field(repr=False)
    headers: Mapping[str, str]

    @property
    def place(self) -> str:
        """How the command line names it: PARTITION:OFFSET of the dead letter topic."""
        return f"{self.partition}:{self.offset}"

    @property
    def reason(self) -> str:
        """The short word that the metric roundbatch_dead_letters counts by; "?" in letters of a version without it."""
        return self.headers.get("reason", "?")

    @property
    def answered(self) -> bool:
        """Whether the producer has got an error event for it. What does not say so counts as not answered."""
        return self.headers.get("answered") == "true"

    @property
    def came_from(self) -> str:
        """Topic, partition and offset of the record, and the position in it where the letter is one member."""
        place = "/".join(self.headers.get(name, "?") for name in ("source_topic", "source_partition", "source_offset"))
        return f"{place} position {self.headers['position']}" if "position" in self.headers else place

    def comparisons(self) -> list[Body]:
        """The request bodies in it, each with the correlation id that the worker read. What is no JSON object is left out.

        Empty where nothing can be read.
        """
        try:
            if "position" in self.headers:
                raws: list[tuple[Any, uuid.UUID | None]] = [(json.loads(self.value)["comparison"], None)]
            else:
                raws = [(member.raw, member.correlation_id) for member in read_record(self.value).members]
        except (Undecodable, ValueError, KeyError, TypeError, RecursionError):
            return []
        return [
            {**raw, "correlation_id": str(known)} if known is not None else raw for raw, known in raws if isinstance(raw, dict)
        ]

    def rounds(self) -> list[str]:
        """The rounds of its comparisons, in order of appearance."""
        alone = Member(int(self.headers.get("source_offset", -1)), int(self.headers.get("position", 0)))
        found = (body.get("metadata") for body in self.comparisons())
        return list(dict.fromkeys(round_key(one, alone) if isinstance(one, dict) else "–" for one in found))

    def described(self) -> dict[str, Any]:
        """All of the letter without the essays, as JSON can hold it."""
        return {
            "place": self.place,
            "at_ms": self.at_ms,
            "reason": self.reason,
            "error": self.headers.get("error", ""),
            "answered": self.answered,
            "from": self.came_from,
            "rounds": self.rounds(),
            "correlation_ids": [body.get("correlation_id") for body in self.comparisons()],
        }


@dataclass(frozen=True, slots=True)
class Again:
    """One record to be sent to the request topic, and the ids of its comparisons: (in the letter, as sent)."""

    key: bytes | None
    value: bytes = field(repr=False)
    ids: tuple[tuple[str | None, str], ...]


def records(letter: Letter, *, new_id: bool, answered: Collection[str]) -> list[Again]:
    """What is to be sent for one letter; nothing where every comparison of it has been answered since.

    A record that is sent whole under its own ids keeps its bytes. `new_id`: each comparison gets an id derived from the
    letter's place, so that the same command twice asks for one judgement, not for two. `answered`: the ids that have an event
    by now.

    Errors: NotSendable.
    """
    bodies = letter.comparisons()
    _check(letter, bodies, new_id)
    ids = [str(body.get("correlation_id")) for body in bodies]
    if new_id:
        ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{letter.topic}/{letter.place}/{number}")) for number in range(len(bodies))]
    left = [(body, one) for body, one in zip(bodies, ids, strict=True) if one not in answered]
    if len(left) == len(bodies) and not new_id and "position" not in letter.headers:
        return [Again(letter.key, letter.value, tuple((one, one) for one in ids))]
    return [
        Again(letter.key, single_event({**body, "correlation_id": one}), ((body.get("correlation_id"), one),))
        for body, one in left
    ]


def _check(letter: Letter, bodies: list[Body], new_id: bool) -> None:
    if not bodies:
        raise NotSendable("no comparison can be read in it: have its producer send it anew")
    if not all(isinstance(body.get("callback_topic"), str) for body in bodies):
        raise NotSendable("it names no callback topic: print it with --bodies, put one in, and `roundbatch submit` it")
    if new_id:
        return
    if letter.answered:
        raise NotSendable("its id has been answered by an error event, which is final: --new-id asks under another id")
    if letter.reason in _NEEDS_NEW_ID:
        raise NotSendable(f"{_NEEDS_NEW_ID[letter.reason]}: --new-id asks under another id")
    if not all(_is_uuid(body.get("correlation_id")) for body in bodies):
        raise NotSendable("it has no correlation id (a UUID): --new-id gives it one")


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False
