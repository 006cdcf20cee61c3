"""The report of an experiment as one HTML file: the sentences, and each plot beside its table."""

import html
from collections.abc import Iterable, Mapping, Sequence

from cli.quality.experiment_words import Report, sentences
from cli.quality.plots import STYLE, Row, forest, points, reliability, table
from domain.evidence import Finding
from domain.experiment import Way
from domain.experiment_findings import Arm, Contrast, Singles
from domain.intervals import Calibration, Interval, stated


def page(told: Report) -> str:
    """The whole page."""
    found, margin = told.found, told.margin
    listed = "".join(f"<li>{_with_code(sentence)}</li>" for sentence in sentences(told))
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>roundbatch: how bundles are judged</title>",
        f"<style>{STYLE}</style></head><body><h1>How bundles are judged</h1>",
        f"<p class='faint'>{html.escape(f'{told.provider} {told.model}')}</p><ul>{listed}</ul>",
        "<h2>Against single answers</h2><p>Points of 100, with 95 % intervals by bundles. <b>excess</b>: how much more often a "
        "verdict differs from single answers than these from each other. <b>shift</b>: how much more often it is Essay A. Grey "
        f"field: the margin of {100 * margin:g} points. Thin grey lines: for other essays like these, by leaving out one essay "
        "after the other. Green: shown fine; red: bent by that; blue: bent by the other measure; brown: not known yet.</p>",
        forest(_against(found.arms), margin),
        _arms(found.arms),
        "<p>Agreement alone says little, for an unsure judge does not agree with itself: compare with the first row.</p>",
        _agreement(found.singles[0], found.arms, dict(told.sent_as)),
        *_slots(told.bundles, margin),
        *_contrasts(found.contrasts, margin),
        "<h2>Order of the essays, and noise</h2><p><b>position</b>: how much more often the essay shown first wins than half "
        "of the time, by showing both first. <b>retest</b>: two answers to the same pair differ.</p>",
        forest([Row(f"{one.way.words}: position", one.position) for one in found.singles], margin),
        table(
            ("asked", "pairs", "retest, of 100", "winner changes in a swap, of 100", "position, points"),
            [
                (
                    one.way.words,
                    str(one.pairs),
                    points(one.retest, signed=False),
                    points(one.flips, signed=False),
                    points(one.position),
                )
                for one in found.singles
            ],
        ),
        *_confidence([*((one.way.words, one.confidence) for one in found.singles), *_confidences(told.bundles)]),
        "</body></html>",
    ]
    return "\n".join(parts)


def _with_code(sentence: str) -> str:
    """The sentence, with the setting to paste in it set off."""
    said, colon, line = html.escape(sentence).partition("The setting: ")
    return f"{said}{colon}<code>{line}</code>" if line else said


def _against(arms: Sequence[Arm]) -> list[Row]:
    def finding(arm: Arm, found: Interval) -> Finding | None:
        """A bent arm is red in what bends it alone."""
        return None if arm.finding is Finding.BENT and not found.surely else arm.finding

    excess = [Row(f"{one.way.words}: excess", one.excess, one.excess_at_large, finding(one, one.excess)) for one in arms]
    return excess + [Row(f"{one.way.words}: shift", one.shift, one.shift_at_large, finding(one, one.shift)) for one in arms]


def _arms(arms: Iterable[Arm]) -> str:
    return table(
        ("asked", "finding", "pairs", "bundles", "excess", "shift", "excess, other essays", "shift, other essays"),
        [
            (
                arm.way.words,
                str(arm.finding) if arm.way.size > 1 else "",
                str(arm.pairs),
                str(arm.lines) if arm.way.size > 1 else "",
                *map(points, (arm.excess, arm.shift, arm.excess_at_large, arm.shift_at_large)),
            )
            for arm in arms
        ],
    )


def _agreement(single: Singles, arms: Iterable[Arm], sent_as: Mapping[Way, dict[str, int]]) -> str:
    """The first row is what two single answers show of each other."""
    apart, low, high = single.retest
    alone = points(Interval(1 - apart, 1 - high, 1 - low), signed=False)
    return table(
        (
            "asked",
            "agrees with a single answer, of 100",
            "kappa",
            "differs when asked again, of 100",
            "unanswered",
            "written as",
        ),
        [
            (single.way.words, alone, f"{single.kappa:.2f}", points(single.retest, signed=False), "", ""),
            *(
                (
                    arm.way.words,
                    points(arm.agreement, signed=False),
                    f"{arm.kappa:.2f}",
                    points(arm.retest, signed=False),
                    str(arm.missing),
                    ", ".join(f"{layout} ({n})" for layout, n in sent_as.get(arm.way, {}).items()),
                )
                for arm in arms
            ),
        ],
    )


def _slots(arms: Sequence[Arm], margin: float) -> list[str]:
    thirds = ("first third", "second third", "last third")
    seen = [(arm.way.words, arm.slots) for arm in arms if arm.slots is not None]
    if not seen:
        return []
    return [
        "<h2>Shift by slot</h2><p>Slots were dealt by chance, and each pair was asked in two of them. The plot and the last "
        "columns compare the same pair in the last third and elsewhere: how much more often it goes to Essay A there.</p>",
        forest([Row(f"{name}: last third", of.late) for name, of in seen], margin),
        table(
            ("asked", *thirds, "last third against others, same pairs", "pairs"),
            [(name, *map(points, of.shift), points(of.late), str(of.late_pairs)) for name, of in seen],
        ),
    ]


def _contrasts(contrasts: Sequence[Contrast], margin: float) -> list[str]:
    if not contrasts:
        return []
    rows = [Row(f"{one.batch.words}: excess", one.excess) for one in contrasts]
    rows += [Row(f"{one.batch.words}: shift", one.shift) for one in contrasts]
    return [
        "<h2>Batch jobs against calls</h2><p>The same pairs in the same bundles, once in a batch job and once by a call: by "
        "how much excess and shift are higher in the batch job.</p>",
        forest(rows, margin),
        table(
            ("asked", "pairs", "excess", "shift"),
            [(one.batch.words, str(one.pairs), points(one.excess), points(one.shift)) for one in contrasts],
        ),
    ]


def _confidences(arms: Iterable[Arm]) -> Iterable[tuple[str, Calibration]]:
    return ((arm.way.words, arm.confidence) for arm in arms if arm.pairs)


def _confidence(of: Sequence[tuple[str, Calibration]]) -> list[str]:
    states = [f"{confidence}: states {100 * stated(confidence):g}" for confidence in range(1, 6)]
    return [
        "<h2>Stated confidence</h2><p>A confidence of 1 states a chance of 50 in 100 that the verdict is right, 5 states 100. "
        "Up: how often a single answer agrees, with its 95 % interval; across: what is stated. On the dashed line confidence "
        "fits. In the table: agreements of 100, and of how many verdicts.</p><div class='panels'>",
        *(reliability(name, one) for name, one in of),
        "</div>",
        table(
            ("asked", "off on average, points (ECE)", "by chance", "too sure by", *states),
            [
                (
                    name,
                    points(one.error, signed=False),
                    f"{100 * one.by_chance:.1f}",
                    f"{100 * one.too_sure:+.1f}",
                    *(_agreed(one, confidence) for confidence in range(1, 6)),
                )
                for name, one in of
            ],
        ),
    ]


def _agreed(of: Calibration, confidence: int) -> str:
    hits, n = of.by_confidence.get(confidence, (0, 0))
    return f"{100 * hits / n:.0f} of {n}" if n else "–"
