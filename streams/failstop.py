"""Fail-stop: when an effect fails, the process ends before the next commit, and the record is read again.

Raising in a Faust agent skips the record and commits later offsets; crashing the app still commits on the way out (both
measured). Only os._exit leaves the committed offset where it is.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog

EXIT_CODE = 70  # EX_SOFTWARE
EXIT_REFUSED = 78  # EX_CONFIG: starting again does not help
EXIT_NAME_TAKEN = 75  # EX_TEMPFAIL: starting again helps once the other worker of this name has ended
_log = structlog.get_logger("failstop")


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """The record at which the process stops. Read again after the restart, it may well stop it again."""

    topic: str
    partition: int
    offset: int


class Refusal(Exception):
    """Something that a person must put right; the message is one line with the remedy."""

    exit_code = EXIT_REFUSED


_before_exit: list[Callable[[str, RecordPlace | None], None]] = []


def before_exit(action: Callable[[str, RecordPlace | None], None]) -> None:
    """Register something quick to do before the exit (counting it); it gets where that was, and the record if there was one."""
    _before_exit.append(action)


def place_of(message: Any) -> RecordPlace:
    """The place of a record as Faust delivers it."""
    return RecordPlace(message.topic, message.partition, message.offset)


def stop(where: str, error: BaseException, at: RecordPlace | None = None) -> NoReturn:
    """Log, flush, and end the process with exit code 70, or that of a Refusal; nothing more is committed."""
    if isinstance(error, Refusal):
        _refuse(where, error)
    named = {} if at is None else {"topic": at.topic, "partition": at.partition, "offset": at.offset}
    _log.critical("fail_stop", where=where, error=repr(error), exc_info=error, **named)
    for action in _before_exit:
        try:
            action(where, at)
        except OSError as failure:
            _log.error("fail_stop_action_failed", error=repr(failure))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def _refuse(where: str, refusal: Refusal) -> NoReturn:
    _log.critical("refused", where=where, said=str(refusal))
    sys.stderr.write(f"{refusal}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(refusal.exit_code)


class guard:
    """A context that ends the process when its body raises; a cancellation passes (Faust cancels agents when it stops).

    `message`: the record that is handled, as Faust delivers it. Not a generator, which costs three times as much: every record
    passes through here.
    """

    __slots__ = ("_message", "_where")

    def __init__(self, where: str, message: Any = None) -> None:
        self._where, self._message = where, message

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool | None:
        if error is None or isinstance(error, asyncio.CancelledError | GeneratorExit):
            return None
        # Whatever it is, the record must be read again.
        stop(self._where, error, None if self._message is None else place_of(self._message))
        return True  # only where a test has `stop` return


def watch(task: "asyncio.Future[Any]", where: str) -> "asyncio.Future[Any]":
    """End the process when the task or future fails."""

    def done(future: "asyncio.Future[Any]") -> None:
        if not future.cancelled() and future.exception() is not None:
            stop(where, future.exception() or RuntimeError("failed without an exception"))

    task.add_done_callback(done)
    return task


def handle_loop_exceptions(loop: asyncio.AbstractEventLoop) -> None:
    """Stop the process for exceptions that reach only the event loop, too; messages without an exception are logged."""

    def handler(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            _log.warning("loop_message", message=context.get("message"))
        else:
            stop("event loop", error)

    loop.set_exception_handler(handler)
