"""What the statistics of the judgement can and cannot find, computed: the tables of docs/quality.md.

    python -m bench.judgement                # some 12 minutes of one core; prints the tables
    python -m bench.judgement --write        # and puts them into docs/quality.md
    python -m bench.judgement --quick        # a tenth of the seeds

All judges are simulated. Seeds are fixed, so the same numpy gives the same tables.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np

from bench.audit_streams import Floats, StreamJudge, counts_of, days_to_alarm, false_alarms, first_certified, first_reached
from bench.judged_rounds import (
    MARKERS,
    Round,
    adaptive_round,
    covers_order,
    injected,
    judge,
    late_slots_found,
    random_round,
    ranks_found,
    trust,
)
from domain.audited import EXCESS, MEASURES, POSITION, SHIFT, Measure
from domain.evidence import CERTAIN, FOR_GOOD, alarm_threshold
from domain.intervals import mean_interval

PAGE = Path(__file__).parent.parent / "docs" / "quality.md"
BEGIN, END = "<!-- computed by python -m bench.judgement -->", "<!-- end of what is computed -->"
NOISES = (0.10, 0.05, 0.14)
POSITION_TOLERANCE = 0.02
Row = Sequence[object]


def quantile(values: Floats, share: float) -> float:
    """The value that this share of streams is at or below; inf where fewer reach anything."""
    return float(np.sort(values)[math.ceil(share * len(values)) - 1])


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _whole(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def bent(measure: Measure, mean: float, noise: float) -> StreamJudge:
    """A judge of this retest noise whose mean of `measure` is `mean`."""
    return StreamJudge(noise, **{measure.name: mean})


GOALS = (
    *((EXCESS, mean, 0.0) for mean in (0.05, 0.10, 0.15)),
    (SHIFT, 0.05, 0.0),
    *((POSITION, mean, tolerance) for tolerance in (0.0, POSITION_TOLERANCE) for mean in (0.035, 0.05, 0.08, 0.10)),
)


def power(streams: int) -> Iterator[Row]:
    """Audits until one start reaches `FOR_GOOD`: median and 90 %, by retest noise."""
    for measure, mean, tolerance in GOALS:
        cells = []
        for noise in NOISES:
            most = 2_500 if mean - tolerance <= 0.05 else 900
            seen = bent(measure, mean, noise).audits(np.random.default_rng(11), streams, most)[measure.name]
            reached = first_reached(measure, seen, needed=FOR_GOOD, tolerance=tolerance)
            cells.append(f"{_whole(quantile(reached, 0.5))} / {_whole(quantile(reached, 0.9))}")
        yield measure.name, f"{100 * mean:g}", f"{100 * tolerance:g}", *cells


def certificates(streams: int) -> Iterator[Row]:
    """Audits until a judge whose mean is 0 is certified to be within a margin."""
    for measure in (EXCESS, SHIFT):
        for margin in (0.05, 0.03):
            cells = []
            for noise in NOISES:
                seen = StreamJudge(noise).audits(np.random.default_rng(12), streams, 3_000)[measure.name]
                reached = first_certified(measure, seen, needed=CERTAIN, margin=margin)
                cells.append(f"{_whole(quantile(reached, 0.5))} / {_whole(quantile(reached, 0.9))}")
            yield measure.name, f"{100 * margin:g}", *cells


def wrong_certificates(streams: int) -> Iterator[Row]:
    """How often a judge that is bent by the whole margin is certified within it at any time; at most 5 % by design."""
    for measure in (EXCESS, SHIFT):
        seen = bent(measure, 0.05, 0.10).audits(np.random.default_rng(13), streams, 2_500)[measure.name]
        reached = first_certified(measure, seen, needed=CERTAIN, margin=0.05)
        yield measure.name, "5", f"{np.isfinite(reached).mean():.1%}"


def covered(measure: Measure, mean: float, noise: float, audits: int, samples: int) -> float:
    """How often the 95 % interval of the mean holds the true one."""
    seen = bent(measure, mean, noise).audits(np.random.default_rng(14), samples, audits)[measure.name]
    hits = 0
    for counts in counts_of(measure, seen).tolist():
        found = mean_interval(measure, dict(zip(measure.values, counts, strict=True)))
        hits += found.low <= mean <= found.high
    return hits / samples


def coverage(samples: int) -> Iterator[Row]:
    """Coverage of the intervals of means."""
    for measure in MEASURES:
        for mean in (0.0, 0.05):
            for noise in NOISES:
                shares = (covered(measure, mean, noise, audits, samples) for audits in (50, 100, 300, 1_000))
                yield measure.name, f"{100 * mean:g}", f"{100 * noise:g} %", *(f"{share:.3f}" for share in shares)


def alarms(streams: int) -> Iterator[Row]:
    """Days until the alarm for one model, after a change on day 60."""
    needed = alarm_threshold()
    for measure, mean in ((EXCESS, 0.05), (EXCESS, 0.10), (EXCESS, 0.15), (SHIFT, 0.05), (POSITION, 0.05)):
        cells = []
        for a_day in (34, 9):
            found = days_to_alarm(measure, bent(measure, mean, 0.10), streams=streams, a_day=a_day, needed=needed, seed=15)
            cells.append(f"{_whole(quantile(found, 0.5))} / {_whole(quantile(found, 0.9))}")
        yield measure.name, f"{100 * mean:g}", *cells


def workers(streams: int) -> Iterator[Row]:
    """Audits of all workers together, after a change on day 20, until the first worker's alarm; each weighs its own."""
    for measure, mean, a_day in ((EXCESS, 0.10, 64), (SHIFT, 0.05, 128), (EXCESS, 0.05, 128)):
        cells = []
        for number in (1, 2, 4, 8):
            found = audits_to_first_alarm(measure, mean, a_day=a_day, workers=number, streams=streams)
            cells.append(f"{_whole(quantile(found, 0.5))} / {_whole(quantile(found, 0.9))}")
        yield measure.name, f"{100 * mean:g}", a_day, *cells


