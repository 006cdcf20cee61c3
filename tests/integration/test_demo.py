"""Demos as a newcomer starts them, by two strategies and by both ways in at once, watched as Prometheus would."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from cli.main import app
from domain.providers import PROVIDERS
from tests.harness.watched import CHECKOUT, asked_for, exposed, families, fed, named_in
from tests.waiting import LIMIT_S

ROUNDBATCH = str(Path(sys.executable).with_name("roundbatch"))

#: What no demo shows, for nothing goes wrong in one; it must be there all the same.
NOTHING_WRONG = {
    "roundbatch_account_paused",
    "roundbatch_audit_cost_usd_total",  # told where something is audited, as are all of audits
    "roundbatch_audit_counts",
    "roundbatch_audit_evidence_log10",
    "roundbatch_audit_log_wealth",
    "roundbatch_audit_missing",
    "roundbatch_audits_left_out_total",
    "roundbatch_budget_held_comparisons",
    "roundbatch_budget_refused_total",
    "roundbatch_bundle_item_failures_total",
    "roundbatch_bundle_limit",
    "roundbatch_calls_under_way",  # a scrape may come between two calls
    "roundbatch_calls_waiting",
    "roundbatch_claims_lost_total",
    "roundbatch_consumer_lag_records",  # looked at every 2 s, and a demo's records are read in milliseconds
    "roundbatch_dead_letters_total",
    "roundbatch_duplicates_total",
    "roundbatch_enqueued",  # told where the size of the account's queue is set
    "roundbatch_enqueued_limit",
    "roundbatch_failstop_record_offset",
    "roundbatch_failstops_in_a_row",
    "roundbatch_failstops_total",
    "roundbatch_gateway_clients_gone_total",
    "roundbatch_gateway_held_posts",  # a scrape may come between two posts
    "roundbatch_gateway_producers_renewed_total",
    "roundbatch_gateway_refused_total",
    "roundbatch_gateway_requests_cut_total",
    "roundbatch_gathering_comparisons",  # a demo's rounds come whole and close in milliseconds: a scrape may see none open
    "roundbatch_limit_pause_seconds",
    "roundbatch_model_price_unknown",
    "roundbatch_oldest_window_seconds",  # as of roundbatch_gathering_comparisons
    "roundbatch_open_transaction_seconds",
    "roundbatch_outcomes_spent_total",
    "roundbatch_partitions_paused",
    "roundbatch_prices_unknown_total",
    "roundbatch_rate_limited_total",
    "roundbatch_records_removed_unread_total",
    "roundbatch_results_lost_total",
    "roundbatch_suspects_total",
    "roundbatch_topic_missing",
    "roundbatch_unknown_custom_ids_total",
    "roundbatch_unknown_jobs_total",
    "roundbatch_windows",  # as of roundbatch_gathering_comparisons
}


#: A judge that is unsure, and whose bundles favour Essay A much.
BIASED = ("--judge", "judge_slope=6", "--judge", "retest=1", "--judge", "bundle_shift=0.5")


@dataclass
class Demo:
    """One demo under way. fed: the series that have had a value; exposed: those that were there at all.

    watched: what `roundbatch watch` printed of its worker, once something waited.
    """

    out: Path
    popen: "subprocess.Popen[bytes]"
    fed: set[str] = field(default_factory=set)
    exposed: set[str] = field(default_factory=set)
    families: set[str] = field(default_factory=set)
    watched: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    def look(self) -> None:
        """Scrape its worker, if there is one that answers."""
        log = self.out / "demo-logs/worker.log"
        port = re.search(r'"port": ?(\d+)', log.read_text()) if log.exists() else None
        if port is None:
            return
        url = f"http://127.0.0.1:{port[1]}"
        try:
            with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
                self.keep(answer.read().decode())
        except (OSError, urllib.error.URLError):
            return  # not yet, or no more
        if not self.watched and "llm_provider_queue_depth" in self.fed:
            # In this process: on a busy machine the demo would be over before another one had started.
            done = CliRunner().invoke(app, ["watch", "--json", "--url", url])
            if done.exit_code == 0:  # else it is over now; the test says so where nothing was watched before
                self.watched = json.loads(done.stdout)

    def keep(self, scrape: str) -> None:
        """Note what a scrape holds."""
        self.fed |= fed(scrape)
        self.exposed |= exposed(scrape)
        self.families |= families(scrape)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Demo]:
    """A demo in bundles, one in batch jobs and one over HTTP, each on a broker of its own, when all have ended."""
    environment = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    running: dict[str, Demo] = {}
    for name, options in (
        ("serial_bundle", ["--strategy", "serial_bundle", "--rounds", "3", *BIASED]),
        ("per_round", ["--rounds", "2"]),
        ("http", ["--cj", "http", "--rounds", "2"]),
    ):
        out = tmp_path_factory.mktemp(name)
        command = [ROUNDBATCH, "demo", *options]
        with (out / "stdout").open("wb") as stdout, (out / "stderr").open("wb") as stderr:
            popen = subprocess.Popen([*command, "--json", "--out", str(out)], env=environment, stdout=stdout, stderr=stderr)
        running[name] = Demo(out, popen)
    until = time.monotonic() + LIMIT_S
    try:
        while any(demo.popen.poll() is None for demo in running.values()):
            assert time.monotonic() < until, f"a demo was not over in {LIMIT_S:g} s"
            for demo in running.values():
                demo.look()
            time.sleep(0.05)
    finally:
        for demo in running.values():
            if demo.popen.poll() is None:
                demo.popen.terminate()
            demo.popen.wait(LIMIT_S)
    for demo in running.values():
        assert demo.popen.returncode == 0, (demo.out / "stderr").read_text()[-2000:]
        demo.told = json.loads((demo.out / "stdout").read_text())
        for scraped in demo.out.glob("*metrics.txt"):
            demo.keep(scraped.read_text())
    return running


def test_three_rounds_by_serial_bundles(demos: dict[str, Demo]) -> None:
    """On its own broker, in two calls a round: bundles of 8 and of 4."""
    told = demos["serial_bundle"].told
    assert told == json.loads((demos["serial_bundle"].out / "demo.json").read_text())
    assert (told["strategy"], told["layout"]) == ("serial_bundle", "auto")
    assert (told["requested"], told["answered"], told["missing"], told["duplicates"], told["errors"]) == (72, 72, 0, 0, 0)
    assert told["batch_jobs"] == 0
    assert told["http_operations"] == 12
    assert 0 < told["input_tokens"] < 0.9 * 72 * 1_055  # what a comparison takes alone, on the average of all rounds
    assert told["cost_usd"] > 0


def test_the_end_of_a_demo_tells_what_its_answers_show_of_the_judge(demos: dict[str, Demo]) -> None:
    """What was planted is told too, and the order of the essays shows it: nothing else made A win."""
    said = (demos["serial_bundle"].out / "stderr").read_text()
    assert "planted in the judge: judge_slope=6 retest=1 bundle_shift=0.5; two single answers differ in" in said
    assert re.search(r"bundles of 8: excess \+[\d.]+, shift \+[2-5]\d\.\d points", said)
    assert len(re.findall(r"Being shown first changes .* by \+[\d.]+ points on average, and surely so", said)) == 2
    assert "The last third of slots against the others: " in said
    assert "Lines of six and more whose verdicts are all one letter: " in said
    of_batches = (demos["per_round"].out / "stderr").read_text()
    assert len(re.findall(r"- 24 of 24 comparisons of \d+ essays are answered\.", of_batches)) == 2
    assert "planted" not in of_batches


def test_two_rounds_by_batch_jobs(demos: dict[str, Demo]) -> None:
    """A job a round at each provider."""
    told = demos["per_round"].told
    assert (told["requested"], told["answered"], told["batch_jobs"]) == (48, 48, 4)


def test_cj_over_http_is_answered_by_all_five_providers(demos: dict[str, Demo]) -> None:
    """Each comparison posted, acknowledged by Kafka, sent as its provider can be sent to, and answered once."""
    demo = demos["http"]
    assert (demo.told["cj"], demos["per_round"].told["cj"]) == ("http", "topic")
    by_provider = {"anthropic": 24, "openai": 24, "google": 12, "openrouter": 12, "mock": 12}
    assert demo.told["by_provider"] == by_provider
    assert (demo.told["requested"], demo.told["missing"], demo.told["duplicates"], demo.told["errors"]) == (84, 0, 0, 0)
    # A wave is a job, or two where the machine stood still between two of its posts for longer than a window is quiet.
    assert demo.told["batch_jobs"] >= 6
    results = [json.loads(line)["data"] for line in (demo.out / "results.jsonl").read_bytes().splitlines()]
    modes = {(one["provider"], one["request_metadata"]["queue_processing_mode"]) for one in results}
    assert modes == {(name, "batch_api" if PROVIDERS[name].batches else "per_request") for name in by_provider}
    assert all("mock" in one["model"] for one in results if one["provider"] == "mock")
    posts = (demo.out / "gateway-metrics.txt").read_text()
    assert 'roundbatch_gateway_posts_total{status="202"} 84.0' in posts
    assert not re.search(r'posts_total{status="[^2]', posts)


def test_a_worker_is_watched_while_it_works(demos: dict[str, Demo]) -> None:
    """What it said when something had waited: then, or a moment later when all was answered."""
    for demo in demos.values():
        assert demo.watched, "nothing was watched while the demo ran"
        assert len(demo.watched["workers"]) == 1
        assert demo.watched["workers"][0]["not_ready"] == []
        waiting, answered = demo.watched["queue"]["waiting"], demo.watched["results"]["answered"]
        assert 12 <= waiting + answered <= demo.told["requested"]
        assert demo.watched["money"]["prices"]["list"]
        assert demo.watched["failures"] == []


def test_what_alerts_and_dashboard_ask_for_is_fed(demos: dict[str, Demo]) -> None:
    """A name that no worker has would be an alert that never fires."""
    there = set.union(*(demo.exposed for demo in demos.values()))
    given = set.union(*(demo.fed for demo in demos.values()))
    assert asked_for() - there == set()
    assert asked_for() - given - NOTHING_WRONG == set()
    assert asked_for() >= NOTHING_WRONG  # else the list speaks of what is asked no more


def test_every_loop_gives_signs_of_life(demos: dict[str, Demo]) -> None:
    """A loop that the watchdog does not know of may hang unnoticed."""
    scrape = (demos["per_round"].out / "metrics.txt").read_text()
    samples = [one for family in text_string_to_metric_families(scrape) for one in family.samples]
    loops = {one.labels["loop"] for one in samples if one.name == "roundbatch_loop_silent_seconds"}
    of_jobs, of_the_worker = {"dispatcher", "job_steps", "money"}, {"event_loop", "outbox", "tidying", "timers", "touch"}
    assert loops == of_jobs | of_the_worker | {"collect", "reconcile"}


def test_every_metric_is_documented_and_no_other(demos: dict[str, Demo]) -> None:
    """docs/metrics.md names what a worker and a gateway expose."""
    families = {name.removesuffix("_total") for demo in demos.values() for name in demo.families}
    documented = {name.removesuffix("_total") for name in named_in(CHECKOUT / "docs/metrics.md")}
    assert documented == families
