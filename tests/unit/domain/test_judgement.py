"""What audits show of models: findings for planted judges, alarms that count from a day on, and what is done about them."""

import math

import pytest

from domain.evidence import STARTS, Finding
from domain.judgement import Alarm, Row, Rules, alarms, by_model, count_days, group, groups, next_size
from tests.harness.audit_rows import Told, cell, rows

RULES = Rules()
TODAY = 20_500


def of(*told: Told) -> list[Row]:
    (found,) = by_model(told).values()
    return found


def alarms_of(found: list[Row], **changes: int) -> dict[str, Alarm]:
    return alarms(count_days(found), RULES, **{"models": 1, "after_day": 0, "today": TODAY, **changes})


def last(days: int) -> range:
    return range(TODAY - days + 1, TODAY + 1)


def test_an_honest_judge_is_not_known_before_it_is_shown_fine() -> None:
    few, many = (group("all", of(*rows(last(40), a_day)), RULES) for a_day in (1, 40))
    assert few.finding is Finding.NOT_KNOWN
    assert few.words().startswith("not known yet (40 of about ")
    assert many.finding is Finding.FINE
    assert many.words() == "shown fine"
    assert (few.audits, many.audits) == (40, 1_600)
    assert many.retest.estimate == pytest.approx(0.07, abs=0.03)
    assert abs(many.flips.estimate - many.retest.estimate) < 0.03
    assert set(many.measures) == {"excess", "shift", "position"}


@pytest.mark.parametrize(
    ("bent", "measure", "acts"),
    [
        ({"shift": 1.8}, "shift", True),
        ({"noise": 0.12}, "excess", True),
        ({"position": 2.0}, "position", False),
    ],
)
def test_a_bent_judge_is_found_and_only_what_bundles_can_do_is_acted_upon(
    bent: dict[str, float], measure: str, acts: bool
) -> None:
    found = of(*rows(last(30), 34, **bent))
    told = group("all", found, RULES)
    assert told.finding is Finding.BENT
    assert told.words() == "bent"
    assert told.measures[measure].standing.finding is Finding.BENT
    alarm = alarms_of(found)[measure]
    assert alarm.sounds
    assert alarm.worth_acting is acts
    assert alarm.audits == 30 * 34


def test_an_honest_judge_raises_no_alarm() -> None:
    found = alarms_of(of(*rows(last(60), 34)))
    assert [one.measure for one in found.values() if one.sounds or one.worth_acting] == []
    assert {one.audits for one in found.values()} == {STARTS * 34}


def test_an_alarm_counts_only_the_days_after_a_limit_or_an_acknowledgement() -> None:
    found = of(*rows(last(30), 34, shift=1.8))
    after = alarms_of(found, after_day=TODAY - 2)
    assert after["shift"].audits == 2 * 34
    assert not after["shift"].sounds
    assert alarms_of(found, after_day=TODAY) == {}


def test_an_alarm_of_a_point_or_less_is_nothing_to_act_upon_by_itself() -> None:
    found = alarms_of(of(*rows(last(45), 34, shift=1.8)))["shift"]
    assert found.interval.low > 0.01
    assert not Alarm("shift", found.log10, found.threshold_log10, found.interval._replace(low=0.009), 1).worth_acting
    assert not Alarm("shift", found.threshold_log10 - 0.1, found.threshold_log10, found.interval, 1).worth_acting
    assert Alarm("shift", 9.0, 4.4, found.interval._replace(low=-0.06, high=-0.02), 1).worth_acting


def test_more_models_share_the_false_alarms() -> None:
    found = of(*rows(last(5), 3))
    one, ten = (alarms_of(found, models=models)["shift"].threshold_log10 for models in (1, 10))
    assert one == pytest.approx(math.log10(22_500))
    assert ten - one == pytest.approx(1.0)


def test_those_who_weigh_a_part_each_share_the_false_alarms() -> None:
    """Ten workers that each take 1 % of false alarms would raise up to ten in a hundred months."""
    found = of(*rows(last(5), 3))
    days = count_days([Row(*row) for row in found])
    whole, tenth = (alarms(days, Rules(weighed=part), models=1, after_day=0, today=TODAY)["shift"] for part in (1.0, 0.1))
    assert tenth.log10 == whole.log10
    assert tenth.threshold_log10 - whole.threshold_log10 == pytest.approx(1.0)


def test_a_class_of_bundles_that_is_bent_is_told_from_one_that_is_not() -> None:
    told = [
        *rows(last(40), 30, cell("2-8"), seed=2),
        *rows(last(40), 30, cell("17-64", third=2), seed=3, shift=2.5),
        *rows(last(40), 30, cell("1"), seed=4),
    ]
    by_bundle = {one.name: one for one in groups("bundle", of(*told), RULES)}
    assert list(by_bundle) == ["1", "2-8", "17-64"]
    assert [one.finding for one in by_bundle.values()] == [Finding.FINE, Finding.FINE, Finding.BENT]
    assert set(by_bundle["1"].measures) == {"position"}
    assert [one.name for one in groups("third", of(*told), RULES)] == ["first third", "last third"]
    layouts = [one.name for one in groups("layout", of(*told), RULES)]
    assert layouts == ["1 verbatim", "2-8 shared_essays", "17-64 shared_essays"]
    assert [one.name for one in groups("mode", of(*told), RULES)] == ["per_request", "serial_bundle"]


def test_models_are_told_apart_by_the_name_in_their_replies() -> None:
    told = [*rows(last(2), 3, cell(model="m-2026-01-01")), *rows(last(2), 4, cell(model="m-2026-02-02"))]
    found = by_model(told)
    assert {key: sum(sum(row.audits.values()) for row in some) for key, some in found.items()} == {
        ("openai", "m-2026-01-01"): 6,
        ("openai", "m-2026-02-02"): 8,
    }


def test_confident_answers_agree_more_often() -> None:
    agreed = group("all", of(*rows(last(30), 40)), RULES).agreed
    shares = {confidence: hits / n for confidence, (hits, n) in agreed.items()}
    assert shares[1] < shares[5]
    assert sum(n for _, n in agreed.values()) == 1_200


def test_steps_down_end_at_single_calls() -> None:
    steps = [64]
    while (following := next_size(steps[-1], "halve")) is not None:
        steps.append(following)
    assert steps == [64, 32, 16, 8, 4, 2, 1]
    assert next_size(64, "single") == 1
    assert next_size(1, "single") is None
    assert next_size(64, "warn") is None
