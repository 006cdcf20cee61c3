"""Requests that come again, rounds that come in parts, and members that come late: one result each, and one payment."""

import copy
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from streams.wire.request_events import round_event, single_event
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator
from tests.harness.kafka_reads import Read

QUIET_S = 0.5


@pytest.fixture(scope="module")
def worked(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("duplicates")
    with (
        forked_simulator(batch_duration_s=0.1, ledger=folder / "ledger.sqlite") as simulator,
        deployment(kafka, f"t-{uuid.uuid4().hex[:8]}", folder, simulator) as made,
    ):
        made.worker()
        yield made
        assert made.workers[0].stop() == 0


@pytest.fixture
def deployed(worked: Deployment) -> Iterator[Deployment]:
    """The shared worker; after each case the promises hold, and nothing at all was paid again."""
    yield worked
    worked.check_promises()
    assert set(worked.events_per_id().values()) == {1}
    ledger = worked.simulator.ledger()
    assert ledger["items_paid"] == len(worked.sent)
    assert worked.workers[0].process.poll() is None


def bodies_of(deployed: Deployment, count: int, *, provider: str = "openai", **more: Any) -> list[dict[str, Any]]:
    batch = more.pop("batch", uuid.uuid4().hex[:8])
    return [deployed.body(provider, batch=batch, **more) for _ in range(count)]


def key_of(body: dict[str, Any]) -> bytes:
    return str(body["metadata"]["cj_batch_id"]).encode()


def again(deployed: Deployment, bodies: list[dict[str, Any]]) -> None:
    """Send the record of a round once more; its members are answered already, or will be, once."""
    deployed.send_raw(round_event(bodies), key=key_of(bodies[0]))


def changed(body: dict[str, Any]) -> dict[str, Any]:
    """The same correlation id with another prompt."""
    other = copy.deepcopy(body)
    other["user_prompt"] += " Think again."
    other["prompt_blocks"] = None
    return other


def settled(deployed: Deployment, key: bytes) -> None:
    """Return when everything sent before with this key has been read: a marker request behind it is answered."""
    marker = deployed.body("openai", batch=key.decode(), iteration=99, mode="per_request")
    deployed.send_single(marker)
    deployed.wait_answered()


def sizes(deployed: Deployment, since: int) -> list[int]:
    return [batch["items"] for batch in deployed.simulator.batches()[since:]]


def letters(deployed: Deployment, body: dict[str, Any]) -> list[Read]:
    return [one for one in deployed.dead_letters() if body["correlation_id"].encode() in one.value]


def test_a_round_record_that_comes_again_at_any_time_is_one_round(deployed: Deployment) -> None:
    worker, since = deployed.workers[0], len(deployed.simulator.batches())
    before = worker.metric("roundbatch_duplicates_total")
    bodies = bodies_of(deployed, 6)
    deployed.send_round(bodies)
    again(deployed, bodies)  # while the first one is under way
    deployed.wait_answered()
    again(deployed, bodies)  # when all are answered

    settled(deployed, key_of(bodies[0]))

    assert sizes(deployed, since) == [6]
    assert worker.metric("roundbatch_duplicates_total") - before == 12
    assert not any(letters(deployed, body) for body in bodies)


def test_a_request_that_is_repeated_alone_or_inside_a_record_is_one_request(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    bodies = bodies_of(deployed, 3)
    deployed.sent += [body["correlation_id"] for body in bodies]
    deployed.send_raw(round_event([*bodies, bodies[0], bodies[1]]), key=key_of(bodies[0]))
    deployed.send_raw(single_event(bodies[2]), key=key_of(bodies[0]))
    deployed.wait_answered()
    deployed.send_raw(single_event(bodies[0]), key=key_of(bodies[0]))

    settled(deployed, key_of(bodies[0]))

    assert sizes(deployed, since) == [3]


@pytest.mark.parametrize("when", ["in the same record", "before the answer", "after the answer"])
def test_a_known_id_with_other_content_is_a_dead_letter_and_the_first_result_stands(deployed: Deployment, when: str) -> None:
    bodies = bodies_of(deployed, 4)
    other = changed(bodies[1])
    if when == "in the same record":
        deployed.sent += [body["correlation_id"] for body in bodies]
        deployed.send_raw(round_event([*bodies, other]), key=key_of(bodies[0]))
    else:
        deployed.send_round(bodies)
        if when == "after the answer":
            deployed.wait_answered()
        deployed.send_raw(single_event(other), key=key_of(other))
    settled(deployed, key_of(bodies[0]))

    (letter,) = letters(deployed, bodies[1])

    assert letter.headers["answered"] == "false"
    assert letter.headers["source_topic"] == deployed.request_topic
    assert letter.headers["position"] == ("4" if when == "in the same record" else "0")
    assert bodies[1]["correlation_id"] in letter.headers["error"]
    assert letter.json["comparison"]["user_prompt"] == other["user_prompt"]
    paid = {item["prompt_sha256"] for item in deployed.simulator.items()}
    assert len(paid) == len(deployed.sent)


def test_a_round_in_parts_closes_with_its_last_part_whatever_the_order(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    bodies = bodies_of(deployed, 9)
    deployed.send_round(bodies[6:], part=3, parts=3)
    deployed.send_round(bodies[:3], part=1, parts=3)
    deployed.send_raw(round_event(bodies[:3], 1, 3), key=key_of(bodies[0]))  # a part repeated is no third part
    deployed.send_round(bodies[3:6], part=2, parts=3)

    deployed.wait_answered()

    assert sizes(deployed, since) == [9]
    assert closings(deployed, bodies[0]) == ["complete"]


def test_single_requests_of_an_announced_round_close_with_the_last_one(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    bodies = bodies_of(deployed, 6, size=6)
    for body in bodies:
        deployed.send_single(body)

    deployed.wait_answered()

    assert sizes(deployed, since) == [6]
    assert closings(deployed, bodies[0]) == ["complete"]


def test_single_requests_of_an_unknown_round_close_when_it_is_quiet(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    bodies = bodies_of(deployed, 5, size=64)  # the cap: the round's size is not known
    for body in bodies:
        deployed.send_single(body)

    deployed.wait_answered()

    assert sizes(deployed, since) == [5]
    assert closings(deployed, bodies[0]) == ["quiet"]


@pytest.mark.parametrize("kind", ["round record", "announced singles"])
def test_late_members_of_a_finished_round_open_a_window_again(deployed: Deployment, kind: str) -> None:
    bodies = bodies_of(deployed, 4, size=4)
    if kind == "round record":
        deployed.send_round(bodies)
    else:
        for body in bodies:
            deployed.send_single(body)
    deployed.wait_answered()
    since = len(deployed.simulator.batches())
    late = bodies_of(deployed, 3, batch=bodies[0]["metadata"]["cj_batch_id"], size=4, cj_request_type="cj_retry")
    for body in late:
        deployed.send_single(body)

    deployed.wait_answered()

    assert sizes(deployed, since) == [3]  # gathered until it was quiet, not one by one
    assert closings(deployed, bodies[0]) == ["complete", "quiet"]


def closings(deployed: Deployment, body: dict[str, Any]) -> list[str]:
    """How the windows of this body's round closed, as the worker logged it."""
    round_key = f"cj:{body['metadata']['cj_batch_id']}:0"
    log = deployed.workers[0].log_path.read_text().splitlines()
    found = [json.loads(line) for line in log if '"window_closed"' in line and round_key in line]
    return [line["closed_by"] for line in found]
