"""Transactions that hold a partition back: for how long, by what the fetches say."""

from faust.types import TP
from structlog.testing import capture_logs

from agents.partitions.open_transactions import OpenTransactions

PLACE = TP("requests", 0)


def test_it_counts_from_where_the_transaction_begins_and_ends_with_it() -> None:
    seen = OpenTransactions()
    seen.note(PLACE, 5, 9, 100.0)
    seen.note(PLACE, 5, 12, 130.0)
    seen.note(TP("requests", 1), 3, 4, 120.0)
    assert seen.longest_s("requests", 140.0) == 40.0
    assert seen.longest_s("work", 140.0) == 0.0
    seen.note(PLACE, 8, 12, 141.0)  # the first has ended, another is open
    assert seen.longest_s("requests", 150.0) == 30.0
    seen.note(PLACE, 12, 12, 151.0)
    seen.note(TP("requests", 1), 4, 4, 151.0)
    assert seen.longest_s("requests", 160.0) == 0.0


def test_one_that_lasts_is_said_once_with_its_place() -> None:
    seen = OpenTransactions()
    with capture_logs() as logs:
        for now_s in (0.0, 50.0, 61.0, 70.0):
            seen.note(PLACE, 5, 9, now_s)
    (said,) = logs
    assert (said["topic"], said["partition"], said["offset"], said["records_behind"]) == ("requests", 0, 5, 4)
