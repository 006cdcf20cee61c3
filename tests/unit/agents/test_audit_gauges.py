"""What audits have found, as gauges: sums over the partitions of a worker."""

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from agents.metrics.labels import Labels
from agents.status.audit_gauges import AuditCollector
from domain.auditing import DAY_MS, AuditBook, Facts, ShadowReply, Watched
from domain.comparison import Member
from tests.unit.domain.test_auditing import AUDITED, DELIVERED, PLANNED, REPLIES, WATCHED, book_of

LABELS = {"provider": "openai", "model": "m-1", "bundle": "2-8", "layout": "shared_essays"}


def gauges(*books: AuditBook, day: int = 9) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(AuditCollector(lambda: books, lambda: day * DAY_MS, Labels(registry)))
    return registry


def test_counts_of_each_measure_s_values_are_added_up_over_partitions() -> None:
    book = book_of(PLANNED, DELIVERED, AUDITED)
    found = gauges(book, AuditBook(), book_of(PLANNED, AUDITED, DELIVERED))
    for test, value in (("excess", "-0.5"), ("shift", "0.5"), ("position", "-0.25")):
        assert found.get_sample_value("roundbatch_audit_counts", {**LABELS, "test": test, "value": value}) == 2
    book.forget(6)
    assert gauges(book).get_sample_value("roundbatch_audit_counts", {**LABELS, "test": "excess", "value": "-0.5"}) is None


def test_audits_that_will_not_be_complete_are_told_with_their_cause() -> None:
    other = Member(5, 0)
    lost: tuple[ShadowReply, ...] = tuple(replace(one, member=other, winner=None, cause="expired") for one in REPLIES)
    watched: Watched = replace(WATCHED, member=other)
    book = book_of(PLANNED, DELIVERED, Facts(11, 5 * DAY_MS, watched=(watched,)), Facts(12, 5 * DAY_MS, replies=lost))
    labels = {"provider": "openai", "bundle": "2-8"}
    found = gauges(book)
    assert found.get_sample_value("roundbatch_audit_missing", {**labels, "model": "m", "cause": "never_came"}) == 1
    assert found.get_sample_value("roundbatch_audit_missing", {**labels, "model": "m-1", "cause": "expired"}) == 1
