"""Input tokens of bundles by size and density, as the simulator counts them: the table of docs/bundles.md.

    python -m bench.bundle_tokens

Nothing is sent: the parameters of each message are made as the adapter makes them, and read as the simulator reads them.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.comparison import CallProfile
from domain.essay_order import by_essays
from domain.job import Layout
from providers.anthropic.wire import message_params
from providers.prompts.prompts import PromptSource, SourceBlock, ask_for_bundle
from simulator.anthropic_requests import read_params
from simulator.prices import estimated_tokens

MODEL = "claude-haiku-5-5"
SYSTEM_BYTES = 400
STATIC_BYTES = 2_400  # 600 tokens of assignment, criteria and judge's instructions (docs/providers.md#tokens-and-prices)
ESSAY_WORDS = 534  # the median of recorded essays (docs/contract.md#recorded-workload)
INSTRUCTIONS = "Pick the essay that better fulfils the requirements; answer with winner, justification, confidence 1-5."
_TEXT = "the harbour lay still that morning and nobody spoke of what the storm had taken from them in the night before"
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Round:
    """A round: pairs of essays, by their numbers."""

    name: str
    pairs: tuple[tuple[int, int], ...]

    @property
    def essays(self) -> int:
        return len({essay for pair in self.pairs for essay in pair})


def rounds() -> tuple[Round, ...]:
    """A round of disjoint pairs, as CJ makes one at a time, and the dense ones of batch mode (up to 288 pairs at once)."""
    of_24 = list(itertools.combinations(range(24), 2))
    return (
        Round("12 disjoint pairs of 24 essays", tuple((2 * n, 2 * n + 1) for n in range(12))),
        Round("45 pairs of 10 essays", tuple(itertools.combinations(range(10), 2))),
        Round("288 pairs of 24 essays", tuple(of_24 + [(b, a) for a, b in of_24[:12]])),
    )


def source(pair: tuple[int, int]) -> PromptSource:
    """The prompt of one pair, in blocks as CJ posts them."""
    a, b = (_essay(number) for number in pair)
    static = "**Assessment Criteria:**\n" + ("Content, structure and language. " * 100)
    blocks = (
        SourceBlock(static[:STATIC_BYTES], cacheable=True),
        SourceBlock(f"**Essay A (ID: {_id(pair[0])}):**\n{a}"),
        SourceBlock(f"**Essay B (ID: {_id(pair[1])}):**\n{b}"),
        SourceBlock(INSTRUCTIONS, cacheable=True),
    )
    return PromptSource("\n\n".join(block.content for block in blocks), blocks)


def _essay(number: int) -> str:
    words = itertools.islice(itertools.cycle(_WORDS[number % len(_WORDS) :] + _WORDS[: number % len(_WORDS)]), ESSAY_WORDS - 1)
    return " ".join((f"Essay-{number}", *words))


def _id(number: int) -> str:
    return f"3f1f5c1e-8f57-4c38-9d8c-{number:012d}"


def tokens(of: Round, size: int, layout: Layout) -> int:
    """Input tokens of a whole round in bundles of at most `size`."""
    profile = CallProfile("anthropic", MODEL, "topic", "J" * SYSTEM_BYTES)
    total = 0
    for number, pairs in enumerate(_chunks(of.pairs, size)):
        ask, _ = ask_for_bundle(
            f"job-1-{number}", [source(pair) for pair in pairs], profile, layout=layout, default_max_tokens=400
        )
        total += estimated_tokens(read_params(message_params(ask, lambda parameter, model: None)).utf8_bytes)
    return total


def _chunks(pairs: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    order = [pairs[place] for place in by_essays(pairs, size)]
    return (order[at : at + size] for at in range(0, len(order), size))


def table() -> str:
    """The table, in Markdown."""
    lines = [
        "| round | bundles of | calls | single | verbatim | shared_essays | shared / single |",
        "|---|---|---|---|---|---|---|",
    ]
    for of in rounds():
        single = tokens(of, 1, "verbatim")
        for size in sorted({8, 12, 64} & set(range(len(of.pairs) + 1)) | {min(64, len(of.pairs))}):
            verbatim, shared = tokens(of, size, "verbatim"), tokens(of, size, "shared_essays")
            calls = -(-len(of.pairs) // size)
            lines.append(f"| {of.name} | {size} | {calls} | {single:,} | {verbatim:,} | {shared:,} | {shared / single:.0%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
