"""What one audit shows: the measures' values, and that their means are 0 for a judge that is not bent."""

import itertools
import math

import pytest

from domain.audited import EXCESS, MEASURES, POSITION, SHIFT, Audited, count

EVERY = [Audited(*answers) for answers in itertools.product((False, True), repeat=4)]


@pytest.mark.parametrize(
    ("audit", "excess", "shift", "position"),
    [
        (Audited(True, True, True, True), 0.0, 0.0, 0.0),  # all say A, wherever it stands
        (Audited(True, False, False, False), 1.0, 1.0, 0.0),
        (Audited(False, True, True, True), 1.0, -1.0, 0.0),
        (Audited(True, True, False, True), -0.5, 0.5, -0.25),
        (Audited(True, True, True, False), 0.0, 0.0, 0.5),  # the one shown first wins in both orders
        (Audited(False, False, False, True), 0.0, 0.0, -0.5),
    ],
)
def test_the_values_of_an_audit(audit: Audited, excess: float, shift: float, position: float) -> None:
    assert (audit.excess, audit.shift, audit.position) == (excess, shift, position)


def test_every_audit_has_values_that_its_measures_name() -> None:
    for measure in MEASURES:
        assert {getattr(audit, measure.name) for audit in EVERY} == set(measure.values)
    assert {audit.flipped for audit in EVERY} == {audit.retested for audit in EVERY} == {True, False}
    counted = count(EVERY)
    assert {name: sum(counts.values()) for name, counts in counted.items()} == {"excess": 16, "shift": 16, "position": 16}
    assert counted["excess"] == {-0.5: 8, 0.0: 4, 1.0: 4}


@pytest.mark.parametrize("chance", [0.03, 0.5, 0.8])
def test_means_are_0_for_answers_that_are_drawn_alike(chance: float) -> None:
    def mean(name: str) -> float:
        def weight(audit: Audited) -> float:
            return math.prod(chance if a_won else 1 - chance for a_won in audit)

        return math.fsum(weight(audit) * getattr(audit, name) for audit in EVERY)

    assert [mean(measure.name) for measure in (EXCESS, SHIFT, POSITION)] == pytest.approx([0.0, 0.0, 0.0])
