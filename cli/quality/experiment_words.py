"""What an experiment has found, in sentences, and the line to paste."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cli.quality.plots import points
from domain.evidence import Finding
from domain.experiment import Way
from domain.experiment_findings import Arm, Contrast, Found, Singles
from domain.intervals import Calibration, Interval


@dataclass(frozen=True, slots=True)
class Report:
    """What an experiment has found. pairs: that were to be asked, with so many essays. sent_as: way → prompts by layout.

    stopped: before all pairs were asked, at the budget or by the account. failed: prompts that brought nothing, by why.
    """

    provider: str
    model: str
    pairs: int
    essays: int
    spent_usd: float
    stopped: bool
    failed: dict[str, int]
    sent_as: tuple[tuple[Way, dict[str, int]], ...]
    margin: float
    found: Found

    @property
    def bundles(self) -> tuple[Arm, ...]:
        """The arms that are bundles."""
        return tuple(arm for arm in self.found.arms if arm.way.size > 1)


class Certified(NamedTuple):
    """The largest size that is shown fine together with all smaller ones that were asked, by transport and layout."""

    way: Way
    smallest: int


def certified(told: Report) -> list[Certified]:
    """For each transport the largest certified size, by whatever layout; none where not even the smallest is."""
    best: dict[bool, Certified] = {}
    for batch, layout in dict.fromkeys((arm.way.batch, arm.way.layout) for arm in told.bundles):
        arms = [arm for arm in told.bundles if (arm.way.batch, arm.way.layout) == (batch, layout)]
        fine = None
        for arm in sorted(arms, key=lambda arm: arm.way.size):
            if arm.finding is not Finding.FINE:
                break
            fine = Certified(arm.way, min(one.way.size for one in arms))
        if fine is not None and (batch not in best or fine.way.size > best[batch].way.size):
            best[batch] = fine
    return list(best.values())


def setting(told: Report, way: Way) -> str:
    """The line to paste, for a worker's environment."""
    block = f"ROUNDBATCH_{told.provider.upper()}"
    layout = "" if way.layout == "auto" else f" {block}__BUNDLE_LAYOUT={way.layout}"
    return f"{block}__{'BATCH_BUNDLE_SIZE' if way.batch else 'BUNDLE_SIZE'}={way.size}{layout}"


def sentences(told: Report) -> Iterator[str]:
    """The answer in plain words, the most important first."""
    model, margin = f"{told.provider} {told.model}", f"{100 * told.margin:g} points"
    shown = certified(told)
    for one in shown:
        yield (
            f"{_up_to(one)} are shown fine for {model}: how often they differ from single answers beyond these answers' own "
            f"noise, and how much they favour Essay A or B, is within {margin} (each with 95 % certainty). "
            f"The setting: {setting(told, one.way)}"
        )
    if not shown:
        yield f"No size of bundle is shown fine for {model} yet. Nothing says that bundles may be used."
    for arm in told.bundles:
        if arm.finding is not Finding.FINE:
            yield verdict(arm)
    yield from _at_large(told)
    yield from _slots(told.bundles)
    yield from _contrasts(told.found.contrasts)
    yield from _singles(told.found.singles[0])
    for singles in told.found.singles[1:]:
        arm = next(arm for arm in told.found.arms if arm.way == singles.way)
        yield _other_singles(singles, arm)
    yield from _confidence(told)
    early = ", stopped before all were asked" if told.stopped else ""
    yield f"{told.found.singles[0].pairs} pairs of {told.essays} essays, ${told.spent_usd:.4f} spent{early}."
    for why, times in told.failed.items():
        yield f"{times} prompts brought nothing: {why}."
    yield "What single calls and bundles get wrong alike, as an essay that tells the judge to choose it, is not seen here."


def _up_to(one: Certified) -> str:
    name = _capital(one.way.words)
    return name if one.way.size == one.smallest else name.replace("Bundles of", "Bundles up to", 1)


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def verdict(arm: Arm) -> str:
    """What is found of bundles that are not shown fine."""
    name = _capital(arm.way.words)
    if arm.finding is Finding.NOT_KNOWN:
        if not arm.pairs:
            return f"{name}: not known yet, nothing was answered."
        return (
            f"{name}: not known yet from {arm.pairs} pairs; about {max(1, arm.wanted - arm.pairs)} more pairs would tell. So "
            f"far excess is {points(arm.excess)} and shift {points(arm.shift)}."
        )
    more = []
    if arm.shift.surely:
        towards, found = ("A", arm.shift) if arm.shift.estimate > 0 else ("B", _mirrored(arm.shift))
        more.append(f"they favour Essay {towards} by {points(found, signed=False)} points")
    if arm.excess.low > 0:
        often = points(arm.excess, signed=False)
        more.append(f"they differ from single answers {often} points more often than these from each other")
    return f"{name} are bent: {' and '.join(more) or 'surely not as single answers'}."


