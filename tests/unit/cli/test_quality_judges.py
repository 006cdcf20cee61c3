"""`roundbatch quality`: what it says of judges whose faults are planted, and how the audits are read out of the topics."""

import itertools
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from cli.main import app
from cli.quality.judges_page import page
from cli.quality.judges_report import Audits, JudgesReport, report, sentences
from cli.quality.shown import shown
from cli.since import since_ms
from domain.auditing import DAY_MS, Cell, Complete, Delivered, Facts, ShadowReply, Watched
from domain.comparison import Member
from domain.evidence import Finding
from domain.job import Form
from domain.judgement import Rules
from domain.partition.corrections import Correction
from streams.wire import work
from tables import audits as table
from tests.harness.audit_rows import Told, cell, rows
from tests.harness.mock_cluster import make_topic

TODAY = 20_500
NOW_MS = TODAY * DAY_MS + 3_600_000
_SIZES = {"1": 1, "2-8": 8, "9-16": 16, "17-64": 64}
_OFFSETS = itertools.count()


def winner(a_won: bool) -> str:
    return "Essay A" if a_won else "Essay B"


def facts(told: Iterable[Told]) -> Iterable[Facts]:
    """The facts that lead to these audits, a record for each audit."""
    for of, day, audits in told:
        for complete, number in audits.items():
            for _ in range(number):
                yield fact(of, day, complete)


def fact(of: Cell, day: int, complete: Complete) -> Facts:
    offset = next(_OFFSETS)
    member, audited = Member(offset, 0), complete.audited
    size = _SIZES[of.bundle]
    singles = ((1, audited.first), (2, audited.second)) if size > 1 else ((1, audited.second),)
    delivered = audited.delivered if size > 1 else audited.first
    replies = [ShadowReply(member, Form.AGAIN, at, winner(said), 4.0, of.model, usd=0.0001) for at, said in singles]
    replies.append(ShadowReply(member, Form.SWAPPED, 1, winner(not audited.swapped), 4.0, of.model, usd=0.0001))
    slot = min(size - 1, round(of.third * size / 3 + 0.5)) if size > 1 else 0
    watched = Watched(member, of.provider, of.model, of.mode, size, slot, of.layout, len(replies), of.suspect)  # type: ignore[arg-type]
    return Facts(offset, day * DAY_MS, (watched,), (Delivered(member, delivered, complete.confidence),), tuple(replies))


def last(days: int) -> range:
    return range(TODAY - days + 1, TODAY + 1)


def told_of(*told: Iterable[Told], corrections: Iterable[Correction] = (), since: int | None = None) -> JudgesReport:
    found = Audits()
    for place, some in enumerate(told):
        for one in facts(some):
            found.learn(place, one)
    for correction in corrections:
        found.corrections.learn(correction)
    return report(found, Rules(), now_ms=NOW_MS, since_ms=since)


def test_facts_of_the_fixture_are_the_audits_that_were_meant() -> None:
    (row,) = rows(last(1), 30, cell("1"))
    found = Audits()
    for one in facts([row]):
        found.learn(0, one)
    ((_, _, counted),) = found.rows()
    meant = [one.audited._replace(delivered=one.audited.first) for one in row[2]]
    assert {(one.audited.first, one.audited.swapped) for one in counted} == {(one.first, one.swapped) for one in meant}


def test_honest_judges_are_shown_fine_and_so_is_what_is_said_of_them() -> None:
    told = told_of(rows(last(30), 30), rows(last(30), 20, cell("1"), seed=5))
    assert told.finding is Finding.FINE
    (model,) = told.models
    assert model.shown.audits == 1_500
    assert told.usd == pytest.approx(30 * 30 * 0.0003 + 30 * 20 * 0.0002)
    first, last_said = sentences(told)
    assert first == "openai model-2026-01-01 is shown fine: excess, shift and position are certainly within 5 points of 0."
    assert last_said.startswith("1,500 audits since 2026-01-18 for $0.3900; 0 under way.")


def test_a_bent_judge_is_told_with_its_direction_and_size() -> None:
    told = told_of(rows(last(30), 30, shift=2.0), rows(last(30), 9, cell(model="other"), seed=3))
    assert told.finding is Finding.BENT
    by_name = {model.model: model for model in told.models}
    assert by_name["model-2026-01-01"].words == "bent"
    assert re.fullmatch(r"not known yet \(\d+ of about \d+\)", by_name["other"].words)
    said = list(sentences(told))
    assert any(
        re.fullmatch(
            r"openai other: not known yet \(\d+ of about \d+ audits\)\. So far, in points: excess .+, shift .+, position .+",
            one,
        )
        for one in said
    )
    bent = next(one for one in said if "is bent" in one)
    assert re.search(r"bundles say Essay A \+\d+\.\d \(\+\d+\.\d to \+\d+\.\d\) points more often than single answers", bent)
    assert any(one.startswith("The alarm of openai model-2026-01-01 sounds for shift, by the 900 audits") for one in said)


