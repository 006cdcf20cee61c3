"""Bad input on both topics: an error event where one is possible, a dead letter always, and the worker goes on.

One worker for all cases; it has a key for Anthropic only.
"""

import copy
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from streams.failstop import EXIT_CODE
from streams.wire.request_events import round_event, single_event
from streams.wire.work import VERSION
from tests.harness.bad_records import bad_records
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator
from tests.harness.kafka_reads import Read

HEADERS = {"source_topic", "source_partition", "source_offset", "reason", "error", "time_ms", "answered"}
MAX_PROMPT_BYTES = 20_000


@pytest.fixture(scope="module")
def worked(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("bad")
    with (
        forked_simulator(batch_duration_s=0.1, ledger=folder / "ledger.sqlite") as simulator,
        deployment(
            kafka,
            f"t-{uuid.uuid4().hex[:8]}",
            folder,
            simulator,
            OPENAI_API_KEY="",
            ROUNDBATCH_MAX_PROMPT_BYTES=str(MAX_PROMPT_BYTES),
        ) as made,
    ):
        made.worker()
        yield made
        assert made.workers[0].stop() == 0


@pytest.fixture
def deployed(worked: Deployment) -> Iterator[Deployment]:
    """The shared worker; after each case the promises hold, and it is the same process."""
    yield worked
    worked.check_promises()
    assert set(worked.events_per_id().values()) == {1}
    assert worked.workers[0].process.poll() is None, worked.logs()


def settled(deployed: Deployment) -> None:
    """Return when all that was sent before is read: good requests behind it, in each partition, are answered."""
    for partition in (0, 1):
        deployed.send_single(deployed.body(batch="marker", iteration=partition, mode="per_request"), partition=partition)
    deployed.wait_answered()


def letters_since(deployed: Deployment, seen: int) -> list[Read]:
    """The dead letters after the first `seen`, in the order of what they are about; each case sends to one partition."""
    found = sorted(deployed.dead_letters(), key=lambda letter: int(letter.headers["time_ms"]))[seen:]
    return sorted(found, key=lambda letter: (int(letter.headers["source_offset"]), int(letter.headers.get("position", -1))))


def check_headers(deployed: Deployment, letter: Read) -> None:
    assert set(letter.headers) - {"position"} == HEADERS
    assert letter.headers["source_topic"] == deployed.request_topic
    assert letter.headers["source_partition"] in {"0", "1"}
    assert letter.headers["answered"] in {"true", "false"}
    assert int(letter.headers["source_offset"]) >= 0
    assert letter.headers["reason"]
    assert letter.headers["error"]


def test_what_no_event_can_answer_is_a_dead_letter_unanswered(deployed: Deployment) -> None:
    body = deployed.body()
    elsewhere = {**body, "callback_topic": "somewhere.else"}
    nameless = {key: value for key, value in body.items() if key != "correlation_id"}
    without_topic = {key: value for key, value in body.items() if key != "callback_topic"}
    no_id = json.loads(single_event(nameless))
    no_id["correlation_id"] = None
    records: list[bytes | None] = [
        None,
        b"",
        b"\xff\xfe not utf-8",
        b"{",
        b"[]",
        b"null",
        b'{"event_type": "LLMComparisonRequestedV1", "data": {}}',
        b'{"event_type": "LLMComparisonRoundRequestedV1", "data": {"comparisons": []}}',
        json.dumps(no_id).encode(),
        single_event(elsewhere),
        single_event(without_topic),
        round_event([elsewhere, nameless]),
    ]
    before = len(deployed.dead_letters())
    for record in records:
        deployed.send_raw(record, key=b"bad", partition=0)
    settled(deployed)

    found = letters_since(deployed, before)

    assert len(found) == len(records) + 1  # the last one holds two
    for letter in found:
        check_headers(deployed, letter)
        assert letter.headers["answered"] == "false"
        assert letter.key == b"bad"
    whole = [letter.value for letter in found if "position" not in letter.headers]
    assert whole == [record or b"" for record in records[:9]]
    assert [letter.headers["position"] for letter in found[9:]] == ["0", "0", "0", "1"]
    assert [letter.json["comparison"] for letter in found[9:]] == [elsewhere, without_topic, elsewhere, nameless]


def bad_bodies(deployed: Deployment) -> dict[str, tuple[dict[str, Any], str]]:
    """By name: a body that can be answered, and the error that it must be answered with."""

    def make(**changes: Any) -> dict[str, Any]:
        return {**deployed.body(batch="bad-members"), **changes}

    def overrides(**changes: Any) -> dict[str, Any]:
        body = deployed.body(batch="bad-members")
        body["llm_config_overrides"] |= changes
        return body

    return {
        "empty prompt": (make(user_prompt=""), "VALIDATION_ERROR"),
        "blank prompt": (make(user_prompt=" \n\t"), "VALIDATION_ERROR"),
        "no prompt": (make(user_prompt=None), "VALIDATION_ERROR"),
        "oversize prompt": (make(user_prompt="é" * MAX_PROMPT_BYTES, prompt_blocks=None), "VALIDATION_ERROR"),
        "blocks of another kind": (make(prompt_blocks="none"), "VALIDATION_ERROR"),
        "a block without content": (make(prompt_blocks=[{"target": "user_content"}]), "VALIDATION_ERROR"),
        "metadata of another kind": (make(metadata=[]), "VALIDATION_ERROR"),
        "temperature": (overrides(temperature_override=3), "VALIDATION_ERROR"),
        "reasoning effort": (overrides(reasoning_effort="utmost"), "VALIDATION_ERROR"),
        "unknown provider": (overrides(provider_override="hal"), "CONFIGURATION_ERROR"),
        "a provider of the contract that is not ours": (overrides(provider_override="google"), "CONFIGURATION_ERROR"),
        "provider without a key": (overrides(provider_override="openai"), "CONFIGURATION_ERROR"),
    }


@pytest.mark.parametrize("way", ["alone", "in a round"])
def test_what_can_be_answered_ends_in_an_error_event_and_a_dead_letter(deployed: Deployment, way: str) -> None:
    before = len(deployed.dead_letters())
    cases = bad_bodies(deployed)
    bad = [body for body, _ in cases.values()]
    good = [deployed.body(batch="bad-members") for _ in range(4)]
    mixed = [*good[:2], *bad, *good[2:]]
    deployed.sent += [body["correlation_id"] for body in mixed]
    for record in [single_event(body) for body in mixed] if way == "alone" else [round_event(mixed)]:
        deployed.send_raw(record, key=b"bad-members", partition=1)

    events = deployed.wait_answered()

    codes = {
        name: (events[body["correlation_id"]]["data"]["error_detail"] or {}).get("error_code")
        for name, (body, _) in cases.items()
    }
    assert codes == {name: code for name, (_, code) in cases.items()}
    assert all(events[body["correlation_id"]]["data"]["winner"] for body in good)
    for name, (body, _) in cases.items():
        data = events[body["correlation_id"]]["data"]
        assert (data["winner"], data["justification"], data["confidence"]) == (None, None, None)
        if name != "metadata of another kind":
            assert data["request_metadata"]["essay_b_id"] == body["metadata"]["essay_b_id"]
        assert len(data["request_metadata"]["prompt_sha256"]) == 64
    assert events[cases["provider without a key"][0]["correlation_id"]]["data"]["provider"] == "openai"
    assert events[cases["a provider of the contract that is not ours"][0]["correlation_id"]]["data"]["provider"] == "google"

    found = letters_since(deployed, before)
    assert len(found) == len(bad)
    for letter in found:
        check_headers(deployed, letter)
        assert letter.headers["answered"] == "true"
        assert letter.json["comparison"] in bad
        assert letter.json["position"] == int(letter.headers["position"])
    places = [0] * len(bad) if way == "alone" else list(range(2, 2 + len(bad)))
    assert sorted(int(letter.headers["position"]) for letter in found) == places


def test_an_envelope_of_an_unknown_kind_or_version_is_answered_member_by_member(deployed: Deployment) -> None:
    before = len(deployed.dead_letters())
    bodies = [deployed.body(batch="kinds") for _ in range(8)]
    records = [
        json.loads(event)
        for event in (single_event(bodies[0]), single_event(bodies[1]), round_event(bodies[2:5]), round_event(bodies[5:]))
    ]
    records[0]["event_type"] = "LLMComparisonRequestedV9"
    records[1]["schema_version"] = 2
    records[2]["event_type"] = None
    records[3]["data"]["parts"] = -1
    deployed.sent += [body["correlation_id"] for body in bodies]
    for record in records:
        deployed.send_raw(json.dumps(record).encode(), partition=0)

    events = deployed.wait_answered()

    codes = [events[body["correlation_id"]]["data"]["error_detail"]["error_code"] for body in bodies]
    assert codes == ["VALIDATION_ERROR"] * 8
    assert len(letters_since(deployed, before)) == 8


def test_an_id_that_was_refused_stays_refused(deployed: Deployment) -> None:
    """The same bad request again is a duplicate; a corrected one under the same id comes too late."""
    body = deployed.body(batch="refused")
    bad = {**copy.deepcopy(body), "user_prompt": ""}
    before = len(deployed.dead_letters())
    deployed.send_single(bad, partition=0)
    deployed.send_raw(single_event(bad), partition=0)
    deployed.send_raw(single_event(body), partition=0)
    settled(deployed)

    found = letters_since(deployed, before)

    assert [letter.headers["answered"] for letter in found] == ["true", "false"]


def test_garbage_in_the_work_topic_is_a_dead_letter_of_its_own_topic(deployed: Deployment) -> None:
    records = [
        b"\x00\xff",
        b"",
        b"{}",
        b'{"kind": "something_new", "v": 1}',
        b'{"kind": "submitted", "v": 1, "job_id": "x", "provider_job_id": "y", "more": 1}',
    ]
    for place, record in enumerate(records):
        deployed.send_work(record, place % 2)
    # Of a kind that is known, about a job that is not: ignored, and no dead letter.
    deployed.send_work(b'{"kind": "submitted", "v": 1, "job_id": "x", "provider_job_id": "y"}', 0)
    settled(deployed)

    found = deployed.read(f"{deployed.work_topic}.DLQ")

    assert sorted(letter.value for letter in found) == sorted(records)
    assert {letter.headers["source_topic"] for letter in found} == {deployed.work_topic}
    assert {letter.headers["answered"] for letter in found} == {"false"}


def test_500_bad_records_among_60_good_ones(deployed: Deployment) -> None:
    """Each record's every member has an event or a dead letter, or the record itself is one."""
    worker, pid = deployed.workers[0], deployed.workers[0].process.pid
    good = [[deployed.body(batch=f"good-{number}") for _ in range(2)] for number in range(60)]
    bad = bad_records(lambda: deployed.body(batch="generated"), 500)
    records = [(str(number % 7).encode(), record) for number, record in enumerate(bad)]
    for number, bodies in enumerate(good):
        deployed.sent += [body["correlation_id"] for body in bodies]
        records.insert(9 * number, (str(number % 7).encode(), round_event(bodies)))
    deployed.send_all(records)
    settled(deployed)
    wanted, undecodable = events_wanted(deployed)
    assert 100 < undecodable < 500  # what was generated reaches further than the JSON reader

    def answered() -> bool:
        events = deployed.events_per_id().keys()
        return all(ids & events for ids in wanted)

    deployed.until(answered, "each member has an event or a dead letter")

    events = {record.json["correlation_id"]: record.json["data"] for record in deployed.results()}
    assert all(events[body["correlation_id"]]["winner"] for bodies in good for body in bodies)
    assert (worker.process.pid, worker.process.poll()) == (pid, None)
    assert worker.metric("roundbatch_failstops_total") == 0
    # What was changed and can be answered still was asked for.
    deployed.sent += sorted(set().union(*wanted) & events.keys() - set(deployed.sent))


def test_a_record_of_a_newer_worker_stops_this_one_each_time_and_is_named(worked: Deployment) -> None:
    """The last test, for no worker gets past that record. Where it stands is in the state directory, for the alert."""
    assert worked.workers[0].stop() == 0
    worked.send_work(json.dumps({"kind": "job_planned", "v": VERSION + 1}).encode(), 1)
    offset = max(record.offset for record in worked.read(worked.work_topic) if record.partition == 1)
    for times in (1, 2):
        assert worked.worker(ready=False).wait_exit() == EXIT_CODE
        worked.forget_ended()
        told = json.loads((worked.folder / "state-a" / "failstop.json").read_text())
        assert (told["count"], told["in_a_row"]) == (times, times)
        assert told["place"] == {"topic": worked.work_topic, "partition": 1, "offset": offset}


def events_wanted(deployed: Deployment) -> tuple[list[set[str]], int]:
    """The ids of each member that an event must answer, and how many records are dead letters as a whole."""
    letters = {
        (int(one.headers["source_partition"]), int(one.headers["source_offset"]), one.headers.get("position")): one
        for one in deployed.dead_letters()
    }
    wanted, undecodable = [], 0
    for record in deployed.read(deployed.request_topic):
        if (record.partition, record.offset, None) in letters:
            undecodable += 1
            continue
        for position, ids in enumerate(ids_of(record.value)):
            letter = letters.get((record.partition, record.offset, str(position)))
            if letter is None or letter.headers["answered"] == "true":
                wanted.append(ids)
    return wanted, undecodable


def ids_of(value: bytes) -> list[set[str]]:
    """The correlation ids that may be read for each member of a record; one empty set where no member can be found."""
    try:
        record = json.loads(value)
    except ValueError:
        return [set()]
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(data, dict):
        return [set()]
    if isinstance(data.get("comparisons"), list) and data["comparisons"]:
        return [{_id(member)} for member in data["comparisons"]]
    return [{_id(data), _id(record)}]


def _id(fields: object) -> str:
    found = fields.get("correlation_id") if isinstance(fields, dict) else None
    try:
        return str(uuid.UUID(found)) if isinstance(found, str) else "none"
    except ValueError:
        return "none"
