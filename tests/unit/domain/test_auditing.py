"""Shadow audits: facts in any order, each counted once, and what they come to."""

import itertools
import random
from collections import Counter

import pytest
from msgspec.structs import replace

from domain.audited import Audited
from domain.auditing import (
    DAY_MS,
    MODELS_DIFFER,
    NEVER_CAME,
    NOT_DELIVERED,
    AuditBook,
    Cell,
    Complete,
    Delivered,
    Facts,
    ShadowReply,
    Watched,
    measured,
    watched,
)
from domain.comparison import Member
from domain.job import Form, Job
from domain.shadows import shadows
from tests.model.values import members, plan

A = Member(4, 1)
CELL = Cell("openai", "m-1", "batch_api", "2-8", "shared_essays", 2)
WATCHED = Watched(A, "openai", "m", "batch_api", 4, 3, "shared_essays", 3)
PLANNED = Facts(10, 5 * DAY_MS, watched=(WATCHED,))
DELIVERED = Facts(20, 6 * DAY_MS, delivered=(Delivered(A, True, 3.6),))


def reply(form: Form, number: int, winner: str | None, member: Member = A, **fields: object) -> ShadowReply:
    return replace(ShadowReply(member, form, number, winner, 4.0, "m-1", usd=0.5), **fields)


REPLIES = (reply(Form.AGAIN, 1, "Essay A"), reply(Form.AGAIN, 2, "Essay B"), reply(Form.SWAPPED, 1, "Essay B"))
AUDITED = Facts(19, 6 * DAY_MS, replies=REPLIES)
WHOLE = [(CELL, 5, Counter({Complete(Audited(True, True, False, True), 4): 1}))]


def book_of(*facts: Facts) -> AuditBook:
    book = AuditBook()
    for one in facts:
        book.learn(one)
    return book


def found(book: AuditBook) -> list[tuple[Cell, int, Counter[Complete]]]:
    return [(cell, day, Counter(audits)) for cell, day, audits in book.by_cell_and_day() if audits]


BROUGHT_NONE = Facts(15, 6 * DAY_MS, delivered=(Delivered(A, None),))


@pytest.mark.parametrize(
    "order",
    [
        *itertools.permutations((PLANNED, DELIVERED, AUDITED)),
        (PLANNED, BROUGHT_NONE, DELIVERED, AUDITED),
        (DELIVERED, BROUGHT_NONE, PLANNED, AUDITED),
    ],
)
def test_facts_in_any_order_make_one_audit(order: tuple[Facts, ...]) -> None:
    assert found(book_of(*order)) == WHOLE
    assert found(book_of(*order, *order)) == WHOLE


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_an_audit_of_which_a_part_is_not_known_is_not_counted(left_out: int) -> None:
    known = [PLANNED, DELIVERED, AUDITED]
    del known[left_out]
    book = book_of(*known)
    assert found(book) == []
    assert book.under_way == 1


def test_of_two_replies_to_one_shadow_the_first_counts_and_is_paid() -> None:
    book = book_of(PLANNED, AUDITED)
    assert book.new(REPLIES) == ()
    book.learn(Facts(21, 6 * DAY_MS, replies=(reply(Form.AGAIN, 1, "Essay B"),)))
    book.learn(DELIVERED)
    assert found(book) == WHOLE
    assert book.new(REPLIES) == ()
    assert book.usd_since(0) == 1.5
    assert AuditBook().new((*REPLIES, reply(Form.AGAIN, 1, "Essay B"))) == REPLIES


def test_a_single_line_s_answer_is_the_first_of_two_single_ones_and_only_position_is_measured() -> None:
    alone = replace(WATCHED, size=1, slot=0, shadows=2, layout="verbatim")
    told = replace(AUDITED, replies=(reply(Form.AGAIN, 1, "Essay B"), reply(Form.SWAPPED, 1, "Essay A")))
    book = book_of(replace(PLANNED, watched=(alone,)), told, DELIVERED)
    ((cell, _, audits),) = found(book)
    assert (cell.bundle, cell.third) == ("1", 0)
    assert audits == {Complete(Audited(True, True, False, False), 4): 1}
    assert measured(audits, cell.bundle) == {"position": {0.25: 1}}


