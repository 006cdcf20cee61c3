"""The topics: their names, which of them must differ, and how large the worker makes them."""

import json
import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode

from settings import variable

Names = TypeVar("Names", str, tuple[str, ...])

DAY_S = 24 * 3600.0
TABLES = ("rounds", "requests", "jobs", "outcomes", "audits")

_TOPIC = re.compile(r"[a-zA-Z0-9._-]+")
_TOPIC_LENGTH = 249 - len(".DLQ")  # Kafka allows 249 characters, and the dead letter topic adds four


class TopicSettings(BaseModel):
    """The settings of the topics, and of the consumer group whose name the changelog topics bear."""

    app_id: str = Field(
        default="roundbatch", description="The consumer group, and the beginning of the changelog topics' names."
    )
    request_topic: str = Field(
        default="huleedu.llm_provider.comparison_requested.v1", description="The topic where requests come in."
    )
    work_topic: str = Field(default="roundbatch.work", description="The worker's own topic, the one order of a partition.")
    allowed_callback_topics: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("huleedu.llm_provider.comparison_result.v1",),
        min_length=1,
        description="Topics that results may be written to: comma separated, or a JSON list.",
    )
    partitions: int = Field(
        default=8,
        ge=1,
        le=1_000,
        description="Partitions of the request topic, the work topic and the tables; they can never be changed.",
    )
    replication_factor: int = Field(
        default=1, ge=1, le=32_767, description="Replicas of the topics that the worker creates; 3 in production."
    )
    inbound_retention_s: float = Field(default=7 * DAY_S, gt=0, description="How long the request topic keeps a record.")

    @field_validator("allowed_callback_topics", mode="before")
    @classmethod
    def _comma_or_json(cls, topics: object) -> object:
        if not isinstance(topics, str):
            return topics
        if topics.lstrip().startswith("["):
            try:
                return json.loads(topics)
            except json.JSONDecodeError as error:
                raise ValueError(f"must be comma separated or a JSON list: {error}") from error
        return [name.strip() for name in topics.split(",") if name.strip()]

    @field_validator("app_id", "request_topic", "work_topic", "allowed_callback_topics")
    @classmethod
    def _kafka_name(cls, value: Names) -> Names:
        for name in (value,) if isinstance(value, str) else value:
            if not _TOPIC.fullmatch(name) or name in (".", "..") or len(name) > _TOPIC_LENGTH:
                raise ValueError(f"{name!r} must be 1 to {_TOPIC_LENGTH} of the characters a-z A-Z 0-9 . _ -")
        return value

    def topics_apart(self) -> list[str]:
        """Complaints about topics that must differ: results in a topic that the worker reads would be answered as requests."""
        own = {self.request_topic: variable("request_topic"), self.work_topic: variable("work_topic")}
        own |= {
            self.dlq_topic(self.request_topic): "the dead letter topic",
            **dict.fromkeys(self.changelog_topics, "a changelog topic"),
        }
        broken = [
            f"{variable('allowed_callback_topics')} must not hold {own[topic]} ({topic})"
            for topic in self.allowed_callback_topics
            if topic in own
        ]
        if self.request_topic == self.work_topic:
            broken.append(f"{variable('work_topic')}={self.work_topic} must differ from {variable('request_topic')}")
        return broken

    @property
    def changelog_topics(self) -> tuple[str, ...]:
        """The changelog topics of the tables, in the order of TABLES; Faust's own names."""
        return tuple(map(self.changelog_of, TABLES))

    def changelog_of(self, table: str) -> str:
        """The changelog topic of a table."""
        return f"{self.app_id}-{table}-changelog"

    def dlq_topic(self, topic: str) -> str:
        """The dead letter topic of a topic."""
        return f"{topic}.DLQ"
