"""What a provider says when it refuses a batch."""

from typing import Any

#: A fault of the simulator: the create is refused, and the refusal names a row. Only such a one speaks of the batch's content.
NAMES_A_LINE: dict[str, Any] = {
    "fault": "status",
    "status": 400,
    "message": "requests.1.params, or line 2 of the file, is not valid",
    "endpoint": "batches.create",
}
