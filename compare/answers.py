"""What the rows show, in plain sentences. Every figure in a sentence is read from the rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compare.case import LONG_LINES
from compare.row import Row
from compare.table import Rows
from compare.words import duration, usd, way


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the short answer, and the sentences behind it."""

    question: str
    short: str
    sentences: Sequence[str]


def answers(rows: Iterable[Row]) -> list[Answer]:
    """The answers that the model's rows give."""
    table = Rows([row for row in rows if row.simulated])
    return [_pressure(table), _cheapest(table), _fastest(table), _safest(table)]


def _pressure(table: Rows) -> Answer:
    single, verbatim, shared = (
        table.one("per_request", "anthropic", "small", "dense"),
        table.one("serial_bundle", "anthropic", "small", "dense", 8, "verbatim"),
        table.one("serial_bundle", "anthropic", "small", "dense", 8, "shared_essays"),
    )
    tokens = single.input_tokens / single.comparisons
    alone, fours, eights = (
        table.one("per_request", "anthropic", "large", "rounds"),
        table.one("serial_bundle", "anthropic", "large", "rounds", 4, "verbatim"),
        table.one("serial_bundle", "anthropic", "large", "rounds", 8, "verbatim"),
    )
    batch = table.one("per_round", "anthropic", "small", "rounds")
    return Answer(
        "Do fewer HTTP operations ease the rate-limit pressure?",
        "By themselves, no. Tokens are what runs out; fewer operations help as far as they carry fewer tokens.",
        [
            f"A comparison takes about {tokens:,.0f} input tokens: 40,000 a minute, those of a small account, are "
            f"{40_000 / tokens:.0f} comparisons, while its 50 requests would be 50.",
            _rounds_in_bundles(table, "anthropic"),
            _rounds_in_bundles(table, "openai"),
            "The static part of the prompts makes the difference between the two: at openai it counts in every single call, at "
            "anthropic it is read from the cache and does not count, so that there is nothing left for bundles to save.",
            f"A dense round of 288 shows it best. Bundles of 8 make {verbatim.http_operations} operations in either layout: "
            f"verbatim they take {duration(verbatim.makespan_s)} (single calls {duration(single.makespan_s)}), with shared "
            f"essays {duration(shared.makespan_s)}, for {shared.input_tokens:,} input tokens instead of "
            f"{verbatim.input_tokens:,}.",
            f"Where no limit is reached (large account), bundles make rounds of 12 slower: {duration(alone.makespan_s)} one by "
            f"one, {duration(fours.makespan_s)} by fours, {duration(eights.makespan_s)} by eights. An answer of eight takes "
            "longer to write than one of one.",
            f"Batch jobs leave the limits a minute alone: {batch.http_operations} operations for ten rounds, looks included, "
            f"and {duration(batch.throttled_s)} of standing, on any account.",
        ],
    )


def _rounds_in_bundles(table: Rows, provider: str) -> str:
    single = table.one("per_request", provider, "small", "rounds")
    bundle = table.one("serial_bundle", provider, "small", "rounds", 8, "verbatim")
    return (
        f"Ten rounds of 12 at {provider}, small account: bundles of 8 make {bundle.http_operations} operations instead of "
        f"{single.http_operations}; calls stand {duration(bundle.throttled_s)} because of limits instead of "
        f"{duration(single.throttled_s)}, and all is answered after {duration(bundle.makespan_s)} instead of "
        f"{duration(single.makespan_s)}."
    )


def _cheapest(table: Rows) -> Answer:
    bundle, large = (table.one("serial_bundle", "anthropic", "small", "dense", size, "shared_essays") for size in (8, 32))
    return Answer(
        "Which is cheapest?",
        "per_round with bundles of 8 as lines where pairs share essays; otherwise per_round or nightly, which cost the same.",
        [
            _costs(table, "Ten rounds of 12", "rounds"),
            _costs(table, "A dense round of 288", "dense"),
            f"As calls, a dense round costs {usd(bundle.cost_usd)} in bundles of 8 with shared essays and "
            f"{usd(large.cost_usd)} in bundles of 32: sharing essays saves more than the batch price does.",
            "A price is half of what is to be known: of no size of bundle is it measured here how its verdicts compare with "
            "those of single calls (docs/quality.md).",
            "nightly saves nothing more than per_round on this workload: both are batches at half price. It only puts several "
            "rounds into one job.",
        ],
    )


