"""Apache Kafka in a container that testcontainers starts."""

import contextlib
from collections.abc import Iterator

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.brokers import docker_engine
from tests.brokers.errors import BrokerUnavailable
from tests.brokers.image import JARS, kafka_image
from tests.brokers.properties import CLUSTER_ID, Ports, server_properties
from tests.brokers.serving import wait_until_serving

INSIDE = Ports(client=9092, internal=9093, controller=9094)
START_TIMEOUT_S = 240
# The port that clients reach is known, and can be advertised, only when the container runs: it waits for its script.
WAIT_FOR_SCRIPT = "while [ ! -f /tmp/go ]; do sleep 0.1; done; exec sh /tmp/start.sh"
START_SCRIPT = f"""set -e
java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '{JARS}/*' kafka.tools.StorageTool format \\
    --cluster-id {CLUSTER_ID} --config /tmp/server.properties
exec java -Xmx512m -cp '{JARS}/*' kafka.Kafka /tmp/server.properties
"""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A broker in a container on this machine's engine: gives its bootstrap servers; afterwards removes it.

    BrokerUnavailable where no engine answers, no image can be had or the node does not start.
    """
    if not docker_engine.answers():
        raise BrokerUnavailable("no Docker engine answers; `make test-containers` starts one where it can")
    # Ryuk would be one more image to pull, and it publishes its port on every address of the machine.
    testcontainers_config.ryuk_disabled = True
    # The published port is what the clients of this process reach, also where this process is in a container.
    testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    try:
        with contextlib.closing(docker.from_env()) as client:
            image = kafka_image(client)
        container = DockerContainer(image, entrypoint=["sh", "-c", WAIT_FOR_SCRIPT])
        # testcontainers' own types know a port number only; Docker's client, to which this goes, an address too.
        container.ports[f"{INSIDE.client}/tcp"] = ("127.0.0.1", None)  # type: ignore[assignment]
        with container:
            yield _start(container)
    except DockerException as failed:
        raise BrokerUnavailable(f"the Docker engine refused: {failed}") from failed


def _start(container: DockerContainer) -> str:
    port = container.get_exposed_port(INSIDE.client)
    properties = server_properties(INSIDE, log_dir="/tmp/data", bind="0.0.0.0", advertised_port=port)
    # What is waited for goes last.
    for name, text in {"server.properties": properties, "start.sh": START_SCRIPT, "go": ""}.items():
        container.copy_into_container(text.encode(), f"/tmp/{name}")
    bootstrap = f"127.0.0.1:{port}"

    def check_alive() -> None:
        container.reload()
        if container.status != "running":
            told = b"".join(container.get_logs()).decode(errors="replace")
            raise BrokerUnavailable(f"Kafka's container is {container.status}: {told[-1500:]}")

    wait_until_serving(bootstrap, timeout_s=START_TIMEOUT_S, check_alive=check_alive)
    return bootstrap
