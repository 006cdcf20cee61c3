"""All adapters, with the real SDKs where there are any, against the simulator: what the worker may rely on at any provider."""

from typing import Any

import pytest

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, ReplyKind, Retry, judge
from providers.prices import LISTED
from providers.protocol import (
    AccountRefused,
    ContentRefused,
    JobNotVisible,
    JobPhase,
    OutcomeUnknown,
    Provider,
    ProviderDown,
    ProviderError,
    ResultsNotWhole,
    StartRefused,
    Throttled,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import DOWNLOAD, LONG_S, MODELS, Counts, Open, ask_of, asks_of, replies_of, run, submit
from tests.waiting import NO_ANSWER_S


class TestBatch:
    async def test_every_line_is_answered_in_the_order_of_the_asks(
        self, provider: Provider, kind: str, simulator: SimulatorControl, counts: Counts
    ) -> None:
        asks = asks_of(kind, 12)
        job = await submit(provider, asks)
        assert (await provider.look(job)).phase is JobPhase.ENDED
        rows = [reply async for reply in provider.replies(job)]
        assert [row.custom_id for row in rows] == [ask.custom_id for ask in asks]
        for row in rows:
            answer = judge(row)
            assert isinstance(answer, Answer)
            assert answer.winner == "Essay B"
            assert row.model == MODELS[kind]
        costs = [LISTED.cost_usd(kind, row.model, row.usage, batch=True) or 0.0 for row in rows]
        ledger = simulator.ledger()
        assert ledger["batch_items_paid"] == 12
        assert sum(costs) == pytest.approx(ledger["cost_usd"])
        assert sum(counts.http.values()) == ledger["http_operations"]
        assert {status for _, status in counts.http} == {"200"}

    async def test_a_running_batch_is_polled_until_it_has_ended(
        self, provider: Provider, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.hold()
        job = await submit(provider, asks_of(kind, 2))
        assert (await provider.look(job)).phase is JobPhase.RUNNING
        simulator.finish()
        assert (await provider.look(job)).phase is JobPhase.ENDED

    @pytest.mark.parametrize(
        ("fault", "reply_kind", "cause"),
        [
            ({"fault": "expired"}, ReplyKind.EXPIRED, Cause.EXPIRED),
            ({"fault": "errored", "status": 500}, ReplyKind.ERRORED, Cause.OVERLOADED),
            ({"fault": "errored", "error_type": "overloaded_error"}, ReplyKind.ERRORED, Cause.OVERLOADED),
            ({"fault": "errored", "status": 429}, ReplyKind.ERRORED, Cause.OVERLOADED),
            ({"fault": "errored", "status": 401}, ReplyKind.ERRORED, Cause.REFUSED_ACCOUNT),
            ({"fault": "refused"}, ReplyKind.SUCCEEDED, Cause.UNUSABLE),
            ({"fault": "cut"}, ReplyKind.SUCCEEDED, Cause.UNUSABLE),
            ({"fault": "invalid"}, ReplyKind.SUCCEEDED, Cause.UNUSABLE),
            ({"fault": "invalid", "variant": "not_json"}, ReplyKind.SUCCEEDED, Cause.UNUSABLE),
            ({"fault": "invalid", "variant": "confidence_zero"}, ReplyKind.SUCCEEDED, Cause.UNUSABLE),
        ],
    )
    @pytest.mark.not_of(
        "google",
        "its batches expire as a whole, and have no rows then (test_google_batches.py)",
        when=lambda case: case["reply_kind"] is ReplyKind.EXPIRED,
    )
    async def test_three_bad_rows_are_told_from_three_good_ones(
        self,
        provider: Provider,
        kind: str,
        simulator: SimulatorControl,
        fault: dict[str, Any],
        reply_kind: ReplyKind,
        cause: Cause,
    ) -> None:
        simulator.faults({**fault, "next": 3})
        replies = await run(provider, asks_of(kind, 6))
        assert len(replies) == 6
        bad = [reply for reply in replies.values() if not isinstance(judge(reply), Answer)]
        assert [reply.kind for reply in bad] == [reply_kind] * 3
        for reply in bad:
            outcome = judge(reply)
            assert isinstance(outcome, Retry)
            assert outcome.cause is cause

    async def test_missing_rows_are_simply_not_there(self, provider: Provider, kind: str, simulator: SimulatorControl) -> None:
        simulator.faults(fault="missing", next=2)
        assert len(await run(provider, asks_of(kind, 6))) == 4

    async def test_all_rows_expired(self, provider: Provider, kind: str, simulator: SimulatorControl) -> None:
        simulator.faults(fault="expired", rate=1.0)
        replies = await run(provider, asks_of(kind, 3))
        assert [reply.kind for reply in replies.values()] == ([] if kind == "google" else [ReplyKind.EXPIRED] * 3)

    async def test_all_rows_errored(self, provider: Provider, kind: str) -> None:
        replies = await run(provider, asks_of(kind, 3, "[sim:error]"))
        assert [reply.kind for reply in replies.values()] == [ReplyKind.ERRORED] * 3

    async def test_a_row_at_fault_ends_alone(self, provider: Provider, kind: str) -> None:
        replies = await run(provider, [*asks_of(kind, 2), ask_of(kind, 2, "[sim:400]")])
        outcome = judge(replies["job-1-2"])
        assert isinstance(outcome, Retry)
        assert (outcome.cause, outcome.code) == (Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST)
        assert sum(isinstance(judge(reply), Answer) for reply in replies.values()) == 2

    async def test_the_results_are_waited_for_when_the_batch_has_ended_without_them(
        self, provider: Provider, kind: str, simulator: SimulatorControl
    ) -> None:
        job = await submit(provider, asks_of(kind, 2))
        simulator.faults(fault="file_late", next=2)
        assert [(await provider.look(job)).phase for _ in range(3)] == [JobPhase.RUNNING, JobPhase.RUNNING, JobPhase.ENDED]
        assert len(await replies_of(provider, job)) == 2

    async def test_a_job_just_created_may_not_be_visible_yet(
        self, provider: Provider, kind: str, simulator: SimulatorControl
    ) -> None:
        job = await submit(provider, asks_of(kind, 2))
        simulator.faults(fault="not_found", next=1, endpoint="batches.retrieve")
        with pytest.raises(JobNotVisible):
            await provider.look(job)
        assert (await provider.look(job)).phase is JobPhase.ENDED
        simulator.faults(fault="not_found", next=1, endpoint=DOWNLOAD[kind])
        with pytest.raises(ResultsNotWhole) as refused:
            await replies_of(provider, job)
        assert (refused.value.gone, refused.value.paid) == (True, 2)
        assert len(await replies_of(provider, job)) == 2

    async def test_another_keys_job_is_not_visible(self, provider: Provider, kind: str, open_with: Open) -> None:
        job = await submit(provider, asks_of(kind, 1))
        for key in ("other-key", "bad-key"):
            with pytest.raises(JobNotVisible):
                await open_with(key).look(job)
            with pytest.raises(JobNotVisible):
                await replies_of(open_with(key), job)

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            ({"status": 400}, ProviderDown),  # says nothing of the content: halved, a round fell apart for nothing
            ({"status": 400, "message": "line 1 column 7: not JSON"}, ProviderDown),
            ({"status": 400, "message": "requests.1.params.messages: Field required"}, ContentRefused),
            ({"status": 400, "message": "Line 2 of the input file is not valid."}, ContentRefused),
            ({"status": 413}, ContentRefused),
            ({"status": 401}, AccountRefused),
            ({"status": 403}, AccountRefused),
            ({"status": 429, "code": "enforced_spend_limit_reached"}, AccountRefused),
            ({"status": 429, "code": "insufficient_quota"}, AccountRefused),
            ({"status": 429}, Throttled),
            ({"status": 529}, Throttled),
            ({"status": 500}, OutcomeUnknown),
            ({"status": 502}, OutcomeUnknown),
        ],
    )
    async def test_a_refused_create(
        self,
        provider: Provider,
        kind: str,
        simulator: SimulatorControl,
        counts: Counts,
        fault: dict[str, Any],
        expected: type[ProviderError],
    ) -> None:
        simulator.faults({"fault": "status", "next": 1, "endpoint": "batches.create", **fault})
        status = fault["status"]
        if kind == "google":  # a full batch queue is the account's; there is no 529, and no 5xx says that nothing was made
            status = {529: 503}.get(status, status)
            expected = {429: AccountRefused, 503: OutcomeUnknown}.get(status, expected)
        with pytest.raises(expected) as refused:
            await submit(provider, asks_of(kind, 1))
        assert type(refused.value) is expected
        assert counts.http["batches.create", str(status)] == 1  # and no second attempt
        assert counts.http["batches.create", "200"] == 0
        await submit(provider, asks_of(kind, 1))

    async def test_throttled_says_how_long(self, provider: Provider, kind: str, simulator: SimulatorControl) -> None:
        of_a_minute = {"variant": "per_minute"} if kind == "google" else {}
        simulator.faults(fault="status", status=429, retry_after_s=7, next=1, endpoint="batches.create", **of_a_minute)
        with pytest.raises(Throttled) as refused:
            await submit(provider, asks_of(kind, 1))
        assert refused.value.retry_after_s == 7.0

    async def test_a_create_without_an_answer_is_unknown_and_made_once(
        self, provider: Provider, kind: str, simulator: SimulatorControl, counts: Counts
    ) -> None:
        simulator.faults(fault="hang", next=1, endpoint="batches.create")
        with pytest.raises(OutcomeUnknown):
            await submit(provider, asks_of(kind, 2), timeout_s=NO_ANSWER_S)
        assert simulator.ledger()["batches"] == 1
        assert counts.http["batches.create", "given_up"] + counts.http["batches.create", "timeout"] == 1

    async def test_start_is_asked_directly_before_the_create_and_can_stop_it(
        self, provider: Provider, kind: str, simulator: SimulatorControl, counts: Counts
    ) -> None:
        before: list[int] = []

        def start() -> bool:
            before.append(counts.http["files.create", "200"])
            return False

        with pytest.raises(StartRefused):
            await provider.create("job-1", asks_of(kind, 1), start=start, timeout_s=LONG_S)
        assert before == [{"anthropic": 0, "openai": 1, "google": 2}[kind]]
        assert simulator.ledger()["batches"] == 0

    async def test_nobody_listens(self, open_with: Open, kind: str, counts: Counts) -> None:
        gone = open_with(base_url="http://127.0.0.1:9/v1")
        for attempt in (
            submit(gone, asks_of(kind, 1)),
            gone.look("batch-1"),
            gone.call(ask_of(kind), timeout_s=LONG_S),
            replies_of(gone, "batch-1"),
        ):
            with pytest.raises(ProviderDown):
                await attempt
        assert {status for _, status in counts.http} == {"unreachable"}

    @pytest.mark.parametrize("status", [500, 503])
    async def test_a_poll_that_fails_did_nothing(
        self, provider: Provider, kind: str, simulator: SimulatorControl, status: int
    ) -> None:
        job = await submit(provider, asks_of(kind, 1))
        simulator.faults(fault="status", status=status, next=2)
        with pytest.raises(ProviderDown):
            await provider.look(job)
        with pytest.raises(ProviderDown):
            await replies_of(provider, job)
        assert len(await replies_of(provider, job)) == 1

    async def test_a_large_job_goes_over_a_file_and_its_rows_too(
        self, provider: Provider, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.http.spool.IN_MEMORY_BYTES", 10)
        rows = await run(provider, asks_of(kind, 12))
        assert list(rows) == [ask.custom_id for ask in asks_of(kind, 12)]
