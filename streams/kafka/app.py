"""The Faust app of a worker: its topics, its tables' class, and those of Faust's defaults that must be changed."""

from collections.abc import Callable, Collection, Iterable

import faust
from faust.tables import TableManager
from faust.types import TP, TopicT, TransportT
from mode.types import ServiceT

from settings.settings import Settings
from streams.kafka import security
from streams.kafka.consumer import OrderedTransport
from streams.kafka.outbox import MAX_RECORD_BYTES
from streams.kafka.static_member import StaticMember

_READ_AHEAD = 32  # records per stream


class PromptTables(TableManager):
    """Faust's tables without the second that it sleeps at each start, before it subscribes to any topic.

    Tables that an agent declares while it starts would come too late without it. Ours are all declared before the app is
    started, and Faust subscribes when its agents have started and the tables are registered, however long that takes.
    """

    async def on_start(self) -> None:
        """Faust's own, but for the sleep."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class RoundbatchApp(faust.App):
    """A Faust app whose consumer commits what we acknowledge."""

    # Told of each assignment before anything is restored: its partitions, the member's id (empty: not known), the generation.
    on_assigned: Callable[[Collection[TP], str, int], None] | None = None
    static_member: StaticMember | None = None  # where the worker has a name in the group

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        """Faust's own without its monitor, which counts each record by topic, stream and task.

        Nobody reads these counts but Faust's look for streams that stand still (PromptThread.verify_event_path).
        """
        services: Iterable[ServiceT] = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return services

    def _new_transport(self) -> TransportT:
        return OrderedTransport(self.conf.broker_consumer, self)


def make_app(settings: Settings) -> RoundbatchApp:
    """Make the app. Topics exist already (streams.kafka.topics); nothing is declared, no web server is started."""
    name = settings.kafka_group_instance_id
    app = RoundbatchApp(
        settings.app_id,
        broker_credentials=security.faust_credentials(settings),
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap_servers.split(",")],
        store="rocksdb://",
        TableManager=PromptTables,
        datadir=str(settings.state_dir / "faust"),
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        recovery_consistency_check=False,  # agents.partitions.same_log compares more, and its error says what to do
        table_standby_replicas=settings.standby_replicas,
        stream_buffer_maxsize=_READ_AHEAD,
        stream_wait_empty=True,  # with False, a SIGTERM in the middle of a record committed it half done
        broker_commit_interval=settings.testing.commit_interval_s,
        broker_session_timeout=settings.broker_session_timeout_s,
        broker_heartbeat_interval=settings.broker_heartbeat_s,
        consumer_group_instance_id=name,
        consumer_auto_offset_reset="earliest",
        # How long until a topic that was deleted and made again is assigned again, and so noticed (aiokafka's default: 5 min).
        consumer_metadata_max_age_ms=30_000,
        producer_acks=-1,
        producer_max_request_size=MAX_RECORD_BYTES,
        worker_redirect_stdouts=False,
    )
    app.static_member = None if name is None else StaticMember(settings, name)
    return app


def raw_topic(app: RoundbatchApp, name: str) -> TopicT:
    """A topic whose records we decode ourselves: Faust acks a record that it cannot decode, which is then lost."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True)
