"""Complete audits of a simulated judge, as an AuditBook tells of them."""

import math
import random
from collections import Counter
from collections.abc import Iterator

from domain.audited import Audited
from domain.auditing import Cell, Complete

SHARP = 8.0  # essays' qualities are normally distributed; two single answers then differ in some 10 % of pairs
Told = tuple[Cell, int, Counter[Complete]]


def cell(bundle: str = "17-64", *, model: str = "model-2026-01-01", third: int = 0, layout: str = "shared_essays") -> Cell:
    """A cell of OpenAI's."""
    mode = "per_request" if bundle == "1" else "serial_bundle"
    return Cell("openai", model, mode, bundle, "verbatim" if bundle == "1" else layout, third)


def audit(rng: random.Random, *, shift: float = 0.0, noise: float = 0.0, position: float = 0.0) -> Complete:
    """One audit of a random pair. In logits: shift towards A when delivered, position towards the essay shown first; noise is
    the chance that a delivered verdict is turned."""
    apart = SHARP * rng.gauss(0, math.sqrt(2))

    def says_a(toward: float) -> bool:
        return rng.random() < 1 / (1 + math.exp(-max(-500.0, min(500.0, apart + toward))))

    delivered = says_a(position + shift) ^ (rng.random() < noise)
    found = Audited(delivered, says_a(position), says_a(position), says_a(-position))
    return Complete(found, min(5, 1 + int(abs(apart))))


def rows(days: range, a_day: int, of: Cell | None = None, *, seed: int = 1, **bent: float) -> Iterator[Told]:
    """So many audits a day of a judge that is bent so."""
    rng = random.Random(seed)
    for day in days:
        yield of or cell(), day, Counter(audit(rng, **bent) for _ in range(a_day))
