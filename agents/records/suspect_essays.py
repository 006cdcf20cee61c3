"""Tells of essays that speak to the judge, when their comparisons arrive: which one and by which rules, never what it says."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog
from msgspec import UNSET

from agents.metrics.census import CensusMetrics
from agents.planning.resolve import prompt_source
from domain.rounds import ALONE, SUSPECTS_OF_B, Arrival, RoundEntry, Standing, batch_key
from domain.suspects import rules_of
from providers.prompts.layouts import essays
from streams.wire.requests import InboundRecord

log = structlog.get_logger("suspects")
_MOST = 1_024  # of essays that are not told of again


class _Suspect(NamedTuple):
    batch: str
    essay: int  # a hash of its ID, which the arrival has
    rules: int


class SuspectEssays:
    """Logs and counts each suspect once for each batch, as far as this process remembers."""

    def __init__(self, metrics: CensusMetrics) -> None:
        self._metrics = metrics
        self._told: set[_Suspect] = set()

    def tell(self, partition: int, record: InboundRecord, entries: Sequence[RoundEntry]) -> None:
        """Tell of the suspects in what a record has brought."""
        for entry in entries:
            for arrival in entry.arrivals:
                if arrival.suspects is UNSET or arrival.pair is UNSET or arrival.standing is not Standing.ACCEPTED:
                    continue
                for place, suspect in _suspects(batch_key(entry.round_key), arrival.pair, arrival.suspects):
                    if suspect in self._told:
                        continue
                    if len(self._told) >= _MOST:
                        self._told.clear()
                    self._told.add(suspect)
                    rules = rules_of(suspect.rules)
                    self._metrics.suspect(rules)
                    log.warning(
                        "suspect_essay",
                        partition=partition,
                        offset=entry.offset,
                        round=entry.round_key,
                        essay=_name(record, arrival, place),
                        rules=rules,
                        asked="alone" if arrival.bundle_hint == ALONE else "as all are",
                    )


def _suspects(batch: str, pair: tuple[int, int], mask: int) -> Iterator[tuple[int, _Suspect]]:
    """The suspects of a comparison, each with its place: 0 for Essay A, 1 for B."""
    for place, essay in enumerate(pair):
        rules = mask >> SUSPECTS_OF_B * place & (1 << SUSPECTS_OF_B) - 1
        if rules:
            yield place, _Suspect(batch, essay, rules)


def _name(record: InboundRecord, arrival: Arrival, place: int) -> str:
    """The essay's ID, by the request's metadata or as its prompt names it."""
    member = record.members[arrival.position]
    named = member.metadata.get(f"essay_{'ab'[place]}_id")
    if not named and (pair := essays(prompt_source(member))) is not None:
        named = pair[place].id
    return str(named or "")[:64]