def test_what_a_bundle_s_audits_come_to() -> None:
    audits = Counter({Complete(Audited(True, True, False, True), 4): 3, Complete(Audited(True, False, False, False), 2): 2})
    assert measured(audits, "2-8") == {"excess": {-0.5: 3, 1.0: 2}, "shift": {0.5: 3, 1.0: 2}, "position": {-0.25: 3, 0.0: 2}}


@pytest.mark.parametrize(
    ("delivered", "replies", "cause"),
    [
        (Delivered(A, None), REPLIES, NOT_DELIVERED),
        (Delivered(A, True, 3), (replace(REPLIES[0], winner=None, cause="expired"), *REPLIES[1:]), "expired"),
        (Delivered(A, True, 3), (*REPLIES[:2], replace(REPLIES[2], model_said="m-2")), MODELS_DIFFER),
    ],
)
def test_an_audit_without_an_answer_is_missing_with_its_cause(
    delivered: Delivered, replies: tuple[ShadowReply, ...], cause: str
) -> None:
    facts = [PLANNED, replace(DELIVERED, delivered=(delivered,)), replace(AUDITED, replies=replies)]
    for order in itertools.permutations(facts):
        book = book_of(*order)
        assert found(book) == []
        assert book.missing(today=6) == {(CELL, cause): 1}


def test_an_audit_that_never_becomes_whole_is_missing_after_some_days() -> None:
    book = book_of(PLANNED, DELIVERED)
    assert book.missing(today=7) == {}
    assert book.missing(today=8) == {(CELL._replace(model="m"), NEVER_CAME): 1}


def test_old_audits_are_forgotten() -> None:
    book = book_of(PLANNED, DELIVERED, AUDITED)
    book.forget(5)
    assert found(book) == WHOLE
    book.forget(7)
    assert (list(book.by_cell_and_day()), list(book.by_cell()), book.usd_since(0), book.under_way) == ([], [], 0, 0)
    assert book.new(REPLIES) == REPLIES


def test_what_was_paid_since_a_moment() -> None:
    paid = [Facts(30 + day, day * DAY_MS, replies=(reply(Form.AGAIN, 1, "Essay A", Member(day, 0)),)) for day in (1, 2, 3, 9)]
    book = book_of(*paid)
    assert [book.usd_since(day * DAY_MS) for day in (0, 2, 3, 9, 10)] == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_many_audits_dealt_in_any_order_come_to_the_same() -> None:
    facts = []
    for number in range(60):
        member = Member(number, 0)
        told = tuple(
            replace(one, member=member, winner=random.Random(number).choice(("Essay A", "Essay B"))) for one in REPLIES
        )
        facts += [
            replace(PLANNED, watched=(replace(WATCHED, member=member, slot=number % 4),), at_ms=number * DAY_MS // 9),
            replace(DELIVERED, delivered=(Delivered(member, number % 3 > 0, 2),)),
            *(replace(AUDITED, replies=(one,)) for one in told),
        ]
    first = found(book_of(*facts))
    assert sum(audits.total() for _, _, audits in first) == 60
    random.Random(1).shuffle(facts)
    assert sorted(found(book_of(*facts, *facts[:40])), key=repr) == sorted(first, key=repr)


def test_the_audited_members_of_a_job_are_told_with_the_place_in_their_line() -> None:
    of = members(6)
    lines = (of[:4], of[4:5], of[5:])
    audited = plan(of, lines=lines, shadow_lines=(*shadows(of[2], 4, "shared_essays"), *shadows(of[4], 1)))
    assert watched(Job("j", 1, 2, audited)) == (
        Watched(of[2], "openai", "model", "batch_api", 4, 2, "shared_essays", 3),
        Watched(of[4], "openai", "model", "batch_api", 1, 0, "verbatim", 2),
    )
    assert watched(Job("j", 1, 2, plan(of))) == ()


def test_a_line_of_several_with_a_suspect_is_known_by_any_member_of_it_and_counted_apart() -> None:
    of = members(9)
    lines = (of[:4], of[4:8], of[8:])
    several = (*shadows(of[2], 4), *shadows(of[4], 4), *shadows(of[8], 1))
    job = Job("j", 1, 2, plan(of, lines=lines, shadow_lines=several))
    assert [one.suspect for one in watched(job, {of[0], of[8]})] == [True, False, False]

    facts = replace(PLANNED, watched=(replace(WATCHED, suspect=True),))
    for order in itertools.permutations((facts, DELIVERED, AUDITED)):
        assert found(book_of(*order)) == [(CELL._replace(suspect=True), *WHOLE[0][1:])]
