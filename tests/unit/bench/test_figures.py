"""The benchmark's arithmetic: medians, ratios, shares of a profile, and requests of the size that is claimed."""

import json
from collections import Counter
from pathlib import Path

import pytest

from bench import load, sampling
from bench.figures import OUT, Sample, add, latencies, report
from bench.instant import InstantProvider
from domain.answer import Answer
from domain.reply import judge
from providers.protocol import Ask, JobPhase, PromptBlock, StartRefused
from streams.wire.request_events import round_event
from streams.wire.requests import read_record

ASK = Ask("job-0", "m", "s", (PromptBlock("a"),), 100)


def sample(kind: str, seconds: float, **memory: int) -> Sample:
    return Sample(kind, 1_000, seconds, seconds / 2, **memory, intake_s=seconds / 4)


def test_figures_are_added_beside_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add({"restart_s": 3, "rebalance": 1})
    add({"rebalance": 2})
    assert json.loads(OUT.read_text()) == {"restart_s": 3, "rebalance": 2}


def test_ratios_are_those_of_the_medians() -> None:
    samples = [sample("plain", 1.0), sample("plain", 0.1), sample("plain", 2.0)]
    samples += [sample("rounds", 10.0), sample("rounds", 5.0), sample("rounds", 8.0)]
    samples += [sample("large_rounds", 4.0), sample("singles", 20.0)]
    figures = report(samples)
    assert figures["rounds_vs_plain"] == 0.125
    assert figures["large_rounds_vs_plain"] == 0.25
    assert figures["singles_vs_plain"] == 0.05
    assert figures["cpu_times_plain"] == {"rounds": 8.0, "large_rounds": 4.0, "singles": 20.0}
    assert figures["intake_per_s"]["rounds"] == {"least": 400, "median": 500, "most": 800}
    assert figures["per_s"]["plain"] == {"least": 500, "median": 1000, "most": 10_000}
    assert figures["cpu_us"]["rounds"] == {"least": 2500, "median": 4000, "most": 5000}
    assert len(figures["samples"]) == 8


def test_memory_is_the_median_in_mib() -> None:
    mib = 1024 * 1024
    rounds = [sample("rounds", 1.0, idle_bytes=n * mib, end_bytes=2 * n * mib, peak_bytes=3 * n * mib) for n in (1, 5, 9)]
    figures = report([sample("plain", 1.0), *rounds, sample("large_rounds", 1.0), sample("singles", 1.0)])
    assert figures["resident_mib"]["rounds"] == {"idle": 5, "end": 10, "peak": 15}


def test_latencies_are_percentiles_in_milliseconds() -> None:
    found = latencies(number / 1000 for number in range(200, 0, -1))
    assert found == {"count": 200, "p50_ms": 101.0, "p95_ms": 191.0, "p99_ms": 199.0, "most_ms": 200.0}
    assert latencies([]) == {"count": 0, "p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0, "most_ms": 0.0}


def test_a_kind_that_was_not_measured_is_named() -> None:
    with pytest.raises(ValueError, match="not measured: singles"):
        report([sample("plain", 1.0), sample("rounds", 1.0), sample("large_rounds", 1.0)])


def test_a_request_has_the_size_that_is_claimed_and_can_be_asked() -> None:
    body = load.body(3, 0, "results")
    assert load.REQUEST_BYTES - 8 < len(json.dumps(body, separators=(",", ":"))) <= load.REQUEST_BYTES
    (member,) = read_record(round_event([body])).members
    assert member.problem == ""
    blocks = [block["content"] for block in body["prompt_blocks"]]
    assert "\n\n".join(blocks) == body["user_prompt"]


def test_a_profile_is_shared_out_by_the_innermost_frame_that_is_known() -> None:
    stacks = Counter(
        {
            ("/lib/json/encoder.py:encode", "streams/wire/results.py:result_message", "agents/records/reconcile.py:handle"): 3,
            ("streams/wire/results.py:result_message", "agents/records/reconcile.py:handle"): 1,
            ("/lib/uuid.py:__str__", "agents/records/reconcile.py:handle", "/site-packages/faust/streams.py:events"): 4,
            ("somewhere.py:else",): 2,
        }
    )
    assert sampling.shares(stacks) == {"agents/": 0.4, "JSON": 0.3, "the rest": 0.2, "making results": 0.1}
    assert sampling.inclusive(stacks)["agents/records/reconcile.py:handle"] == 0.8
    assert sampling.own(stacks)["/lib/uuid.py:__str__"] == 0.4
    assert "40.0%  agents/" in sampling.text(stacks)


class TestInstantProvider:
    async def test_a_batch_has_ended_when_it_is_looked_at_and_answers_every_line(self) -> None:
        provider = InstantProvider("anthropic")
        name = await provider.create("job", [ASK, ASK], start=lambda: True, timeout_s=1)
        assert (await provider.look(name)).phase is JobPhase.ENDED
        replies = [reply async for reply in provider.replies(name)]
        assert [reply.custom_id for reply in replies] == ["job-0", "job-0"]
        assert all(isinstance(judge(reply), Answer) for reply in replies)

    async def test_a_claim_that_has_run_out_creates_nothing(self) -> None:
        with pytest.raises(StartRefused):
            await InstantProvider("anthropic").create("job", [ASK], start=lambda: False, timeout_s=1)
