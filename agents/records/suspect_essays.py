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
    essay: str
    rules: tuple[str, ...]


class SuspectEssays:
    """Logs and counts each suspect once for each batch, as far as this process remembers."""

    def __init__(self, metrics: CensusMetrics) -> None:
        self._metrics = metrics
        self._told: set[_Suspect] = set()

    def tell(self, partition: int, record: InboundRecord, entries: Sequence[RoundEntry]) -> None:
        """Tell of the suspects in what a record has brought."""
        for entry in entries:
            for arrival in entry.arrivals:
                if arrival.suspects is UNSET or arrival.standing is not Standing.ACCEPTED:
                    continue
                for suspect in _suspects(record, entry, arrival, arrival.suspects):
                    if suspect in self._told:
                        continue
                    if len(self._told) >= _MOST:
                        self._told.clear()
                    self._told.add(suspect)
                    self._metrics.suspect(suspect.rules)
                    log.warning(
                        "suspect_essay",
                        partition=partition,
                        offset=entry.offset,
                        round=entry.round_key,
                        essay=suspect.essay,
                        rules=suspect.rules,
                        asked="alone" if arrival.bundle_hint == ALONE else "as all are",
                    )


def _suspects(record: InboundRecord, entry: RoundEntry, arrival: Arrival, mask: int) -> Iterator[_Suspect]:
    member = record.members[arrival.position]
    pair = essays(prompt_source(member))
    for place, side in enumerate("ab"):
        rules = rules_of(mask >> SUSPECTS_OF_B * place & (1 << SUSPECTS_OF_B) - 1)
        if rules:
            named = member.metadata.get(f"essay_{side}_id") or (pair[place].id if pair is not None else "")
            yield _Suspect(batch_key(entry.round_key), str(named)[:64], rules)