def audits_to_first_alarm(measure: Measure, mean: float, *, a_day: int, workers: int, streams: int) -> Floats:
    """One number a stream of all workers' audits, of which each has as many; inf where nobody's alarm sounds in 45 days."""
    needed = alarm_threshold(false_alarms=0.01 / workers)
    of_each = days_to_alarm(
        measure,
        bent(measure, mean, 0.10),
        streams=streams * workers,
        a_day=a_day // workers,
        needed=needed,
        before=20,
        seed=18,
    )
    first: Floats = of_each.reshape(streams, workers).min(axis=1) * a_day
    return first


def honest(streams: int) -> Iterator[Row]:
    """False alarms of an honest judge in 120 days, of any of the three measures."""
    needed = alarm_threshold()
    for a_day in (9, 34):
        cells = [false_alarms(streams, 120, a_day, needed=needed, position_tolerance=at, seed=16) for at in (0.0, 0.02)]
        yield a_day, *(f"{share:.2%}" for share in cells)


def blindness(streams: int) -> Iterator[Row]:
    """What each measure makes of a shift of 5 points alone, in 1,000 audits."""
    seen = StreamJudge(shift=0.05).audits(np.random.default_rng(17), streams, 1_000)
    for measure in (EXCESS, SHIFT):
        reached = first_reached(measure, seen[measure.name], needed=FOR_GOOD)
        yield measure.name, f"{np.isfinite(reached).mean():.1%}"


def orders(seeds: int) -> Iterator[Row]:
    """Coverage of the order term's interval."""
    for comparisons in (120, 288):
        yield comparisons, *(f"{covers_order(order, comparisons=comparisons, seeds=range(seeds)):.3f}" for order in (0.0, 0.4))


def ranks(seeds: int) -> Iterator[Row]:
    """What the order term does for a ranking whose lower-numbered essay was always shown first."""
    for comparisons in (120, 288):
        for order in (0.0, 1.2):
            without, with_term = ranks_found(order, seeds=range(seeds), comparisons=comparisons)
            yield comparisons, order, f"{without:.3f}", f"{with_term:.3f}"


def trusts(seeds: int) -> Iterator[Row]:
    """Stated reliabilities beside the squared correlation with the truth."""
    made: dict[str, Callable[[Random], Round]] = {
        "288 random pairs (24 an essay)": random_round,
        "120 random pairs (10 an essay)": lambda rng: random_round(rng, comparisons=120),
        "120 pairs of neighbours": adaptive_round,
    }
    for name, make in made.items():
        found = trust(make(Random(seed)) for seed in range(seeds))
        shares = (found.estimated, found.separation, found.split_half, found.truth)
        yield name, *(f"{share:.3f}" for share in shares), f"{found.flagged:.0%}"


def slots(seeds: int) -> Iterator[Row]:
    """How often late slots are found, over rounds of 288 in bundles of 8."""
    cases: tuple[tuple[str, dict[str, float], int], ...] = (
        ("nothing", {}, 5),
        ("shift of 0.9 logits", {"slot_shift": 0.9}, 5),
        ("20 % turned", {"slot_noise": 0.2}, 5),
        ("5 % turned", {"slot_noise": 0.05}, 20),
    )
    for name, traits, rounds in cases:
        shifted, noisy = late_slots_found(judge(**traits), rounds=rounds, seeds=range(seeds))
        yield name, rounds, f"{shifted:.0%}", f"{noisy:.0%}"


