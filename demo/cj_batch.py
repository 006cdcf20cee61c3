"""One assignment's cj_batch: its rounds, what is asked and answered, and the ranking so far."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from demo import comparison, pairing
from demo.assignment import Assignment
from streams.wire.results import ComparisonResult

MOST_ANNOUNCED = 64  # preferred_bundle_size is capped there (docs/contract.md#requests)
#: Essays, verdicts so far, pairs asked so far, randomness → the pairs of the next round.
Choose = Callable[[int, Sequence[pairing.Pair], Sequence[pairing.Pair], np.random.Generator], list[pairing.Pair]]


@dataclass(frozen=True, slots=True)
class Route:
    """Who judges, where the answer goes, and the mode (cj_llm_batching_mode) in which CJ asks; None: without any hint.

    judges: whether the answers are judgements. Those of the provider `mock` are made up, and give no ranking.
    """

    provider: str
    model: str
    callback_topic: str
    mode: str | None = "provider_batch_api"
    judges: bool = True


class CJBatch:
    """The rounds of one assignment, each chosen from the answers to those before.

    A comparison is answered when its result event has come. One that ended in an error counts as answered, without a verdict.
    """

    def __init__(
        self,
        assignment: Assignment,
        route: Route,
        *,
        cj_batch_id: str,
        rounds: int,
        rng: np.random.Generator,
        choose: Choose = pairing.next_round,
    ) -> None:
        self.assignment = assignment
        self.route = route
        self.cj_batch_id = cj_batch_id
        self.rounds = rounds
        self.round = 0
        self.errors = 0
        self.duplicates = 0
        self.verdicts: list[pairing.Pair] = []
        self._bos_batch_id = str(uuid.uuid4())
        self._rng, self._choose = rng, choose
        self._asked: dict[str, pairing.Pair] = {}
        self._answered: set[str] = set()

    @property
    def requested(self) -> int:
        """Comparisons asked for so far."""
        return len(self._asked)

    @property
    def answered(self) -> int:
        """Comparisons with a result event."""
        return len(self._answered)

    @property
    def missing(self) -> list[str]:
        """Correlation ids asked for and not answered, in the order of asking."""
        return [name for name in self._asked if name not in self._answered]

    @property
    def round_answered(self) -> bool:
        """Whether every comparison that was asked for is answered."""
        return len(self._answered) == len(self._asked)

    @property
    def finished(self) -> bool:
        """Whether the last round is answered too."""
        return self.round == self.rounds and self.round_answered

    def next_round(self) -> list[comparison.Body]:
        """Choose the next round and return its bodies. Errors: RuntimeError while the one before is open."""
        if not self.round_answered or self.round == self.rounds:
            raise RuntimeError(f"round {self.round} of {self.rounds} is open or the last: CJ asks no further")
        essays = self.assignment.essays
        pairs = self._choose(len(essays), self.verdicts, list(self._asked.values()), self._rng)
        place = comparison.Place(self.cj_batch_id, self._bos_batch_id, self.round, min(len(pairs), MOST_ANNOUNCED))
        self.round += 1
        bodies = []
        for pair in pairs:
            name = str(uuid.uuid4())
            self._asked[name] = pair
            bodies.append(
                comparison.body(
                    self.assignment,
                    essays[pair[0]],
                    essays[pair[1]],
                    place=place,
                    correlation_id=name,
                    callback_topic=self.route.callback_topic,
                    provider=self.route.provider,
                    model=self.route.model,
                    mode=self.route.mode,
                )
            )
        return bodies

    def take(self, result: ComparisonResult) -> bool:
        """Enter a result; False if it is not one of this cj_batch. The first for a correlation id counts, as at CJ."""
        return self.enter(str(result.correlation_id), result.winner)

    def enter(self, name: str, winner: str | None) -> bool:
        """Enter the verdict on a correlation id, None for an error; returns as `take` does."""
        if name not in self._asked:
            return False
        if name in self._answered:
            self.duplicates += 1
            return True
        self._answered.add(name)
        a, b = self._asked[name]
        if winner is None:
            self.errors += 1
        else:
            self.verdicts.append((a, b) if winner == "Essay A" else (b, a))
        return True

    def scores(self) -> NDArray[np.float64]:
        """The score of each essay by the answers; shape (essays,), higher is better."""
        return pairing.scores(len(self.assignment.essays), self.verdicts)

    def rank_correlation(self) -> float:
        """Spearman's rank correlation between the scores and the hidden qualities; 0 before the first verdict."""
        if not self.verdicts:
            return 0.0
        return float(spearmanr(self.scores(), [essay.quality for essay in self.assignment.essays]).statistic)
