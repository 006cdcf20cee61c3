"""When an account is paused, who may try it, and what ends the pause."""

import pytest

from domain.back_off import BackOff
from domain.circuit import FAILING_TO_PAUSE, TRY_LOST_AFTER_S, Circuit, Trouble
from domain.reply import ErrorCode

BACK_OFF = BackOff(30.0, 900.0)


def refused(
    circuit: Circuit,
    subject: str = "a",
    code: ErrorCode = ErrorCode.QUOTA_EXCEEDED,
    *,
    certain: bool = True,
    now_s: float = 0.0,
    said: str = "no money",
) -> Circuit:
    return circuit.refused(subject, code, said, certain=certain, now_s=now_s, now_ms=int(now_s * 1000), back_off=BACK_OFF)


def down(circuit: Circuit, subject: str, now_s: float = 0.0) -> Circuit:
    return refused(circuit, subject, ErrorCode.EXTERNAL_SERVICE_ERROR, certain=False, now_s=now_s, said="HTTP 500")


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (ErrorCode.QUOTA_EXCEEDED, Trouble.QUOTA),
        (ErrorCode.AUTHENTICATION_ERROR, Trouble.KEY),
        (ErrorCode.CONFIGURATION_ERROR, Trouble.CONFIGURATION),
        (ErrorCode.EXTERNAL_SERVICE_ERROR, Trouble.DOWN),
    ],
)
def test_one_certain_refusal_pauses(code: ErrorCode, trouble: Trouble) -> None:
    pause = refused(Circuit(), code=code, now_s=7.0).pause
    assert pause is not None
    told = (pause.trouble, pause.code, pause.message, pause.since_ms, pause.try_at_s)
    assert told == (trouble, code, "no money", 7_000, 37.0)


def test_failures_that_the_content_may_cause_pause_when_as_many_different_ones_have_failed() -> None:
    circuit = Circuit()
    for _ in range(10):
        circuit = down(circuit, "poison")
    assert circuit.pause is None
    circuit = Circuit()
    for number in range(FAILING_TO_PAUSE):
        assert circuit.pause is None
        circuit = down(circuit, f"another {number}")
    assert circuit.pause is not None


def test_two_that_fail_again_pause_too() -> None:
    circuit = Circuit()
    for subject in "abab":
        assert circuit.pause is None
        circuit = down(circuit, subject)
    assert circuit.pause is not None


def test_an_answer_between_them_begins_the_count_anew() -> None:
    circuit = down(down(Circuit(), "a"), "b").answered("c")
    assert down(down(circuit, "d"), "e").pause is None


def test_one_try_at_a_time_and_not_before_its_time() -> None:
    circuit = refused(Circuit())
    assert not circuit.lets("a", 29.9)
    assert circuit.lets("a", 30.0)
    assert circuit.lets("b", 30.0)
    trying = circuit.sent("b", 30.0)
    assert not trying.lets("a", 60.0)
    assert trying.lets("b", 60.0)  # asked again directly before it goes out
    assert trying.sent("b", 60.0) is trying


def test_waits_double_up_to_the_longest() -> None:
    circuit, now_s, waits = refused(Circuit()), 0.0, []
    for _ in range(8):
        assert circuit.pause is not None
        waits.append(circuit.pause.try_at_s - now_s)
        now_s = circuit.pause.try_at_s
        circuit = refused(circuit.sent("a", now_s), now_s=now_s)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_try_that_is_answered_ends_the_pause() -> None:
    assert refused(Circuit()).sent("b", 30.0).answered("b") == Circuit()


@pytest.mark.parametrize(("trouble", "ends"), [(ErrorCode.QUOTA_EXCEEDED, False), (ErrorCode.EXTERNAL_SERVICE_ERROR, True)])
def test_what_was_sent_before_the_pause_tells_of_an_outage_alone(trouble: ErrorCode, ends: bool) -> None:
    circuit = refused(Circuit(), code=trouble)
    assert (circuit.answered("sent before").pause is None) is ends
    assert refused(circuit, "sent before", now_s=3.0) == circuit


def test_a_try_that_told_nothing_leaves_the_next_to_another_soon() -> None:
    circuit = refused(Circuit()).sent("a", 30.0)
    free = circuit.told_nothing("a", 40.0, BACK_OFF)
    assert not free.lets("b", 40.9)
    assert free.lets("b", 41.0)
    assert circuit.told_nothing("another", 40.0, BACK_OFF) is circuit
    assert Circuit().told_nothing("a", 0.0, BACK_OFF) == Circuit()


def test_a_lost_try_frees_the_next_one_at_last() -> None:
    circuit = refused(Circuit()).sent("a", 30.0)
    assert not circuit.lets("b", 30.0 + TRY_LOST_AFTER_S - 0.1)
    assert circuit.lets("b", 30.0 + TRY_LOST_AFTER_S)


def test_an_outage_during_a_try_says_nothing_new_of_the_quota() -> None:
    pause = down(refused(Circuit()).sent("a", 30.0), "a", 31.0).pause
    assert pause is not None
    assert (pause.trouble, pause.code, pause.message, pause.tries) == (Trouble.QUOTA, ErrorCode.QUOTA_EXCEEDED, "no money", 1)


def test_another_refusal_during_an_outage_is_what_is_said_from_then_on() -> None:
    circuit = down(down(down(Circuit(), "a"), "b"), "c").sent("a", 30.0)
    pause = refused(circuit, "a", ErrorCode.AUTHENTICATION_ERROR, now_s=31.0).pause
    assert pause is not None
    assert (pause.trouble, pause.since_ms, pause.tries) == (Trouble.KEY, 0, 1)


def test_a_long_message_is_cut() -> None:
    pause = refused(Circuit(), said="x" * 1_000).pause
    assert pause is not None
    assert len(pause.message) == 300
