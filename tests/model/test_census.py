"""What the worker counts of verdicts while rounds run, and what its tables keep of them."""

from collections import Counter

from domain.rounds import Standing
from tables import outcomes, rounds
from tests.model.judged import JudgedWorld
from tests.model.log import PARTITION
from tests.model.worker import METRICS

ESSAYS = {f"e{n}": f"[quality:{n / 10}] The harbour lay still." for n in range(10)}


def counted(name: str) -> Counter[tuple[str, ...]]:
    """The samples of a counter by its labels, in the order of their names."""
    found: Counter[tuple[str, ...]] = Counter()
    for family in METRICS.registry.collect():
        for sample in family.samples:
            if sample.name == name:
                found[tuple(value for _, value in sorted(sample.labels.items()))] += int(sample.value)
    return found


async def test_verdicts_are_counted_by_the_line_and_slot_in_which_they_came() -> None:
    names = ("roundbatch_verdicts_total", "roundbatch_confidence_total", "roundbatch_one_letter_lines_total")
    before = [counted(name) for name in names]
    world = JudgedWorld(ESSAYS, bundle_shift=100.0)  # in a bundle A always wins
    worker = await world.start()
    world.ask()
    await world.finish(worker)
    await world.stop()
    verdicts, confidence, one_letter = (counted(name) - was for name, was in zip(names, before, strict=True))

    sizes = Counter(len(line) for line in world.provider.lines)
    assert sizes == {8: 5, 5: 1}
    of = {"bundle": "2-8", "layout": "auto", "model": world.model, "provider": "openai", "winner": "A"}

    def labels(third: str) -> tuple[str, ...]:
        return tuple(value for _, value in sorted({**of, "third": third}.items()))

    assert verdicts == {labels("first"): 5 * 3 + 2, labels("middle"): 5 * 3 + 2, labels("last"): 5 * 2 + 1}
    assert sum(confidence.values()) == len(world.pairs)
    assert {key[0] for key in confidence} == {"2-8"}
    assert one_letter == {("2-8", world.model, "openai"): 5}  # the line of five is too short to tell anything


async def test_a_comparison_alone_has_a_layout_and_a_third_of_its_own() -> None:
    before = counted("roundbatch_verdicts_total")
    world = JudgedWorld({name: ESSAYS[name] for name in ("e1", "e8")})
    worker = await world.start(llm_batching_strategy="per_request")
    world.ask()
    await world.finish(worker)
    await world.stop()
    assert counted("roundbatch_verdicts_total") - before == {("1", "single", world.model, "openai", "only", "B"): 1}


async def test_the_tables_keep_who_was_compared_and_who_won() -> None:
    world = JudgedWorld(ESSAYS)
    worker = await world.start()
    world.ask()
    await world.finish(worker)
    entries = [rounds.CODEC.decode(value) for _, value in worker.tables["rounds"].entries(PARTITION)]
    named = {entry.member(arrival): arrival.pair for entry in entries for arrival in entry.arrivals}
    endings = [
        ending
        for _, value in worker.tables["outcomes"].entries(PARTITION)
        for ending in outcomes.CODEC.decode(value).endings
        if ending.terminal
    ]
    assert len(endings) == len(named) == len(world.pairs)
    assert len({essay for pair in named.values() if pair for essay in pair}) == len(ESSAYS)
    assert all(arrival.standing is Standing.ACCEPTED for entry in entries for arrival in entry.arrivals)
    won = {world.pairs[ending.member.position]: ending.a_won for ending in endings}
    assert won == {tuple(name.split()): winner == "Essay A" for name, winner in world.winners.items()}
    await world.stop()
