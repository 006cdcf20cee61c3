"""Temporary files for what is too large to be held: the body of a batch on its way out, its rows on their way in.

Both are worked on in slices of 2 ms, each followed by a rest as long as the slice. Without the rests a job of 10,000
comparisons took the event loop for seconds, and a round of another partition, which needs many turns of the loop, waited at
each turn.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from domain.reply import Reply, ReplyKind
from providers.http.jsonl import lines_of, object_of
from providers.http.results import Read
from providers.protocol import ProviderDown

SLICE_S = 0.002
_LONGEST_SLICE_S = 0.02  # what lasted longer has waited for the network
READ_BYTES = 256 * 1024
IN_MEMORY_BYTES = 512 * 1024  # a round of twelve needs no file


class Spool:
    """A body that has been written, `size` bytes long."""

    def __init__(self, file: "tempfile.SpooledTemporaryFile[bytes]", size: int) -> None:
        self.file, self.size = file, size

    @property
    def small(self) -> bool:
        """Whether it is held in memory."""
        return self.size <= IN_MEMORY_BYTES

    def whole(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it in pieces."""
        self.file.seek(0)
        while chunk := self.file.read(READ_BYTES):
            yield chunk


class Rows:
    """The result rows of one batch, kept until all have come and can be put in the order in which they were asked."""

    def __init__(
        self,
        file: "tempfile.SpooledTemporaryFile[bytes]",
        pace: "Pace",
        reply_of_row: Callable[[dict[str, Any]], Reply | None],
        on_unreadable: Callable[[int, int], None],
    ) -> None:
        self._file, self._pace = file, pace
        self._reply_of_row, self._on_unreadable = reply_of_row, on_unreadable
        self._places: list[tuple[int, str, int, int]] = []  # length of the custom id, the id, where its row is, how long
        self._answered: set[str] = set()
        self._cut = False

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """Read one file of rows. A line that is no row is passed to `on_unreadable`, by its number and length.

        Raises ProviderDown when the disk does not take them.
        """
        number, readable = 0, True
        with self._pace.shared() as rest:
            async for line in lines_of(chunks):
                number += 1
                readable = not line.strip() or self._keep(number, line)
                await rest()
        self._cut = self._cut or not readable  # the last one has no line end; a whole row can do without

    @property
    def read(self) -> Read:
        """What has been read so far."""
        return Read(len({custom_id for _, custom_id, _, _ in self._places}), len(self._answered), self._cut)

    def _keep(self, number: int, line: bytes) -> bool:
        row = object_of(line)
        reply = None if row is None else self._reply_of_row(row)
        if reply is None:
            self._on_unreadable(number, len(line))
            return False
        at = self._file.tell()
        try:
            self._file.write(line)
        except OSError as error:
            raise ProviderDown(f"the rows cannot be written to a temporary file: {error}") from error
        self._places.append((len(reply.custom_id), reply.custom_id, at, len(line)))
        if reply.kind is ReplyKind.SUCCEEDED:
            self._answered.add(reply.custom_id)
        return True

    def in_order(self) -> Iterator[Reply]:
        """The replies in the order in which they were asked: the custom ids of a job differ only in the number at their end."""
        self._places.sort()
        for _, _, at, size in self._places:
            self._file.seek(at)
            row = object_of(self._file.read(size))
            reply = None if row is None else self._reply_of_row(row)
            if reply is not None:
                yield reply


class Pace:
    """Rests between slices of work: as long as the slice took, for each body or result that is worked on.

    So half of the event loop's time is left to others, however many jobs there are at once.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._sharing = 0

    @contextmanager
    def shared(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Take part; the function given is called after each piece of work, and rests once a slice is over."""
        self._sharing += 1
        began_s = self._now_s()

        async def rest() -> None:
            nonlocal began_s
            took_s = self._now_s() - began_s
            if took_s >= SLICE_S:
                await asyncio.sleep(min(took_s, _LONGEST_SLICE_S) * self._sharing)
                began_s = self._now_s()

        try:
            yield rest
        finally:
            self._sharing -= 1


class Spools:
    """Makes the temporary files of one account, in `folder` (None: where the system has them).

    They have no name on disk: not even a killed process leaves one behind.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._pace = Pace()

    @asynccontextmanager
    async def written(self, pieces: Iterable[bytes]) -> AsyncIterator[Spool]:
        """Write a body piece by piece, to be used inside. Raises ProviderDown when the disk does not take it."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=self._folder) as file:
            with self._pace.shared() as rest:
                for piece in pieces:
                    try:
                        file.write(piece)
                    except OSError as error:
                        raise ProviderDown(f"the batch cannot be written to a temporary file: {error}") from error
                    await rest()
            size = file.tell()
            file.seek(0)
            yield Spool(file, size)

    @contextmanager
    def rows(
        self, reply_of_row: Callable[[dict[str, Any]], Reply | None], on_unreadable: Callable[[int, int], None]
    ) -> Iterator[Rows]:
        """A place for the rows of one batch, gone after the body."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=self._folder) as file:
            yield Rows(file, self._pace, reply_of_row, on_unreadable)
