"""What is done about a judge that is bent: how large its bundles may be, and from when on evidence against it counts.

Every record that says so is a fact with a time, and of two about one model the later one counts. So it does not matter in which
order or how often they are learned: they are sent again from time to time (agents.windows.bent_judges), for tables forget.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from domain.model_names import model_key

KEEP_MS = 50 * 24 * 3600 * 1000
"""How long a fact that limits nothing is kept: longer than the alarm looks back (domain.evidence.STARTS)."""


class Correction(Struct, frozen=True, gc=False):
    """A fact about one provider's model, said at since_ms (ms since the epoch).

    most: at most so many comparisons in a line of it; 0: no limit any more; None: of bundles nothing is said, an alarm was
    acknowledged. Evidence counts from since_ms on. put_ms: when the record that says so (again) was appended.
    """

    provider: str
    model: str
    since_ms: int
    most: int | None = None
    reason: str = ""
    put_ms: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Provider and model; different names of one model (domain.model_names) have one key."""
        return self.provider, model_key(self.model)


class Corrections:
    """The latest facts of one partition, or of several together."""

    def __init__(self, learned: Iterable[Correction] = ()) -> None:
        self._limits: dict[tuple[str, str], Correction] = {}
        self._acknowledged: dict[tuple[str, str], Correction] = {}
        for one in learned:
            self.learn(one)

    def learn(self, one: Correction) -> None:
        """Apply a fact, new or known."""
        of = self._acknowledged if one.most is None else self._limits
        before = of.get(one.key)
        if before is None or (before.since_ms, before.put_ms) < (one.since_ms, one.put_ms):
            of[one.key] = one

    def most(self, provider: str, model: str) -> int | None:
        """How many comparisons a line of this model may hold at most; None: as many as settings say."""
        if not self._limits:
            return None
        found = self._limits.get((provider, model_key(model)))
        return (found.most or None) if found is not None else None

    def limit(self, provider: str, model: str) -> Correction | None:
        """The latest fact about this model's bundles, also where it says that nothing limits them any more."""
        return self._limits.get((provider, model_key(model)))

    def counts_from_ms(self, provider: str, model: str) -> int:
        """From when on evidence about this model counts; 0: from the first."""
        key = (provider, model_key(model))
        return max((of[key].since_ms for of in (self._limits, self._acknowledged) if key in of), default=0)

    def lacks(self, one: Correction) -> bool:
        """Whether a fact is not known here: what is known of its kind is older, and says something else."""
        known = (self._acknowledged if one.most is None else self._limits).get(one.key)
        return known is None or (known.since_ms < one.since_ms and (known.most != one.most or one.most is None))

    def limits(self) -> Iterator[Correction]:
        """The latest fact of each model about its bundles, those that limit nothing any more too."""
        yield from self._limits.values()

    def kept(self, now_ms: int) -> Iterator[Correction]:
        """The facts that are still needed."""
        for one in (*self._limits.values(), *self._acknowledged.values()):
            if one.most or now_ms - one.since_ms < KEEP_MS:
                yield one
