"""Which lines are audited, and by which shadows."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.comparison import Member
from domain.job import Form, Layout, Shadow

ANSWER_TOKENS = 100  # of one comparison; 35 to 104 were recorded (docs/contract.md#recorded-workload)

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
        place, chance = draw(line, round_key, self.salt)
        asked = 3 if len(line) > 1 else 2
        # Whatever tokens cost, a line costs no more times its shadows than it has more tokens, in or out. So the price of most
        # lines need not be looked up, which takes ten times as long as the rest.
        if chance >= self.share * max(line_tokens / tokens[place], len(line)) / asked:
            return ()

        def usd(into: int, out: int) -> float:
            return self.usd(*account, into, out) or into + 5.0 * out

        line_usd, shadows_usd = usd(line_tokens, ANSWER_TOKENS * len(line)), usd(asked * tokens[place], asked * ANSWER_TOKENS)
        return shadows(line[place], len(line), layout) if chance < self.share * line_usd / shadows_usd else ()


def draw(line: Sequence[Member], round_key: str, salt: bytes) -> tuple[int, float]:
    """The place of the member that is asked again if the line is audited, and a number from 0 to 1.

    The line is audited where that number is below the share that is to be spent, times what the line costs, in parts of what
    its shadows cost: so audits are expected to cost that share. It is drawn by a hash of salt, round and first member: before
    anything is answered, and alike on every worker.
    """
    first = line[0]
    key = f"{round_key}\n{first.offset}/{first.position}".encode("utf-8", "surrogatepass")
    drawn = hashlib.blake2b(key, digest_size=16, key=salt[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    return int.from_bytes(drawn[8:]) % len(line), int.from_bytes(drawn[:8]) / 2.0**64


def shadows(member: Member, size: int, layout: Layout = "verbatim") -> tuple[Shadow, ...]:
    """What audits a member of a line of this size. Alone in its line, its delivered answer is the first of two single ones."""
    singles = (1, 2) if size > 1 else (1,)
    again = tuple(Shadow(member, Form.AGAIN, number, layout) for number in singles)
    return (*again, Shadow(member, Form.SWAPPED, 1, layout))
