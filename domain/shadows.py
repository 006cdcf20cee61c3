"""Which lines are audited, and by which shadows."""

import hashlib
from collections.abc import Sequence

from domain.comparison import Member
from domain.job import Form, Layout, Shadow


def choose(
    line: Sequence[Member],
    round_key: str,
    *,
    salt: bytes,
    share: float,
    line_usd: float,
    shadows_usd: Sequence[float],
    layout: Layout = "verbatim",
) -> tuple[Shadow, ...]:
    """The shadows of a line; empty where it is not audited.

    share: how much is to be spent on audits for what is spent on lines. line_usd: about what the line costs. shadows_usd: about
    what the shadows of each member would cost, in the line's order. The chance is such that the expected costs have this share,
    and it is drawn by a hash of salt, round and first member: before anything is answered, and alike on every worker.
    """
    if share <= 0:
        return ()
    first = line[0]
    key = f"{round_key}\n{first.offset}/{first.position}".encode()
    drawn = hashlib.blake2b(key, digest_size=16, key=salt[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    place = int.from_bytes(drawn[8:]) % len(line)
    if int.from_bytes(drawn[:8]) >= share * line_usd / max(shadows_usd[place], 1e-12) * 2.0**64:
        return ()
    return shadows(line[place], len(line), layout)


def shadows(member: Member, size: int, layout: Layout = "verbatim") -> tuple[Shadow, ...]:
    """What audits a member of a line of this size. Alone in its line, its delivered answer is the first of two single ones."""
    singles = (1, 2) if size > 1 else (1,)
    again = tuple(Shadow(member, Form.AGAIN, number, layout) for number in singles)
    return (*again, Shadow(member, Form.SWAPPED, 1, layout))
