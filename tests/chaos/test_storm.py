"""Rounds of both providers by both strategies, while two workers are killed in turn at random moments."""

import random
import sys
import time
from collections import Counter

import pytest

from tests.chaos.checks import SIZE, Bodies, a_round, batches, duplicates, endings, wait_requests_deleted
from tests.chaos.test_two_workers import LONG_SESSION
from tests.harness.deployment import Deployment

SEED = 20261124
WAYS = [(provider, mode) for provider in ("anthropic", "openai") for mode in ("provider_batch_api", "per_request")]


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.long)])
def test_two_workers_killed_in_turn(deployed: Deployment, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.env |= LONG_SESSION
    chance = random.Random(SEED)
    began = time.monotonic()
    workers = [deployed.worker("0-first", ready=False), deployed.worker("1-first", ready=False)]
    for one in workers:
        one.wait_ready()
    rounds: list[tuple[str, Bodies]] = []
    wiped = set(chance.sample(range(kills), kills // 2))  # the kills with which a state directory is lost
    for kill in range(kills):
        for provider, mode in WAYS:
            bodies = a_round(deployed, provider, f"{provider}-{mode}-{kill}", mode=mode)
            rounds.append((f"{provider} {mode}", bodies))
            deployed.send_round(bodies, partition=chance.randrange(2))
        time.sleep(chance.uniform(0.0, 1.0))  # the moment of the kill, not a wait for anything
        turn = kill % 2
        workers[turn].kill()
        state = f"{turn}-{kill}" if kill in wiped else workers[turn].state
        workers[turn] = deployed.worker(state)

    events = deployed.wait_answered()

    deployed.check_promises()
    found: dict[str, Counter[str]] = {}
    for way, bodies in rounds:
        found[way] = found.get(way, Counter()) + endings(events, bodies)
    with capsys.disabled():
        sys.stdout.write(
            f"\nstorm, seed {SEED}: {kills} kills, {len(wiped)} with the state wiped, {len(events)} requests, 0 missing, "
            f"0 conflicting, 0 batch items paid twice, {duplicates(deployed)} events sent again (same bytes), "
            f"batches {dict(batches(deployed))}, {time.monotonic() - began:.0f} s\n"
        )
    assert found == {f"{provider} {mode}": Counter({"right": kills * SIZE}) for provider, mode in WAYS}
    wait_requests_deleted(deployed)
    assert [one.stop() for one in workers] == [0, 0]