def test_bundles_with_a_suspect_are_told_apart_only_where_there_are_any() -> None:
    honest = [*rows(last(30), 20), *rows(last(30), 5, cell("1"), seed=5)]
    (model,) = told_of(honest).models
    assert model.by["suspect"] == ()
    told = told_of(honest, rows(last(30), 10, cell()._replace(suspect=True), seed=2, shift=4.0))
    (model,) = told.models
    with_it, without = model.by["suspect"]
    assert [(one.name, one.audits) for one in (with_it, without)] == [
        ("bundles with a suspect", 300),
        ("bundles without a suspect", 600),
    ]
    assert (with_it.finding, without.finding) == (Finding.BENT, Finding.FINE)
    assert [one["name"] for one in shown(told)["models"][0]["by"]["suspect"]] == [with_it.name, without.name]
    assert "shift, bundles with a suspect (n 300)" in page(told)


def test_without_audits_nothing_is_fine() -> None:
    told = told_of()
    assert told.finding is Finding.NOT_KNOWN
    (said,) = sentences(told)
    assert said.startswith("No audit is complete since 2026-02-16, so nothing is known of any judge: set ROUNDBATCH_AUDIT__")


def test_after_a_limit_only_what_came_after_it_counts_for_the_finding() -> None:
    told = [*rows(range(TODAY - 40, TODAY - 20), 30, shift=2.0), *rows(range(TODAY - 19, TODAY + 1), 30, cell("9-16"), seed=7)]
    limited = Correction("openai", "model", (TODAY - 20) * DAY_MS, most=16, reason="bent")
    found = told_of(told, corrections=[limited])
    (model,) = found.models
    assert (model.limit, model.shown.audits, model.finding) == (16, 600, Finding.FINE)
    assert [(one.name, one.finding) for one in model.by["bundle"]] == [("9-16", Finding.FINE), ("17-64", Finding.BENT)]
    assert "Bundles of openai model-2026-01-01 are limited to 16 comparisons since 2026-01-27: bent." in sentences(found)
    (without,) = told_of(told).models
    assert without.finding is Finding.BENT


def test_an_acknowledged_alarm_does_not_sound_and_the_judge_stays_bent() -> None:
    acknowledged = Correction("openai", "model", NOW_MS)
    (model,) = told_of(rows(last(30), 30, shift=2.0), corrections=[acknowledged]).models
    assert model.finding is Finding.BENT
    assert model.alarms == {}
    assert model.evidence[-2].log10["shift"] > 4.4  # as it was then
    assert model.evidence[-1].log10 == {}


def test_only_the_audits_of_the_period_are_told() -> None:
    told = told_of(rows(last(30), 10), since=(TODAY - 4) * DAY_MS)
    assert told.models[0].shown.audits == 50
    assert told.first_day == "2026-02-12"


def test_a_time_may_be_said_as_so_long_ago() -> None:
    day, hours = since_ms("1d"), since_ms("24h")
    assert day is not None
    assert hours is not None
    assert abs(day - hours) < 60_000


def test_the_page_has_each_plot_and_a_table_under_it_and_loads_nothing() -> None:
    told = told_of(
        rows(last(20), 20, shift=2.0), rows(last(20), 5, cell("1"), seed=5), rows(last(20), 5, cell(third=2), seed=6)
    )
    made = page(told)
    assert made.count("<table") == 4  # under the forest, the thirds, the evidence, and the confidences of two bundle classes
    assert made.count("<svg") == 5
    assert not re.search(r"(?:src|href)=.https?:", re.sub(r'xmlns(:\w+)?="[^"]*"', "", made))
    assert "excess, 17-64 (n 500)" in made
    json.dumps(shown(told))


# -- the command -----------------------------------------------------------------------------------------------------


def run(servers: str, topic: str, *arguments: str) -> Result:
    env = {"ROUNDBATCH_APP_ID": topic, "ROUNDBATCH_WORK_TOPIC": f"{topic}.work", "ROUNDBATCH_TESTING__EMBEDDED_BROKER": "true"}
    return CliRunner(env=env).invoke(app, ["quality", "--bootstrap-servers", servers, *arguments])


