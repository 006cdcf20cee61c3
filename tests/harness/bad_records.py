"""Bad request records by the hundred: bytes, JSON of any kind, and good records with parts taken out, replaced or cut."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.wire.request_events import round_event, single_event

# json.dumps writes none of these; a producer in another language may.
_RAW = {
    "@huge@": b"1e999",
    "@digits@": b"9" * 4400,
    "@surrogate@": b'"\\ud800"',
    "@nan@": b"NaN",
    "@deep@": b"[" * 300 + b"]" * 300,
}
_WORDS = ["anthropic", "LLMComparisonRequestedV1", "00000000-0000-0000-0000-000000000000", "", " ", "Essay A", *_RAW]

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(_WORDS)
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)


def bad_records(body: Callable[[], dict[str, Any]], count: int) -> list[bytes]:
    """The same records in every run, but for the ids in `body`; a few of the changed ones are requests still."""
    drawn: list[bytes] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_changed(body) | _changed(body) | st.binary(max_size=200) | _VALUES.map(_bytes))
    def draw(record: bytes) -> None:
        drawn.append(record)

    draw()
    return drawn[:count]


def _bytes(value: object) -> bytes:
    raw = json.dumps(value).encode()
    for name, instead in _RAW.items():
        raw = raw.replace(f'"{name}"'.encode(), instead)
    return raw


@st.composite
def _changed(draw: st.DrawFn, body: Callable[[], dict[str, Any]]) -> bytes:
    members = [body() for _ in range(draw(st.integers(1, 3)))]
    event: dict[str, Any] = json.loads(round_event(members) if draw(st.booleans()) else single_event(members[0]))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, event)
    raw = _bytes(event)
    match draw(st.sampled_from(["whole", "whole", "whole", "whole", "cut", "spoilt"])):
        case "cut":
            return raw[: draw(st.integers(0, len(raw) - 1))]
        case "spoilt":
            place = draw(st.integers(0, len(raw) - 1))
            return raw[:place] + draw(st.binary(min_size=1, max_size=3)) + raw[place + 1 :]
    return raw


def _change(draw: st.DrawFn, event: dict[str, Any]) -> None:
    """Walk into the event, and delete or replace what is found there."""
    node: Any = event
    while True:
        places = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        if not places:
            return
        place = draw(st.sampled_from(places))
        if not isinstance(node[place], dict | list) or not node[place] or draw(st.integers(0, 4)) == 0:
            break
        node = node[place]
    if draw(st.booleans()):
        del node[place]
    else:
        node[place] = draw(_VALUES)
