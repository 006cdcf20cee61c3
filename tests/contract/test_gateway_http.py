"""The gateway over real sockets: what it answers, when, and what it cuts off."""

import asyncio
import json

import pytest

from gateway import connections
from gateway.records import RECORD_BYTES
from streams.kafka.sends import TooLarge
from tests.contract.gateway_client import happens, head, request, running
from tests.harness import door_cases
from tests.waiting import LIMIT_S

SHORT = {"head_timeout_s": 0.3, "body_timeout_s": 0.3}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_S", 0.02)


BODY = door_cases.dumped(door_cases.body())


async def test_every_body_over_one_connection() -> None:
    async with running() as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        for case in door_cases.CASES:
            answer = await client.post(case.body)
            assert (case.name, answer.status) == (case.name, case.status)
            assert str(answer.told.get("error", "")).startswith(case.error)
        assert len(there.records.sent) == sum(case.status == 202 for case in door_cases.CASES)


async def test_a_post_is_held_until_kafka_has_it() -> None:
    async with running() as there:
        client = await there.client()
        client.write(request(BODY))
        await happens(lambda: there.records.asked)
        assert there.value("held_posts") == 1
        assert there.value("posts_total", status="202") == 0
        there.records.kafka_is_there.set()
        answer = await client.answer()
        assert (answer.status, answer.told["status"]) == (202, "queued")
        assert there.value("held_posts") == 0
        assert there.value("acknowledgement_seconds_count") == 1


async def test_a_post_that_kafka_does_not_take_in_time_is_503() -> None:
    async with running(hold_s=0.2) as there:
        answer = await (await there.client()).post(BODY)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.told["correlation_id"] == json.loads(BODY)["correlation_id"]
        assert there.value("refused_total", reason="not_acknowledged") == 1
        assert there.value("held_posts") == 0


async def test_no_more_posts_are_held_than_set() -> None:
    async with running(most_held=2) as there:
        held = [await there.client() for _ in range(2)]
        for client in held:
            client.write(request(BODY))
        await happens(lambda: len(there.records.asked) == 2)
        answer = await (await there.client()).post(BODY)
        assert (answer.status, answer.told["error"]) == (503, "Too many requests at once")
        health = await there.ask("/healthz")
        assert (health.status, health.told["status"]) == (503, "unhealthy")
        assert "2 posts are held" in health.told["message"]
        assert (await there.ask("/readyz")).status == 503
        there.records.kafka_is_there.set()
        assert [(await client.answer()).status for client in held] == [202, 202]
        assert (await held[0].post(BODY)).status == 202


async def test_a_body_that_trickles_is_cut_off() -> None:
    async with running(**SHORT) as there:
        client = await there.client()
        client.write(request(BODY)[:-5])
        answer = await client.answer()
        assert (answer.status, list(answer.told)) == (408, ["error"])
        assert await client.closed() == b""
        assert there.records.asked == []
        assert there.value("requests_cut_total", during="body") == 1
        await happens(lambda: there.value("held_posts") == 0)


async def test_headers_that_trickle_and_silence_are_cut_off() -> None:
    async with running(**SHORT) as there:
        silent, slow, second = [await there.client() for _ in range(3)]
        there.records.kafka_is_there.set()
        assert (await second.post(BODY)).status == 202
        second.write(b"\r\n")  # what may stand before a request; uvicorn then waits for ever
        slow.write(head(None)[:-4])
        assert (await slow.answer()).status == 408
        assert await silent.closed() == b""
        assert (await second.answer()).status == 408
        assert there.value("requests_cut_total", during="head") == 3


async def test_a_post_that_is_held_for_longer_than_a_body_may_take_is_not_cut_off() -> None:
    async with running(**SHORT) as there:
        client = await there.client()
        client.write(request(BODY))
        await asyncio.sleep(0.6)  # the fault, not a wait for anything: twice as long as a body may take
        there.records.kafka_is_there.set()
        assert (await client.answer()).status == 202


async def test_idle_connections_are_closed_later() -> None:
    async with running(keep_alive_s=1, head_timeout_s=0.1) as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        assert (await client.post(BODY)).status == 202
        assert await client.closed() == b""
        assert there.value("requests_cut_total", during="head") == 0


@pytest.mark.parametrize("line", ["x: " + "y" * 70_000, "\r\n".join(f"x-{number}: y" for number in range(8_000))])
async def test_headers_have_a_size(line: str) -> None:
    """Where they have not ended before."""
    async with running() as there:
        client = await there.client()
        client.write(head(5, line)[:-4])
        assert (await client.answer()).status == 431
        await client.closed()


