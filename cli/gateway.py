"""`roundbatch gateway`: takes comparisons over HTTP, as CJ posts them, into the request topic."""

import os
import signal

from cli.config import EXIT_UNUSABLE, settings_or_exit
from cli.kafka import EXIT_UNAVAILABLE, no_kafka
from cli.worker import end


def gateway() -> None:
    """Take comparisons over HTTP, as CJ posts them, into the request topic, until SIGTERM.

    Exit 0 after a clean stop, 69 without Kafka, 78 when refused.
    """
    # The first process of a container ignores SIGTERM until it has a handler for it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

    from gateway.server import CannotListen, main
    from streams import logs
    from streams.kafka.rights import MissingRights
    from streams.kafka.security import KafkaRefused
    from streams.kafka.topics import UnfitTopics

    settings = settings_or_exit()
    logs.configure(settings.log_level, for_good=True)
    try:
        main(settings)
    except (CannotListen, KafkaRefused, MissingRights, UnfitTopics) as refusal:
        end(str(refusal), EXIT_UNUSABLE)
    except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError) as refusal:
        end(f"Kafka does not let the gateway do what it must: {refusal}; docs/operations.md, Rights", EXIT_UNUSABLE)
    except (KafkaError, TimeoutError) as error:
        end(no_kafka(error), EXIT_UNAVAILABLE)
