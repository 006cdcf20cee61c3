"""One thing for several processes: started once, and ended by its starter when nobody uses it any more."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.shared import shared
from tests.waiting import LIMIT_S, until

SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def noted(folder: Path) -> Iterator[str]:
    with open(folder / "notes", "a") as notes:
        notes.write("start\n")
    yield "here"
    with open(folder / "notes", "a") as notes:
        notes.write("end\n")


def use(folder: Path, number: int) -> None:
    """A process that uses it until it is told to leave."""
    with shared(folder, "thing", lambda: noted(folder)) as thing:
        (folder / f"in-{number}").write_text(thing)
        until(lambda: (folder / f"leave-{number}").exists(), "told to leave")
    (folder / f"out-{number}").touch()


def test_the_first_starts_it_and_ends_it_after_the_last(tmp_path: Path) -> None:
    users = [SPAWN.Process(target=use, args=(tmp_path, number)) for number in range(3)]
    for number, user in enumerate(users[:2]):
        user.start()
        until(lambda place=number: (tmp_path / f"in-{place}").exists(), "it is in use")
    (tmp_path / "leave-0").touch()
    users[2].start()  # comes while the first, whose it is, waits for the second
    until(lambda: (tmp_path / "in-2").exists(), "it is in use")
    for number in (1, 2):
        assert (tmp_path / "notes").read_text() == "start\n"
        assert not (tmp_path / "out-0").exists()
        (tmp_path / f"leave-{number}").touch()
        users[number].join(LIMIT_S)
    users[0].join(LIMIT_S)
    assert [user.exitcode for user in users] == [0, 0, 0]
    assert (tmp_path / "notes").read_text() == "start\nend\n"

    (tmp_path / "leave-3").touch()
    use(tmp_path, 3)  # after its end another is started
    assert (tmp_path / "notes").read_text() == "start\nend\n" * 2
    assert [(tmp_path / f"in-{number}").read_text() for number in range(4)] == ["here"] * 4
