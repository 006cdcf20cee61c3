"""The rights that docs/operations.md says the worker and the commands need, read from its tables."""

import re
from pathlib import Path

from settings.settings import Settings
from tests.brokers.secured import Right

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/operations.md"


def of_worker(settings: Settings) -> list[Right]:
    """A right for each resource and operation of the worker's table."""
    return [right for cells in _table("resource") for right in _rights(cells[0], cells[1], settings)]


def of_commands(settings: Settings) -> dict[str, set[Right]]:
    """The same for each command that speaks to Kafka, as the table writes it; a row may name several."""
    found: dict[str, set[Right]] = {}
    for command, resource, operations in _table("command"):
        for name in re.findall(r"`([^`]+)`", command):
            found.setdefault(name, set()).update(_rights(resource, operations, settings))
    return found


def _table(head: str) -> list[list[str]]:
    lines = DOCUMENT.read_text().partition("\n## Rights\n")[2].partition("\n## ")[0].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def _rights(resource: str, operations: str, settings: Settings) -> list[Right]:
    kind = resource.split()[0].removesuffix("s")
    values = {
        "<APP_ID>": [settings.app_id],
        "<REQUEST_TOPIC>": [settings.request_topic],
        "<WORK_TOPIC>": [settings.work_topic],
        "<ALLOWED_CALLBACK_TOPICS>": list(settings.allowed_callback_topics),
    }
    rights = []
    for written in re.findall(r"`([^`]+)`", resource):
        (setting,) = re.findall(r"<[A-Z_]+>", written)
        for value in values[setting]:
            for word in operations.split(", "):
                rights.append((kind, written.replace(setting, value), re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()))
    return rights
