"""Which Kafka the tests use."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from tests.brokers.errors import BrokerUnavailable

# Set to the name of one way to have that one or none.
FORCE = "ROUNDBATCH_TEST_KAFKA"
GIVEN = "KAFKA_BOOTSTRAP_SERVERS"


def _jars(lasting: bool) -> AbstractContextManager[str]:
    from tests.brokers.node import LASTING, QUICK
    from tests.brokers.one_node import running

    return running(LASTING if lasting else QUICK)


def _containers(lasting: bool) -> AbstractContextManager[str]:
    from tests.brokers.containers import running

    return running()


WAYS: dict[str, Callable[[bool], AbstractContextManager[str]]] = {"jars": _jars, "containers": _containers}


@contextlib.contextmanager
def running_kafka(*, lasting: bool = False) -> Iterator[str]:
    """Bootstrap servers ("host:port") of a real Kafka for as long as the context lasts.

    Its virtual machine is one for the short work of tests, with `lasting` one whose throughput counts.

    `ROUNDBATCH_TEST_KAFKA=jars` or `=containers` takes that way and no other. Otherwise the broker named by
    `KAFKA_BOOTSTRAP_SERVERS`, which is left as it is; else one from Apache Kafka's jars; else one in a container.
    BrokerUnavailable says which ways were tried and why each failed: a missing Kafka never skips a test.
    """
    forced = os.environ.get(FORCE, "")
    if forced and forced not in WAYS:
        raise BrokerUnavailable(f"{FORCE}={forced!r} is unknown; allowed: {', '.join(WAYS)}, or unset it")
    given = os.environ.get(GIVEN, "")
    if given and not forced:
        from tests.brokers.serving import wait_until_serving

        wait_until_serving(given, timeout_s=30, check_alive=lambda: None)
        yield given
        return
    with contextlib.ExitStack() as stack:
        yield _first_that_starts(stack, [forced] if forced else list(WAYS), lasting)


def _first_that_starts(stack: contextlib.ExitStack, names: list[str], lasting: bool) -> str:
    failures: list[str] = []
    for name in names:
        try:
            return stack.enter_context(WAYS[name](lasting))
        except BrokerUnavailable as failed:
            failures.append(f"  {name}: {failed}")
    raise BrokerUnavailable(
        "the tests need a real Kafka and none could be had:\n"
        + "\n".join(failures)
        + f"\nSet {GIVEN}=host:port to use a running one, or mend one of these (docs/development-kafka.md)."
    )
