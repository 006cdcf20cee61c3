"""The environment of processes that must reach nothing but this machine."""

from collections.abc import Mapping

OURS = ("ROUNDBATCH_", "ANTHROPIC_", "OPENAI_", "GOOGLE_", "OPENROUTER_", "KAFKA_")


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without what could lead to a real provider: keys, base URLs, settings of a real worker."""
    kept = {name: value for name, value in given.items() if not name.upper().startswith(OURS)}
    # The SDKs heed a proxy, which cannot reach this machine's own ports.
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
