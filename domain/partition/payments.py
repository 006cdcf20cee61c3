"""What was paid in one partition, as its outcomes tell: by quarter of an hour, and by paying batch."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

QUARTER_MS = 900_000  # days begin on a quarter of an hour in every time zone


class Paid(Struct, frozen=True, gc=False):
    """A payment that a work record tells of: USD, for which bos_batch_id ("": not known), and when (ms since the epoch)."""

    paying_batch: str = field(name="batch")  # in bytes `batch`
    at_ms: int
    usd: float


class Payments:
    """Sums of payments. Memory: four entries an hour and one a batch, for the dedup retention."""

    def __init__(
        self, quarters: Mapping[int, float] | None = None, batches: Mapping[str, tuple[float, int]] | None = None
    ) -> None:
        self._quarters: dict[int, float] = dict(quarters or {})
        self._last = max(self._quarters, default=0)
        self._by_paying_batch: dict[str, tuple[float, int]] = dict(batches or {})  # USD, and the quarter of its last payment

    def learn(self, paid: Iterable[Paid]) -> None:
        """Add the payments of one record."""
        for one in paid:
            quarter = one.at_ms // QUARTER_MS
            self._last = max(self._last, quarter)
            self._quarters[quarter] = self._quarters.get(quarter, 0.0) + one.usd
            if one.paying_batch:
                usd, last = self._by_paying_batch.get(one.paying_batch, (0.0, quarter))
                self._by_paying_batch[one.paying_batch] = (usd + one.usd, max(last, quarter))

    def since(self, from_ms: int) -> float:
        """USD paid from this moment on, which must be the beginning of a quarter of an hour."""
        return sum(self._quarters.get(quarter, 0.0) for quarter in range(from_ms // QUARTER_MS, self._last + 1))

    def of_batch(self, paying_batch: str) -> float:
        """USD paid for a batch."""
        return self._by_paying_batch.get(paying_batch, (0.0, 0))[0]

    def by_batch(self) -> Iterator[tuple[str, float]]:
        """Each batch for which something was paid, with the sum."""
        return ((paying_batch, usd) for paying_batch, (usd, _) in self._by_paying_batch.items())

    def forget(self, before_ms: int) -> None:
        """Forget payments before this time (the dedup retention); a batch is forgotten with its last payment."""
        first = before_ms // QUARTER_MS
        if self._quarters and min(self._quarters) < first:
            self._quarters = {quarter: usd for quarter, usd in self._quarters.items() if quarter >= first}
            self._by_paying_batch = {
                paying_batch: paid for paying_batch, paid in self._by_paying_batch.items() if paid[1] >= first
            }


def add_up(came: Iterable[Paid]) -> tuple[Paid, ...]:
    """One Paid for each batch and quarter, in the order of their first payments; payments of 0 are left out."""
    sums: dict[tuple[str, int], Paid] = {}
    for one in came:
        if one.usd <= 0:
            continue
        key = (one.paying_batch, one.at_ms // QUARTER_MS)
        before = sums.get(key)
        sums[key] = one if before is None else Paid(one.paying_batch, before.at_ms, before.usd + one.usd)
    return tuple(sums.values())