def _costs(table: Rows, said: str, workload: str) -> str:
    found = {
        "single calls": table.one("per_request", "anthropic", "small", workload),
        "per_round": table.one("per_round", "anthropic", "small", workload),
        "nightly": table.one("nightly", "anthropic", "small", workload),
    }
    for size in (8, *(LONG_LINES if workload == "dense" else ())):
        found[f"per_round with bundles of {size} as lines"] = table.one(
            "per_round", "anthropic", "small", workload, size, "shared_essays"
        )
    return f"{said} at anthropic: {', '.join(f'{name} {usd(row.cost_usd)}' for name, row in found.items())}."


def _fastest(table: Rows) -> Answer:
    rounds, night_rounds = (table.one(strategy, "anthropic", "small", "rounds") for strategy in ("per_round", "nightly"))
    single, dense, night = (
        table.one(strategy, "anthropic", "small", "dense") for strategy in ("per_request", "per_round", "nightly")
    )
    return Answer(
        "Which is fastest?",
        "Calls: single ones for rounds of 12, bundles with shared essays for a dense round.",
        [
            *(
                _quickest(table, said, workload, account)
                for workload, said in (("rounds", "Ten rounds of 12"), ("dense", "A dense round of 288"))
                for account in ("small", "large")
            ),
            f"per_round takes {duration(rounds.makespan_s)} for ten rounds, one batch after another: "
            f"{duration(rounds.least_s)} where each batch takes 90 s, {duration(rounds.most_s)} where each takes 13 min. A "
            f"dense round is one batch: {duration(dense.makespan_s)} ({duration(dense.least_s)} to {duration(dense.most_s)}).",
            f"On a small account that is {'sooner' if dense.makespan_s < single.makespan_s else 'later'} than by single calls "
            f"({duration(single.makespan_s)}), at half the price.",
            f"nightly takes {duration(night.makespan_s)} for what is asked once, at 16:00, and "
            f"{duration(night_rounds.makespan_s)} for ten rounds, one a night.",
        ],
    )


def _quickest(table: Rows, said: str, workload: str, account: str) -> str:
    best = [table.fastest(provider, account, workload) for provider in ("anthropic", "openai")]
    return (
        f"{said} on a {account} account: "
        + "; ".join(f"at {row.provider} {way(row)}, {duration(row.makespan_s)}" for row in best)
        + "."
    )


def _safest(table: Rows) -> Answer:
    ways: tuple[tuple[str, int, str], ...] = (
        ("per_request", 1, ""),
        ("serial_bundle", 8, "shared_essays"),
        ("per_round", 1, ""),
        ("nightly", 1, ""),
    )
    operations = [
        f"{name} {table.one(name, 'anthropic', 'small', 'dense', size, layout).http_operations}" for name, size, layout in ways
    ]
    night = table.one("nightly", "anthropic", "small", "rounds")
    return Answer(
        "Which is safest?",
        "per_round: it meets no limit a minute, is found again after a crash, not paid again, and is done before CJ gives up.",
        [
            "A batch has a claim in the log before it is created, so that it is found again whatever is killed, and paid once. "
            "A call that a crash has cut off is asked again, and paid again.",
            f"Operations that can fail on the way, in a dense round: {', '.join(operations)}.",
            f"Calls are kept below the limits ({sum(row.calls_429 for row in table.rows)} answers of 429 in {len(table.rows)} "
            "rows), as far as nobody else uses the account.",
            "An unusable answer is asked again: one comparison, or a bundle's bad ones in halves. A batch that expires is "
            "planned again, and near its deadline its rest is called.",
            f"nightly is at odds with rounds: ten of them take {duration(night.makespan_s)}, and CJ gives up after 4 h without "
            "an answer, unless its BATCH_TIMEOUT_HOURS is raised.",
            "A bundle puts several pairs before one judgement. What that costs in agreement cannot be seen here: the simulated "
            "judge is the same for all ways.",
        ],
    )
