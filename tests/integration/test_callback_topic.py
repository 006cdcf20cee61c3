"""The topic of somebody else that results go to: it takes less than is sent, and is deleted under the worker."""

import json
import urllib.error
import urllib.request

from tests.brokers.topics import create_topics
from tests.harness.deployment import PARTITIONS, Deployment
from tests.harness.worker import WorkerProcess
from tests.waiting import LIMIT_S

LONG = "x" * 20_000  # in the metadata, which a result repeats


def not_ready(worker: WorkerProcess) -> list[str]:
    """What /readyz misses."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.health_port}/readyz", timeout=LIMIT_S):
            return []
    except urllib.error.HTTPError as error:
        said: list[str] = json.loads(error.read())["not_ready"]
        return said


def test_results_that_are_too_large_and_a_topic_that_is_gone_for_a_while(deployed: Deployment) -> None:
    topic = deployed.result_topic
    create_topics(deployed.bootstrap, {topic: PARTITIONS}, config={"max.message.bytes": "10000"})
    worker = deployed.worker()
    (warned,) = [line for line in worker.log_path.read_text().splitlines() if "topic_takes_less" in line]
    for words in (topic, "10000", "1000000"):
        assert words in warned

    large = deployed.body("openai", batch="a")
    large["metadata"]["note"] = LONG
    deployed.send_round([large, *(deployed.body("openai", batch="a") for _ in range(3))], partition=0)
    events = deployed.wait_answered()
    told = events[large["correlation_id"]]["data"]
    assert told["error_detail"]["error_code"] == "PROCESSING_ERROR"
    assert told["request_metadata"]["essay_a_id"] == large["metadata"]["essay_a_id"]
    assert sum(1 for event in events.values() if event["data"]["winner"]) == 3
    assert deployed.dead_letters() == deployed.read(f"{deployed.work_topic}.DLQ") == []
    deployed.check_promises()

    deployed.delete_topic(topic)
    deployed.sent.clear()
    deployed.until(lambda: not_ready(worker), "the worker sees that the topic is gone")
    assert not_ready(worker) == [f"topic {topic}: it does not exist (any more)"]
    assert worker.metric("roundbatch_topic_missing", topic=topic) == 1
    assert worker.metric("roundbatch_topic_missing") == 1
    deployed.send_round([deployed.body("openai", batch="b") for _ in range(3)], partition=0)
    deployed.until(lambda: len(deployed.simulator.items()) >= 7, "the new round is asked and paid")

    create_topics(deployed.bootstrap, {topic: PARTITIONS})
    deployed.wait_answered()
    worker.wait_ready()
    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert worker.stop() == 0