def _mirrored(found: Interval) -> Interval:
    return Interval(-found.estimate, -found.high, -found.low)


def _at_large(told: Report) -> Iterator[str]:
    if not told.bundles:
        return
    fine = [arm for arm in told.bundles if arm.finding is Finding.FINE]
    beyond = [
        arm.way.words
        for arm in fine
        if arm.excess_at_large.high >= told.margin or max(-arm.shift_at_large.low, arm.shift_at_large.high) >= told.margin
    ]
    widest = max(max(abs(end) for end in (*arm.excess_at_large[1:], *arm.shift_at_large[1:])) for arm in fine or told.bundles)
    said = (
        f"All of this is about these {told.essays} essays. For others like them, as far as leaving out one after the other "
        "tells,"
    )
    if not fine:
        yield f"{said} the intervals are wider (the grey lines), up to {100 * widest:.1f} points."
    elif beyond:
        yield f"{said} it is not certain of {', nor of '.join(beyond)}: they may be off by {100 * widest:.1f} points."
    else:
        yield f"{said} what is shown fine stays within {100 * widest:.1f} points."


def _slots(arms: Sequence[Arm]) -> Iterator[str]:
    seen = [(arm.way.words, arm.slots) for arm in arms if arm.slots is not None]
    for name, slots in seen:
        if slots.differ:
            more = slots.late.estimate > 0
            often = f"{points(slots.late if more else _mirrored(slots.late), signed=False)} points {'more' if more else 'less'}"
            yield f"In {name}, the same pair goes to Essay A {often} often in late slots (the last third) than in others."
    if seen and not any(slots.differ for _, slots in seen):
        widest = max(abs(end) for _, slots in seen for end in slots.late[1:])
        yield f"No difference between late slots and others was found; if there is one, it is within {100 * widest:.1f} points."


def _contrasts(of: Sequence[Contrast]) -> Iterator[str]:
    for one in of:
        if one.differ:
            yield (
                f"{_capital(one.batch.words)} are judged otherwise than the same by calls: Essay A wins {points(one.shift)} "
                f"points more often, and excess is {points(one.excess)} points higher."
            )
    if of and not any(one.differ for one in of):
        widest = max(abs(end) for one in of for end in (*one.shift[1:], *one.excess[1:]))
        yield f"No difference between batch jobs and calls was found; if there is one, it is within {100 * widest:.1f} points."


def _singles(of: Singles) -> Iterator[str]:
    yield (
        f"Two single answers to the same pair differ in {points(of.retest, signed=False)} of 100; a swap of the essays changes "
        f"the winner in {points(of.flips, signed=False)}. What a swap does beyond that noise is the position bias: "
        f"{points(of.position)} points towards the essay shown first{', surely' if of.position.surely else ''}."
    )


def _other_singles(of: Singles, arm: Arm) -> str:
    another = "surely" if arm.finding is Finding.BENT else "not surely"
    return (
        f"{_capital(of.way.words)}: two of them differ in {points(of.retest, signed=False)} of 100, position bias is "
        f"{points(of.position)} points. Against the others their excess is {points(arm.excess)} and their shift "
        f"{points(arm.shift)} points: {another} another judgement."
    )


def _confidence(told: Report) -> Iterator[str]:
    said = f"off by {_off(told.found.singles[0].confidence)} for single answers"
    bundles = [arm for arm in told.bundles if arm.pairs]
    if bundles:
        worst = max(bundles, key=lambda arm: arm.confidence.error.estimate)
        said += f", by {_off(worst.confidence)} for {worst.way.words}"
    yield f"Stated confidence, against how often a single answer agrees, on average: {said}."


def _off(of: Calibration) -> str:
    if of.error.low <= of.by_chance:
        return f"{points(of.error, signed=False)} points (no more than by chance, {100 * of.by_chance:.1f})"
    return f"{points(of.error, signed=False)} points ({'too sure' if of.too_sure > 0 else 'not sure enough'})"