def fill(servers: str, topic: str, told: Iterable[Told], *records: work.WorkRecord) -> None:
    """The changelog of audits, all in the partitions 0 and 1, one of them written twice; and a work topic."""
    changelog = f"{topic}-audits-changelog"
    make_topic(servers, f"{topic}.work")
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for place, one in enumerate(facts(told)):
        partition = place % 2
        for _ in range(1 if place else 2):
            producer.produce(changelog, table.CODEC.encode(one), table.key(partition, one.offset), partition=partition)
    for record in records:
        producer.produce(f"{topic}.work", work.encode(record), partition=1)
    assert producer.flush(10) == 0


@pytest.mark.parametrize(
    ("name", "a_day", "bent", "code"), [("fine", 45, {}, 0), ("bent", 25, {"shift": 2.0}, 3), ("few", 3, {}, 4)]
)
def test_the_command_reads_the_table_and_ends_by_its_finding(
    mock_cluster: str, tmp_path: Any, name: str, a_day: int, bent: dict[str, float], code: int
) -> None:
    import time

    today = int(time.time() * 1000) // DAY_MS
    told = rows(range(today - 15, today), a_day, **bent)
    (cell, *_), *_ = told = list(told)
    limited = work.BundlesLimited(provider=cell.provider, model=cell.model, most=3, since_ms=1)
    fill(mock_cluster, name, told, limited)
    done = run(mock_cluster, name, "--json", "--html", str(tmp_path / "deep" / "page.html"))
    assert done.exit_code == code, done.output
    (model,) = json.loads(done.stdout)["models"]
    assert (model["shown"]["audits"], model["limit"]) == (15 * a_day, 3)
    assert (tmp_path / "deep" / "page.html").read_text().endswith("</body></html>")
    printed = run(mock_cluster, name, "--since", "10d")
    assert printed.exit_code in (code, 4)
    assert "judges, by audits since" in printed.stdout


def test_bundles_are_limited_by_what_the_audits_of_all_partitions_show_together(mock_cluster: str) -> None:
    """Two workers would wait for more: the evidence of neither half is enough. A second run does nothing."""
    import time

    today = int(time.time() * 1000) // DAY_MS
    bent = list(rows(range(today - 12, today), 28, cell(), shift=2.0))
    halves = [Audits(), Audits()]
    for place, one in enumerate(facts(bent)):
        halves[place % 2].learn(place % 2, one)
    for half in halves:
        (of_half,) = report(half, Rules(weighed=0.5), now_ms=today * DAY_MS).models
        assert not any(alarm.sounds for alarm in of_half.alarms.values())
    fill(mock_cluster, "all", bent)
    assert "limited" not in json.loads(run(mock_cluster, "all", "--json").stdout)
    told = json.loads(run(mock_cluster, "all", "--json", "--on-alarm", "halve").stdout)
    (limited,) = told["limited"]
    assert (limited["provider"], limited["model"], limited["most"]) == ("openai", cell().model, 4)
    assert re.fullmatch(r"shift [+]\d+\.\d points \([+]\d.*\) in 336 audits", limited["reason"])
    again = run(mock_cluster, "all", "--json", "--on-alarm", "halve")
    (model,) = json.loads(again.stdout)["models"]
    assert (json.loads(again.stdout)["limited"], model["limit"]) == ([], 4)


@pytest.mark.parametrize("more", ["--on-alarm stop", "--on-alarm halve --since 3d", "--on-alarm single --batch 1"])
def test_a_step_that_is_not_known_or_not_by_all_audits_is_refused(mock_cluster: str, more: str) -> None:
    assert run(mock_cluster, "x", *more.split()).exit_code == 2


def test_a_record_of_a_newer_worker_is_told_in_a_line(mock_cluster: str) -> None:
    fill(mock_cluster, "newer", ())
    producer = Producer({"bootstrap.servers": mock_cluster, "log_level": 0})
    limited = work.encode(work.BundlesLimited(provider="openai", model="m", most=3))
    producer.produce("newer.work", limited.replace(b'{"v":4', b'{"v":9'), partition=0)
    producer.produce("newer-audits-changelog", table.CODEC.encode(Facts(1, 1)), partition=0)
    assert producer.flush(10) == 0
    done = run(mock_cluster, "newer")
    assert (done.exit_code, "run the newer worker again" in done.stderr) == (1, True)


def test_where_no_worker_has_run_it_says_so(mock_cluster: str) -> None:
    done = run(mock_cluster, "nobodys")
    assert done.exit_code == 1
    assert "no worker that makes audits has run there" in done.stderr


def test_a_page_of_one_batch_there_is_not(mock_cluster: str) -> None:
    assert run(mock_cluster, "x", "--batch", "1", "--html", "page.html").exit_code == 2
