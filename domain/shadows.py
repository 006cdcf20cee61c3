"""Which lines are audited, and by which shadows."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.comparison import Member
from domain.job import Form, Layout, Shadow

ANSWER_TOKENS = 100  # of one comparison; 35 to 104 were recorded (docs/contract.md#recorded-workload)
_FREE = 1e-12  # USD; what a provider without prices takes

# (provider, model, in a batch, input tokens, output tokens) → USD, None for a model without a price.
UsdOf = Callable[[str, str, bool, int, int], float | None]


@dataclass(frozen=True, slots=True)
class AuditRule:
    """What settings say of audits: `share` of the spend on lines, the salt of the draw, and what tokens cost."""

    share: float
    salt: bytes
    usd: UsdOf

    def shadows_of(
        self,
        line: Sequence[Member],
        round_key: str,
        *,
        account: tuple[str, str, bool],
        line_tokens: int,
        tokens: Sequence[int],
        layout: Layout,
    ) -> tuple[Shadow, ...]:
        """The shadows of a line; empty where it is not audited.

        account: provider, model, and whether it goes in a batch. line_tokens, tokens: about how many input tokens the line has,
        and each of its members alone. For a model without a price the share is one of tokens, an output token for five.
        """
        asked = len(shadows(line[0], len(line)))

        def usd(into: int, out: int) -> float:
            return self.usd(*account, into, out) or into + 5.0 * out

        line_usd = usd(line_tokens, ANSWER_TOKENS * len(line))
        return choose(
            line,
            round_key,
            salt=self.salt,
            share=self.share,
            line_usd=line_usd,
            shadows_usd=lambda place: usd(asked * tokens[place], asked * ANSWER_TOKENS),
            layout=layout,
        )


def choose(
    line: Sequence[Member],
    round_key: str,
    *,
    salt: bytes,
    share: float,
    line_usd: float,
    shadows_usd: Callable[[int], float],
    layout: Layout = "verbatim",
) -> tuple[Shadow, ...]:
    """The shadows of a line; empty where it is not audited.

    share: how much is to be spent on audits for what is spent on lines. line_usd: about what the line costs. shadows_usd: about
    what the shadows of the member at a place of the line would cost. The chance is such that the expected costs have this
    share, and it is drawn by a hash of salt, round and first member: before anything is answered, and alike on every worker.
    """
    if share <= 0:
        return ()
    first = line[0]
    key = f"{round_key}\n{first.offset}/{first.position}".encode("utf-8", "surrogatepass")
    drawn = hashlib.blake2b(key, digest_size=16, key=salt[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    place = int.from_bytes(drawn[8:]) % len(line)
    if int.from_bytes(drawn[:8]) >= share * line_usd / max(shadows_usd(place), _FREE) * 2.0**64:
        return ()
    return shadows(line[place], len(line), layout)


def shadows(member: Member, size: int, layout: Layout = "verbatim") -> tuple[Shadow, ...]:
    """What audits a member of a line of this size. Alone in its line, its delivered answer is the first of two single ones."""
    singles = (1, 2) if size > 1 else (1,)
    again = tuple(Shadow(member, Form.AGAIN, number, layout) for number in singles)
    return (*again, Shadow(member, Form.SWAPPED, 1, layout))
