"""Strategies: the row of a request."""

import pytest

from domain.job import Transport
from domain.strategies import DEFAULT, STRATEGIES, choose


@pytest.mark.parametrize(
    ("configured", "mode", "name"),
    [
        ("per_round", None, "per_round"),
        ("per_request", None, "per_request"),
        ("per_round", "per_request", "per_request"),
        ("per_request", "provider_batch_api", "per_round"),
        ("per_round", "provider_batch_api", "per_round"),
        ("per_round", "unheard_of", "per_round"),
        ("per_request", ["per_round"], "per_request"),
        ("per_request", 7, "per_request"),
        ("per_request", "per_round", "per_request"),  # a word of the setting, not of the wire
    ],
)
def test_the_row_of_a_request(configured: str, mode: object, name: str) -> None:
    assert choose(configured, mode, honor_request_mode=True) is STRATEGIES[name]
    assert choose(configured, mode, honor_request_mode=False) is STRATEGIES[configured]


def test_every_row_has_its_own_name_and_a_mode_of_the_wire() -> None:
    assert DEFAULT in STRATEGIES
    for name, row in STRATEGIES.items():
        assert row.name == name
        assert row.mode in {"per_request", "serial_bundle", "batch_api"}
        assert (row.transport is Transport.BATCH) == (row.mode == "batch_api")
