"""Topics that were deleted and made again while the tables were kept: refused with the remedy, and the remedy helps."""

from tests.brokers.topics import create_topics
from tests.harness.deployment import PARTITIONS, Deployment

# Kafka has one node here, and it stays: no leader is elected that may not know how far its log reaches.
LOOK_S = "0.1"
STAMPED = {"message.timestamp.type": "LogAppendTime"}


def refused(deployed: Deployment, state: str, topic: str, *words: str, **env: str) -> None:
    """Start a worker, which is to end because of this topic."""
    worker = deployed.worker(state, env, ready=False, ROUNDBATCH_TESTING__LOG_LOOK_S=LOOK_S)
    assert worker.wait_exit() == 78, worker.tail()
    said = [line for line in worker.log_path.read_text().splitlines() if line.startswith(f"topic {topic} is not the one")]
    assert len(said) == 1, worker.tail()
    assert all(word in said[0] for word in ("ive the worker a new ROUNDBATCH_APP_ID", *words)), said
    deployed.forget_ended()


def make_again(deployed: Deployment, topic: str) -> None:
    deployed.delete_topic(topic)
    create_topics(deployed.bootstrap, {topic: PARTITIONS}, config=STAMPED)


def test_topics_made_again_are_told_from_those_that_the_tables_know(deployed: Deployment) -> None:
    worker = deployed.worker()
    for place in range(PARTITIONS):
        for batch in ("1", "2"):
            deployed.send_round([deployed.body(batch=f"{batch}-{place}") for _ in range(3)], partition=place)
    deployed.wait_answered()

    assert worker.stop() == 0

    make_again(deployed, deployed.request_topic)
    for place in range(PARTITIONS):
        deployed.send_round([deployed.body(batch=f"new-{place}") for _ in range(3)], partition=place)
    # With its tables on disk, and with those that come from the changelogs.
    refused(deployed, "a", deployed.request_topic)
    refused(deployed, "lost", deployed.request_topic)

    # The remedy.
    anew = {"ROUNDBATCH_APP_ID": f"{deployed.app_id}-2", "ROUNDBATCH_WORK_TOPIC": f"{deployed.work_topic}-2"}
    worker = deployed.worker("anew", **anew)
    deployed.wait_answered()
    deployed.check_promises()
    assert deployed.dead_letters() == []
    assert worker.stop() == 0

    deployed.delete_topic(anew["ROUNDBATCH_WORK_TOPIC"])  # the worker makes it again
    refused(deployed, "anew", anew["ROUNDBATCH_WORK_TOPIC"], **anew)
    deployed.check_promises()


def test_a_changelog_made_again_is_told_from_the_one_that_a_state_directory_was_restored_from(deployed: Deployment) -> None:
    """Its directory knows what no other worker ever will; a restart alone is no reason for an alarm."""
    worker = deployed.worker()
    for place in range(PARTITIONS):
        deployed.send_round([deployed.body(batch=f"{place}") for _ in range(3)], partition=place)
    deployed.wait_answered()
    assert worker.stop() == 0
    worker = deployed.worker()
    deployed.send_round([deployed.body(batch="more") for _ in range(3)])
    deployed.wait_answered()
    assert worker.stop() == 0
    deployed.check_promises()

    changelog = f"{deployed.app_id}-jobs-changelog"
    deployed.delete_topic(changelog)  # the worker makes it again
    refused(deployed, "a", changelog, str(deployed.folder / "state-a"), "Put the old topic back")
