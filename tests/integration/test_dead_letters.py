"""`roundbatch dead-letters` beside a worker: listed, chosen, sent again, and answered once."""

import json
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from tests.harness.deployment import Deployment


def dead_letters(deployed: Deployment, *arguments: str, text: str = "") -> Result:
    return CliRunner(env=deployed.environment()).invoke(app, ["dead-letters", *arguments], input=text)


def listed(deployed: Deployment, *arguments: str) -> list[dict[str, Any]]:
    done = dead_letters(deployed, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["dead_letters"]
    return found


def test_a_dead_letter_is_sent_again_and_answered_once(deployed: Deployment) -> None:
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = "per_request"
    deployed.worker()
    first = deployed.body()
    bad = {**deployed.body(batch="bad"), "user_prompt": ""}
    deployed.send_single(first)
    deployed.send_single(bad)
    deployed.wait_answered()
    # The same id with another essay: nobody can be told, for the id's event is that of the first request.
    other = {**deployed.body(), "correlation_id": first["correlation_id"]}
    deployed.send_single(other)
    deployed.sent.pop()
    deployed.send_single(deployed.body())  # read behind it, in the same partition
    deployed.wait_answered()

    letters = {letter["reason"]: letter for letter in listed(deployed)}
    conflict, told = letters["conflicting_content"], next(one for one in letters.values() if one["answered"])

    assert len(letters) == 2
    assert [letter["place"] for letter in listed(deployed, "--unanswered")] == [conflict["place"]]
    assert conflict["rounds"] == ["cj:138:0"]
    assert told["correlation_ids"] == [bad["correlation_id"]]
    body = json.loads(dead_letters(deployed, conflict["place"], "--bodies").stdout)
    assert body == other

    # Without a new id neither goes, and nothing has to be confirmed for that.
    for letter in (conflict, told):
        refused = dead_letters(deployed, letter["place"], "--replay")
        assert refused.exit_code == 1
        assert f"left out: {letter['place']}" in refused.stderr
    asked = dead_letters(deployed, conflict["place"], "--replay", "--new-id", text="n\n")
    assert asked.exit_code == 1
    assert "Send 1 comparison" in asked.stderr

    sent = dead_letters(deployed, conflict["place"], "--replay", "--new-id", "--yes", "--json")
    assert sent.exit_code == 0, sent.output
    [pair] = json.loads(sent.stdout)["sent"]
    deployed.sent.append(pair["sent_as"])
    answered = deployed.wait_answered()

    assert pair["correlation_id"] == first["correlation_id"] != pair["sent_as"]
    assert answered[pair["sent_as"]]["data"]["request_metadata"]["essay_a_id"] == other["metadata"]["essay_a_id"]
    again = dead_letters(deployed, conflict["place"], "--replay", "--new-id", "--yes")
    assert again.exit_code == 1
    assert "has its event by now" in again.stderr
    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}


def test_a_choice_that_is_none_is_refused(deployed: Deployment) -> None:
    for arguments, said in (
        (["--replay"], "needs a choice"),
        (["--new-id"], "goes with --replay"),
        (["--replay", "--unanswered", "--json"], "give --yes too"),
        (["--replay", "--work", "--unanswered"], "neither with --work"),
    ):
        refused = dead_letters(deployed, *arguments)
        assert refused.exit_code == 2
        assert said in " ".join(refused.stderr.replace("│", " ").split())
    missing = dead_letters(deployed, "0:0")
    assert missing.exit_code == 1
    assert "no dead letter at 0:0" in missing.stderr
