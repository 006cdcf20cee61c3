"""One Kafka node as a child process, from Kafka's jars."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.child import end_with_parent
from tests.brokers.errors import BrokerUnavailable
from tests.brokers.ports import free_ports
from tests.brokers.properties import CLUSTER_ID, Member, Ports, server_properties
from tests.brokers.serving import wait_until_serving

START_TIMEOUT_S = 240
# Half of a start's CPU time, and of the first minutes', is the second compiler's, whose code pays off later.
QUICK = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# For a broker whose throughput counts.
LASTING = ("-Xmx512m",)
STOP_TIMEOUT_S = 240


class PortTaken(BrokerUnavailable):
    """The node could not bind one of its ports."""


class Node:
    """A node that can be started, ended in three ways, and started again on the same ports and data."""

    def __init__(
        self, java: Sequence[str], folder: Path, *, ports: Ports | None = None, options: Sequence[str] = QUICK
    ) -> None:
        """`java` runs a class of Kafka's (tests/brokers/jars.py makes it); `options` are the virtual machine's."""
        self.ports = ports or Ports(*free_ports(3))
        self.bootstrap = f"127.0.0.1:{self.ports.client}"
        self._java = list(java)
        self._options = options
        self._folder = folder
        self._config = folder / "server.properties"
        self._output = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def format(self, member: Member | None = None) -> None:
        """Write its configuration, and its identity into its empty log directory, without which it refuses to start."""
        self._config.write_text(server_properties(self.ports, log_dir=str(self._folder / "data"), member=member))
        done = subprocess.run(
            [
                *self._java,
                *QUICK,
                "kafka.tools.StorageTool",
                *("format", "--cluster-id", CLUSTER_ID, "--config", self._config),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise BrokerUnavailable(f"Kafka's StorageTool ended with {done.returncode}: {(done.stdout + done.stderr)[-800:]}")

    def start(self) -> None:
        """Start the process, without a wait."""
        with open(self._output, "ab") as log:
            self._process = subprocess.Popen(
                [*end_with_parent("KILL"), *self._java, *self._options, "kafka.Kafka", str(self._config)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests: they end the broker when they are done with it.
                start_new_session=True,
            )

    def wait_serving(self) -> None:
        """Return once it serves clients. Raises BrokerUnavailable, its kind PortTaken included."""
        wait_until_serving(self.bootstrap, timeout_s=START_TIMEOUT_S, check_alive=self.check_alive)

    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def check_alive(self) -> None:
        """Raise BrokerUnavailable, or its kind PortTaken, where the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            told = self._output.read_text(errors="replace")
            kind = PortTaken if "Address already in use" in told else BrokerUnavailable
            raise kind(f"Kafka ended with exit code {self._process.returncode} while starting: {told[-1500:]}")

    def kill(self) -> None:
        """SIGKILL; nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=STOP_TIMEOUT_S)

    def stop(self) -> None:
        """SIGTERM, and wait: it hands its partitions over first."""
        self._signal(signal.SIGTERM)
        if self._process is not None:
            self._process.wait(timeout=STOP_TIMEOUT_S)

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
