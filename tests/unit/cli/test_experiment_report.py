"""What an experiment's report says: which bundles may be used and by which setting, what is bent, and what is not known."""

import dataclasses
import json

import pytest

from cli.quality.experiment_page import page
from cli.quality.experiment_words import Report, certified, sentences, setting
from cli.quality.shown import shown
from domain.evidence import Finding
from domain.experiment import Way
from domain.experiment_findings import Arm, Contrast, Found, Singles, Slots
from domain.intervals import Interval, calibration

SURE = calibration([(5, True)] * 90 + [(5, False)] * 10)
NOTHING = Interval(0.0, -0.02, 0.02)
ALONE = Singles(Way(), 300, Interval(0.1, 0.07, 0.14), Interval(0.11, 0.08, 0.15), Interval(0.03, 0.01, 0.05), 0.8, SURE)


def arm(
    way: Way,
    finding: Finding,
    *,
    excess: Interval = NOTHING,
    shift: Interval = NOTHING,
    late: Interval = NOTHING,
    large: float = 0.04,
) -> Arm:
    wide = Interval(0.0, -large, large)
    slots = Slots((NOTHING,) * 3, late, 200, late.surely)
    share = Interval(0.9, 0.87, 0.93)
    return Arm(
        way, 300, 600, 40, 0, excess, shift, wide, wide, share, 0.79, SURE, Interval(0.1, 0.07, 0.14), slots, finding, 540
    )


def report(*arms: Arm, contrasts: tuple[Contrast, ...] = (), singles: tuple[Singles, ...] = (ALONE,)) -> Report:
    sent = tuple((each.way, {"shared_essays": 38, "verbatim": 2}) for each in arms)
    return Report("anthropic", "claude-haiku-5-5", 300, 24, 0.1234, False, {}, sent, 0.05, Found(singles, arms, contrasts))


def said(told: Report) -> str:
    return "\n".join(sentences(told))


def test_the_largest_size_below_which_all_are_fine_is_certified() -> None:
    fine = [arm(Way(size), Finding.FINE) for size in (4, 8)]
    told = report(*fine, arm(Way(16), Finding.NOT_KNOWN), arm(Way(32), Finding.FINE))
    (one,) = certified(told)
    assert one.way == Way(8)
    assert said(told).startswith("Bundles up to 8 are shown fine for anthropic claude-haiku-5-5: ")
    assert "The setting: ROUNDBATCH_ANTHROPIC__BUNDLE_SIZE=8\n" in said(told)
    assert "Bundles of 16: not known yet from 300 pairs; about 240 more pairs would tell." in said(told)
    assert "what is shown fine stays within 4.0 points" in said(told)
    assert "<code>ROUNDBATCH_ANTHROPIC__BUNDLE_SIZE=8</code>" in page(told)


def test_of_each_transport_the_layout_that_reaches_furthest_is_named() -> None:
    told = report(
        arm(Way(4, "verbatim"), Finding.FINE),
        arm(Way(8, "verbatim"), Finding.BENT, shift=Interval(0.2, 0.1, 0.3)),
        arm(Way(4, "shared_essays"), Finding.FINE),
        arm(Way(8, "shared_essays"), Finding.FINE),
        arm(Way(4, "verbatim", batch=True), Finding.FINE),
        arm(Way(4, "shared_essays", batch=True), Finding.NOT_KNOWN),
    )
    assert [one.way for one in certified(told)] == [Way(8, "shared_essays"), Way(4, "verbatim", batch=True)]
    block = "ROUNDBATCH_ANTHROPIC__"
    assert setting(told, Way(8, "shared_essays")) == f"{block}BUNDLE_SIZE=8 {block}BUNDLE_LAYOUT=shared_essays"
    assert setting(told, Way(4, "verbatim", batch=True)) == f"{block}BATCH_BUNDLE_SIZE=4 {block}BUNDLE_LAYOUT=verbatim"


@pytest.mark.parametrize(
    ("excess", "shift", "words"),
    [
        (NOTHING, Interval(0.062, 0.039, 0.085), "Bundles of 16 are bent: they favour Essay A by 6.2 (3.9 to 8.5) points."),
        (NOTHING, Interval(-0.062, -0.085, -0.039), "Bundles of 16 are bent: they favour Essay B by 6.2 (3.9 to 8.5) points."),
        (
            Interval(0.08, 0.05, 0.11),
            NOTHING,
            "they differ from single answers 8.0 (5.0 to 11.0) points more often than these from each other.",
        ),
    ],
)
def test_what_is_bent_is_told_by_how_much_and_towards_what(excess: Interval, shift: Interval, words: str) -> None:
    told = report(arm(Way(16), Finding.BENT, excess=excess, shift=shift))
    assert words in said(told)
    assert said(told).startswith("No size of bundle is shown fine for anthropic claude-haiku-5-5 yet. Nothing says")


def test_what_may_not_hold_for_other_essays_is_said() -> None:
    told = report(arm(Way(4), Finding.FINE), arm(Way(8), Finding.FINE, large=0.081))
    assert "it is not certain of bundles of 8: they may be off by 8.1 points" in said(told)


def test_batch_jobs_and_reasons_first_have_a_sentence_each() -> None:
    other = dataclasses.replace(ALONE, way=Way(reasons_first=True), position=Interval(0.0, -0.02, 0.02))
    told = report(
        arm(Way(reasons_first=True), Finding.NOT_KNOWN),
        contrasts=(Contrast(Way(8, batch=True), 300, NOTHING, Interval(0.05, 0.02, 0.08), True),),
        singles=(ALONE, other),
    )
    words = said(told)
    assert "Bundles of 8 in batch jobs are judged otherwise than the same by calls: Essay A wins +5.0 (+2.0 to +8.0)" in words
    assert "Single answers (reasons first): two of them differ in 10.0 (7.0 to 14.0) of 100, position bias is +0.0" in words
    assert "not surely another judgement" in words
    alike = report(arm(Way(8), Finding.FINE), contrasts=(Contrast(Way(8, batch=True), 300, NOTHING, NOTHING, False),))
    assert "No difference between batch jobs and calls was found; if there is one, it is within 2.0 points." in said(alike)


def test_what_late_slots_do_is_said() -> None:
    told = report(arm(Way(8), Finding.FINE, late=Interval(-0.06, -0.1, -0.02)), arm(Way(16), Finding.FINE))
    assert "In bundles of 8, the same pair goes to Essay A 6.0 (2.0 to 10.0) points less often in late slots" in said(told)
    assert "No difference between late slots" not in said(told)
    nothing = said(report(arm(Way(8), Finding.FINE)))
    assert "No difference between late slots and others was found; if there is one, it is within 2.0 points." in nothing


def test_how_far_confidence_is_off_is_said_in_words() -> None:
    told = report(arm(Way(8), Finding.FINE))
    off = "by 10.0 (3.9 to 16.1) points (too sure)"
    words = f"off {off} for single answers, {off} for bundles of 8."
    assert words in said(told)
    assert "<svg" in page(told)
    assert "90 of 100" in page(told)


def test_a_report_is_json_too() -> None:
    told = json.loads(json.dumps(shown(report(arm(Way(8), Finding.FINE)))))
    (one,) = told["found"]["arms"]
    assert one["way"] == {"size": 8, "layout": "auto", "batch": False, "reasons_first": False}
    assert one["finding"] == "shown fine"
