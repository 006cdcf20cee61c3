"""What a simulated judge is like: how sharp, how noisy, how biased, and what a bundle does to it."""

import math
from statistics import NormalDist
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.judge import Pair, quality, unit

NORMAL = NormalDist()
FREE_OF_SLOPE: Final = ("judge_error_rate", "judge_slope")


class JudgeTraits(BaseModel):
    """The traits of a judge. Without `judge_slope` it is sure of every pair, and all other traits are refused.

    With it, the chance that Essay A wins is the logistic function of a *logit*: `judge_slope` times the difference of the
    qualities (A less B, each 0 to 1), plus what the traits below add. Points of a chance are hundredths.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge_error_rate: float = Field(default=0.05, ge=0, le=1)
    """Probability that the judge picks the worse essay, always so for the same pair; not used with `judge_slope`."""
    judge_slope: float | None = Field(default=None, gt=0)
    """By how much the logit grows with the difference of the qualities. None: the judge of `judge_error_rate`."""
    reasons_first_slope: float = Field(default=1.0, gt=0)
    """By what `judge_slope` is multiplied where the answer's schema has the justification before the winner."""
    pair_noise: float = Field(default=0.0, ge=0)
    """Standard deviation of what each pair adds to the logit for good: it makes circles of three essays."""
    retest: float = Field(default=0.0, ge=0, le=1)
    """Share of answers that are drawn anew; the others are what the judge has always thought of the pair."""
    position_bias: float = 0.0
    """Added to the logit, so towards Essay A."""
    bundle_shift: float = 0.0
    """Added to the logit in a bundle, for each comparison beyond the first."""
    bundle_noise: float = Field(default=0.0, ge=0, le=1)
    """Share of verdicts that are turned in a bundle, for each comparison beyond the first."""
    slot_shift: float = 0.0
    """Added to the logit in the last third of a bundle's slots."""
    slot_noise: float = Field(default=0.0, ge=0, le=1)
    """Share of verdicts that are turned in the last third of a bundle's slots."""
    line_garbled: float = Field(default=0.0, ge=0, le=1)
    """Share of bundles in which every verdict is the toss of a coin."""
    confidence_slope: float = Field(default=1.0, ge=0)
    """How sure the judge says it is: 1 fits the chance of its verdict, more is too sure, 0 is never sure."""
    injection_obeyed: float = Field(default=0.0, ge=0, le=1)
    """How often a text that speaks to the judge (the markers in docs/simulator.md) has its way."""
    judge_change_at: float | None = None
    """From this time on (seconds since 1970, by the simulator's clock) it judges otherwise; None: never."""
    judge_change_turned: float = Field(default=0.2, ge=0, le=1)
    """Share of pairs whose verdict is turned from then on."""

    @model_validator(mode="after")
    def _needs_a_slope(self) -> "JudgeTraits":
        if self.judge_slope is None:
            for name, trait in JudgeTraits.model_fields.items():
                if name not in FREE_OF_SLOPE and getattr(self, name) != trait.default:
                    raise ValueError(f"{name} is {getattr(self, name)!r} without judge_slope; set judge_slope (6 is usual) too")
        return self


class Sides(NamedTuple):
    """A pair without its texts: IDs of essays A and B, and their qualities, which without a tag are by hash of the ID."""

    a: str
    quality_a: float
    b: str
    quality_b: float

    @classmethod
    def of(cls, pair: Pair) -> "Sides":
        """What the judge knows of a pair."""
        return cls(pair.a_id, _quality(pair.a_id, pair.a_text), pair.b_id, _quality(pair.b_id, pair.b_text))

    @property
    def swapped(self) -> "Sides":
        """The same two essays the other way round."""
        return Sides(self.b, self.quality_b, self.a, self.quality_a)

    @property
    def in_order(self) -> bool:
        """Whether A is the one of the lower ID: one of the two orders of a pair is, the other is not."""
        return (self.a, self.quality_a) <= (self.b, self.quality_b)

    @property
    def essays(self) -> tuple[object, ...]:
        """The same for both orders."""
        return tuple(self if self.in_order else self.swapped)


class Place(NamedTuple):
    """Where a comparison is asked: its slot, counted from 0, among so many of a line; alone by default."""

    slot: int = 0
    size: int = 1

    @property
    def late(self) -> bool:
        """Whether it is in the last third of a bundle's slots (of 8 the last two); never in one of less than three."""
        return self.slot * 3 // self.size == 2


ALONE: Final = Place()


def _quality(name: str, text: str) -> float:
    told = quality(text)
    return unit("quality", name) if told is None else told


def chance_of_a(sides: Sides, traits: JudgeTraits, *, seed: int, place: Place = ALONE) -> float:
    """The chance that A wins there, before anything is turned or garbled. Errors: ValueError without `judge_slope`."""
    if traits.judge_slope is None:
        raise ValueError("a judge without judge_slope has no chances: it is sure of every pair")
    logit = traits.judge_slope * (sides.quality_a - sides.quality_b)
    logit += traits.position_bias + traits.bundle_shift * (place.size - 1)
    if place.late:
        logit += traits.slot_shift
    if traits.pair_noise:
        # Clear of 0 and 1, of which the normal distribution has no quantile.
        own = NORMAL.inv_cdf(min(max(unit("pair", seed, *sides.essays), 1e-12), 1 - 1e-12))
        logit += traits.pair_noise * (own if sides.in_order else -own)
    return 1 / (1 + math.exp(-min(max(logit, -700.0), 700.0)))


def turned(traits: JudgeTraits, place: Place) -> float:
    """The chance that a verdict is turned for where it stands in a bundle."""
    for_bundle = min(1.0, traits.bundle_noise * (place.size - 1))
    for_slot = traits.slot_noise if place.late else 0.0
    return for_bundle * (1 - for_slot) + for_slot * (1 - for_bundle)


class Expected(NamedTuple):
    """What is to be expected of one pair, as chances (docs/simulator.md says what each is)."""

    retest: float
    flip: float
    position: float
    excess: float
    shift: float


def expected(sides: Sides, traits: JudgeTraits, *, seed: int, place: Place = ALONE) -> Expected:
    """What asking a pair at `place`, twice alone and once swapped comes to on average, without markers and changes.

    Exact: two answers are drawn with one number as long as neither is drawn anew (`retest`), and each by itself otherwise.
    """
    alone, there = chance_of_a(sides, traits, seed=seed), chance_of_a(sides, traits, seed=seed, place=place)
    swapped = 1 - chance_of_a(sides.swapped, traits, seed=seed)
    one_mind = (1 - traits.retest) ** 2

    def differ(one: float, other: float) -> float:
        return one_mind * abs(one - other) + (1 - one_mind) * (one * (1 - other) + other * (1 - one))

    share = turned(traits, place)
    garbled = traits.line_garbled if place.size > 1 else 0.0
    apart = differ(there, alone)
    apart = (1 - garbled) * (apart + share * (1 - 2 * apart)) + garbled / 2
    delivered = (1 - garbled) * (there + share * (1 - 2 * there)) + garbled / 2
    retest = differ(alone, alone)
    return Expected(retest, differ(alone, swapped), (alone - swapped) / 2, apart - retest, delivered - alone)
