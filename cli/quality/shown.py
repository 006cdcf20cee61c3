"""Reports as JSON."""

import dataclasses
import math


def shown(told: object) -> dict[str, object]:
    """A report as JSON has it: groups of figures become objects with the names of their fields, NaN becomes null."""

    def plain(value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(one) for name, one in value._asdict().items()}
        if isinstance(value, float) and math.isnan(value):
            return None
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        return {str(name): plain(one) for name, one in value.items()} if isinstance(value, dict) else value

    made = plain(told)
    assert isinstance(made, dict)
    return made