async def test_a_body_has_a_size_whether_it_is_named_or_not_and_the_connection_goes_on() -> None:
    async with running() as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        large = b"x" * (RECORD_BYTES + 1)
        assert (await client.post(large)).status == 413
        client.write(head(None, "Transfer-Encoding: chunked"))
        for start in range(0, len(large), 60_000):
            piece = large[start : start + 60_000]
            client.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.write(b"0\r\n\r\n")
        assert (await client.answer()).status == 413
        client.write(head(10**12))
        other = await there.client()
        assert (await client.answer()).status == 413  # before any of it has come
        assert (await other.post(BODY)).status == 202


async def test_a_chunked_body_is_taken() -> None:
    async with running() as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        client.write(head(None, "Transfer-Encoding: chunked"))
        for start in range(0, len(BODY), 100):
            piece = BODY[start : start + 100]
            client.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.write(b"0\r\n\r\n")
        assert (await client.answer()).status == 202


@pytest.mark.parametrize("kind", ["trailers", "tiny chunks", "a chunk extension"])
async def test_what_is_around_a_body_has_a_size(kind: str) -> None:
    async with running() as there:
        client = await there.client()
        client.write(head(None, "Transfer-Encoding: chunked"))
        pieces = {
            "trailers": b"1\r\n{\r\n0\r\n" + b"x: y\r\n" * 100_000,
            "tiny chunks": b"1\r\n{\r\n" * 100_000,
            "a chunk extension": b"1;" + b"x" * 500_000,
        }
        client.write(pieces[kind])
        await client.closed()
        assert there.records.asked == []
        assert sum(there.value("requests_cut_total", during=during) for during in ("frames", "malformed")) == 1


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"POST /api/v1/comparison HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_http_is_told_so_in_json(sent: bytes) -> None:
    async with running() as there:
        client = await there.client()
        client.write(sent)
        answer = await client.answer()
        assert (answer.status, list(answer.told)) == (400, ["error"])
        assert await client.closed() == b""


async def test_a_client_that_waits_to_be_told_to_go_on() -> None:
    async with running() as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        client.write(head(len(BODY), "Expect: 100-continue"))
        assert (await client.answer()).status == 100
        client.write(BODY)
        assert (await client.answer()).status == 202


async def test_two_posts_at_once_over_one_connection_are_answered_in_turn() -> None:
    async with running() as there:
        client = await there.client()
        client.write(request(BODY) + request(b"{}"))
        await happens(lambda: there.records.asked)
        there.records.kafka_is_there.set()
        assert [(await client.answer()).status, (await client.answer()).status] == [202, 400]


async def test_a_client_that_leaves_after_its_body_is_sent_all_the_same() -> None:
    async with running() as there:
        client = await there.client()
        client.write(request(BODY))
        await happens(lambda: there.records.asked)
        await client.leave()
        await happens(lambda: there.value("clients_gone_total", during="answer"))
        assert there.records.sent == []
        there.records.kafka_is_there.set()
        await happens(lambda: there.records.sent)
        assert [BODY in value for value in there.records.sent] == [True]


async def test_a_client_that_leaves_within_its_body_is_not() -> None:
    async with running() as there:
        there.records.kafka_is_there.set()
        client = await there.client()
        client.write(request(BODY)[:-5])
        await happens(lambda: there.value("held_posts"))
        await client.leave()
        await happens(lambda: there.value("clients_gone_total", during="body"))
        await happens(lambda: there.value("held_posts") == 0)
        assert there.records.asked == []


async def test_what_fails_is_told_in_json() -> None:
    async with running() as there:
        client = await there.client()
        there.records.fails_with = TooLarge("t", 900_000)
        assert (await client.post(BODY)).status == 413
        there.records.fails_with = RuntimeError("no prompt is in here")
        answer = await client.post(BODY)
        assert (answer.status, answer.told["error"]) == (500, "Internal error")


async def test_a_stop_lets_those_that_are_held_get_their_answer_and_takes_no_other() -> None:
    async with running() as there:
        idle, held, begun = [await there.client() for _ in range(3)]
        held.write(request(BODY))
        begun.write(head(len(BODY))[:20])
        await happens(lambda: there.records.asked)
        there.gateway.stop()
        assert await idle.closed() == b""
        await happens(lambda: there.gateway.door.stopping)
        begun.write(head(len(BODY))[20:] + BODY)
        answer = await begun.answer()
        assert (answer.status, answer.told["error"]) == (503, "The gateway is stopping")
        assert await begun.closed() == b""
        with pytest.raises(OSError, match="Connect call failed"):
            await there.client()
        there.records.kafka_is_there.set()
        answer = await held.answer()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        async with asyncio.timeout(LIMIT_S):
            await there.serving


async def test_a_stop_does_not_wait_for_a_kafka_that_is_away() -> None:
    async with running(shutdown_timeout_s=0.2) as there:
        held = await there.client()
        held.write(request(BODY))
        await happens(lambda: there.records.asked)
        there.gateway.stop()
        answer = await held.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        async with asyncio.timeout(LIMIT_S):
            await there.serving
