"""Whether two names are of one model: an answer may name the asked one with its date, or with its words in another order."""

import re
from functools import lru_cache

# The day of a release, and the number of a stable version: gpt-6-luna-2026-08-06, claude-haiku-5-5-20261001, …-flash-001,
# …-preview-11-2026.
_RELEASE = re.compile(r"[-@](?:20\d\d-\d\d-\d\d|20\d{6}|\d\d-20\d\d|\d\d-\d\d|\d{3})$")
_JOINT = re.compile(r"[-/_@ ]")


def model_key(name: str) -> str:
    """A name that all names of one model have in common."""
    return "-".join(_words(name))


def is_same_model(asked: str, said: str) -> bool:
    """Whether an answer that names `said` is of the model that was asked; one that names none counts as of that model.

    Of anthropic/claude-haiku-5.5 are anthropic/claude-5.5-haiku-20261001 and claude-haiku-5.5, but not claude-haiku-5.6.
    """
    return not said or said == asked or _words(asked) == _words(said)


@lru_cache(maxsize=256)
def _words(name: str) -> tuple[str, ...]:
    """The words of a name without author and release, in alphabetical order."""
    return tuple(sorted(_JOINT.split(_RELEASE.sub("", name.lower().rpartition("/")[2]))))
