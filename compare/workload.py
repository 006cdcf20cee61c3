"""What CJ asks of one assignment of 24 essays, in rounds of 12 or all in one round.

Sizes are those that were recorded: docs/contract.md#recorded-workload.
"""

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from demo import assignment, pairing
from demo.assignment import Assignment, Essay
from demo.cj_batch import CJBatch, Route
from demo.comparison import Body
from streams.wire.request_events import round_event

FOLDER = assignment.FOLDER / "better-future"
# Recorded essays have 256 to 628 words, the median 534; those of the examples are half as long.
WORDS = tuple(
    sorted(
        [256, 317, 362, 401, 436, 468, 489, 505, 517, 526, 531, 533, 535, 538, 543, 549, 556, 564, 572, 581, 591, 602, 614, 628]
    )
)
STATIC_BYTES = 2_400  # assignment, criteria and judge's instructions: 600 tokens (docs/providers.md#tokens-and-prices)
RECORD_BODIES = 48  # of a dense round in one record: about 0.8 MB, the worker takes 1 MiB
DENSE_PAIRS = 288


@dataclass(frozen=True, slots=True)
class Workload:
    """What CJ asks: `rounds` of disjoint pairs, one after another, or one round of all pairs."""

    name: str
    rounds: int
    dense: bool = False

    def batch(self, provider: str, model: str, mode: str, *, callback_topic: str, marked: bool = True) -> CJBatch:
        """The cj_batch that plays it. The pairs follow from the verdicts alone, so they are the same in every run.

        marked: the essays' texts state their quality, by which the simulated judge decides; a real judge must not see it.
        """
        return CJBatch(
            recorded() if marked else _unmarked(recorded()),
            Route(provider, model, callback_topic, mode),
            cj_batch_id=str(uuid.uuid4().int % 1_000_000),
            rounds=self.rounds,
            rng=np.random.default_rng(1),
            choose=all_pairs if self.dense else pairing.next_round,
        )


WORKLOADS = {one.name: one for one in (Workload("rounds", 10), Workload("dense", 1, dense=True))}


def records(bodies: Sequence[Body]) -> list[bytes]:
    """A round as the records of one `perform_comparisons` call."""
    parts = [bodies[at : at + RECORD_BODIES] for at in range(0, len(bodies), RECORD_BODIES)]
    return [round_event(part, number, len(parts)) for number, part in enumerate(parts, 1)]


def all_pairs(
    essays: int, verdicts: Sequence[pairing.Pair], asked: Sequence[pairing.Pair], rng: np.random.Generator
) -> list[pairing.Pair]:
    """All pairs once, and some of them again the other way round, up to 288: what CJ asks at once in batch mode."""
    once = list(itertools.combinations(range(essays), 2))
    turned = [(b, a) for a, b in once]
    return [*once, *turned][:DENSE_PAIRS]


def recorded() -> Assignment:
    """The example assignment, with essays and static context of the recorded lengths."""
    read = assignment.load(FOLDER)
    lengths = np.random.default_rng(2).permutation(WORDS)
    essays = tuple(_lengthened(essay, int(words)) for essay, words in zip(read.essays, itertools.cycle(lengths), strict=False))
    short = len(read.task) + len(read.criteria) + len(read.judge_instructions)
    criteria = _repeated(read.criteria, len(read.criteria) + STATIC_BYTES - short)
    return replace(read, criteria=criteria, essays=essays)


def _unmarked(read: Assignment) -> Assignment:
    essays = (replace(essay, text=essay.text.rpartition("[quality:")[0].rstrip()) for essay in read.essays)
    return replace(read, essays=tuple(essays))


def _lengthened(essay: Essay, words: int) -> Essay:
    """The essay with its words repeated up to this length: a judge that reads only the quality does not mind."""
    text, _, mark = essay.text.rpartition("[quality:")
    paragraphs = [paragraph.split() for paragraph in text.split("\n\n") if paragraph.strip()]
    kept: list[str] = []
    for paragraph in itertools.cycle(paragraphs):
        if words <= 0:
            break
        kept.append(" ".join(paragraph[:words]))
        words -= len(paragraph)
    return replace(essay, text="\n\n".join([*kept, f"[quality:{mark}"]))


def _repeated(text: str, length: int) -> str:
    return (f"{text} " * (length // len(text) + 1))[:length].rstrip()
