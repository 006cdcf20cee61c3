"""The order in which comparisons go into bundles: a bundle may hold each essay once, so those that share essays go together."""

from collections import Counter
from collections.abc import Iterator, Sequence

Pair = tuple[int, int]  # two essays, each named by some number

# How many pairs are ordered together: with more little is gained, and the time grows with the neighbours of each essay.
SLICE = 1_000


def by_essays(pairs: Sequence[Pair], size: int) -> Iterator[int]:
    """The positions of all pairs, ordered so that each run of `size` pairs has few essays. Unrelated pairs keep their order.

    A run takes all pairs between the essays that it has already, then the essay with the most pairs to those, and so on. The
    order depends on the pairs and their given order alone.
    """
    for start in range(0, len(pairs), SLICE):
        yield from (start + place for place in _Neighbours(pairs[start : start + SLICE]).runs(size))


class _Neighbours:
    """The pairs that are left, by their positions and by each of their essays."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._left = dict(enumerate(pairs))
        self._of: dict[int, dict[int, Pair]] = {}
        for place, pair in enumerate(pairs):
            for essay in pair:
                self._of.setdefault(essay, {})[place] = pair

    def runs(self, size: int) -> Iterator[int]:
        """The positions of all pairs, run after run."""
        while self._left:
            yield from self._run(size)

    def _run(self, size: int) -> Iterator[int]:
        held: set[int] = set()
        between: dict[int, Pair] = {}  # pairs whose essays are both held
        links: Counter[int] = Counter()  # essays that are not held, by their pairs with those that are

        def hold(essay: int) -> None:
            held.add(essay)
            del links[essay]
            for place, pair in self._of[essay].items():
                if held.issuperset(pair):
                    between[place] = pair
                else:
                    links[pair[pair[0] == essay]] += 1

        for _ in range(min(size, len(self._left))):
            if not between and links:
                hold(max(links, key=links.__getitem__))
            elif not between:
                for essay in dict.fromkeys(next(iter(self._left.values()))):
                    hold(essay)
            place, pair = next(iter(between.items()))
            del between[place], self._left[place]
            for essay in pair:
                self._of[essay].pop(place, None)
            yield place
