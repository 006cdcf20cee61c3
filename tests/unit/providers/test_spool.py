"""Spools: bodies written piece by piece, rows given back in the order of their lines, nothing left behind."""

import asyncio
import errno
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reply import Reply, ReplyKind
from providers.http import spool
from providers.http.spool import Spools
from providers.protocol import ProviderDown


def reply_of(row: dict[str, Any]) -> Reply | None:
    custom_id = row.get("custom_id")
    return Reply(custom_id, ReplyKind.EXPIRED) if isinstance(custom_id, str) else None


async def chunked(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [0, 10, spool.IN_MEMORY_BYTES, spool.IN_MEMORY_BYTES + 1, 5_000_000])
async def test_a_body_is_the_pieces_joined(size: int, tmp_path: Path) -> None:
    pieces = [b"x" * 999] * (size // 999) + [b"y" * (size % 999)]
    async with Spools(str(tmp_path)).written(pieces) as written:
        assert (written.size, written.small) == (size, size <= spool.IN_MEMORY_BYTES)
        assert written.whole() == b"".join(pieces)
        assert b"".join([chunk async for chunk in written.chunks()]) == b"".join(pieces)
        assert not os.listdir(tmp_path)  # no name on disk that a killed process could leave there
    assert written.file.closed


async def test_others_get_turns_while_a_body_is_written() -> None:
    done, turns = False, 0

    async def others() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    async with Spools().written(json.dumps({"n": list(range(2_000))}).encode() for _ in range(500)):
        done = True
    await beside
    assert turns > 10


async def test_what_a_piece_raises_is_raised_and_the_next_body_is_written() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise LookupError("the second is gone")

    spools = Spools()
    with pytest.raises(LookupError):
        async with spools.written(pieces()):
            pass
    async with spools.written([b"again"]) as written:
        assert written.whole() == b"again"


async def test_a_full_disk_is_an_outage_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    spools = Spools()
    with pytest.raises(ProviderDown, match="No space left"):
        async with spools.written([b"piece"]):
            pass
    with spools.rows(reply_of, lambda line, size: None) as rows, pytest.raises(ProviderDown, match="No space left"):
        await rows.take(chunked(b'{"custom_id": "job-0"}\n', 5))


@given(st.permutations(range(25)), st.integers(1, 200), st.sampled_from([1, 100, spool.IN_MEMORY_BYTES]))
def test_rows_come_back_by_line_whatever_their_order(order: list[int], size: int, in_memory: int) -> None:
    content = b"".join(json.dumps({"custom_id": f"rb-1-2-x-0-{number}"}).encode() + b"\n" for number in order)

    async def read() -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spool, "IN_MEMORY_BYTES", in_memory)
            with Spools().rows(reply_of, lambda line, size: None) as rows:
                middle = len(content) // 2
                cut = content.index(b"\n", middle) + 1  # two files, as OpenAI has
                await rows.take(chunked(content[:cut], size))
                await rows.take(chunked(content[cut:], size))
                return [reply.custom_id for reply in rows.in_order()]

    assert asyncio.run(read()) == [f"rb-1-2-x-0-{number}" for number in range(25)]


async def test_what_is_no_row_is_told_and_left_out() -> None:
    odd: list[tuple[int, int]] = []
    content = b'{"custom_id": "job-1"}\n\n[1]\n{"custom_id": 7}\n{"custom_id": "job-0"}'
    with Spools().rows(reply_of, lambda line, size: odd.append((line, size))) as rows:
        await rows.take(chunked(content, 7))
        assert [reply.custom_id for reply in rows.in_order()] == ["job-0", "job-1"]
    assert odd == [(3, 3), (4, 16)]
