"""The consumer group of workers that have ended without a word to Kafka."""

import asyncio

from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient

from settings.kafka import KafkaSettings
from streams.kafka import security
from tests.brokers.serving import admin_client


def empty_group(bootstrap: str, group: str) -> None:
    """Take every member out of a consumer group, as if each had left it, and return once nobody is in it."""
    admin = admin_client(bootstrap)
    asyncio.run(_leave(bootstrap, group, _members(admin, group)))
    assert _members(admin, group) == [], f"somebody has joined the group {group} meanwhile: its workers are to be dead"


def _members(admin: AdminClient, group: str) -> list[str]:
    described = admin.describe_consumer_groups([group])[group].result(30)
    return [one.member_id for one in described.members]


async def _leave(bootstrap: str, group: str, members: list[str]) -> None:
    client = security.client(KafkaSettings(kafka_bootstrap_servers=bootstrap))
    try:
        await client.bootstrap()
        for member in members:
            answer = await client.send(client.get_random_node(), LeaveGroupRequest(group, member))
            assert answer.error_code == 0, f"member {member} was not taken out of the group {group}: {answer}"
    finally:
        await client.close()
