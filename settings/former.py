"""Settings that had another name, or that no longer exist: what a start says of those that are still set.

A former name is accepted for one release after it was replaced, with a line at start. Then it is refused as any unknown name.
"""

from collections.abc import Iterator, Mapping

from settings import PREFIX

_TESTING = (
    "EMBEDDED_BROKER",
    "COMMIT_INTERVAL_S",
    "DONE_FLUSH_S",
    "START_WITHIN_S",
    "CREATE_TIMEOUT_S",
    "LIST_SETTLE_S",
    "CLOCK_SKEW_S",
    "NEAR_DEADLINE_S",
    "RETRY_BATCH_MIN",
)
_OF_A_PROVIDER = ("LIMITS_MINUTE_S", "POLL_FACTOR")

#: Former name → today's, which the former one still fills.
RENAMED = {
    **{f"{PREFIX}{name}": f"{PREFIX}TESTING__{name}" for name in _TESTING},
    **{
        f"{PREFIX}{provider}__{name}": f"{PREFIX}TESTING__{name}"
        for name in _OF_A_PROVIDER
        for provider in ("ANTHROPIC", "OPENAI")
    },
}
#: Former name → the fixed value that holds in its place; the worker starts, and says so.
FIXED = {
    f"{PREFIX}STREAM_BUFFER_MAXSIZE": "32 records are read ahead per stream",
    f"{PREFIX}RECOVERY_BUFFER_SIZE": "50 changelog records are applied at once",
    f"{PREFIX}ROCKSDB_BLOCK_CACHE_BYTES": "it is 32 MiB per table and partition",
    f"{PREFIX}ROCKSDB_WRITE_BUFFER_BYTES": "it is 8 MiB per table and partition",
    f"{PREFIX}ROCKSDB_MAX_OPEN_FILES": "it is 128 per table and partition",
    f"{PREFIX}LINGER_MS": "the producer gathers records for 5 ms",
    f"{PREFIX}BROKER_HEARTBEAT_S": (f"it is 3 s, and at most a quarter of {PREFIX}BROKER_SESSION_TIMEOUT_S"),
}
#: Former name → why there is no such setting; refused as an unknown name is.
REFUSED = {
    f"{PREFIX}OPENAI__OUTPUT_TOKENS_PER_MINUTE": (
        f"OpenAI has no limit of output tokens a minute; {PREFIX}OPENAI__INPUT_TOKENS_PER_MINUTE is its limit of tokens"
    ),
}


def lines(env: Mapping[str, str]) -> Iterator[str]:
    """A line for each former name that the environment holds and that does not stop the start."""
    given = {name for name, value in env.items() if value.strip()}
    for name, today in RENAMED.items():
        if name in given:
            does = "which is set too and wins" if today in given else "and goes by the former name in this release only"
            of_all = ", for all providers" if "__" in name else ""
            yield f"{name} is called {today} now{of_all}, {does}: rename it"
    for name, holds in FIXED.items():
        if name in given:
            yield f"{name} is no setting any more and does nothing: {holds}; unset it"


def refusal(name: str) -> str | None:
    """Why a former name is refused; None for every other name."""
    return f"{name} is no setting any more: {REFUSED[name]}" if name in REFUSED else None
