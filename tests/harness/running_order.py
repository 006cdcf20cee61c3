"""The order in which tests begin: what takes longest first, and what only computes between what waits for Kafka.

So no process is left alone with a long test at the end, and the processor has something to do while tests wait for sessions
to run out, for polls and for brokers. The seconds are measured by the clock; a wrong one costs time and nothing else.
"""

from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
WAITING = ("chaos", "integration")
# Tests of these files share nothing but the broker: each goes to whichever process is free.
APART = ("test_killed_at_a_point.py", "test_strategies_killed.py", "test_two_workers.py")
# What a file takes, of APART a test, where it is far from what is usual in its folder.
USUAL_S = {"chaos": 10.0, "integration": 8.0, "contract": 1.5, "model": 1.0, "unit": 0.4}
SECONDS = {
    "chaos/test_brokers.py": 130,
    "chaos/test_gateway.py": 115,
    "chaos/test_same_name.py": 80,
    "chaos/test_storm.py": 20,
    "integration/test_bad_input.py": 30,
    "integration/test_cancel.py": 25,
    "integration/test_compare.py": 35,
    "integration/test_demo.py": 60,
    "integration/test_faults_batches.py": 60,
    "integration/test_faults_calls.py": 35,
    "integration/test_faults_unknown.py": 55,
    "integration/test_large_window.py": 45,
    "integration/test_paused_accounts.py": 35,
    "integration/test_rights.py": 35,
    "integration/test_stop.py": 30,
    "integration/test_strategies.py": 50,
    "integration/test_topics_made_again.py": 28,
    "model/test_done_on_disk.py": 60,
    "model/test_machine.py": 20,
}


def scope_of(nodeid: str) -> str:
    """What stays together in one process: a file, for its tests share fixtures, or a test of APART."""
    file = nodeid.partition("::")[0]
    return nodeid if file.rpartition("/")[2] in APART else file


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order in which they are to begin, those of a scope together and as they are in the file."""
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for scope in sorted(scopes, key=_seconds, reverse=True):
        kinds[_folder(scope) in WAITING].append(scope)
    return [item for scope in _side_by_side(*kinds.values()) for item in scopes[scope]]


def _side_by_side(*kinds: Sequence[str]) -> list[str]:
    """All scopes, so that at any place of the list about the same part of the seconds of each kind lies before it."""
    placed: list[tuple[float, str]] = []
    for kind in kinds:
        ends = list(accumulate(map(_seconds, kind), initial=0.0))
        placed += [(begins / ends[-1], scope) for begins, scope in zip(ends, kind, strict=False)]
    placed.sort(key=itemgetter(0))
    return [scope for _, scope in placed]


def _folder(scope: str) -> str:
    return scope.split("/")[1]


def _seconds(scope: str) -> float:
    file = scope.partition("::")[0].partition("/")[2]
    return SECONDS.get(file, USUAL_S.get(_folder(scope), 1.0))
