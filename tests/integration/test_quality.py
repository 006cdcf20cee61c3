"""`roundbatch quality --batch`, of a batch that a worker has answered in bundles."""

import itertools
import json
import random

from typer.testing import CliRunner

from cli.main import app
from tests.harness.deployment import Deployment

ESSAYS = 10


def test_the_ranking_of_an_answered_batch(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_LLM_BATCHING_STRATEGY": "serial_bundle", "ROUNDBATCH_ANTHROPIC__BUNDLE_SIZE": "6"}
    pairs = [random.Random(1).sample(pair, 2) for pair in itertools.combinations(range(ESSAYS), 2)]
    bodies = []
    for a, b in pairs:
        body = deployed.body("anthropic", batch="graded", quality=(a / ESSAYS, b / ESSAYS))
        body["metadata"] |= {"essay_a_id": f"essay-{a}", "essay_b_id": f"essay-{b}"}
        bodies.append(body)
    deployed.worker()
    deployed.send_round(bodies)
    deployed.send_round([deployed.body("anthropic", batch="another") for _ in range(2)])
    deployed.wait_answered()

    runner = CliRunner(env=deployed.environment())
    done = runner.invoke(app, ["quality", "--batch", "graded", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["essays"], told["answered"], told["asked"], told["open"]) == (ESSAYS, len(pairs), len(pairs), 0)
    assert [one["essay"] for one in told["ranking"]] == [f"essay-{n}" for n in reversed(range(ESSAYS))]
    assert told["triads"]["circular"] == 0
    assert sum(sent["answers"] for sent in told["sent"]) == len(pairs)
    assert {sent["size"] for sent in told["sent"]} == {6, 3}
    assert told["suspects"] == {}

    words = runner.invoke(app, ["quality", "--batch", "graded"])
    assert "45 of 45 comparisons of 10 essays are answered." in words.stdout
    nothing = runner.invoke(app, ["quality", "--batch", "graded-not"])
    assert nothing.exit_code == 1
    assert "nothing of graded-not is answered yet: 0 asked" in nothing.stderr
    assert deployed.workers[0].stop() == 0
