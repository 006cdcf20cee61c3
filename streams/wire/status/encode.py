"""The one encoder: a status as the text of /status, /jobs and `--json`."""

import json
from typing import Any


def fields(value: Any) -> dict[str, Any]:
    """The fields of one of these dataclasses by name, in their order; those within it stay as they are."""
    # Not dataclasses.asdict, which copies all that is below: the worker's event loop stands still meanwhile.
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def encode(value: Any) -> str:
    """JSON of a status, or of a dict that holds parts of one."""
    return json.dumps(value, default=fields)
