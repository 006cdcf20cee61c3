"""Topics at start-up: made as they are needed, or refused with the remedy."""

from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # it does not say what it exports

from settings.settings import TABLES, Settings
from tests.brokers.topics import create_topics
from tests.harness.deployment import PARTITIONS, Deployment

WEEK_MS = 7 * 24 * 3600 * 1000
AUDITS_MS = 90 * 24 * 3600 * 1000
DEDUP_RETENTION_MS = int(Settings().dedup_retention_s * 1000)
EXIT_UNUSABLE = 78


def make(deployed: Deployment, name: str, partitions: int, **config: str) -> None:
    create_topics(deployed.bootstrap, {name: partitions}, config={key.replace("_", "."): at for key, at in config.items()})


def configs(deployed: Deployment, names: list[str]) -> dict[str, dict[str, str]]:
    """The configuration of each topic, with its number of partitions as "partitions"."""
    admin = AdminClient({"bootstrap.servers": deployed.bootstrap, "log_level": 0})
    topics = admin.list_topics(timeout=30).topics
    asked = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in names])
    found = {}
    for resource, answer in asked.items():
        values = {name: str(entry.value) for name, entry in answer.result(30).items()}
        found[resource.name] = values | {"partitions": str(len(topics[resource.name].partitions))}
    return found


def test_missing_topics_are_made_as_the_worker_needs_them(deployed: Deployment) -> None:
    # A result topic belongs to its consumer: any number of partitions will do.
    make(deployed, deployed.result_topic, 1)
    worker = deployed.worker()
    changelogs = [f"{deployed.app_id}-{table}-changelog" for table in TABLES]
    own = [deployed.request_topic, deployed.work_topic, *changelogs]
    dead = [f"{deployed.request_topic}.DLQ", f"{deployed.work_topic}.DLQ"]

    found = configs(deployed, [*own, *dead, deployed.result_topic])

    assert {found[name]["partitions"] for name in own} == {str(PARTITIONS)}
    assert found[deployed.result_topic]["partitions"] == "1"
    for name in changelogs:
        assert set(found[name]["cleanup.policy"].split(",")) == {"compact", "delete"}
        assert int(found[name]["retention.ms"]) == (AUDITS_MS if "-audits-" in name else DEDUP_RETENTION_MS)
        assert int(found[name]["delete.retention.ms"]) == WEEK_MS
    for name in (deployed.request_topic, deployed.work_topic):
        assert found[name]["message.timestamp.type"] == "LogAppendTime"
        assert found[name]["cleanup.policy"] == "delete"
    assert int(found[deployed.request_topic]["retention.ms"]) == WEEK_MS
    assert int(found[deployed.work_topic]["retention.ms"]) == DEDUP_RETENTION_MS
    for name in (deployed.work_topic, *changelogs, *dead):
        assert int(found[name]["max.message.bytes"]) == 4 * 1024 * 1024
    deployed.send_round([deployed.body() for _ in range(3)])
    deployed.wait_answered()
    deployed.check_promises()
    assert worker.stop() == 0


def test_topics_that_do_not_fit_are_refused_each_with_its_remedy(deployed: Deployment) -> None:
    four_mib = str(4 * 1024 * 1024)
    changelog = f"{deployed.app_id}-jobs-changelog"
    make(deployed, deployed.request_topic, 3, message_timestamp_type="LogAppendTime", cleanup_policy="compact")
    make(deployed, deployed.work_topic, PARTITIONS, message_timestamp_type="CreateTime", max_message_bytes="1000000")
    make(deployed, changelog, PARTITIONS, cleanup_policy="delete", max_message_bytes=four_mib)

    worker = deployed.worker(ready=False)

    assert worker.wait_exit() == EXIT_UNUSABLE
    said = worker.tail()
    assert "Traceback" not in said
    refusals = [line for line in said.splitlines() if line.startswith("topic ")]
    for topic, words in [
        (deployed.request_topic, ["has 3 partitions", f"ROUNDBATCH_PARTITIONS is {PARTITIONS}", "set it to 3"]),
        (deployed.request_topic, ["has cleanup.policy=compact", "needs delete", "kafka-configs.sh --alter"]),
        (deployed.work_topic, ["has max.message.bytes=1000000", f"needs {four_mib}", "kafka-configs.sh --alter"]),
        (deployed.work_topic, ["has message.timestamp.type=CreateTime", "needs LogAppendTime", "kafka-configs.sh --alter"]),
        (changelog, ["has cleanup.policy=delete", "needs compact,delete", "kafka-configs.sh --alter"]),
    ]:
        assert [line for line in refusals if line.startswith(f"topic {topic} ") and all(word in line for word in words)], said
    assert len(refusals) == 5
