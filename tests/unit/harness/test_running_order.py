"""In which order tests begin: nothing is left out, the longest first, and what computes beside what waits."""

from dataclasses import dataclass
from typing import Any, cast

from tests.harness.running_order import APART, SECONDS, TESTS, WAITING, in_order, scope_of


@dataclass(frozen=True)
class Item:
    nodeid: str


def order(*nodeids: str) -> list[str]:
    items: Any = [Item(nodeid) for nodeid in nodeids]
    return [cast(Item, item).nodeid for item in in_order(items)]


def test_tests_of_a_file_stay_together_in_their_order_and_those_apart_do_not() -> None:
    file, other, apart = (f"tests/{name}" for name in ("unit/test_a.py", "unit/test_b.py", f"chaos/{APART[0]}"))
    assert scope_of(f"{file}::test_a[x::y]") == file
    assert scope_of(f"{apart}::test_a[x::y]") == f"{apart}::test_a[x::y]"
    mixed = (f"{file}::test_b", f"{other}::test_c", f"{file}::test_a")
    assert order(*mixed) == [f"{file}::test_b", f"{file}::test_a", f"{other}::test_c"]


def test_the_longest_begin_first_and_what_computes_beside_what_waits() -> None:
    waiting = [f"tests/integration/test_{n}.py::test" for n in range(4)]
    computing = [f"tests/unit/domain/test_{n}.py::test" for n in range(8)]
    long = "tests/chaos/test_brokers.py::test"
    found = order(*computing, *waiting, long)
    assert sorted(found) == sorted([*computing, *waiting, long])
    assert [one for one in found if one in computing] == computing
    assert [one for one in found if one not in computing] == [long, *waiting]
    assert found[0] == long
    # The long one has most of the seconds of those that wait, so most of the others begin meanwhile.
    assert found.index(waiting[0]) > found.index(computing[5])
    assert found.index(waiting[1]) < found.index(computing[7])


def test_one_kind_alone_and_nothing() -> None:
    alone = f"tests/{'unit/test_a.py'}::test_a"
    assert order(alone) == [alone]
    assert order() == []


def test_files_that_are_named_exist() -> None:
    assert [file for file in SECONDS if not (TESTS / file).is_file()] == []
    assert [name for name in APART if not list(TESTS.rglob(name))] == []
    assert [folder for folder in WAITING if not (TESTS / folder).is_dir()] == []
