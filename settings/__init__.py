"""The settings of a worker: names, defaults, limits, and where a value came from."""

#: The name of every setting's environment variable begins with this.
PREFIX = "ROUNDBATCH_"


def variable(field: str) -> str:
    """The environment variable of a top-level field."""
    return f"{PREFIX}{field.upper()}"
