"""The settings of a run's workers and gateways: the times are short, so that what is lost is found again within seconds."""

from tests.harness.deployment import Deployment

PARTITIONS = 6
WORKERS = 4
GATEWAYS = 2
NAME = "KAFKA_GROUP_INSTANCE_ID"
NETWORKS = ("a", "b", "c")
SESSION_S = 5.0
CLOCK_SKEW_S = 3.0
MOST_JUMP_S = 2.5  # what the clocks of two machines differ by at most is CLOCK_SKEW_S

TIMES = {
    "ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": f"{SESSION_S:g}",
    # A batch is certainly absent after the sum of these four.
    "ROUNDBATCH_TESTING__START_WITHIN_S": "4",
    "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "3.9",
    "ROUNDBATCH_TESTING__CLOCK_SKEW_S": f"{CLOCK_SKEW_S:g}",
    "ROUNDBATCH_TESTING__LIST_SETTLE_S": "2",
    "ROUNDBATCH_LONGEST_WAIT_S": "240",
    "ROUNDBATCH_ESCALATE_BEFORE_S": "40",
    # A minute is between two ticks: much of what waits for one is then escalated, and some ends in TIMEOUT.
    "ROUNDBATCH_NIGHTLY_LONGEST_WAIT_S": "65",
}
PER_ROUND, NIGHTLY, BUNDLES, CALLS = "per_round", "nightly", "serial_bundle", "per_request"
# By the seed's remainder: what each provider's requests are sent by, where they do not name a mode.
STRATEGIES = (
    {"ANTHROPIC": PER_ROUND, "OPENAI": PER_ROUND, "GOOGLE": NIGHTLY, "OPENROUTER": BUNDLES},
    {"ANTHROPIC": PER_ROUND, "OPENAI": NIGHTLY, "GOOGLE": PER_ROUND, "OPENROUTER": CALLS},
    {"ANTHROPIC": NIGHTLY, "OPENAI": PER_ROUND, "GOOGLE": PER_ROUND, "OPENROUTER": BUNDLES},
)


def of_seed(seed: int) -> dict[str, str]:
    """What all workers of a run share."""
    env = {**TIMES, "ROUNDBATCH_PARTITIONS": str(PARTITIONS), "ROUNDBATCH_LOG_LEVEL": "INFO"}
    env |= {"GOOGLE_API_KEY": "key-g", "OPENROUTER_API_KEY": "key-r"}
    if seed % 2:
        env["ROUNDBATCH_AUDIT__SHARE"] = "1"  # every line of several is asked again by shadows, and half of the others
    for place, (provider, strategy) in enumerate(STRATEGIES[seed % len(STRATEGIES)].items()):
        env[f"ROUNDBATCH_{provider}__LLM_BATCHING_STRATEGY"] = strategy
        env[f"ROUNDBATCH_{provider}__CALL_TIMEOUT_S"] = "5"
        if strategy == NIGHTLY:
            env[f"ROUNDBATCH_{provider}__NIGHTLY_CRON"] = "0 * * * * *"  # each minute: six fields, the second first
        if provider != "OPENROUTER":
            env[f"ROUNDBATCH_{provider}__POLL_FIRST_S"], env[f"ROUNDBATCH_{provider}__POLL_MAX_S"] = "0.3", "1"
            env[f"ROUNDBATCH_{provider}__BATCH_BUNDLE_SIZE"] = "4" if place == seed % 2 else "1"
    return env


def named(seed: int, worker: str) -> dict[str, str]:
    """The worker's name in the group: all that last have one where the seed is even, none where it is odd."""
    return {} if seed % 2 else {NAME: worker}


def environment(made: Deployment, bootstrap: str, base_url: str) -> dict[str, str]:
    """The environment of a process behind a network."""
    return made.environment(
        KAFKA_BOOTSTRAP_SERVERS=bootstrap,
        ANTHROPIC_BASE_URL=base_url,
        OPENAI_BASE_URL=f"{base_url}/v1",
        ROUNDBATCH_GOOGLE__BASE_URL=base_url,
        ROUNDBATCH_OPENROUTER__BASE_URL=f"{base_url}/openrouter/api/v1",
    )
