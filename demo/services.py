"""What the demo starts: the simulator, a worker, the gateway if CJ posts, and the broker in memory unless a Kafka is named."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import broker
from demo.environment import clean_environment
from demo.processes import Processes
from demo.sending import Sending
from domain.providers import PROVIDERS
from settings.settings import Settings, load_settings
from streams.kafka import security

# A start takes 3 s, on a machine that is many times slower too long for less than these.
READY_S = 180.0
LISTENING_S = 60.0

#: Long enough for the live view to show a batch on its way, short enough for ten rounds in half a minute.
BATCH_DURATION_S = 1.0
LATENCY_S = 0.2
POLL_FIRST_S = 0.3
POLL_MAX_S = 1.0
JUDGE_ERROR_RATE = 0.05
#: Where the simulator has each provider's API, as a base URL's path.
PATHS = {"anthropic": "", "openai": "/v1", "google": "", "openrouter": "/openrouter/api/v1"}


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics' names. On a Kafka of the user's own they differ from those of real work: otherwise a worker there would
    answer the demo with real money, and the demo's worker would answer real requests with simulated judgements.
    """

    request: str
    result: str
    settings: Mapping[str, str]


EMBEDDED = Topics(
    "huleedu.llm_provider.comparison_requested.v1",
    "huleedu.llm_provider.comparison_result.v1",
    {"ROUNDBATCH_TESTING__EMBEDDED_BROKER": "true", "ROUNDBATCH_PARTITIONS": str(broker.PARTITIONS)},
)
OWN_KAFKA = Topics(
    "roundbatch-demo.comparison_requested.v1",
    "roundbatch-demo.comparison_result.v1",
    {"ROUNDBATCH_APP_ID": "roundbatch-demo", "ROUNDBATCH_WORK_TOPIC": "roundbatch-demo.work", "ROUNDBATCH_PARTITIONS": "4"},
)


@dataclass(frozen=True, slots=True)
class Services:
    """Where the started services are; kafka also has the topics. gateway_url: None where CJ writes into the topic itself."""

    kafka: Settings
    simulator_url: str
    worker_url: str
    topics: Topics
    gateway_url: str | None = None


def start(
    processes: Processes, out: Path, seed: int, sending: Sending, environment: Mapping[str, str] | None = None
) -> Services:
    """Start all and return once the worker is ready. State, ledger and logs are in `out`, anew for each demo.

    Errors: ProcessFailed; for a Kafka of the user's own UnusableSettings, and what `kafka_security.check` raises.
    """
    given = os.environ if environment is None else environment
    clean = clean_environment(given)
    command = str(Path(sys.executable).with_name("roundbatch"))
    own = broker.of_environment(given)
    if own:
        asyncio.run(security.check(load_settings(own)))
    embedded = None if own else processes.start("broker", [sys.executable, "-m", "demo.broker"], clean)
    ledger = out / "demo-ledger.sqlite"
    for stale in out.glob(f"{ledger.name}*"):
        stale.unlink()
    simulator = processes.start("simulator", [command, "simulator", *_simulator_options(ledger, seed, sending.judging)], clean)
    if embedded is None:
        kafka = own
    else:
        servers = processes.wait_event(embedded, broker.EVENT, LISTENING_S)["bootstrap_servers"]
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": str(servers)}
    port = int(processes.wait_event(simulator, "simulator_listening", LISTENING_S)["port"])
    url = f"http://127.0.0.1:{port}"
    topics = OWN_KAFKA if own else EMBEDDED
    state = out / "demo-state"
    shutil.rmtree(state, ignore_errors=True)
    worker = processes.start("worker", [command, "worker"], clean | worker_settings(kafka, url, topics, state, sending))
    health = int(processes.wait_event(worker, "health_listening", READY_S)["port"])
    processes.wait_ready(worker, f"http://127.0.0.1:{health}/readyz", READY_S)
    gateway = _gateway(processes, [command, "gateway"], clean | gateway_settings(kafka, topics)) if sending.http else None
    return Services(load_settings(gateway_settings(kafka, topics)), url, f"http://127.0.0.1:{health}", topics, gateway)


def _gateway(processes: Processes, command: list[str], environment: Mapping[str, str]) -> str:
    gateway = processes.start("gateway", command, environment)
    port = int(processes.wait_event(gateway, "gateway_started", READY_S)["port"])
    processes.wait_ready(gateway, f"http://127.0.0.1:{port}/readyz", READY_S)
    return f"http://127.0.0.1:{port}"


def gateway_settings(kafka: Mapping[str, str], topics: Topics) -> dict[str, str]:
    """The gateway's environment: Kafka and the topics as the worker has them, and no key."""
    return {
        **kafka,
        "ROUNDBATCH_GATEWAY__PORT": "0",
        "ROUNDBATCH_REQUEST_TOPIC": topics.request,
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": topics.result,
        **topics.settings,
    }


def worker_settings(
    kafka: Mapping[str, str], simulator_url: str, topics: Topics, state: Path, sending: Sending
) -> dict[str, str]:
    """The worker's environment: the simulator in the place of all providers, and polls as quick as the batches there."""
    accounts: dict[str, str] = {}
    for judge in sending.judges:
        block = f"ROUNDBATCH_{judge.provider.upper()}"
        accounts |= {f"{block}__POLL_FIRST_S": str(POLL_FIRST_S), f"{block}__POLL_MAX_S": str(POLL_MAX_S)}
        if PROVIDERS[judge.provider].needs_key:
            accounts |= {f"{block}__API_KEY": "simulated-key", f"{block}__BASE_URL": simulator_url + PATHS[judge.provider]}
    return {
        **kafka,
        "ROUNDBATCH_STATE_DIR": str(state),
        "ROUNDBATCH_HEALTH_PORT": "0",
        "ROUNDBATCH_REQUEST_TOPIC": topics.request,
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": topics.result,
        **topics.settings,
        **accounts,
        **sending.settings,
    }


def _simulator_options(ledger: Path, seed: int, judging: Sequence[str]) -> list[str]:
    return [
        *("--host", "127.0.0.1", "--port", "0"),
        *("--ledger", str(ledger), "--seed", str(seed)),
        *("--latency-s", str(LATENCY_S), "--batch-duration-s", str(BATCH_DURATION_S)),
        *("--judge-error-rate", str(JUDGE_ERROR_RATE)),
        *(option for trait in judging for option in ("--judge", trait)),
    ]
