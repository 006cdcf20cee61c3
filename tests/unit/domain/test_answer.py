"""Answers: what is one, and what must never become one."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.answer import MAX_JUSTIFICATION, Answer, UnusableAnswer, check_answer, read_answer, shorten

GOOD = {"winner": "Essay B", "justification": " It is clearer. ", "confidence": 4}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def answer(**fields: object) -> str:
    return json.dumps({**GOOD, **fields})


def test_a_good_answer() -> None:
    assert read_answer(answer()) == Answer("Essay B", "It is clearer.", 4.0)


@pytest.mark.parametrize(("said", "name"), [("essay a", "Essay A"), ("ESSAY B", "Essay B"), (" Essay A\n", "Essay A")])
def test_letter_case_and_space_around_a_winner_do_not_matter(said: str, name: str) -> None:
    assert read_answer(answer(winner=said)).winner == name


@pytest.mark.parametrize(
    "winner", ["", "A", "Essay C", "Essay A or Essay B", "tie", None, 1, True, ["Essay A"], {"Essay A": 1}]
)
def test_an_unknown_winner_never_becomes_one(winner: object) -> None:
    with pytest.raises(UnusableAnswer, match="neither Essay A nor Essay B"):
        read_answer(answer(winner=winner))


@pytest.mark.parametrize("justification", [None, "", "  \n", 4, ["clear"]])
def test_a_justification_is_needed(justification: object) -> None:
    with pytest.raises(UnusableAnswer, match="justification"):
        read_answer(answer(justification=justification))


@pytest.mark.parametrize("confidence", [1, 1.0, 3.75, 5, 5.0])
def test_confidence_within_its_range(confidence: float) -> None:
    assert read_answer(answer(confidence=confidence)).confidence == float(confidence)


@pytest.mark.parametrize(
    "confidence", [0, 0.99, 5.01, 6, -1, None, "4", True, [4], math.nan, math.inf, -math.inf, 10**400, -(10**400)]
)
def test_confidence_outside_of_it(confidence: object) -> None:
    with pytest.raises(UnusableAnswer, match="confidence"):
        read_answer(answer(confidence=confidence))


@pytest.mark.parametrize("text", ["", "Essay A", "{", "```json\n{}\n```", "[" * 100_000, "1" * 5_000, '{"winner": "Essay A"'])
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(UnusableAnswer, match="not JSON") as caught:
        read_answer(text)
    assert caught.value.__cause__ is not None  # judge() tells PARSING_ERROR from INVALID_RESPONSE by it


@pytest.mark.parametrize("text", ["null", "[]", '"Essay A"', "1"])
def test_json_that_is_no_object(text: str) -> None:
    with pytest.raises(UnusableAnswer, match="not a JSON object"):
        read_answer(text)


def test_what_cannot_be_written_as_utf_8_is_replaced() -> None:
    """A lone surrogate, as JSON may hold it, would fail every later write of the outcome."""
    said = read_answer('{"winner": "Essay A", "justification": "clear \\ud83d end", "confidence": 2}')
    assert said.justification == "clear ? end"


def test_controls_are_replaced_and_line_ends_and_tabs_stay() -> None:
    """PostgreSQL stores no NUL, XML none of C0, and a terminal that prints a result obeys them."""
    for code in (*range(0x20), *range(0x7F, 0xA0)):
        said = read_answer(json.dumps({"winner": "Essay A", "justification": f"x{chr(code)}y", "confidence": 2}))
        assert said.justification == (f"x{chr(code)}y" if chr(code) in "\t\n\r\x85" else "x?y"), hex(code)
    said = read_answer('{"winner": "Essay A", "justification": "~\\u00a0\\u00e5 \\ud83d\\ude00", "confidence": 2}')
    assert said.justification == "~\u00a0å 😀"


@given(st.text(max_size=60) | ANY_JSON.map(json.dumps))
def test_any_text_is_an_answer_or_unusable(text: str) -> None:
    try:
        said = read_answer(text)
    except UnusableAnswer:
        return
    assert said.winner in ("Essay A", "Essay B")


@given(ANY_JSON, ANY_JSON, ANY_JSON)
def test_what_is_accepted_fits_the_contract(winner: object, justification: object, confidence: object) -> None:
    for name in (winner, "Essay A"):
        try:
            said = check_answer({"winner": name, "justification": justification, "confidence": confidence})
        except UnusableAnswer:
            continue
        assert 1 <= said.confidence <= 5
        assert 1 <= len(said.justification) <= MAX_JUSTIFICATION
        said.justification.encode()


@given(st.text(min_size=1, max_size=1_200), st.integers(2, 600))
def test_shorten_never_exceeds_the_limit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short.endswith("…") and text.startswith(short[:-1])


def test_shorten_ends_at_a_word_unless_the_last_word_is_over_half_of_it() -> None:
    assert shorten("one two three", 10) == "one two…"
    assert shorten("a" * 20, 10) == "a" * 9 + "…"
    assert shorten("one " + "a" * 20, 10) == "one aaaaa…"
