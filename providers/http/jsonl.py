"""Result rows out of a stream of bytes, one odd line never losing the rest."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

from domain.reply import Reply


async def read_replies(
    chunks: AsyncIterable[bytes],
    reply_of_row: Callable[[dict[str, Any]], Reply | None],
    on_unreadable: Callable[[int, int], None],
) -> AsyncGenerator[Reply, None]:
    """Yield the reply of each line; where it is no JSON object or `reply_of_row` gives None, call `on_unreadable` instead.

    `on_unreadable` takes the line's number from 1 and its length in bytes. Lines end at b"\\n" and nowhere else: U+2028 inside
    a justification breaks iterators of text lines. Only the line being read is held in memory, never the file (up to 256 MB).
    """
    number = 0
    async for line in lines_of(chunks):
        number += 1
        if not line.strip():
            continue
        row = object_of(line)
        reply = None if row is None else reply_of_row(row)
        if reply is None:
            on_unreadable(number, len(line))
        else:
            yield reply


async def lines_of(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The lines, each ended by b"\\n" and given without it; the last one may be empty."""
    parts: list[bytes] = []  # of the line so far; joined once, or a long line would be copied with every chunk
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            parts.append(end)
            yield b"".join(parts)
            parts.clear()
        parts.append(rest)
    yield b"".join(parts)


def object_of(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line is; None for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # RecursionError: a line of a hundred thousand brackets
        return None
    return value if isinstance(value, dict) else None
