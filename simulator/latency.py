"""How long a single call takes to answer."""

import math
from statistics import NormalDist

from simulator.judge import unit
from simulator.settings import SimulatorSettings

_STANDARD = NormalDist()


def latency_s(settings: SimulatorSettings, comparisons: int, prompt_sha256: str) -> float:
    """Seconds for a call of so many comparisons. The spread is drawn by seed and prompt, so that a run can be repeated."""
    mean_s = settings.latency_s + settings.latency_item_s * (comparisons - 1)
    sigma = settings.latency_sigma
    if not sigma:
        return mean_s
    drawn = _STANDARD.inv_cdf(min(max(unit("latency", settings.seed, prompt_sha256), 1e-6), 1 - 1e-6))
    return mean_s * math.exp(sigma * drawn - sigma * sigma / 2)
