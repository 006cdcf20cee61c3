"""Something done by a user without root's rights, in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tables.state_dir import StateDir, StateDirUnusable
from tests.waiting import LIMIT_S

NOBODY = 65534
# Not os.fork(): a fork of a process with threads has hung for good in what a library does in every new child.
_FORKS = multiprocessing.get_context("forkserver")


def _answer(sending: Connection, ask: Callable[..., str], arguments: tuple[Any, ...]) -> None:
    os.setuid(NOBODY)
    sending.send(ask(*arguments))


def as_nobody(ask: Callable[..., str], *arguments: Any) -> str:
    """What a function of a module returns there; here, where the tests themselves are not run by root."""
    if os.geteuid():
        return ask(*arguments)
    receiving, sending = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_answer, args=(sending, ask, arguments))
    process.start()
    sending.close()
    try:
        if not receiving.poll(LIMIT_S):
            raise TimeoutError(f"no answer in {LIMIT_S:g} s")
        answer: str = receiving.recv()
        return answer
    finally:
        process.kill()
        process.join(LIMIT_S)


def refused_with(state_dir: Path) -> str:
    """What opening this state directory is refused with; "" where nothing is in the way."""
    try:
        StateDir(state_dir).open()
    except StateDirUnusable as refused:
        return str(refused)
    return ""
