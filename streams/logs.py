"""Logs: structlog to stderr, JSON lines or, on a terminal, text; the libraries' own logs come out the same way.

An event is named by a word for its kind (`job_submitted`), its particulars are fields. A prompt, an essay or an answer is never
a field, and a traceback shows no local variables, which would hold them.
"""

import logging
import sys
import threading
import time
from typing import TextIO

import structlog
from structlog.typing import Processor

from streams.log_repeats import Repeated, Repeats

#: Where DEBUG is on they build a debug record for nearly every message they handle, which took 12 % of a busy worker's time. At
#: WARNING they build none. They are not disabled, for their errors must come out.
LIBRARIES = ("faust", "mode", "aiokafka", "asyncio", "aiohttp")
LOOK_S = 5.0  # how often we look whether a repeated line comes no more
FINISH_S = 1.0


def configure(level: str = "INFO", stream: TextIO | None = None, *, for_good: bool = False) -> None:
    """Set up structlog and the standard library's logging; may be called again, the last call counts.

    `for_good`: not called again, so a logger that was made at import time is bound once and not for each event, which takes
    2.5 us even of an event that is filtered out.

    level filters our events. The libraries' are kept from WARNING upwards whatever it says: at DEBUG both SDKs log their
    requests, prompts included. They come out as event `library_log` with logger and message; lines that repeat one another are
    counted, and logged as `library_log_repeated` (streams.log_repeats).

    Faust must leave logging alone: start its Worker with `override_logging=False` and `redirect_stdouts=False`. Otherwise it
    clears the root logger's handlers, sets that logger to DEBUG for its spinner, and puts stderr itself into a log.
    """
    out = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[*_common(), *_rendering(out)],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=for_good,  # otherwise a logger made at import time must follow a later call
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LibraryHandler):
            root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    root.setLevel(logging.WARNING)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def finish() -> None:
    """Log what was counted and not logged yet, before the process ends."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LibraryHandler):
            handler.flush()


class LibraryHandler(logging.Handler):
    """Turns a library's log record into an event of ours, unless it repeats one."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()
        self._looking: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record at its own level; one that cannot be formatted is reported on stderr by `handleError`.

        Called with the handler's lock held, from any thread.
        """
        try:
            message = record.getMessage()
            error = f" {record.exc_info[1]!r}" if record.exc_info else ""
            if self._repeats.is_new(record.name, record.levelno, message + error, time.monotonic()):
                structlog.get_logger().log(
                    _known(record.levelno), "library_log", logger=record.name, message=message, exc_info=record.exc_info
                )
            self._look_later()
        except Exception:  # noqa: BLE001 - a log line must never be what stops the worker
            self.handleError(record)

    def flush(self) -> None:
        """Log all that was counted.

        The lock is not waited for long: the process may be ending because a thread hangs in here.
        """
        lock = self._lock()
        if lock.acquire(timeout=FINISH_S):
            try:
                self._tell(self._repeats.due(time.monotonic(), all_of_them=True))
            finally:
                lock.release()

    def _look(self) -> None:
        with self._lock():
            self._looking = None
            self._tell(self._repeats.due(time.monotonic()))
            self._look_later()

    def _look_later(self) -> None:
        if self._looking is None and len(self._repeats):
            self._looking = threading.Timer(LOOK_S, self._look)
            self._looking.daemon = True
            self._looking.start()

    @staticmethod
    def _tell(repeated: list[Repeated]) -> None:
        for seen in repeated:
            structlog.get_logger().log(
                _known(seen.level),
                "library_log_repeated",
                logger=seen.logger,
                message=seen.message,
                left_out=seen.left_out,
                others=seen.texts,
                lasted_s=round(seen.last_s - seen.first_s, 1),
                goes_on=not seen.ended,
            )

    def _lock(self) -> "threading.RLock":
        if self.lock is None:
            raise RuntimeError("a handler without a lock")
        return self.lock


def _known(level: int) -> int:
    """The standard level at or below a level of a library's own, as mode has; structlog refuses such levels."""
    return min(max(level // 10 * 10, logging.DEBUG), logging.CRITICAL)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _rendering(out: TextIO) -> list[Processor]:
    if out.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