def injections(seeds: int) -> Iterator[Row]:
    """What the answers show of an essay of the middle that speaks to the judge."""
    for name, obeyed in (("nothing", 1.0), *((name, obeyed) for name in MARKERS for obeyed in (1.0, 0.5))):
        found = injected(MARKERS.get(name, ""), obeyed, seeds=range(seeds), times=60)
        letters = f"{found.one_letter:.1f} ({found.expected:.1f})"
        yield name, f"{obeyed:g}", f"{found.place:.1f}", letters, f"{found.by_side:.0%}", f"{found.by_infit:.0%}"


NOISE_HEAD = [f"retest {100 * noise:g} %" for noise in NOISES]
Section = tuple[str, str, list[str], Callable[[int], Iterator[Row]], int]
SECTIONS: tuple[Section, ...] = (
    (
        "One start: audits until an e-value of 300",
        "Median / 90 % of streams. Mean and tolerance in points.",
        ["measure", "mean", "tolerance", *NOISE_HEAD],
        power,
        2_000,
    ),
    (
        "Certificates: audits until an unbent judge is shown fine",
        "Median / 90 % of streams, at an e-value of 20.",
        ["measure", "within points", *NOISE_HEAD],
        certificates,
        2_000,
    ),
    (
        "Wrong certificates",
        "Judges that are bent by just the margin and are ever certified in 2,500 audits; at most 5 % by design.",
        ["measure", "bent by, and within", "certified"],
        wrong_certificates,
        2_000,
    ),
    (
        "Coverage of the 95 % intervals of means",
        "By number of audits.",
        ["measure", "mean", "retest", "50", "100", "300", "1,000"],
        coverage,
        4_000,
    ),
    (
        "Alarm: days from a change on day 60 of 105",
        "Median / 90 % of streams; – not within 45 days. Retest noise 10 %, tolerance 0, one model.",
        ["measure", "mean", "34 audits a day", "9 audits a day"],
        alarms,
        2_500,
    ),
    (
        "Several workers: audits of all until the first alarm",
        "Median / 90 % of streams, after a change. Each worker weighs its own, and takes its part of the 1 % of false alarms.",
        ["measure", "mean", "audits a day", "1 worker", "2", "4", "8"],
        workers,
        500,
    ),
    (
        "False alarms in 120 days",
        "Honest judges in which any of the three measures ever raises the alarm; the bound is 1 % in any 30 days.",
        ["audits a day", "all tolerances 0", "position's 2 points"],
        honest,
        2_500,
    ),
    (
        "What excess cannot see",
        "A shift of 5 points alone, 1,000 audits: streams in which the measure reaches 300.",
        ["measure", "found"],
        blindness,
        2_500,
    ),
    (
        "Coverage of the order term's 95 % interval",
        "24 essays, by the true term in logits.",
        ["comparisons", "0", "0.4"],
        orders,
        2_000,
    ),
    (
        "The order term in a ranking",
        "Mean rank correlation with the truth where the same essay of each pair is always shown first.",
        ["comparisons", "true term", "without the term", "with it"],
        ranks,
        300,
    ),
    (
        "Stated reliability beside the truth",
        "Means over rounds of 24 essays. The last column: rounds that are flagged as chosen by earlier verdicts.",
        ["pairs", "v/(v+s²)", "SSR", "split-half", "r² with the truth", "flagged"],
        trusts,
        200,
    ),
    (
        "Slots",
        "Rounds of 288 in bundles of 8; |z| beyond 2.58 for the last third (for noise one-sided).",
        ["planted in the last third", "rounds", "found as shift", "found as noise"],
        slots,
        100,
    ),
    (
        "Essays that speak to the judge",
        "24 essays, 36 lines of 8; the essay's true place is 12. One-letter lines: counted (expected by the fit).",
        ["it says", "obeyed", "its place", "one-letter lines", "listed by side effect", "listed by infit"],
        injections,
        50,
    ),
)


def computed(quick: bool) -> str:
    """All tables, in Markdown; progress goes to stderr."""
    parts = []
    for title, words, head, rows, seeds in SECTIONS:
        began = time.process_time()
        parts.append(f"### {title}\n\n{words}\n\n{table(head, rows(max(20, seeds // 10) if quick else seeds))}")
        sys.stderr.write(f"{title}: {time.process_time() - began:.0f} s\n")
    return "\n\n".join(parts)


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description="What the statistics of the judgement find, computed.")
    asked.add_argument("--write", action="store_true", help="put the tables into docs/quality.md")
    asked.add_argument("--quick", action="store_true", help="a tenth of the seeds")
    given = asked.parse_args()
    tables = computed(given.quick)
    sys.stdout.write(tables + "\n")
    if given.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


if __name__ == "__main__":
    main()
